"""Numbers in words: one to a dozen, which count things, and greater ones, which are said of money."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from bot.brain.nlu.entities.lexicon import lexicon
from bot.text import normalize

__all__ = ["Spelled", "small_number", "small_numbers", "spelled"]


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
    if word.isdigit() and len(word) <= 2 and int(word):
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
        elif word not in greater and word not in small and word[:1] in "وب" and word:
            prefix, word = 1, word[1:]
            if word.startswith("و") and high == place:
                break
            if high > place and not words[high].startswith("و"):
                break
        value = greater.get(word) or small.get(word)
        if value is None and high == place and word.isdigit() and len(word) <= 3:
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
