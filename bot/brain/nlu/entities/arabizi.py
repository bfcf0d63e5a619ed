"""One form for the ways in which a word is spelled in Arabizi.

It keeps vowels, which tell products and names apart; `bot.brain.nlu.sounds` drops them to find one word in two scripts.
"""

from __future__ import annotations

from functools import lru_cache

import regex

__all__ = ["sound"]

_SOUNDS = (
    *(("3'", "8"), ("7'", "5"), ("kh", "5"), ("gh", "8"), ("ch", "$"), ("sh", "$"), ("ou", "o"), ("oo", "o")),
    *(("ph", "f"), ("th", "t"), ("dh", "d"), ("u", "o"), ("ee", "e"), ("ii", "e"), ("i", "e"), ("y", "e"), ("p", "b")),
    *(("7", "h"), ("6", "t"), ("9", "2"), ("q", "2"), ("j", "g"), ("v", "f")),
)
_TWICE = regex.compile(r"(.)\1+")


@lru_cache(maxsize=4096)
def sound(word: str) -> str:
    """kotchy and kotshi are the same."""
    for written, sounded in _SOUNDS:
        word = word.replace(written, sounded)
    return str(_TWICE.sub(r"\1", word.rstrip("h") or word))
