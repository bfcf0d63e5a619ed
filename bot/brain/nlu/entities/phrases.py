"""Phrases, such as the names of products and cities, found in a message by a table of their first words: hundreds of
patterns in a spaCy ruler cost milliseconds a message, a table nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bot.brain.nlu.entities.arabizi import sound
from bot.brain.nlu.entities.prefixes import stems
from bot.brain.nlu.entities.reading import is_arabic
from bot.brain.nlu.entities.typos import Spellings

__all__ = ["Hit", "PhraseTable"]


class _Phrase(NamedTuple):
    others: tuple[frozenset[str], ...]  # forms of the words after the first
    definite: bool | None  # with the article, without it, or either
    label: str
    ident: str
    by_sound: bool
    typos: bool


class Hit(NamedTuple):
    """Words `low` to `high` (exclusive) of a message are a phrase; `prefix` signs of the first one do not belong to
    it."""

    low: int
    high: int
    prefix: int
    label: str
    ident: str


class PhraseTable:
    """Phrases by their first word, which may carry prefixes in the message."""

    def __init__(self) -> None:
        self._phrases: dict[str, list[_Phrase]] = {}
        self._spellings = Spellings()

    def add(
        self, label: str, words: Sequence[str], ident: str, article: bool, by_sound: bool = False, typos: bool = False
    ) -> None:
        """`article`: whether the first word may stand with and without it. Else it stands as it is given: الزرقا is a
        city, زرقا is blue. `typos`: whether it is also found where it is misspelt."""
        first, *others = words
        definite = None
        if is_arabic(first):
            if not article:
                definite = first.startswith("ال") and len(first) > 4
            first = first[2:] if first.startswith("ال") and len(first) > 4 else first
        forms = [frozenset({word, "ال" + word} if is_arabic(word) else {word}) for word in others]
        if article and words[-1].isascii() and not by_sound:  # an English plural
            if forms:
                forms[-1] |= {words[-1] + "s"}
            else:
                self._put(first + "s", _Phrase((), definite, label, ident, False, typos))
        if by_sound:
            first = "~" + sound(first)
            forms = [frozenset({sound(word)}) for word in others]
        self._put(first, _Phrase(tuple(forms), definite, label, ident, by_sound, typos and not by_sound))

    def _put(self, first: str, phrase: _Phrase) -> None:
        if phrase.typos:
            for word in {first}.union(*phrase.others):
                if not word.endswith("ss"):  # the plural of a plural
                    self._spellings.add(word)
        self._phrases.setdefault(first, []).append(phrase)

    def find(self, words: Sequence[str]) -> Iterator[Hit]:
        """The longest phrases, none overlapping."""
        place = 0
        while place < len(words):
            hit = self._at(words, place) or self._misspelt(words, place)
            if hit:
                yield hit
            place = hit.high if hit else place + 1

    def _at(self, words: Sequence[str], place: int) -> Hit | None:
        best: Hit | None = None
        for prefix, written, rest in stems(words[place]):
            phrases = self._phrases.get(rest, ())
            if not phrases and rest.isascii() and len(rest) > 3:
                phrases = self._phrases.get("~" + sound(rest), ())
            for phrase in phrases:
                high = place + 1 + len(phrase.others)
                if best and high <= best.high or high > len(words):
                    continue
                definite = written.endswith(("ال", "لل"))
                if phrase.definite is not None and rest[0] > "z" and phrase.definite != definite:
                    continue
                following = words[place + 1 : high]
                if phrase.by_sound:
                    following = [sound(word) for word in following]
                if all(word in forms for word, forms in zip(following, phrase.others, strict=True)):
                    cut = prefix - 2 if phrase.label == "city" and written.endswith("ال") else prefix
                    best = Hit(place, high, cut, phrase.label, phrase.ident)
        return best

    def _misspelt(self, words: Sequence[str], place: int) -> Hit | None:
        """The longest phrase that is meant by misspelt words. One of a single word has to be Latin, for an Arabic word is
        hardly ever a slip away from no other, and longer than with others: fryr is anything, air fryr is not."""
        best: Hit | None = None
        for prefix, written, rest in stems(words[place]):
            if written.isascii() and written and not (prefix > 1 and written.endswith("l")):
                continue  # barriers are no airfriers with a preposition
            for first in (rest, *self._spellings.meant(rest)):
                for phrase in self._phrases.get(first, ()):
                    high = place + 1 + len(phrase.others)
                    if not phrase.typos or best and high <= best.high or high > len(words):
                        continue
                    if not phrase.others and (first == rest or len(first) <= 6 or not first.isascii()):
                        continue
                    if all(map(self._stands_for, words[place + 1 : high], phrase.others)):
                        best = Hit(place, high, prefix, phrase.label, phrase.ident)
        return best

    def _stands_for(self, written: str, forms: frozenset[str]) -> bool:
        return written in forms or any(word in forms for word in self._spellings.meant(written))
