"""Days in what a customer writes: where they stand, and which day of the calendar is meant.

The words are those of `lexicon.yml`. Nothing here reads a clock: the caller says what today is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from bot.brain.nlu.entities import distances, hijri
from bot.brain.nlu.entities.lexicon import lexicon, word_set
from bot.brain.nlu.entities.prefixes import stems
from bot.text import normalize

__all__ = ["DateWords", "find", "resolve"]

_WORD = re.compile(r"\d+(?:st|nd|rd|th)?(?![^\W_])|\w+|[/.\-]")
_DAY_NUMBER = re.compile(r"(3[01]|[12]\d|0?[1-9])(st|nd|rd|th|er)?")


class DateWords(NamedTuple):
    """Words `low` to `high` (exclusive) of a message name a day; `prefix` signs of the first one do not belong to
    it."""

    low: int
    high: int
    prefix: int


class _Words:
    """The lexicon's words for days, by their first word where they have several."""

    def __init__(self) -> None:
        kept = lexicon()
        self.days = self._numbered(kept["days"])
        self.weekdays = self._numbered(kept["weekdays"])
        self.twofold = word_set("weekdays_also_other_words")
        self.hijri = self._numbered(kept["hijri_months"])
        self.months = self._numbered(kept["months"])
        for first, entries in self.hijri.items():
            self.months[first] = sorted([*self.months.get(first, []), *entries], key=lambda entry: -len(entry[0]))
        self.feasts = self._phrases({phrase: 0 for phrase in kept["feasts"]})
        self.spans = word_set("spans_of_days")
        self.near = self._phrases(
            {phrase: step for step, name in ((-1, "past"), (1, "coming")) for phrase in kept["nearness"][name]}
        )
        self.leads = word_set("day_leads")
        self.before_feast = word_set("before_a_feast")
        self.not_after_ordinal = word_set("counted_by_ordinals")
        self.not_today_after = word_set("no_day_after")
        self.not_today_before = word_set("no_day_before")

    @staticmethod
    def _phrases(values: Mapping[str, int]) -> dict[str, list[tuple[tuple[str, ...], int]]]:
        """First word: (the others, value), the longest first."""
        kept: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for phrase, value in values.items():
            first, *others = _split(str(phrase))
            kept.setdefault(first, []).append((tuple(others), value))
        for entries in kept.values():
            entries.sort(key=lambda entry: -len(entry[0]))
        return kept

    def _numbered(self, values: Mapping[int, Sequence[Any]]) -> dict[str, list[tuple[tuple[str, ...], int]]]:
        return self._phrases({str(phrase): int(number) for number, phrases in values.items() for phrase in phrases})


@lru_cache(maxsize=1)
def _words() -> _Words:
    return _Words()


def _split(phrase: str) -> list[str]:
    return _WORD.findall(normalize(phrase)) or [""]


_Phrases = Mapping[str, Sequence[tuple[tuple[str, ...], int]]]


def _at(phrases: _Phrases, words: Sequence[str], place: int, prefixed: bool = True) -> tuple[int, int, int] | None:
    """(length in words, value, prefix) of the longest phrase that begins at `place`."""
    best: tuple[int, int, int] | None = None
    for prefix, _, rest in stems(words[place]) if prefixed else [(0, "", words[place])]:
        for others, value in phrases.get(rest, ()):
            end = place + 1 + len(others)
            if tuple(words[place + 1 : end]) == others and (best is None or len(others) + 1 > best[0]):
                best = (len(others) + 1, value, prefix)
    return best


def find(words: Sequence[str]) -> list[DateWords]:
    """The days named by a message's words (normalised, punctuation among them). Numeric dates are not looked for."""
    found: list[DateWords] = []
    place = 0
    while place < len(words):
        read = words[place][0].isalnum() and (
            _distance(words, place)
            or _feast(words, place)
            or _month(words, place)
            or _weekday(words, place)
            or _span(words, place)
            or _relative(words, place)
            or _ordinal(words, place)
        )
        if read:
            low = max(read.low, found[-1].high if found else 0)
            found.append(read._replace(low=low))
            place = max(read.high, place + 1)
        else:
            place += 1
    return found


def _before(words: Sequence[str], place: int, back: int = 1) -> str:
    return words[place - back] if place >= back else ""


def _after(words: Sequence[str], place: int) -> str:
    return words[place] if place < len(words) else ""


def _distance(words: Sequence[str], place: int) -> DateWords | None:
    read = distances.read(words, place)
    return DateWords(place, read.high, read.prefix) if read else None


def _relative(words: Sequence[str], place: int) -> DateWords | None:
    kept = _words()
    read = _at(kept.days, words, place)
    if read is None:
        return None
    length, value, prefix = read
    end = place + length
    before, after = _before(words, place), _after(words, end)
    written = words[place][:prefix]
    if written.endswith(("ال", "لل")) and not (written == "بال" and words[place][prefix:] == "امس"):
        return None  # الغدا is lunch, مباراة الأمس a match; بالأمس is yesterday
    if value == 0 and (before in kept.not_today_before or after in kept.not_today_after):
        return None
    if length == 1:
        rest = words[place][prefix:]
        again = after[1:] if after.startswith("و") else after
        if rest in (again, before) or (before in ("و", ",", "،", "w") and _before(words, place, 2) == rest):
            return None  # "tomorrow, tomorrow": never
        if again in (",", "،", "و", "w") and _after(words, end + 1) == rest:
            return None
        if value == 1 and any(
            words[back] in ("كل", "kol", "kul", "kil") or words[back : back + 2] == ["وكل", "ما"]
            for back in range(max(0, place - 4), max(0, place - 1))
        ):
            return None  # "every day you say tomorrow"
        if (rest, after) in (("امس", "الحاجه"), ("بكره", "فالمشمش")) or (after in ("ف", "في", "fel", "fil", "بال")
            and _after(words, end + 1) in ("المشمش", "meshmesh", "mishmish")):  # fmt: skip
            return None
        if rest == "باكر" and before in ("وقت", "الصباح", "صباح"):
            return None
    return DateWords(place, end, prefix)


def _near(words: Sequence[str], place: int) -> int:
    """How many words from `place` on say which one of several: الماضي, اللي فات."""
    read = _at(_words().near, words, place, prefixed=False) if place < len(words) else None
    return read[0] if read else 0


_LATIN_ARTICLES = ("el", "al", "il", "l")
_CLIPPED = ("حد", "احد", "تنين", "اثنين", "اتنين", "ثلاث", "تلات", "اربع", "خميسه")


def _weekday(words: Sequence[str], place: int) -> DateWords | None:
    kept = _words()
    low, read = place, _at(kept.weekdays, words, place)
    prefix = read[2] if read else 0
    if read is None:
        for lead_prefix, _, rest in stems(words[place]):
            if rest in kept.leads and place + 1 < len(words):
                prefix, place = lead_prefix, place + 1
                if words[place] in _LATIN_ARTICLES and place + 1 < len(words):
                    place += 1
                read = _at(kept.weekdays, words, place)
                break
        if read is None or words[place][: read[2]] in ("و", "ف", "w"):  # يوم واحد
            return None
        if words[low] == "on":
            return DateWords(place, place + read[0] + _near(words, place + read[0]), 0)
    end = place + read[0]
    near = _near(words, end)
    written, stem = words[place][: read[2]], words[place][read[2] :]
    latin = stem.isascii()
    definite = written.endswith("ل") or stem.startswith("ال") or (latin and bool(written))
    definite = definite or _before(words, place) in _LATIN_ARTICLES
    if low == place and near == 0:
        bare = stem.removeprefix("ال")
        if latin and not stem.endswith("day") and (len(stem) < 4 or (stem in kept.twofold and not definite)):
            return None
        if not latin and (not definite or stem in ("الحد", "حد", "الثلاثه") or (bare in _CLIPPED and written == "ل")):
            return None  # احد, somebody; لحد, until
        if _both(words, place, end):
            return None
    if low == place and written.endswith("ال"):  # the article belongs to the day: هالأحد
        prefix = max(0, prefix - 2)
    return DateWords(low, end + near, prefix)


_TWO = re.compile(r"(?:ال|لل|بال|وال)?(?:اثنين|اتنين|تنين|تلات|ثلاث|اربع)")
_SHARED = re.compile(
    r"مع|سوا|سوي|دول|هدول|ذول|هذول|هادو|بعض|منهم|فيهم|نفس|زي|كان|كانو.*|يي?ج.*|اجو.*|جو.*|وصلو.*|طلع.*|جا.*|.+ين|"
    r"خلص.*|باظ.*|خرب.*|غلط|ناقص.*|مكسور.*|قطع|حبات|علب"
)
_SHARING = re.compile(r"المفروض|هم|هما|هن|احنا|نحن|بين|في|كل|ولا|ابي|ابغي|عايز.*|عاوز.*|بدي|رجع.*|ارجع|هرجع|خذ.*|اخذ.*")


def _both(words: Sequence[str], place: int, end: int) -> bool:
    """Whether a word for Monday, Tuesday or Wednesday is a count: الاتنين ييجو مع بعض."""
    return bool(
        _TWO.fullmatch(words[place])
        and (_SHARED.fullmatch(_after(words, end)) or _SHARING.fullmatch(_before(words, place)))
    )


def _span(words: Sequence[str], place: int) -> DateWords | None:
    """Last week, الشهر الجاي."""
    kept = _words()
    for prefix, _, rest in stems(words[place]):
        if rest in kept.spans:
            near = _near(words, place + 1)
            if near:
                cut = max(0, prefix - 2) if words[place][:prefix].endswith("ال") else prefix
                return DateWords(place, place + 1 + near, cut)
    if words[place] in ("last", "next", "this") and _after(words, place + 1) in ("week", "month", "weekend", "year"):
        if words[place] != "this" or words[place + 1] == "weekend":
            return DateWords(place, place + 2, 0)
    return None


def _month(words: Sequence[str], place: int) -> DateWords | None:
    kept = _words()
    read = _at(kept.months, words, place)
    if read is None:
        return None
    end = place + read[0]
    back = place - 1
    if _before(words, place) in ("of", "من", "شهر", "في", "de"):
        back -= 1
        if words[back + 1] == "شهر" and back >= 0 and words[back] == "من":
            back -= 1
    year = _year_words(words, end, bool(_at(kept.hijri, words, place)))
    if back >= 0 and _DAY_NUMBER.fullmatch(words[back]) and _before(words, back) not in ("/", "-", "."):
        if words[place] == "ramadan" and words[back] == "10th":
            return None  # a city
        if words[place] == "may" and _after(words, end) in ("be", "not", "have", "i", "get", "come", "arrive", "also"):
            return None
        return DateWords(back, end + year, 0)
    day = end + (1 if _after(words, end) == "the" else 0)
    if _DAY_NUMBER.fullmatch(_after(words, day)) and not read[2] and words[place] != "صفر":  # before digits a zero
        year = 2 if _after(words, day + 1) in (",", "،") and _year(_after(words, day + 2)) else 0
        year = year or _year_words(words, day + 1, bool(_at(kept.hijri, words, place)))
        if _after(words, day + 1) in ("/", "-", ":", "%", "٪") or (words[place] in ("مارس", "may") and day + 1 < len(words)
            and words[day + 1] in ("قطع", "حبات", "علب", "items")):  # fmt: skip
            return None
        return DateWords(place, day + 1 + year, 0)
    return None


def _year(word: str) -> bool:
    return len(word) == 4 and word.isdecimal() and word.startswith("20")


_HIJRI_SIGNS = frozenset("ه هجري هجريه للهجره hijri hijriah ah h".split())


def _year_words(words: Sequence[str], place: int, hijri_month: bool) -> int:
    """How many words from `place` on are the year, with the sign of its calendar: 1447 هـ."""
    word = _after(words, place)
    if not hijri_month:
        return 1 if _year(word) else 0
    year = 1 if hijri.is_year(word) else 0
    return year + (_after(words, place + year) in _HIJRI_SIGNS)


def _feast(words: Sequence[str], place: int) -> DateWords | None:
    """A feast as a point in time: after a word such as before or until, or with one such as next."""
    kept = _words()
    read = _at(kept.feasts, words, place)
    if read is None:
        return None
    length, _, prefix = read
    end = place + length
    if words[place] == "بعيد" and length == 1:
        return None  # far, and "I say again"
    if words[place][prefix:] == "عيد" and _after(words, end).startswith("ميلاد"):
        return None  # somebody's birthday
    article = words[place][:prefix].endswith("ال")
    joined = prefix - (2 if article else 0) > 0 and not words[place].startswith(("و", "ف"))
    near = _near(words, end)
    before = _before(words, place)
    if before in ("the", "el", "al", "il"):
        before = _before(words, place, 2)
    if joined or near or before in kept.before_feast:
        cut = max(0, prefix - 2) if article else prefix
        return DateWords(place, end + near, cut)
    return None


_ORDINAL = re.compile(r"(?:3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)")
_ON = frozenset("the by on since until till til before after from due of s is was".split())
_DAY_ENDS = frozenset(
    "في من ولا الي وما ما لسه او الشهر بالشهر فالشهر هالشهر الجاي اللي يلي وللحين ولحد والي w wla lessa fi".split()
)


def _ordinal(words: Sequence[str], place: int) -> DateWords | None:
    """By the 14th, يوم ١٤ (of the month)."""
    kept = _words()
    after = _after(words, place + 1)
    if _ORDINAL.fullmatch(words[place]):
        if _before(words, place) in _ON and after not in kept.not_after_ordinal:
            month = place + 1 < len(words) and _at(kept.months, words, place + 1)
            if after not in ("of", "-") and not _DAY_NUMBER.fullmatch(after) and not month:
                return DateWords(place, place + 1, 0)
        return None
    if _DAY_NUMBER.fullmatch(after) and not after.startswith("0"):
        for prefix, _, rest in stems(words[place]):
            ends = _after(words, place + 2)
            if rest in ("يوم", "نهار", "تاريخ", "yom", "youm", "nhar", "tari5", "tarikh"):
                if place + 2 < len(words) and _at(kept.months, words, place + 2):
                    return None
                told = ends in _DAY_ENDS or not ends or not ends[0].isalnum() or rest in ("تاريخ", "tari5", "tarikh")
                if told and ends not in ("/", "-", ":", "%") and _before(words, place) not in ("كل", "kol", "kul"):
                    return DateWords(place, place + 2, prefix)
    return None


def resolve(written: str, today: date) -> date | None:
    """The day meant by what a customer wrote (امبارح, next Thursday, ٣ مايو, the 14th, 3/5), as read on `today`; None
    where no single day is meant (last week) or the words are not known.

    A plain weekday is the coming one, today included; with "next" the coming one after today, with "last" the latest
    one before it. Numeric dates are day first, those of a Hijri year by that calendar. A date without a year is the nearest to today; a day of the month the
    nearest within the past 20 and the coming 10 days. Never raises.
    """
    try:
        return _resolve(normalize(written).strip(" .,،؟?!"), today)
    except (ValueError, OverflowError):  # 31 February, or a day beyond the calendar
        return None


_HIJRI_YEAR_FIRST = re.compile(r"(14\d\d)[/.\-](\d{1,2})[/.\-](\d{1,2})")
_HIJRI_DAY_FIRST = re.compile(r"(\d{1,2})[/.\-](\d{1,2})[/.\-](14\d\d)")
_YEAR_FIRST = re.compile(r"(\d{4})[/.\-](\d{1,2})[/.\-](\d{1,2})")
_DAY_FIRST = re.compile(r"(\d{1,2})[/.\-](\d{1,2})(?:[/.\-](\d{4}|\d{2}))?")


def _resolve(text: str, today: date) -> date | None:
    if numeric := _HIJRI_YEAR_FIRST.fullmatch(text):
        return hijri.day_of(int(numeric[3]), int(numeric[2]), int(numeric[1]), today)
    if numeric := _HIJRI_DAY_FIRST.fullmatch(text):
        return hijri.day_of(int(numeric[1]), int(numeric[2]), int(numeric[3]), today)
    if numeric := _YEAR_FIRST.fullmatch(text):
        return date(*map(int, numeric.groups()))
    if numeric := _DAY_FIRST.fullmatch(text):
        day, month = int(numeric[1]), int(numeric[2])
        year = int(numeric[3]) if numeric[3] else None
        return _in_year(day, month, year + 2000 if year is not None and year < 100 else year, today)
    words = [word for word in _split(text) if word and word[0].isalnum()]
    if not words or len(words) > 8:
        return None
    kept = _words()
    distance = distances.read(words, 0)
    if distance and distance.high == len(words):
        return distances.day(distance, today)
    relative = _at(kept.days, words, 0)
    if relative and relative[0] == len(words):
        return today + timedelta(days=relative[1])
    for place in range(len(words)):
        named = _at(kept.months, words, place)
        numbers = [word for word in words if word[0].isdecimal()]
        if named and numbers:
            return _day_of_month(numbers, named[1], bool(_at(kept.hijri, words, place)), today)
    step = next((read[1] for place in range(len(words)) if (read := _at(kept.near, words, place, False))), 0)
    if any(rest in kept.spans for word in words for _, _, rest in stems(word)) and not _names_weekday(words):
        return None
    for place in range(len(words)):
        weekday = _at(kept.weekdays, words, place)
        if weekday:
            return _weekday_day(weekday[1], step, today)
    number = _DAY_NUMBER.fullmatch(words[-1])
    if number and len(words) <= 3:
        return _nearest(int(number[1]), today)
    return None


def _names_weekday(words: Sequence[str]) -> bool:
    return any(_at(_words().weekdays, words, place) for place in range(len(words)))


def _weekday_day(weekday: int, step: int, today: date) -> date:
    ahead = (weekday - today.weekday()) % 7
    if step > 0:
        return today + timedelta(days=ahead or 7)
    if step < 0:
        return today - timedelta(days=(today.weekday() - weekday) % 7 or 7)
    return today + timedelta(days=ahead)


def _day_of_month(numbers: Sequence[str], month: int, by_hijri: bool, today: date) -> date | None:
    day = next((int(found[1]) for word in numbers if (found := _DAY_NUMBER.fullmatch(word))), None)
    if by_hijri:
        hijri_year = next((int(word) for word in numbers if hijri.is_year(word)), None)
        return hijri.day_of(day, month, hijri_year, today) if day else None
    year = next((int(word) for word in numbers if _year(word)), None)
    return _in_year(day, month, year, today) if day else None


def _in_year(day: int, month: int, year: int | None, today: date) -> date | None:
    if year is not None:
        return date(year, month, day)
    days = []
    for other in (today.year - 1, today.year, today.year + 1):
        try:
            days.append(date(other, month, day))
        except ValueError:  # 29 February, or a year beyond the calendar
            continue
    return min(days, key=lambda one: abs(one - today), default=None)


_PAST_DAYS, _COMING_DAYS = 20, 10  # how far "the 14th" may lie away


def _nearest(day: int, today: date) -> date | None:
    for distance in range(_PAST_DAYS + 1):
        for step in (-distance, distance):
            if step <= _COMING_DAYS:
                try:
                    other = today + timedelta(days=step)
                except OverflowError:
                    continue
                if other.day == day:
                    return other
    return None
