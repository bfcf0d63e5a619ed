"""Days named by how far they lie from today: من ٣ ايام, a week ago, كمان يومين, in two days.

"After two days" tells of what broke as often as of what is to come, and "in two days" how long something takes: both
are read where nothing stands before them, or something that is yet to be.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

import regex

from bot.brain.nlu.entities.lexicon import lexicon, word_set
from bot.brain.nlu.entities.number_words import small_numbers, spelled
from bot.text import normalize

__all__ = ["Distance", "day", "read"]


class Distance(NamedTuple):
    """It ends before word `high` and is so many halves of a `unit` (day, week, month), before today if negative;
    `prefix` signs of the first word do not belong to it."""

    high: int
    halves: int
    unit: str
    prefix: int


class _Length(NamedTuple):
    high: int
    halves: int
    unit: str


def read(words: Sequence[str], place: int) -> Distance | None:
    """The distance that begins at `place` of a message's words."""
    found = _ago(words, place)
    if found:
        return found
    word, prefix = words[place], 0
    if word[:1] in ("و", "ف") and word[1:] in _led_by_arabic():
        word, prefix = word[1:], 1
    past = word in word_set("distance_back")
    if not past and word not in word_set("distance_ahead") and word not in word_set("distance_perhaps_ahead"):
        return None
    length = _length(words, place + 1)
    if length is None or _is_range(words, length.high):
        return None
    if past:
        if words[place - 1 : place] and words[place - 1] in word_set("no_distance_after"):
            return None  # more than three days
        high = length.high + (words[length.high : length.high + 1] == ["ago"])
        return Distance(high, -length.halves, length.unit, prefix)
    if word in word_set("distance_perhaps_ahead") and not _is_yet_to_be(words, place, length.high):
        return None
    return Distance(length.high, length.halves, length.unit, prefix)


@lru_cache(maxsize=1)
def _led_by_arabic() -> frozenset[str]:
    led = word_set("distance_back") | word_set("distance_ahead") | word_set("distance_perhaps_ahead")
    return frozenset(word for word in led if not word.isascii())


def _ago(words: Sequence[str], place: int) -> Distance | None:
    """A week ago, 3 days ago."""
    length = _length(words, place)
    if length and words[length.high : length.high + 1] == ["ago"]:
        return Distance(length.high + 1, -length.halves, length.unit, 0)
    return None


def _length(words: Sequence[str], place: int) -> _Length | None:
    """Three days, a week, يومين, شهر ونص."""
    whole = _whole(words, place) if place < len(words) else None
    if whole and words[whole.high : whole.high + 1] and words[whole.high] in word_set("half_more"):
        return _Length(whole.high + 1, whole.halves + 1, whole.unit)
    return whole


def _whole(words: Sequence[str], place: int) -> _Length | None:
    if words[place] in _units()["two"]:
        return _Length(place + 1, 4, _units()["two"][words[place]])
    if words[place] in _units()["one"]:
        return _one(words, place)
    count, high = _count(words, place)
    if words[high : high + 1] == ["of"]:
        high += 1
    unit = _units()["many"].get(words[high]) if count and high < len(words) else None
    return _Length(high + 1, 2 * count, unit) if unit else None


def _one(words: Sequence[str], place: int) -> _Length | None:
    """A bare اسبوع is one; not شهر رمضان, شهر ٣."""
    unit, after = _units()["one"][words[place]], words[place + 1 : place + 2]
    if unit != "week" and after and (after[0].isdecimal() or after[0] in _names_of_months()):
        return None
    return _Length(place + 1, 2, unit)


def _count(words: Sequence[str], place: int) -> tuple[int, int]:
    """(how many, where the number ends); none is 0."""
    word = words[place]
    if word.isdecimal():
        return (int(word), place + 1) if len(word) <= 3 else (0, place)
    if word in ("a", "an"):
        couple = words[place + 1 : place + 2] == ["couple"]
        return (2, place + 2) if couple else (1, place + 1)
    if word == "couple":
        return 2, place + 1
    number = spelled(words, place)
    return (number.value, number.high) if number and not number.prefix else (0, place)


def _is_range(words: Sequence[str], high: int) -> bool:
    """Whether more follows: from two days to five, من يومين لخمسة."""
    after = words[high] if high < len(words) else ""
    if after in ("الي", "ل", "لحد", "لين", "to", "till", "-", "–"):
        return True
    return after.startswith("ل") and (
        after[1:] in small_numbers() or any(after[1:] in kept for kept in _units().values())
    )


_WILL = regex.compile(
    r"[سهح][ايتن]\p{L}{2,}|will|gonna|'ll|ll|am|'m|m|i'm|im|is|are|be|back|leav(?:e|ing)|travel\p{L}*|going|again"
)
_IF = regex.compile(r"[وف]?(?:لو|اذا|إذا|لما|كل|ان|انو|الا)|if|when|whenever|law|lw|eza|iza")


def _is_yet_to_be(words: Sequence[str], place: int, high: int) -> bool:
    if words[high : high + 1] and words[high] in ("من", "men", "of", "فقط"):
        return False  # a week after the purchase
    earlier = words[:place]
    if not earlier:
        return True
    if any(_IF.fullmatch(word) for word in earlier):
        return False
    return any(_WILL.fullmatch(word) or word in word_set("yet_to_be") for word in earlier[-4:])


@lru_cache(maxsize=1)
def _units() -> Mapping[str, Mapping[str, str]]:
    """By number (one, two, many): unit by word."""
    return {
        number: {normalize(str(word)): unit for unit, words in units.items() for word in words}
        for number, units in lexicon()["distance_units"].items()
    }


@lru_cache(maxsize=1)
def _names_of_months() -> frozenset[str]:
    lists = [*lexicon()["months"].values(), *lexicon()["hijri_months"].values()]
    return frozenset(normalize(str(name)).split()[0] for names in lists for name in names)


def day(distance: Distance, today: date) -> date:
    """Half a month is fifteen days. Raises OverflowError and ValueError beyond the calendar."""
    if distance.unit != "month":
        days = distance.halves * (7 if distance.unit == "week" else 1)
        return today + timedelta(days=int(days / 2))
    whole = int(distance.halves / 2)
    year, month = divmod(today.year * 12 + today.month - 1 + whole, 12)
    day_then = date(year, month + 1, min(today.day, monthrange(year, month + 1)[1]))
    return day_then + timedelta(days=15 * (distance.halves - 2 * whole))
