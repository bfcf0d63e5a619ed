"""What happens to a customer's text before anything stores or reads it. Pure.

Control, zero-width and direction-override characters go (they hide text and break lines in logs and consoles), long
texts are cut, and card and identity numbers are masked so that they are never stored.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import regex

LONGEST = 4000

# Control, format, private and letters that show nothing, without the Arabic number signs and the joiner of emoji. Not
# everything unassigned: tomorrow's emoji are.
_HIDDEN = regex.compile(
    r"[[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Noncharacter_Code_Point}\u034f\u115f\u1160\u3164\uffa0\u2800]"
    r"--[\n\t\u0600-\u0605\u06dd\u08e2\u200d]]",
    regex.V1,
)
_LINE_END = regex.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Zero-width joiners hold emoji together; everywhere else they are noise.
_STRAY_JOINER = regex.compile(
    r"(?<!\p{Extended_Pictographic}[\U0001f3fb-\U0001f3ff]?\ufe0f?)\u200d|\u200d(?!\p{Extended_Pictographic})"
)
# Not after the capitals of a waybill (AX55010001).
_DIGIT_GROUPS = regex.compile(
    r"(?:(\+)|(?<![\d•])(?<!\b[A-Z]{1,3}))\d++(?:[^\S\n]?[\-\u2010-\u2015._/*·]?[^\S\n]?\d++)*"
)
_GROUP = regex.compile(r"\d+")
_GOVERNORATES = {"01", "02", "03", "04", *map(str, (*range(11, 20), *range(21, 30), *range(31, 36), 88))}


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
    text = _STRAY_JOINER.sub("", _HIDDEN.sub("", _LINE_END.sub("\n", text)))
    text = regex.sub(r"[ \t]{3,}", "  ", regex.sub(r"\n{3,}", "\n\n", text)).strip()
    if cut:
        text = regex.sub(r"[\d\s\-\u2010-\u2015._/*·+]+$", "", text)  # half a card number would pass unseen
    text, masked = mask_numbers(text)
    return CleanText(text, cut, masked)


def mask_numbers(text: str) -> tuple[str, bool]:
    """Hide card numbers (Luhn, 13-19 digits) and Gulf and Egyptian identity numbers, all but the last four digits.

    They are found among other numbers ("4111 1111 1111 1111 12/27 123"); a number written with "+" is a phone number.
    """
    masked = False

    def hide(match: regex.Match[str]) -> str:
        nonlocal masked
        groups = list(_GROUP.finditer(match.group()))
        first = _groups_of_phone(groups) if match.group(1) else 0
        shown, written = "", 0
        while first < len(groups):
            last = _secret_from(groups, first)
            if last is None:
                first += 1
                continue
            masked = True
            shown += match.group()[written : groups[first].start()] + "•" * 4 + _digits(groups[first : last + 1])[-4:]
            written = groups[last].end()
            first = last + 1
        return shown + str(match.group()[written:])

    return _DIGIT_GROUPS.sub(hide, text), masked


def _digits(groups: Sequence[regex.Match[str]]) -> str:
    return "".join(str(unicodedata.digit(c)) for group in groups for c in group.group())


def _groups_of_phone(groups: Sequence[regex.Match[str]]) -> int:
    """How many of the groups after a "+" belong to its phone number: E.164 has at most 15 digits."""
    for count in range(min(len(groups), 15), 0, -1):
        if len(_digits(groups[:count])) <= 15:
            return count
    return 0


def _secret_from(groups: Sequence[regex.Match[str]], first: int) -> int | None:
    """The last of the groups that, from `first` on, make one card or identity number; None where none does."""
    for last in range(min(len(groups), first + 19) - 1, first - 1, -1):
        digits = _digits(groups[first : last + 1])
        if len(digits) > 19:
            continue
        sizes = [len(group.group()) for group in groups[first : last + 1]]
        if (_is_card(digits) and _even(sizes, (4, 6, 5), (4, 6, 4))) or (
            _is_identity(digits) and (len(digits) > 10 or _even(sizes, (1, 3, 3, 3)))
        ):
            return last
    return None


def _even(sizes: Sequence[int], *others: tuple[int, ...]) -> bool:
    """Whether people group one number so: in one piece, in equal groups with a rest, or in one of the `others`."""
    return len(sizes) == 1 or (len(set(sizes[:-1])) == 1 and sizes[-1] <= sizes[0] <= 6) or tuple(sizes) in others


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_card(digits: str) -> bool:
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and digits[0] in "23456" and _luhn(digits)


def _is_identity(digits: str) -> bool:
    """Saudi (10 digits, 1 or 2 first, Luhn), Emirati (15: 784…), Egyptian (14: century, date, place), Kuwaiti (12)."""
    if len(digits) == 10:
        return digits[0] in "12" and _luhn(digits)
    if len(digits) == 15:
        return digits.startswith("784")
    if len(digits) in (12, 14) and digits[0] in "23" and 1 <= int(digits[3:5]) <= 12 and 1 <= int(digits[5:7]) <= 31:
        return _is_kuwaiti(digits) if len(digits) == 12 else digits[7:9] in _GOVERNORATES
    return False


def _is_kuwaiti(digits: str) -> bool:
    """The check digit tells them from waybills and from phone numbers of Egypt (201…), Sudan and Kenya."""
    weights = (2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return 11 - sum(w * int(d) for w, d in zip(weights, digits, strict=False)) % 11 == int(digits[-1])
