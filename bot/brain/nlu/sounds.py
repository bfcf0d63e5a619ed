"""One spelling for the sounds of Arabic, whichever letters they are written in.

`3ayez araga3 el gazma` and `عايز ارجع الجزمه` share no character, but nearly all consonants. Both become strings of
Latin consonants here, sounds that Arabizi writes alike folded together. English comes out garbled, the same each time.
"""

from __future__ import annotations

from functools import lru_cache

import regex

__all__ = ["sounds"]

_ARABIC = str.maketrans(
    {
        **{"ا": "", "ء": "", "و": "w", "ي": "y", "ه": "h", "ح": "h", "ب": "b", "ت": "t", "ث": "t", "ط": "t", "ج": "j"},
        **{"خ": "x", "د": "d", "ذ": "d", "ض": "d", "ظ": "d", "ر": "r", "ز": "z", "س": "s", "ص": "s", "ش": "c"},
        **{"ع": "3", "غ": "g", "ف": "f", "ق": "q", "ك": "k", "ل": "l", "م": "m", "ن": "n"},
    }
)
_LATIN = (  # in this order: a pair of signs before its parts
    *(("3'", "g"), ("7'", "x"), ("9'", "d"), ("6'", "d"), ("sh", "c"), ("ch", "c"), ("kh", "x"), ("gh", "g")),
    *(("th", "t"), ("dh", "d"), ("ph", "f"), ("ou", "w"), ("oo", "w"), ("ee", "y"), ("5", "x"), ("7", "h"), ("6", "t")),
    *(("9", "q"), ("8", "q"), ("2", "q"), ("4", "c"), ("v", "f"), ("p", "b"), ("$", "c")),
)
_DOUBLED, _VOWELS, _GLIDES = regex.compile(r"(.)\1+"), regex.compile("[aeiou]"), regex.compile("[wy]")


def sounds(normalized: str) -> str:
    """The consonants of each word of a text in the form of `bot.text.normalize`; words without any are left out."""
    return " ".join(filter(None, map(_word, normalized.split())))


@lru_cache(maxsize=20_000)
def _word(word: str) -> str:
    if regex.match(r"\p{Arabic}", word):
        heard = word.translate(_ARABIC)
        if word.endswith("ه") and len(word) > 2:  # the feminine ending, a vowel in speech
            heard = heard[:-1]
    elif regex.search("[a-z]", word):
        for written, sound in _LATIN:
            word = word.replace(written, sound)
        heard = _VOWELS.sub("", word)
    else:
        return word
    heard = _DOUBLED.sub(r"\1", heard)
    return str(heard[:1] + _GLIDES.sub("", heard[1:]))
