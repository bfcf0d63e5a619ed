"""Phones, by Google's `phonenumbers`, and the last four digits of one, which prove who asks.

Customers seldom write the country. It is guessed from what the message names, and from where the shop's customers are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import phonenumbers
import regex

from bot.brain.nlu.entities.model import Entity
from bot.brain.nlu.entities.reading import Reading, lone_number
from bot.text import western_digits

__all__ = ["is_grouped_phone", "is_tail", "last_four", "phone_number", "read"]

# Tried in this order for a phone written without its country: the shop's own first, then by number of customers.
_COUNTRIES = "SA EG AE JO KW MA LB QA BH OM IQ DZ TN PS YE LY SY SD".split()
_MOBILE = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)


def phone_number(written: str, sure: bool = True, likely: Sequence[str] = ()) -> str | None:
    """E.164 of a phone as customers write it, or None. Without a country it is the first of `likely` and then of
    `_COUNTRIES` in which the number is a mobile, or else a landline. `sure=False` (nothing says that it is a phone)
    asks for a leading +, 00 or 0, or a number of a likely country or the first one."""
    digits = regex.sub(r"[^\d+]", "", western_digits(written))
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    order = [*dict.fromkeys([*likely, *_COUNTRIES])]
    regions: list[str | None] = [None] if digits.startswith("+") else [*order]
    if not sure and not digits.startswith(("+", "0")):
        regions = [*dict.fromkeys([*likely, _COUNTRIES[0]])]
    attempts = [(digits, region) for region in regions]
    if len(digits) >= 11 and not digits.startswith(("+", "0")):
        attempts.append(("+" + digits, None))  # a country code without its plus
    landline = None
    for attempt, region in attempts:
        try:
            number = phonenumbers.parse(attempt, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            written = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
            if region is None or phonenumbers.number_type(number) in _MOBILE:
                return written
            landline = landline or written
    if landline:
        return landline
    if digits.startswith(("+", "0")) or sure:  # looks like a phone, and no plan knows it: the shop may
        try:
            number = phonenumbers.parse(digits, order[0])
        except phonenumbers.NumberParseException:
            return None
        if phonenumbers.is_possible_number(number) and len(digits) >= 9:
            return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return None


_PHONE = regex.compile(r"(?<![\w#/.,@])(?:\+|00)?\(?\d(?:[ \-().\u00a0\u200e\u202a\u202c]{0,2}\d){7,14}(?![\d@])")
_PHONE_CUE = regex.compile(
    r"(?:جوال|موبايل|هاتف|تلفون|تليفون|نمر|نمره|واتس|رقمي|رقم التواصل|phone|mobile|cell|whats|\btel\b|contact|call me|"
    r"ra2my|raqmi|r9mi|ra2mi|nemr|nimr|mobayl|jawwal|jawal|gawal|telephone|تيليفون|بورطابل|portable)[\p{L}\s:،,.\-]{0,25}$",
    regex.IGNORECASE,
)
_GROUPED_PHONE = regex.compile(
    r"[35679]\d{3}[ \-]\d{4}|[2-9]\d[ \-]\d{3}[ \-]\d{3}|(?:03|7[016]|81)[ \-/]\d{3}[ \-]?\d{3}"
)


def read(reading: Reading, orders: Collection[tuple[int, int]], likely: Sequence[str]) -> Iterator[Entity]:
    """`orders` are the spans of what is called an order number, `likely` the countries that the message hints at."""
    likely = [code for code in dict.fromkeys(likely) if code in _COUNTRIES]
    for found in _PHONE.finditer(reading.digits):
        if any(start == found.start() and end - start <= 8 for start, end in orders):
            continue
        count = sum(sign.isdecimal() for sign in found[0])
        cued = bool(_PHONE_CUE.search(reading.before(found.start())))
        grouped = bool(_GROUPED_PHONE.fullmatch(found[0]))
        if count <= 8 and not (cued or grouped or found[0].startswith(("+", "00"))):
            continue
        value = phone_number(found[0], sure=cued or grouped, likely=likely)
        if value:
            yield reading.entity("phone", found.span(), value)


def is_grouped_phone(digits: str, start: int, end: int) -> bool:
    """Whether the number after a word for an order is the head of a phone: #0551234567 is none, طلبي 0551 234 567."""
    phone = _PHONE.match(digits, start)
    return bool(phone) and phone.end() > end and sum(sign.isdecimal() for sign in phone[0]) >= 9


_FOUR_DIGITS = lone_number("4")
_TAIL_CUE = regex.compile(
    r"(?:اخر|آخر|اواخر|ينتهي|تنتهي|منتهي|نهايت|بينتهي|بيخلص|اخره|اخرها|last|ends?|ending|a5er|akher|akhir|2akher|"
    r"tali|yentehi|byentehi)(?![^\s]*\d{5})[\p{L}\s:،,.\-]{0,25}(?:\b[4٤]\b[\p{L}\s:،,.\-]{0,25})?$",
    regex.IGNORECASE,
)


# "رقم الجوال 9046", "my phone: 9046": of a whole phone nobody writes four digits.
_PHONE_RIGHT_BEFORE = regex.compile(
    r"(?:(?<!\p{L})(?:و|ب|ل|ال|لل|بال|وال)*(?:جوال|موبايل|هاتف|تلفون|تليفون|تيليفون|بورطابل|واتس|واتساب)(?:ي|ك|ه|ها|نا|كم)?|"
    r"(?<!\b(?:an?|new|this) )\b(?:phone|mobile|cell|cellphone|tel|telephone|whatsapp|jawwal|jawal|gawal|mobayl|mobile|telefon|telephoni|jawali|gawali|"
    r"mobayli|tilifon|portable))(?:\s(?:number|no|num|digits|رقم|رقمه|رقمو|is|هو|ending|ديالي|تبعي|حقي|بتاعي|in|with|ra2mo|howa|المسجل|"
    r"المسجله)){0,3}\s?[:：=\-]?\s?$",
    regex.IGNORECASE,
)


def is_tail(before: str) -> bool:
    """Whether what stands before four digits says that a phone ends with them."""
    return bool(_TAIL_CUE.search(before) or _PHONE_RIGHT_BEFORE.search(before))


def last_four(reading: Reading, orders: Collection[tuple[int, int]]) -> Iterator[Entity]:
    """ "Ends in 4321": a proof, not an order. `orders` are the spans of what is called an order number."""
    for found in _FOUR_DIGITS.finditer(reading.digits):
        if found.span() not in orders and is_tail(reading.before(found.start())):
            yield reading.entity("phone", found.span(), found[0])
