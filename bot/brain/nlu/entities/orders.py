"""Order numbers: marked (#1042, ORD-1042), after a word for an order, in words (order one zero four two), or standing
alone where nothing says that they count or name something else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import regex

from bot.brain.nlu.entities.model import Entity
from bot.brain.nlu.entities.number_words import dictated, spelled
from bot.brain.nlu.entities.phones import is_grouped_phone, is_tail
from bot.brain.nlu.entities.reading import Reading, lone_number

__all__ = ["called_in_words", "called_orders", "read"]

_MARKED_ORDER = regex.compile(
    r"(?:#\s?(?:ORD[\-_ ]?)?|(?<!\w)ORD[\-_ #]{0,2})(?P<number>\d{3,10})(?!\d)", regex.IGNORECASE
)
_NAMED_ORDER = regex.compile(
    r"(?:(?:ال|لل|بال|ب|ل|و|ف)*(?:طلبيه|طلبيتي|طلبية|طلبيت|طلبي|طلبك|طلب|اوردري|اوردر|أوردر|"
    r"كوموند|كماند|لاكوموند|الكوموند)|"
    r"\b(?:orders?|talabi+t?i?|talaby?|talab|6alabi|6alab|6alabiti|talabeya|talabiyti|talabiya|ordr|commande|komand|"
    r"ordery))"
    r"(?:[\s:#.\-]{1,3}(?:هو|هي|رقم|رقمو|رقمه|رقمها|ورقم|نمره|نمرة|number|numero|num|nb|no|nr|id|is|its|"
    r"ra2m|ra2am|ra9m|raqm|raqam|ra8m|rakm|nemra|nimra|n°|my|هوه|الي)){0,3}[\s:#.\-]{0,3}(?P<number>\d{3,10}|\d\d \d\d)(?![\d\p{L}%])",
    regex.IGNORECASE,
)
# "Ticket 7789", "شكوى رقم 7789": a number of something else than an order.
_NO_ORDER_CUE = regex.compile(
    r"(?:تكت|تيكت|تذكره|تذكرة|التذكره|التذكرة|بلاغ|بلاغي|شكوى|شكوي|شكوتي|شكواي|شكاية|شكايه|شكايتي|ticket|tckt|complaint|"
    r"case|shakwa|shakwti|shakwty|shakawa|balagh|bala8|chikaya|تتبع|بوليصه|بوليصة|tracking|invoice|"
    r"فاتوره|فاتورة)(?:\s?(?:رقمه|رقمها|رقمو|رقم|ورقمه|ورقمها|number|no\.?|id|nr|is|was|ra2m|ra9m|raqm|ra2amha|"
    r"rakmha|ra8m|num|numéro|تبعي|حقي|حقتي|بتاعتي|ديالي)){0,3}[\s:#.\-]{1,3}$",
    regex.IGNORECASE,
)


def called_orders(reading: Reading) -> list[tuple[int, int]]:
    """Where a number stands that a mark or a word before it calls an order's. Other readers pass it over."""
    return [
        found.span("number")
        for form in (_MARKED_ORDER, _NAMED_ORDER)
        for found in form.finditer(reading.digits)
        if not _NO_ORDER_CUE.search(reading.before(found.start("number")))
        and not is_grouped_phone(reading.digits, *found.span("number"))
    ]


_ORDER_BEFORE = regex.compile(
    r"(?<![^ ])(?P<first>(?:[وب]?رقم |[وب]?ال?نمره |ra2m |ra9m |raqm )?)(?:(?:ال|لل|بال|ب|ل|و|ف)*(?:طلبيه|طلبيتي|طلبي|طلبك|طلب|اوردري|اوردر|كوموند|كماند)|orders?|talab|talabi|talaby|"
    r"6alab|6alabi|talabeya|commande|ord)(?P<number>(?: (?:هو|هي|رقم|رقمه|رقمها|رقمو|number|numero|no|nr|id|is|its|:|\.|#|ra2m|ra2am|"
    r"ra9m|raqm|raqam|rakm|my|ديالي|تبعي|حقي|بتاعي)){0,4}) $"
)
_NUMBER_BEFORE = regex.compile(
    r"(?<![^ ])(?:رقم\p{L}{0,2}|number|numero|no|nr|id|ra2m|ra2am|ra9m|raqm|raqam|rakm|#)(?![^ ])"
)


def called_in_words(reading: Reading) -> list[tuple[tuple[int, int], str]]:
    """(where it stands, its digits) of each order number in words: three digits or more after a word for an order, four
    where nothing but a zero says that they are no count; or one number after "order number" (الف واربعه)."""
    found, place = [], 0
    while place < len(reading.words):
        digits, high, parts = dictated(reading.words, place)
        whole = spelled(reading.words, place)
        before = _ORDER_BEFORE.search(_flat_before(reading, place)) if digits or whole else None
        numbered = before and _NUMBER_BEFORE.search(before["first"] + before["number"])
        if whole and numbered and whole.value >= 100 and not whole.prefix and whole.high > high - (parts == 1):
            found.append((reading.span(place, whole.high), str(whole.value)))
            place = whole.high
            continue
        alone = parts >= 4 and "0" in digits and not _is_other_number(reading, place)
        if parts > 1 and (before and len(digits) >= 3 or alone) and len(digits) <= 8:
            found.append((reading.span(place, high), digits))
        place = max(high, place + 1)
    return found


def _flat_before(reading: Reading, place: int) -> str:
    return reading.flat[max(0, reading.starts[place] - 80) : reading.starts[place]]


def _is_other_number(reading: Reading, place: int) -> bool:
    """Whether what stands before a number says that it is no order's."""
    earlier = reading.before(reading.spans[place][0])
    return bool(_NOT_BEFORE.search(earlier) or _NO_ORDER_CUE.search(earlier) or is_tail(earlier))


def read(
    reading: Reading, called: Collection[tuple[int, int]], in_words: Iterable[tuple[tuple[int, int], str]]
) -> Iterator[Entity]:
    """`called` is what `called_orders` found, `in_words` what `called_in_words` did."""
    for span, digits in in_words:
        yield reading.entity("order_number", span, digits)
    yield from _called(reading, called)
    yield from _alone(reading, called)


_MORE_OF_ORDER = regex.compile(
    r"[ \u00a0](\d{2,4})(?![\d/:]|[.,]\d|\s?(?:ريال|جنيه|درهم|دينار|sar|aed|egp|riyal|sr\b|ل\.س|حب|قطع|يوم|ايام|أيام|days|مره|مرة|%))",
    regex.IGNORECASE,
)


def _called(reading: Reading, called: Collection[tuple[int, int]]) -> Iterator[Entity]:
    for start, end in called:
        number = reading.digits[start:end].replace(" ", "")
        more = _MORE_OF_ORDER.match(reading.digits, end)
        if more and _one_number(number, more[1]):
            number, end = number + more[1], more.end()
        if len(number) <= 8:
            yield reading.entity("order_number", (start, end), number)


def _one_number(first: str, second: str) -> bool:
    """Whether two groups of digits are one order number written with a space. Two of about the same size and value
    are two orders."""
    if len(first) != len(second):
        return False
    return len(first) < 4 or abs(int(first) - int(second)) > 1000


_LONE = lone_number("4,8")
_NOT_AFTER = regex.compile(
    r"^\s{0,2}(?:m?ah|mAh|مل|ملي|ml|gb|tb|جيجا|قيقا|غيغا|واط|watts?|w\b|نقط|نقاط|نقطة|points?|pts|no2at|no2ta|n2at|mm|cm|سم\b|"
    r"kg|كيلو|جرام|غرام|يوم|ايام|أيام|days?|ساع|hours?|دقيق|min|%|٪|بالمي|بالمئ|الف|ألف|مليون|followers|متابع|مشترك|مشاهد|لايك|شخص|subscribers?|views?|people|مره|مرة|times)",
    regex.IGNORECASE,
)
_NOT_BEFORE = regex.compile(
    r"(?:شارع|بنايه|بناية|مبنى|مبني|عماره|عمارة|شقه|شقة|فيلا|بلوك|قطعه|قطعة|منزل|طريق|زنقه|زنقة|"
    r"(?:رمز|كود|الكود|الرمز) (?:ال)?(?:تحقق|تفعيل|تاكيد|تأكيد|دخول)|رمز|الكود|كود|بريدي|البريدي|ص\.?ب\.?|صندوق بريد|موديل|سنه|سنة|عام|otp|\bcode|\bpin|zip|postal|postcode|box|"
    r"street|st\.|villa|building|bldg|block|apt|flat|"
    r"model|year|since|\bin|rue|balance|رصيدي|نقاطي|points)[\s:.،#\-]{0,3}(?:رقم|number|no\.?|is|هو)?[\s:.،#\-]{0,3}$",
    regex.IGNORECASE,
)
_POINTS = regex.compile(
    r"(?:نقاط|نقط|نقاطي|نقطه|نقطة|\bpoints?\b|\bno[q29]a[t6]|\bnu[q2]a[t6]|\bno[q2][t6]a|\bnouqa[t6]|\bnoga[t6])",
    regex.IGNORECASE,
)
_HAD = regex.compile(
    r"(?<!\p{L})(?:عندي|عنديش|معايا|معاي|معي|جمعت|مجمع|مجمعه|مجمعة|حوالي|تقريبا|تقريبًا|قرابة|رصيدي|متابعيني|almost|"
    r"(?<!what )(?<!how )about|around|nearly|over|roughly|3andi|3andy|3endi|3endy|3ndi|m3aya|ma3aya|ma3i|gamma3t|jma3t|i have|i've got|ive got|"
    r"i got|earned|collected|ta2riban|7awali|hawali)\s{1,2}(?:almost |about |حوالي |تقريبا )?$",
    regex.IGNORECASE,
)
_RANGE_TO = regex.compile(
    r"\d[\d.,]*\s?(?:الى|إلى|الي|إلي|ل|لـ|لين|حتى|to|ela|ila|le|l|-|–|→|7atta|lain)\s?$", regex.IGNORECASE
)
_BETWEEN = regex.compile(
    r"(?:\bbetween|(?<!\p{L})(?:ما ?)?بين)\s(?:\d[\d.,]*\s?(?:and|&|و|to|الى|الي)\s?)?$", regex.IGNORECASE
)
_RANGE_FROM = regex.compile(r"\s?(?:الى|إلى|الي|إلي|لـ|ل|لين|to|ela|ila|le|l|-|–|→)\s?\d", regex.IGNORECASE)
_YEAR = regex.compile(r"19[5-9]\d|20[0-4]\d")
_SINCE = regex.compile(
    r"(?:\bin|\bsince|\bfrom|منذ|من|\bmen|\bmn|\bmin|في|سنه|سنة|عام|\bof|\bback in|\bsana|\b3am|مواليد|born)\s?(?:سنه |سنة |عام )?$",
    regex.IGNORECASE,
)


def _alone(reading: Reading, called: Collection[tuple[int, int]]) -> Iterator[Entity]:
    """The last four digits of a phone are among them: `phones.last_four` finds them too, and a phone goes before."""
    digits = reading.digits
    counted = bool(_POINTS.search(digits))  # points are spoken of: a number is a balance
    for found in _LONE.finditer(digits):
        earlier, after = reading.before(found.start()), digits[found.end() : found.end() + 16]
        if counted and found.span() not in called:
            continue
        if _NOT_AFTER.search(after) or _NOT_BEFORE.search(earlier) or _NO_ORDER_CUE.search(earlier):
            continue
        if _HAD.search(earlier) or _RANGE_TO.search(earlier) or _RANGE_FROM.match(after):
            continue
        if _BETWEEN.search(earlier) or _YEAR.fullmatch(found[0]) and _SINCE.search(earlier):
            continue
        yield reading.entity("order_number", found.span(), found[0])
