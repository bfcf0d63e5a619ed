"""What Arabic and Arabizi write onto a word: the article, "and", "in", "to" (وبالطلب, elsma3a)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

__all__ = ["stems"]

_CONJUNCTIONS, _ARTICLES = ("", "و", "ف"), ("ال", "بال", "كال", "عال", "هال", "فال", "دال", "مال", "لل")
_ARABIC_PREFIXES = frozenset(
    conjunction + rest
    for conjunction in _CONJUNCTIONS
    for rest in ("", "ب", "ل", "ع", "ف", "بهال", "عهال", "لهال", "كهال", "عل", *_ARTICLES)
)
_SHORT_LATIN = frozenset({"l", "b", "w", "f", "d", "be", "bi", "le", "we", "fi"})
_LATIN_PREFIXES = _SHORT_LATIN | frozenset(
    "el al il bel bil bl lel lil lal fel fil fl wel wil wl 3al 3el hal bhal 3ahal ll dl bhel".split()
)
_ASSIMILATED = frozenset(
    f"{vowel}{sun}" for vowel in ("e", "a", "i", "") for sun in ("s", "sh", "r", "d", "t", "z", "n")
)


@lru_cache(maxsize=4096)
def stems(word: str) -> tuple[tuple[int, str, str], ...]:
    """Readings of a normalised word without what Arabic and Arabizi write onto it: (length of the prefix, prefix,
    rest), the whole word first."""
    return tuple(_stems(word))


def _stems(word: str) -> Iterator[tuple[int, str, str]]:
    yield 0, "", word
    if len(word) < 4:
        return
    if word.isascii():
        for length in range(1, min(5, len(word) - 2)):
            prefix, rest = word[:length], word[length:]
            telling = len(rest) > 4 or any(sign.isdecimal() for sign in rest)  # "loud" is no "oud" with an article
            if prefix in _LATIN_PREFIXES and len(rest) > 3 - telling and (prefix not in _SHORT_LATIN or telling):
                yield length, prefix, rest
            elif prefix in _ASSIMILATED and len(rest) > 2 and rest[0] == prefix[-1 if prefix[-1] != "h" else -2]:
                yield length, prefix, rest
        return
    for length in range(1, min(6, len(word) - 1)):
        if word[:length] in _ARABIC_PREFIXES:
            yield length, word[:length], word[length:]
