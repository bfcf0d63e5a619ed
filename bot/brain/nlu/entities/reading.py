"""A message as the readers see it: its signs with the digits mapped to 0-9, which keeps every position, and its words
in the normal form of `bot.text.normalize` with the way back to where they stand."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import lru_cache

import regex

from bot.brain.nlu.entities.model import Entity
from bot.text import normalize, western_digits

__all__ = ["Reading", "is_arabic", "lone_number", "normal_words"]

# A word of one script, its marks with it: الـwatch is two. Digits stand alone before Arabic letters (3حبات).
_WORD = regex.compile(
    r"\d+(?:st|nd|rd|th|ST|TH)(?![\p{L}\d])|[\p{Latin}\d]*\p{Latin}[\p{Latin}\d\p{Mn}]*+|\d++"
    r"|(?:(?![\p{Latin}\d])[\p{L}\p{M}\u200c\u200d])++|\S"
)


class Reading:
    """`text` is the message, `digits` the same with its digits as 0-9, `words` its words in their normal form, `spans`
    where they stand in both, `flat` the words with one space between them and `starts` where they begin in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digits = western_digits(text)
        self.spans = [found.span() for found in _WORD.finditer(self.digits)]
        self.words = [_normal(self.digits[low:high]) for low, high in self.spans]
        self.starts: list[int] = []
        at = 0
        for word in self.words:
            self.starts.append(at)
            at += len(word) + 1
        self.flat = " ".join(self.words)

    def entity(self, kind: str, span: tuple[int, int], value: str, **more: str) -> Entity:
        """What stands at a span of the text."""
        return Entity(kind, *span, self.text[slice(*span)], value, more)

    def before(self, offset: int) -> str:
        """What stands before a position of the text, digits as 0-9, as far back as a cue may lie."""
        return self.digits[max(0, offset - 40) : offset]

    def word(self, place: int) -> str:
        return self.words[place] if 0 <= place < len(self.words) else ""

    def at(self, flat: int) -> int:
        """The word at a position of `flat`."""
        return bisect_right(self.starts, flat) - 1

    def at_text(self, offset: int) -> int:
        """The first word that begins at or after a position of the text."""
        return bisect_left([start for start, _ in self.spans], offset)

    def span(self, low: int, high: int, prefix: int = 0) -> tuple[int, int]:
        """Where words `low` to `high` (exclusive) stand in the text, without `prefix` signs of the first."""
        start, end = self.spans[low]
        if prefix:
            rest = self.words[low][prefix:]
            start = next((at for at in range(start + prefix, end) if _normal(self.text[at:end]) == rest), start)
        return start, self.spans[high - 1][1]

    def adjacent(self, place: int) -> bool:
        """Whether only spaces (or the hyphen of Al-Harbi) part a word from the one before it."""
        return not self.text[self.spans[place - 1][1] : self.spans[place][0]].strip(" \u00a0")


@lru_cache(maxsize=4096)
def _normal(word: str) -> str:
    return normalize(word) or word


def normal_words(phrase: str) -> list[str]:
    """The words of a phrase of ours, cut and written as those of a message."""
    return [normalize(word) for word in _WORD.findall(western_digits(phrase))]


def is_arabic(word: str) -> bool:
    return bool(regex.match(r"\p{Arabic}", word))


def lone_number(length: str) -> regex.Pattern[str]:
    """A number of so many digits ("4", "4,8") that is no part of a longer one, a word, a decimal, an hour or an
    address."""
    return regex.compile(r"(?<!\d:)(?<![\d\p{Latin}.,+/\-@_])" rf"\d{{{length}}}" r"(?![\d\p{Latin}@/_]|[.,:]\d)")
