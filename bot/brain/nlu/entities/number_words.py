"""Numbers in words: one to a dozen, which count things, greater ones, which are said of money, and digits one by one
or two by two, which name an order (one zero four two, ten forty-two)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from bot.brain.nlu.entities.lexicon import lexicon, word_set
from bot.text import normalize

__all__ = ["Spelled", "dictated", "small_number", "small_numbers", "spelled"]


@lru_cache(maxsize=1)
def small_numbers() -> dict[str, int]:
    return {normalize(str(word)): int(number) for word, number in lexicon()["numbers"].items()}


@lru_cache(maxsize=1)
def _greater_numbers() -> dict[str, int]:
    return {
        normalize(str(word)): int(number) for number, words in lexicon()["greater_numbers"].items() for word in words
    }


def small_number(word: str) -> str | None:
    """The number that a word of a message is, in digits; one to 99 if it is written so."""
    if word.isdecimal() and len(word) <= 2 and int(word):
        return str(int(word))
    return str(small_numbers()[word]) if word in small_numbers() else None


class Spelled(NamedTuple):
    """A number in words that ends before word `high`; `prefix` signs of its first word do not belong to it. `great`:
    one of its words is in the list of the greater numbers, which begins with eleven."""

    high: int
    value: int
    prefix: int
    great: bool


def spelled(words: Sequence[str], place: int) -> Spelled | None:
    """The number in words that begins at `place`."""
    small, greater = small_numbers(), _greater_numbers()
    total = current = prefix_of_all = 0
    great, high = False, place
    while high < len(words):
        word, prefix, step = words[high], 0, high
        if high > place and word in ("و", "and", "w", "we", "ou") and high + 1 < len(words):
            step, word = high + 1, words[high + 1]
        elif (
            word == "-" and high > place and greater.get(words[high - 1], 0) in range(20, 100) and high + 1 < len(words)
        ):
            step, word = high + 1, words[high + 1]  # forty-two
            if not word.isascii() or small.get(word, 10) > 9:
                break
        elif word not in greater and word not in small and word[:1] in "وب" and word:
            prefix, word = 1, word[1:]
            if word.startswith("و") and high == place:
                break
            if high > place and not words[high].startswith("و"):
                break
        value = greater.get(word) or small.get(word)
        if value is None and high == place and word.isdecimal() and len(word) <= 3:
            if high + 1 < len(words) and greater.get(words[high + 1]) == 1000:
                value = int(word)
        if not value:
            break
        if high == place:
            prefix_of_all = prefix
        great = great or word in greater
        if value == 1000:
            total, current = total + (current or 1) * 1000, 0
        elif value == 100 and 2 < current < 10:
            current *= 100
        else:
            current += value
        high = step + 1
    return Spelled(high, total + current, prefix_of_all, great) if high > place else None


def dictated(words: Sequence[str], place: int) -> tuple[str, int, int]:
    """(digits, word after them, how many parts were said) of a number that is said part by part from `place` on: one
    zero four two, واحد صفر صفر اربعه, ten forty-two. None are ("", place, 0)."""
    digits, parts = "", 0
    while place < len(words):
        part, high = _part(words, place)
        if not part:
            break
        digits, place, parts = digits + part, high, parts + 1
    return digits, place, parts


def _part(words: Sequence[str], place: int) -> tuple[str, int]:
    """A digit, or a number below a hundred: forty-two, اثنين واربعين."""
    word = words[place]
    if word in word_set("zeros"):
        return "0", place + 1
    if len(word) == 1 and word.isdecimal():
        return word, place + 1
    small, greater = small_numbers(), _greater_numbers()
    unit = small.get(word, 0)
    ten = greater.get(word, 0)
    after = words[place + 1] if place + 1 < len(words) else ""
    if 0 < unit < 10:
        if after.startswith("و") and greater.get(after[1:], 0) in range(20, 100):
            return str(greater[after[1:]] + unit), place + 2
        return str(unit), place + 1
    if 20 <= ten < 100:
        high = place + 2 if after == "-" else place + 1
        more = small.get(words[high], 0) if high < len(words) else 0
        return (str(ten + more), high + 1) if 0 < more < 10 and word.isascii() else (str(ten), place + 1)
    return (str(unit or ten), place + 1) if 10 <= (unit or ten) < 20 else ("", place)
