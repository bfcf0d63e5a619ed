"""Figures, money, days and lists as a customer reads them, in Arabic or English.

Plural categories, weekday, month and country names are Unicode's (CLDR, through Babel); the words around figures are
content (`bot/content/units.yml`). Digits are always 0-9.
"""

from __future__ import annotations

import builtins
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml
from babel import Locale
from babel.dates import format_date, get_timezone_location
from babel.lists import format_list
from babel.numbers import format_decimal, format_percent, get_currency_precision

from bot.orders.model import OrderStatus, Product, SupportHours
from bot.text import western_digits

# The week as the region's shops write it, from Saturday; Monday is 0 as in `datetime`.
_WEEK = (5, 6, 0, 1, 2, 3, 4)
_A_MONDAY = dt.date(2024, 1, 1)
_LONGEST_WARRANTY_LIST = 12


@lru_cache(maxsize=1)
def _words() -> dict[str, Any]:
    text = files("bot.content").joinpath("units.yml").read_text(encoding="utf-8")
    words: dict[str, Any] = yaml.safe_load(text)
    return words


class Formatter:
    """One language's forms. A language other than Arabic is written as English."""

    def __init__(self, language: str) -> None:
        self.language = "ar" if language == "ar" else "en"
        # British English, for "a, b and c" and "Sunday 22 November".
        self._locale = Locale.parse("ar" if self.language == "ar" else "en_GB")
        self._categories: Any = self._locale.plural_form

    # Figures

    def number(self, value: Decimal | int, decimals: int = 0) -> str:
        """With thousands separated, and with `decimals` places where there is a fraction to show."""
        whole = value == int(value)
        return str(format_decimal(value, "#,##0" if whole else "#,##0." + "0" * decimals, locale="en"))

    def money(self, amount: Decimal, currency: str) -> str:
        """An amount in an ISO 4217 currency: "349 ريالًا", "149.50 ريال"; "SAR 349", "SAR 149.50"."""
        amount = amount.quantize(Decimal(1).scaleb(-get_currency_precision(currency)))
        number = self.number(amount, get_currency_precision(currency))
        forms = _words()["currencies"].get(currency, {}).get(self.language)
        if forms:
            return self._plural(forms, amount, number)
        return str(_words()["money"][self.language]).format(code=currency, n=number)

    def currency_unit(self, currency: str) -> str:
        """One of a currency, as in "every riyal": "ريال", "riyal"."""
        unit = _words()["currencies"].get(currency, {}).get("unit", {})
        return str(unit.get(self.language, currency))

    def counted(self, n: int, unit: str, *, nominative: bool = False) -> str:
        """A number with its noun: "يومين", "3 أيام", "11 يومًا"; "3 days". In Arabic as it stands after a preposition;
        `nominative` where it stands alone or as subject ("يومان").

        `unit` is one of those in units.yml; another raises KeyError.
        """
        forms = _words()["units"][unit][self.language]
        if nominative and "two_nominative" in forms:
            forms = {**forms, "two": forms["two_nominative"]}
        return self._plural(forms, n, self.number(n))

    def days(self, n: int, *, nominative: bool = False) -> str:
        return self.counted(n, "day", nominative=nominative)

    def day_range(self, shortest: int, longest: int) -> str:
        """ "من 1 إلى 3 أيام", "1 to 3 days"; one length alone where both are the same."""
        return self._range(shortest, longest, "day")

    def minute_range(self, shortest: int, longest: int) -> str:
        """ "من 5 إلى 10 دقائق", "5 to 10 minutes"; one length alone where both are the same."""
        return self._range(shortest, longest, "minute")

    def _range(self, shortest: int, longest: int, unit: str) -> str:
        if shortest == longest:
            return self.counted(longest, unit)
        # Arabic has no digit in "يومين", so the smaller one cannot be a bare digit beside it.
        low = self.counted(shortest, unit) if self.language == "ar" and longest <= 2 else self.number(shortest)
        return str(_words()["range"][self.language]).format(low=low, high=self.counted(longest, unit))

    def percent(self, rate: Decimal) -> str:
        """A share of one: 0.15 is "15%"."""
        return str(format_percent(rate, "#,##0.##%", locale="en"))

    def _plural(self, forms: Mapping[str, str], value: Decimal | int, number: str) -> str:
        category: str = self._categories(abs(value))
        return forms.get(category, forms["other"]).format(n=number)

    # Days and times

    def date(self, day: dt.date, today: dt.date | None = None) -> str:
        """ "الأحد 22 نوفمبر", "Sunday 22 November"; with the year when `today` is given and lies in another year."""
        pattern = "EEEE d MMMM" + (" y" if today and today.year != day.year else "")
        return western_digits(format_date(day, pattern, locale=self._locale))

    def relative_day(self, day: dt.date, today: dt.date) -> str:
        """ "غدًا", "بعد 3 أيام", "قبل يومين"; "tomorrow", "in 3 days", "2 days ago"."""
        distance = (day - today).days
        key = {0: "today", 1: "tomorrow", 2: "after_tomorrow", -1: "yesterday"}.get(
            distance, "ahead" if distance > 0 else "ago"
        )
        return str(_words()["relative_day"][self.language][key]).format(days=self.days(abs(distance)))

    def time(self, moment: dt.time | dt.datetime) -> str:
        """ "9 صباحًا", "9:30 am". The caller has moved a datetime to the shop's time zone."""
        period = "am" if moment.hour < 12 else "noon" if moment.hour == 12 else "pm"
        clock = str(moment.hour % 12 or 12) + (f":{moment.minute:02}" if moment.minute else "")
        return str(_words()["time"][self.language][period]).format(clock=clock)

    def weekday(self, day: int) -> str:
        """Monday is 0."""
        return str(format_date(dt.date.fromordinal(_A_MONDAY.toordinal() + day), "EEEE", locale=self._locale))

    def hours(self, hours: SupportHours) -> str:
        """ "من الأحد إلى الخميس، من 9 صباحًا إلى 10 مساءً"; "Sunday to Thursday, 9 am to 10 pm"."""
        words = _words()["hours"][self.language]
        if not hours.days:
            return str(words["none"])
        if hours.opens == dt.time(0) and hours.closes in (dt.time(0), dt.time(23, 59), dt.time.max):
            times = words["all_day"]
        else:
            times = words["times"].format(opens=self.time(hours.opens), closes=self.time(hours.closes))
        return str(words["week"]).format(days=self._week_days(hours.days), times=times)

    def _week_days(self, days: frozenset[int]) -> str:
        words = _words()["hours"][self.language]
        if len(days) == 7:
            return str(words["every_day"])
        # Runs may go round the end of the week: begin after a day that is off.
        start = next(place for place, day in enumerate(_WEEK) if day not in days)
        runs: builtins.list[builtins.list[int]] = []
        for day in _WEEK[start:] + _WEEK[:start]:
            if day not in days:
                continue
            if runs and (runs[-1][-1] + 1) % 7 == day:
                runs[-1].append(day)
            else:
                runs.append([day])
        runs.sort(key=lambda run: _WEEK.index(run[0]))
        named: builtins.list[str] = []
        for run in runs:
            if len(run) > 2:
                named.append(words["days"].format(first=self.weekday(run[0]), last=self.weekday(run[-1])))
            else:
                named += [self.weekday(day) for day in run]
        return self.list(named)

    def time_zone(self, zone: str) -> str:
        """The city that people name a time zone by: "الرياض", "Riyadh"."""
        return str(get_timezone_location(zone, locale=self._locale, return_city=True))

    # Names

    def list(self, items: Sequence[str]) -> str:
        """ "أ وب وج", "a, b and c"."""
        return str(format_list(items, locale=self._locale)) if items else ""

    def country(self, code: str) -> str:
        """The name of an ISO 3166 country; the code itself where it is unknown."""
        named = _words()["countries"].get(code.upper(), {}).get(self.language)
        return str(named or self._locale.territories.get(code.upper(), code))

    def payment_method(self, method: str) -> str:
        """The name of a way to pay or an installment provider; an unknown id with its underscores as spaces."""
        named = _words()["payment_methods"].get(method, {}).get(self.language)
        return str(named or method.replace("_", " "))

    def option(self, value: str) -> str:
        """A product option's value in words: a colour's name; sizes and anything unknown as they are."""
        named = _words()["colours"].get(value.lower(), {}).get(self.language)
        return str(named or value)

    def until(self, status: OrderStatus) -> str | None:
        """When it is too late for what is possible up to and in `status`: "قبل شحنه", "before it is shipped".
        None for a status that has no later step."""
        named = _words()["until"].get(status.value, {}).get(self.language)
        return str(named) if named else None

    def warranties(self, products: Iterable[Product]) -> str:
        """A line for each product with a warranty, longest first and not endlessly many."""
        words = _words()["warranty"][self.language]
        covered = sorted(
            ((p.warranty_months, p.name.get(self.language, p.sku)) for p in products if p.warranty_months),
            key=lambda pair: (-pair[0], pair[1]),
        )
        lines = [
            words["line"].format(product=name, months=self.counted(months, "month", nominative=True))
            for months, name in covered[:_LONGEST_WARRANTY_LIST]
        ]
        if len(covered) > len(lines):
            lines.append(words["more"])
        return "\n".join(lines) or str(words["none"])
