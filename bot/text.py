"""Text as machines compare it. Customers and the log never see these forms."""

from __future__ import annotations

import regex

_MARKS = regex.compile(r"[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0640]")  # diacritics and tatweel
_LETTERS = str.maketrans("أإآٱىیئؤةهکگڤپچ", "اااايييوههكقفبج")
_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "01234567890123456789")
_REPEATED = regex.compile(r"(\p{L})\1{2,}")
_SPACES = regex.compile(r"\s+")


def is_mark(sign: str) -> bool:
    """Whether a character is an Arabic diacritic or a tatweel: it changes how a word looks, not which it is."""
    return _MARKS.match(sign) is not None


def western_digits(text: str) -> str:
    """Arabic-Indic and Persian digits as 0-9. Character positions stay."""
    return text.translate(_DIGITS)


def plain(text: str) -> str:
    """The same words without diacritics, tatweel, elongation and capitals, digits as 0-9; letters as they are written.
    What a sentence encoder should see: it reads these spellings worse, and hamzas better where they are right."""
    return str(_REPEATED.sub(r"\1", _MARKS.sub("", western_digits(text)).lower()))


def normalize(text: str) -> str:
    """One form for all spellings of the same word: no diacritics or tatweel, one alef, ya and ha, ASCII digits,
    elongation squeezed to one letter, Latin in lower case, single spaces."""
    text = _MARKS.sub("", western_digits(text)).translate(_LETTERS)
    return str(_SPACES.sub(" ", _REPEATED.sub(r"\1", text.lower()))).strip()
