"""Amounts of money: in digits with their currency or after a word for paying, in words (ألف وميتين جنيه), as two of a
currency (ريالين), and with parts of one (٣٥٠ ريال ونص, half a dinar)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache

import regex

from bot.brain.nlu.entities.lexicon import lexicon
from bot.brain.nlu.entities.model import Entity
from bot.brain.nlu.entities.number_words import Spelled, spelled
from bot.brain.nlu.entities.reading import Reading, normal_words

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
        last = reading.at_text(found.end()) - 1
        end, more = _parts_after(reading, last + 1) if found["number"] else (last + 1, Decimal(0))
        span = (found.start(), reading.spans[end - 1][1] if more else found.end())
        yield reading.entity("amount", span, _with_parts(number, more), currency=_currency(found))
    for found in _BARE_AMOUNT.finditer(reading.digits):
        if len(found["number"]) > 1 and found.span("number") not in orders:
            yield reading.entity("amount", found.span("number"), _plain(found["number"]))
    for found in _THOUSANDS.finditer(reading.digits):
        yield reading.entity("amount", found.span(), f"{float(_plain(found['number'])) * 1000:.0f}")


def _parts_after(reading: Reading, place: int) -> tuple[int, Decimal]:
    """Where the parts of one that begin at `place` end, and what they are: ونص, and a half."""
    for words, part in _parts():
        high = place + len(words)
        if tuple(reading.words[place:high]) == words:
            of_what = reading.word(high).startswith("ال") and reading.word(high) not in _NO_ARTICLE
            return (place, Decimal(0)) if of_what else (high, part)  # ونص الطلب ما وصل
    return place, Decimal(0)


_NO_ARTICLE = frozenset("الي اللي الان اليوم الا".split())


@lru_cache(maxsize=1)
def _parts() -> list[tuple[tuple[str, ...], Decimal]]:
    """What is said after a whole, the longest first: (words, part of one)."""
    told: Mapping[str, list[str]] = lexicon()["parts_of_one"]["after"]
    said = [(tuple(normal_words(phrase)), Decimal(part)) for part, phrases in told.items() for phrase in phrases]
    return sorted(said, key=lambda one: -len(one[0]))


def _with_parts(number: str, more: Decimal) -> str:
    return f"{Decimal(number) + more:.2f}" if more else number


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


def in_words(reading: Reading, orders: Collection[tuple[int, int]] = ()) -> Iterator[Entity]:
    """ألف وميتين جنيه, fifty riyals: a number in words with its currency, or a great one after a word for paying; ريالين;
    half a dinar. `orders` are the spans of order numbers in words."""
    words, low = reading.words, 0
    while low < len(words):
        number = spelled(words, low) or _digits_with_parts(reading, low)
        if number is None:
            yield from _without_number(reading, low)
            low += 1
            continue
        high = number.high
        if reading.span(low, high, number.prefix) in orders:
            low = high
            continue
        after_half, half = _parts_after(reading, high)  # خمسة ونص دينار
        if half and number.value < 100 and _CURRENCY_WORD.fullmatch(reading.word(after_half)):
            high = after_half
        else:
            half = Decimal(0)
        currency = _CURRENCY_WORD.fullmatch(reading.word(high))
        if currency:
            high, more = _parts_after(reading, high + 1)
            value = _with_parts(str(number.value), half or more)
            yield reading.entity("amount", reading.span(low, high, number.prefix), value, currency=_code(currency))
        elif number.great and number.value >= 20 and high - low > 1 and reading.word(high) not in _NO_AMOUNT_OF:
            joined = words[low].startswith("ب") and number.prefix
            if joined or any(_PAID.fullmatch(word) for word in words[max(0, low - 3) : low]):
                yield reading.entity("amount", reading.span(low, high, number.prefix), str(number.value))
        low = high


def _digits_with_parts(reading: Reading, place: int) -> Spelled | None:
    """The 3 of 3 ونص دينار."""
    word = reading.word(place)
    if word.isdecimal() and len(word) < 3 and _parts_after(reading, place + 1)[1]:
        return Spelled(place + 1, int(word), 0, great=False)
    return None


def _code(currency: regex.Match[str]) -> str:
    return next((code for code in _CURRENCIES if currency[code]), "")


_TWO_OF = regex.compile(
    r"(?P<prefix>[وبفل]?)(?:(?P<SAR>ريالين|ريالان)|(?P<AED>درهمين|درهمان)|(?P<EGP>جنيهين|جنيهان)|(?P<JOD>دينارين|ديناران)"
    r"|(?P<USD>دولارين|دولاران)|(?P<LBP>ليرتين))"
)
_ONE_WITH_PARTS = regex.compile(r"(?P<prefix>[وبفل]?)(?P<one>ريال|درهم|جنيه|دينار|دولار|يورو|ليره)")


def _without_number(reading: Reading, place: int) -> Iterator[Entity]:
    """What a currency says without a number before it: ريالين, ريال ونص, نص ريال, half a riyal."""
    word = reading.word(place)
    two, one = _TWO_OF.fullmatch(word), _ONE_WITH_PARTS.fullmatch(word)
    half = word if word in _parts_before() else word[1:] if word[:1] in ("ب", "و") else ""
    if not (two or one or half in _parts_before()) or _is_counted(reading, place):
        return
    high, more = _parts_after(reading, place + 1)
    if two:
        code = next(code for code, said in two.groupdict().items() if said and code != "prefix")
        span = reading.span(place, high, len(two["prefix"]))
        yield reading.entity("amount", span, _with_parts("2", more), currency=code)
    elif one and more and (currency := _CURRENCY_WORD.fullmatch(one["one"])):
        span = reading.span(place, high, len(one["prefix"]))
        yield reading.entity("amount", span, _with_parts("1", more), currency=_code(currency))
    elif half in _parts_before():
        high = place + 1 + (reading.word(place + 1) in ("a", "an"))
        if currency := _CURRENCY_WORD.fullmatch(reading.word(high)):
            span = reading.span(place, high + 1, len(word) - len(half))
            yield reading.entity("amount", span, _parts_before()[half], currency=_code(currency))


def _is_counted(reading: Reading, place: int) -> bool:
    before = reading.word(place - 1)
    return before.isdecimal() or bool(before and spelled(reading.words, place - 1))


@lru_cache(maxsize=1)
def _parts_before() -> dict[str, str]:
    told: Mapping[str, list[str]] = lexicon()["parts_of_one"]["before"]
    return {str(word): part for part, words in told.items() for word in words}
