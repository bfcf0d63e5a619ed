"""What happens to a customer's text before anything stores or reads it. Pure.

Control, zero-width and direction-override characters go (they hide text and break lines in logs and consoles), long
texts are cut, and card and identity numbers are masked so that they are never stored.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import regex

LONGEST = 4000

_HIDDEN = regex.compile(r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
# Zero-width joiners hold emoji together; everywhere else they are noise.
_EMOJI_JOIN = regex.compile(r"(?<=\p{Extended_Pictographic}\ufe0f?)\u200d(?=\p{Extended_Pictographic})")
_DIGIT_RUN = regex.compile(r"(?<![\d+])\d(?:[ \-.]?\d){8,18}(?!\d)")


@dataclass(frozen=True)
class CleanText:
    """`cut`: the text was longer than can be read. `masked`: it held a card or identity number."""

    text: str
    cut: bool
    masked: bool


def clean(raw: str) -> CleanText:
    """Make `raw` safe to store and to show. The result may be empty."""
    cut = len(raw) > LONGEST
    text = raw[:LONGEST].encode("utf-8", "replace").decode("utf-8")
    text = _EMOJI_JOIN.sub("\ue000", text)
    text = _HIDDEN.sub("", text).replace("\ue000", "\u200d")
    text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs", "Co", "Cn"})
    text = regex.sub(r"[ \t]{3,}", "  ", regex.sub(r"\n{3,}", "\n\n", text)).strip()
    text, masked = mask_numbers(text)
    return CleanText(text, cut, masked)


def mask_numbers(text: str) -> tuple[str, bool]:
    """Hide payment card numbers (Luhn, 13-19 digits) and Gulf and Egyptian identity numbers, all but the last four digits."""
    masked = False

    def hide(match: regex.Match[str]) -> str:
        nonlocal masked
        digits = "".join(str(unicodedata.digit(c)) for c in match.group() if c.isdigit())
        if not (_is_card(digits) or _is_identity(digits)):
            return str(match.group())
        masked = True
        return "•" * 4 + digits[-4:]

    return _DIGIT_RUN.sub(hide, text), masked


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_card(digits: str) -> bool:
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and digits[0] in "23456" and _luhn(digits)


def _is_identity(digits: str) -> bool:
    """Saudi (10 digits, 1 or 2 first, Luhn), Emirati (784…, 15), Egyptian (14: century, date), Kuwaiti (12: century, date)."""
    if len(digits) == 10:
        return digits[0] in "12" and _luhn(digits)
    if len(digits) == 15:
        return digits.startswith("784")
    if len(digits) in (12, 14) and digits[0] in "23" and not digits.startswith("201"):  # 201… is an Egyptian mobile
        return 1 <= int(digits[3:5]) <= 12 and 1 <= int(digits[5:7]) <= 31
    return False
