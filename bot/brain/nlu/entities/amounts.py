"""Amounts of money: in digits with their currency or after a word for paying, and in words (ألف وميتين جنيه)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import regex

from bot.brain.nlu.entities.model import Entity
from bot.brain.nlu.entities.number_words import spelled
from bot.brain.nlu.entities.reading import Reading

__all__ = ["countries", "in_digits", "in_words"]

_CURRENCIES = {
    "SAR": r"ريالات|ريالين|ريالا|ريال|ر\.\s?س\.?|رس|sar|s\.r\.?|sr|rsar|riyals?|rials?|ryals?|reyals?|ryal",
    "AED": r"دراهم|درهم اماراتي|aed|dirhams?",
    "EGP": r"جنيهات|جنيها|جنيه|جنيةه?|ج\.?م|egp|l\.?e\.?|pounds?|gneh|geneh|gnih",
    "KWD": r"دينار كويتي|د\.ك|kwd|kd",
    "JOD": r"دنانير|دينار اردني|دينار|jod|jd|dinars?",
    "MAD": r"درهم مغربي|درهم|دراهم|mad|dhs?",
    "USD": r"دولارات|دولار|\$|usd|dollars?",
    "EUR": r"يورو|€|eur|euros?",
    "LBP": r"ليرات|ليرة|ليره|lbp|liras?",
}
_NUMBER = r"\d{1,3}(?:[,٬]\d{3})+(?:[.٫]\d{1,2})?|\d{1,7}(?:[.٫]\d{1,2})?"
_ANY_CURRENCY = "|".join(f"(?P<{code}>{words})" for code, words in _CURRENCIES.items())
_AMOUNT = regex.compile(
    rf"(?<![\w#.,+\-])(?:(?P<number>{_NUMBER})\s{{0,2}}(?:{_ANY_CURRENCY})(?![\p{{L}}\d])"
    rf"|(?P<before>\$|€|\b(?:SAR|AED|EGP|USD|SR|KWD|JOD|MAD))\s?(?P<number2>{_NUMBER})(?![\d\p{{L}}]))",
    regex.IGNORECASE,
)
_BARE_AMOUNT = regex.compile(
    r"(?:(?<!\p{L})[وف]?(?:ال)?(?:سعر|ثمن|تمن|مبلغ|انسحب|انخصم|اتسحب|اتخصم|خصمتو|سحبتو|سحبو|خصمو|دفعت|بسعر|قيمه|قيمة)\p{L}*|"
    r"\b(?:price|paid|charged|cost|costs|amount|site said|dafa3t|sa7abto|se3r))"
    rf"(?:\s\p{{L}}{{1,8}}){{0,3}}\s(?P<number>{_NUMBER})(?=\s|[.،,!?؟]|$)(?!\s?(?:%|بالم|mah|مل|ml|points|نقط|ساع|يوم|ايام|أيام|days|hours|مر[هة]|اسبوع))",
    regex.IGNORECASE,
)
_THOUSANDS = regex.compile(
    r"(?<![\w#.,+\-])(?P<number>\d{1,3}(?:[.٫]\d)?)k(?![\p{L}\d])(?!\s?(?:mah|followers|متابع|points|نقط|power|views|ppl|people))",
    regex.IGNORECASE,
)


def in_digits(reading: Reading, orders: Collection[tuple[int, int]]) -> Iterator[Entity]:
    """`orders` are the spans of what is called an order number."""
    for found in _AMOUNT.finditer(reading.digits):
        number = _plain(found["number"] or found["number2"])
        yield reading.entity("amount", found.span(), number, currency=_currency(found))
    for found in _BARE_AMOUNT.finditer(reading.digits):
        if len(found["number"]) > 1 and found.span("number") not in orders:
            yield reading.entity("amount", found.span("number"), _plain(found["number"]))
    for found in _THOUSANDS.finditer(reading.digits):
        yield reading.entity("amount", found.span(), f"{float(_plain(found['number'])) * 1000:.0f}")


def _plain(number: str) -> str:
    return number.replace(",", "").replace("٬", "").replace("٫", ".")


def _currency(found: regex.Match[str]) -> str:
    sign = (found["before"] or "").upper()
    named = next((code for code in _CURRENCIES if found[code]), "")
    return named or {"$": "USD", "€": "EUR", "SR": "SAR"}.get(sign, sign)


_TENDERED_IN = {
    "SAR": ["SA"],
    "AED": ["AE", "MA"],
    "EGP": ["EG"],
    "KWD": ["KW"],
    "MAD": ["MA", "AE"],
    "LBP": ["LB", "SY"],
    "JOD": ["JO", "KW", "TN", "DZ", "IQ", "BH", "LY"],
}


def countries(reading: Reading) -> list[str]:
    """Where the currencies of a message are spent: a hint at the country of a phone."""
    found = _AMOUNT.finditer(reading.digits)
    return [country for amount in found for country in _TENDERED_IN.get(_currency(amount), [])]


_ONLY_AFTER_WORDS = {"SAR": "riyalat|ryalat|reyalat", "EGP": "ginih|gineh|genih|gneih|guineh|جني"}
_CURRENCY_WORD = regex.compile(
    "|".join(
        f"(?P<{code}>{words}|{_ONLY_AFTER_WORDS[code]})" if code in _ONLY_AFTER_WORDS else f"(?P<{code}>{words})"
        for code, words in _CURRENCIES.items()
    ),
    regex.IGNORECASE,
)
_PAID = regex.compile(
    r"(?:ال|و|ب)*(?:سعر|ثمن|تمن|مبلغ|انسحب|انخصم|اتسحب|اتخصم|خصم|سحب|دفع|قيم|كلف|حاسب|فلوس|ناقص|نقص|زياده|شحن|توصيل)\p{L}*|"
    r"price|paid|charged|costs?|amount|dafa3t|sa7abto|se3r|d5asmo|khasamo|khallast|khalast"
)
_NO_AMOUNT_OF = frozenset(
    "نقطه نقاط نقط مره مرات يوم ايام ساعه ساعات شخص متابع واط امبير بالميه بالمئه بالمايه في % ملي مل followers points times days people mah".split()
)


def in_words(reading: Reading) -> Iterator[Entity]:
    """ألف وميتين جنيه, fifty riyals: a number in words with its currency, or a great one after a word for paying."""
    words, low = reading.words, 0
    while low < len(words):
        number = spelled(words, low)
        if number is None:
            low += 1
            continue
        high = number.high
        currency = _CURRENCY_WORD.fullmatch(reading.word(high))
        if currency:
            code = next((code for code in _CURRENCIES if currency[code]), "")
            high += 1
            yield reading.entity("amount", reading.span(low, high, number.prefix), str(number.value), currency=code)
        elif number.great and number.value >= 20 and high - low > 1 and reading.word(high) not in _NO_AMOUNT_OF:
            joined = words[low].startswith("ب") and number.prefix
            if joined or any(_PAID.fullmatch(word) for word in words[max(0, low - 3) : low]):
                yield reading.entity("amount", reading.span(low, high, number.prefix), str(number.value))
        low = high
