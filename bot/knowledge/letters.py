"""A word's consonants, the same for Arabic script and for Arabic in Latin letters and digits (Arabizi).

"توصيل", "tawseel" and "tawsil" all become "tsl", so that they are found by each other. Sounds that varieties or
spellings mix up (ق ك, ج غ, ز ذ ظ د ض, ت ث ط, س ص) share a letter; weak ones (ه و ي ا) are left out. The skeletons help
to rank; they are no transliteration.
"""

from __future__ import annotations

import re

from bot.text import normalize

_WORD = re.compile(r"[\w']+")
_LATIN = re.compile(r"[a-z]")
_REPEATED = re.compile(r"(.)\1+")
_WEAK_LATIN = re.compile(r"[aeiouwyh]")

_ARABIC = str.maketrans(
    {**dict(zip("بتثجحخدذرزسشصضطظعغفقكلمن", "bttgHxddrdsSsdtd3gfkklmn", strict=True)), **dict.fromkeys("اءئؤهوي", "")}
)
# Longer spellings first. Digits stand for letters only inside words that have Latin letters.
_ARABIZI = (
    ("3'", "g"), ("sh", "S"), ("ch", "S"), ("kh", "x"), ("gh", "g"), ("th", "t"), ("dh", "d"),
    ("5", "x"), ("7", "H"), ("8", "g"), ("9", "k"), ("6", "t"), ("4", "S"), ("2", ""), ("'", ""),
    ("p", "b"), ("v", "f"), ("c", "k"), ("q", "k"), ("j", "g"), ("z", "d"),
)  # fmt: skip


def skeleton(text: str) -> str:
    """The consonants of each word, words by spaces. Capitals in the result stand for ش and ح."""
    return " ".join(filter(None, (_of_word(word) for word in _WORD.findall(normalize(text)))))


def _of_word(word: str) -> str:
    if _LATIN.search(word):
        for written, letter in _ARABIZI:
            word = word.replace(written, letter)
        word = _WEAK_LATIN.sub("", word)
    else:
        word = word.translate(_ARABIC)
    return _REPEATED.sub(r"\1", word)
