"""Words that are spelled with a slip of the finger: hedphones, blendr.

A slip leaves a letter out, doubles it or puts in another, swaps two, or takes one vowel, or one sound, for another; it
is not looked for in short words, in their first letter, and in their ending, where it is another word (blended). Long
words may hold two.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from bot.brain.nlu.entities.lexicon import word_set

__all__ = ["Spellings"]

_SHORTEST, _LONG = 5, 9
_ALIKE = [
    frozenset(group)
    for group in ("aeiouy", "ckqs", "sz", "fv", "gj", "td", "bp", "mn", "زذظض", "سصث", "تط", "دض", "هاي", "قك")
]
_ENDINGS = ("ed", "ing", "er", "ers", "s", "ly")


class Spellings:
    """The words given, found by what is written for them."""

    def __init__(self) -> None:
        self._by_rest: dict[str, set[str]] = {}
        self._words: set[str] = set()
        self.meant = lru_cache(maxsize=4096)(self._meant)

    def add(self, word: str) -> None:
        if len(word) >= _SHORTEST and word.isalpha() and word not in self._words:
            self._words.add(word)
            for rest in _rests(word, 2 if len(word) >= _LONG else 1):
                self._by_rest.setdefault(rest, set()).add(word)

    def _meant(self, written: str) -> tuple[str, ...]:
        """The words that may be meant by one that is none of them. To be asked when all are added."""
        if len(written) < _SHORTEST - 1 or not written.isalpha():
            return ()
        if written in self._words or written in word_set("no_typos"):
            return ()
        candidates: set[str] = set()
        for rest in _rests(written, 2 if len(written) >= _LONG - 2 else 1):
            candidates |= self._by_rest.get(rest, set())
        return tuple(word for word in sorted(candidates) if _is_slip_of(written, word))


def _is_slip_of(written: str, word: str) -> bool:
    if written[0] != word[0] or _inflects(written, word):
        return False
    return _slips(written, word) <= (2 if len(word) >= _LONG else 1)


def _rests(word: str, slips: int) -> set[str]:
    """The word without each of its letters after the first, as often as there may be slips."""
    rests = {word}
    for _ in range(slips):
        rests |= {rest[:at] + rest[at + 1 :] for rest in rests for at in range(1, len(rest))}
    return rests


def _inflects(written: str, word: str) -> bool:
    """Whether one is the other with another ending, which makes it another word."""
    return any(
        longer.endswith(ending) and shorter in _without(longer, ending)
        for longer, shorter in ((written, word), (word, written))
        for ending in _ENDINGS
    ) or any(
        written.endswith(one) and word.endswith(other) and written.removesuffix(one) == word.removesuffix(other)
        for one in _ENDINGS
        for other in _ENDINGS
        if one != other
    )


def _without(word: str, ending: str) -> Iterable[str]:
    stem = word.removesuffix(ending)
    return (stem, stem + "e")


def _slips(written: str, word: str) -> int:
    """How many slips lead from one to the other; a letter taken for one that does not sound like it counts for three."""
    width = len(word) + 1
    before: list[int] = []
    row = list(range(width))
    for at, sign in enumerate(written, 1):
        earlier, before, row = before, row, [at] + [0] * (width - 1)
        for place in range(1, width):
            other = word[place - 1]
            changed = 0 if sign == other else 1 if any(sign in group and other in group for group in _ALIKE) else 3
            row[place] = min(before[place] + 1, row[place - 1] + 1, before[place - 1] + changed)
            if at > 1 and place > 1 and sign == word[place - 2] and written[at - 2] == other:
                row[place] = min(row[place], earlier[place - 2] + 1)
    return row[-1]
