"""Figures as customers read them: every plural category, in both languages."""

from __future__ import annotations

import string
from datetime import date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.formatting import Formatter
from bot.orders.model import OrderStatus, Product, Sku, SupportHours

UNITS = ["day", "conversation", "try", "attempt", "piece", "point", "payment", "month", "hour", "minute"]
CURRENCIES = ["SAR", "AED", "KWD", "EGP", "MAD", "JOD", "QAR", "BHD", "OMR", "USD", "EUR", "JPY", "XYZ"]
TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("amount", "arabic", "english"),
    [
        ("0", "0 ريال", "SAR 0"),
        ("1", "ريال واحد", "SAR 1"),
        ("2", "ريالان", "SAR 2"),
        ("3", "3 ريالات", "SAR 3"),
        ("10.00", "10 ريالات", "SAR 10"),
        ("11", "11 ريالًا", "SAR 11"),
        ("99", "99 ريالًا", "SAR 99"),
        ("100", "100 ريال", "SAR 100"),
        ("101", "101 ريال", "SAR 101"),
        ("102", "102 ريال", "SAR 102"),
        ("103", "103 ريالات", "SAR 103"),
        ("349", "349 ريالًا", "SAR 349"),
        ("149.50", "149.50 ريال", "SAR 149.50"),
        ("149.5", "149.50 ريال", "SAR 149.50"),
        ("0.01", "0.01 ريال", "SAR 0.01"),
        ("1250", "1,250 ريالًا", "SAR 1,250"),
        ("-20", "-20 ريالًا", "SAR -20"),
    ],
)
def test_riyals_are_inflected(amount: str, arabic: str, english: str) -> None:
    assert Formatter("ar").money(Decimal(amount), "SAR") == arabic
    assert Formatter("en").money(Decimal(amount), "SAR") == english


@pytest.mark.parametrize(
    ("currency", "one", "two", "few", "many", "other"),
    [
        ("AED", "درهم واحد", "درهمان", "5 دراهم", "20 درهمًا", "100 درهم"),
        ("KWD", "دينار كويتي واحد", "ديناران كويتيان", "5 دنانير كويتية", "20 دينارًا كويتيًا", "100 دينار كويتي"),
        ("EGP", "جنيه مصري واحد", "جنيهان مصريان", "5 جنيهات مصرية", "20 جنيهًا مصريًا", "100 جنيه مصري"),
        ("MAD", "درهم مغربي واحد", "درهمان مغربيان", "5 دراهم مغربية", "20 درهمًا مغربيًا", "100 درهم مغربي"),
        ("USD", "دولار واحد", "دولاران", "5 دولارات", "20 دولارًا", "100 دولار"),
        ("EUR", "يورو واحد", "2 يورو", "5 يورو", "20 يورو", "100 يورو"),
    ],
)
def test_the_regions_currencies_are_inflected(
    currency: str, one: str, two: str, few: str, many: str, other: str
) -> None:
    said = [Formatter("ar").money(Decimal(n), currency) for n in (1, 2, 5, 20, 100)]
    assert said == [one, two, few, many, other]


def test_a_currency_has_its_own_decimals_and_an_unknown_one_its_code() -> None:
    assert Formatter("en").money(Decimal("2.5"), "KWD") == "KWD 2.500"
    assert Formatter("ar").money(Decimal("2.5"), "KWD") == "2.500 دينار كويتي"
    assert Formatter("ar").money(Decimal("5.5"), "XYZ") == "5.50 XYZ"
    assert Formatter("en").currency_unit("SAR") == "riyal"
    assert Formatter("ar").currency_unit("XYZ") == "XYZ"


@pytest.mark.parametrize(
    ("n", "arabic", "english"),
    [
        (0, "0 يوم", "0 days"),
        (1, "يوم واحد", "1 day"),
        (2, "يومين", "2 days"),
        (3, "3 أيام", "3 days"),
        (10, "10 أيام", "10 days"),
        (11, "11 يومًا", "11 days"),
        (14, "14 يومًا", "14 days"),
        (99, "99 يومًا", "99 days"),
        (100, "100 يوم", "100 days"),
        (102, "102 يوم", "102 days"),
        (103, "103 أيام", "103 days"),
        (111, "111 يومًا", "111 days"),
    ],
)
def test_days_are_counted(n: int, arabic: str, english: str) -> None:
    assert Formatter("ar").days(n) == arabic
    assert Formatter("en").days(n) == english


@pytest.mark.parametrize(
    ("unit", "one", "two", "few", "many"),
    [
        ("conversation", "محادثة واحدة", "محادثتين", "3 محادثات", "11 محادثة"),
        ("try", "محاولة واحدة", "محاولتين", "3 محاولات", "11 محاولة"),
        ("piece", "قطعة واحدة", "قطعتين", "3 قطع", "11 قطعة"),
        ("point", "نقطة واحدة", "نقطتين", "3 نقاط", "11 نقطة"),
        ("payment", "دفعة واحدة", "دفعتين", "3 دفعات", "11 دفعة"),
        ("month", "شهر واحد", "شهرين", "3 أشهر", "11 شهرًا"),
        ("hour", "ساعة واحدة", "ساعتين", "3 ساعات", "11 ساعة"),
        ("minute", "دقيقة واحدة", "دقيقتين", "3 دقائق", "11 دقيقة"),
    ],
)
def test_units_are_counted(unit: str, one: str, two: str, few: str, many: str) -> None:
    assert [Formatter("ar").counted(n, unit) for n in (1, 2, 3, 11)] == [one, two, few, many]


@given(
    st.sampled_from(["ar", "en", "fr"]),
    st.integers(0, 10**6),
    st.sampled_from(UNITS),
    st.decimals(0, 10**6, places=3),
    st.sampled_from(CURRENCIES),
    st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    st.frozensets(st.integers(0, 6)),
    st.times(),
)
def test_nothing_is_empty_or_in_other_digits(
    language: str, n: int, unit: str, amount: Decimal, currency: str, day: date, days: frozenset[int], moment: time
) -> None:
    """Whatever the figure, a customer reads something, in digits 0-9 and with no placeholder left."""
    figures = Formatter(language)
    for text in (
        figures.counted(n, unit),
        figures.money(amount, currency),
        figures.date(day),
        figures.date(day, TODAY),
        figures.relative_day(day, TODAY),
        figures.time(moment),
        figures.hours(SupportHours(days, moment, time(23))),
        figures.percent(amount),
        figures.day_range(min(n, 5), n),
    ):
        assert text.strip()
        assert all(c in string.digits for c in text if c.isdigit())
        assert "{" not in text


@pytest.mark.parametrize(
    ("shortest", "longest", "arabic", "english"),
    [
        (1, 3, "من 1 إلى 3 أيام", "1 to 3 days"),
        (1, 2, "من يوم واحد إلى يومين", "1 to 2 days"),
        (5, 11, "من 5 إلى 11 يومًا", "5 to 11 days"),
        (2, 2, "يومين", "2 days"),
    ],
)
def test_ranges_of_days(shortest: int, longest: int, arabic: str, english: str) -> None:
    assert Formatter("ar").day_range(shortest, longest) == arabic
    assert Formatter("en").day_range(shortest, longest) == english


def test_a_date_has_its_year_only_when_it_is_another_one() -> None:
    assert Formatter("ar").date(TODAY, TODAY) == "الأحد 22 نوفمبر"
    assert Formatter("en").date(TODAY) == "Sunday 22 November"
    assert Formatter("ar").date(date(2027, 1, 2), TODAY) == "السبت 2 يناير 2027"
    assert Formatter("en").date(date(2027, 1, 2), TODAY) == "Saturday 2 January 2027"


@pytest.mark.parametrize(
    ("distance", "arabic", "english"),
    [
        (0, "اليوم", "today"),
        (1, "غدًا", "tomorrow"),
        (2, "بعد غد", "in 2 days"),
        (3, "بعد 3 أيام", "in 3 days"),
        (12, "بعد 12 يومًا", "in 12 days"),
        (-1, "أمس", "yesterday"),
        (-2, "قبل يومين", "2 days ago"),
        (-9, "قبل 9 أيام", "9 days ago"),
    ],
)
def test_days_as_seen_from_today(distance: int, arabic: str, english: str) -> None:
    day = date.fromordinal(TODAY.toordinal() + distance)
    assert Formatter("ar").relative_day(day, TODAY) == arabic
    assert Formatter("en").relative_day(day, TODAY) == english


@pytest.mark.parametrize(
    ("moment", "arabic", "english"),
    [
        (time(9), "9 صباحًا", "9 am"),
        (time(0, 5), "12:05 صباحًا", "12:05 am"),
        (time(12), "12 ظهرًا", "12 pm"),
        (datetime(2026, 1, 1, 21, 30), "9:30 مساءً", "9:30 pm"),
    ],
)
def test_times(moment: time | datetime, arabic: str, english: str) -> None:
    assert Formatter("ar").time(moment) == arabic
    assert Formatter("en").time(moment) == english


@pytest.mark.parametrize(
    ("days", "arabic", "english"),
    [
        ({6, 0, 1, 2, 3}, "من الأحد إلى الخميس", "Sunday to Thursday"),
        ({5, 6, 0, 1, 2}, "من السبت إلى الأربعاء", "Saturday to Wednesday"),
        ({0, 1, 2, 3, 4}, "من الاثنين إلى الجمعة", "Monday to Friday"),
        ({0, 2, 4}, "الاثنين والأربعاء والجمعة", "Monday, Wednesday and Friday"),
        ({0, 1, 2, 4}, "من الاثنين إلى الأربعاء والجمعة", "Monday to Wednesday and Friday"),
        ({4, 5}, "الجمعة والسبت", "Friday and Saturday"),
        ({3}, "الخميس", "Thursday"),
        (set(range(7)), "كل يوم", "every day"),
    ],
)
def test_support_hours(days: set[int], arabic: str, english: str) -> None:
    hours = SupportHours(frozenset(days), time(9), time(22))
    assert Formatter("ar").hours(hours) == f"{arabic}، من 9 صباحًا إلى 10 مساءً"
    assert Formatter("en").hours(hours) == f"{english}, 9 am to 10 pm"


def test_support_round_the_clock_and_never() -> None:
    always = SupportHours(frozenset(range(7)), time(0), time(0))
    assert Formatter("ar").hours(always) == "كل يوم، على مدار الساعة"
    assert Formatter("en").hours(always) == "every day, around the clock"
    assert Formatter("en").hours(SupportHours(frozenset(), time(9), time(17))) == "at no set times"


def test_lists_names_and_shares() -> None:
    arabic, english = Formatter("ar"), Formatter("en")
    assert arabic.list(["أ", "ب", "ج"]) == "أ وب وج"
    assert english.list(["a", "b", "c"]) == "a, b and c"
    assert english.list([]) == ""
    assert (arabic.country("SA"), english.country("AE"), arabic.country("KW")) == ("السعودية", "the UAE", "الكويت")
    assert english.country("Q1") == "Q1"
    assert (arabic.percent(Decimal("0.15")), english.percent(Decimal("0.075"))) == ("15%", "7.5%")
    assert (arabic.payment_method("mada"), english.payment_method("new_wallet")) == ("مدى", "new wallet")
    assert (arabic.time_zone("Asia/Riyadh"), english.time_zone("Asia/Riyadh")) == ("الرياض", "Riyadh")
    assert english.until(OrderStatus.PACKED) == "before it is shipped"
    assert english.until(OrderStatus.DELIVERED) is None


def test_a_long_warranty_list_is_cut_and_says_so() -> None:
    products = [
        Product(Sku(str(n)), {"ar": f"منتج {n}", "en": f"Product {n}"}, Decimal(1), 1, "x", warranty_months=n)
        for n in range(1, 31)
    ]
    lines = Formatter("en").warranties(products).splitlines()
    assert lines[0] == "• Product 30: 30 months"
    assert len(lines) == 13 and "others" in lines[-1]
    assert Formatter("ar").warranties([])
