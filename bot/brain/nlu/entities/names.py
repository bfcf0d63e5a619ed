"""Names of persons: after a cue such as "my name is", or bare in a message that gives data only. How far one goes is
told by the lists of given names, of words that join two parts and of words that end a name."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache

import regex

from bot.brain.nlu.entities.arabizi import sound
from bot.brain.nlu.entities.lexicon import lexicon, word_set
from bot.brain.nlu.entities.model import Entity
from bot.brain.nlu.entities.reading import Reading
from bot.text import normalize

__all__ = ["bare", "read"]

_NAME_CUE = regex.compile(
    r"(?:(?<!\p{L})(?:و|انا |أنا )?(?:اسمي|إسمي|أسمي|سميتي|سميتو|الاسم|الإسم|اسم العميل|اسم المستلم|باسم|بإسم)|"
    r"\b(?:my (?:full )?name(?: is|'s|:)|full name|name ?:|name is|ana esmi|esmi|ismi|esmy|ismy|esme|isme|asmi|smiti|smiyti|smiyty|smeyti|smity|smitti|smiyto|el esm|el ism|"
    r"under the name(?: of)?))"
    r"(?:\s+(?:هو|هوه|is|الكامل|الكريم|كامل|howa))*\s*[:：\-]?\s*",
    regex.IGNORECASE,
)
# Said of much else: what follows has to be a name for sure.
_LOOSE_NAME_CUE = regex.compile(
    r"(?:(?<!\p{L})(?:انا|أنا|معك|معاك|معاكم|معكم|معكن|معاكي|المستلم|المستلمه|المستلمة|صاحب الطلب|صاحبة الطلب|على اسم|علي اسم|باسمي|العميل|"
    r"العميله|العميلة|الزبون|الزبونه|للسيد|للسيده|للسيدة|السيد|السيده|السيدة)|"
    r"\b(?:under|this is|i am|i'm|im|ana|m3ak|ma3ak|ma3akom|m3akom|m3akm|mr|mrs|ms|recipient|attn|care of|c/o|signed by|it's|name of|"
    r"for|to|name|customer|bism|besm|b esm|be esm|3ala esm|bsmiyt|bsmit|au nom de))\.?\s{1,2}[:：\-]?\s*",
    regex.IGNORECASE,
)


def read(reading: Reading) -> Iterator[Entity]:
    """Names after a cue such as "my name is"."""
    for form, strict in ((_NAME_CUE, False), (_LOOSE_NAME_CUE, True)):
        for cue in form.finditer(reading.text):
            low = bisect_right([end for _, end in reading.spans], cue.end())
            if low >= len(reading.words) or reading.spans[low][0] < cue.end():
                continue
            while low + 1 < len(reading.words) and reading.word(low) in word_set("relatives"):
                low += 1
            word = reading.word(low)
            if not _is_given(word) and (word.startswith("ال") or (word.startswith("ي") and len(word) > 3)):
                continue  # الشركة, يطلع
            high = _end_of_name(reading, low, limit=3)
            if high > low and (not strict or _surely_a_name(reading, low, high)):
                yield _person(reading, low, high)


_MARKS = frozenset("، , ; ؛ | / - – — . :".split())
_ADDRESS = regex.compile(
    r"(?<![^ ])(?:ال|ب|و|ل)*(?:شارع|حي|عماره|شقه|بنايه|برج|فيلا|طريق|زنقه|درب|تجزئه|اقامه|ميدان|مدينه|منطقه|بلوك|قطعه|الدور|طابق|"
    r"قبال|مقابل|جنب|خلف|وراء|صيدليه|مسجد|مدرسه|بجانب|street|st|road|villa|building|bldg|block|apartment|apt|flat|floor|avenue|"
    r"share3|shari3|7ay|hay|rue|residence|3emara|3omara)(?![^ ])"
)


def bare(reading: Reading, found: Sequence[Entity]) -> Iterator[Entity]:
    """A name in a message that gives data only: "Mariam Fouad w raqami 0100…", "رنا حداد، عبدون، عمان". It opens the
    message, or stands alone between two marks. `found` is what else the message holds."""
    if any(entity.kind == "person_name" for entity in found) or not reading.words:
        return
    data = any(entity.kind in ("phone", "email", "city") for entity in found) or bool(_ADDRESS.search(reading.flat))
    after_marks = (place + 1 for place, word in enumerate(reading.words) if word in _MARKS)
    after_data = (reading.at_text(entity.end) for entity in found if entity.kind in ("phone", "email"))
    for low in [0, *after_marks, *after_data]:
        high = _end_of_name(reading, low) if low < len(reading.words) else low
        if high == low or any(_overlaps(reading, low, high, entity) for entity in found):
            continue
        if _stands_as_name(reading, low, high, data):
            yield _person(reading, low, high)
            return


def _overlaps(reading: Reading, low: int, high: int, entity: Entity) -> bool:
    start, end = reading.span(low, high)
    return start < entity.end and entity.start < end


_CONTACT = regex.compile(
    r"(?:و|w |wa |and )?(?:ال|el )?(?:جوال|جوالي|رقم|رقمي|رقمو|موبايل|موبايلي|تلفون|تلفوني|تليفون|تليفوني|هاتف|هاتفي|نمره|نمرتي|"
    r"نمرت|ايميل|ايميلي|واتس|واتساب|raqami|raqmi|ra2mi|ra2my|rakmi|ra9mi|r9mi|nemrti|nimrti|phone|mobile|number|tel|email|"
    r"my (?:phone|number|mobile|email)|telephone|jawali|gawali|mobayli)(?![^ ])"
)


def _stands_as_name(reading: Reading, low: int, high: int, data: bool) -> bool:
    """Whether words without a cue are a name; `data`: the message gives other data of a person."""
    first, others = reading.word(low), reading.words[low + 1 : high]
    sure = _surely_a_name(reading, low, high)
    if low == 0 and high == len(reading.words):
        return bool(others) and sure and _is_given(first) and _all_names(reading, low, high)
    after = reading.word(high)
    phone_next = (
        after[:1].isdecimal()
        or after == "+"
        or (high < len(reading.words) and bool(_CONTACT.match(reading.flat, reading.starts[high])))
    )
    closed = not any(sign.isalnum() for sign in after) or not reading.adjacent(high)
    if not data or not (closed or phone_next):
        return False
    if not others:
        return _is_given(first) and first not in word_set("given_names_also_other_words")
    if low == 0:
        joined = any(word.startswith("ال") or word in word_set("in_names") for word in others)
        return sure or (phone_next and joined)
    return sure and _is_given(first)


def _person(reading: Reading, low: int, high: int) -> Entity:
    span = reading.span(low, high)
    return reading.entity("person_name", span, reading.text[slice(*span)])


def _end_of_name(reading: Reading, place: int, limit: int = 4) -> int:
    """The end of the name that begins with a word, the word itself where none does. The second word may be any that
    is not known to end a name; a further one has to look like a part of a name, or be joined by one such as بن."""
    if not _may_be_part(reading, place):
        return place
    high, parts, titled = place + 1, 1, _is_capital(reading, place)
    joined = reading.word(place) in word_set("in_names")
    while high < len(reading.words) and parts < limit + 1:
        at = high
        if reading.word(at) in _HYPHENS and at + 1 < len(reading.words) and _is_glued(reading, at):
            at += 1
            joined = True
        if not (at > high or reading.adjacent(at)):
            break
        word = reading.word(at)
        connector = word in word_set("in_names")
        if word.isascii() != reading.word(place).isascii() or not (
            connector or _may_be_part(reading, at) or (joined and word.isalpha() and not word.isascii())  # آل ثاني
        ):
            break
        if connector and not reading.word(at + 1)[:1].isalpha():
            break
        capital = titled and _is_capital(reading, at)
        if parts >= 2 and not joined and not (capital or connector or _is_name_like(word)):
            break
        if titled and not capital and not connector and not joined and not _is_given(word):
            break
        if word.startswith(("وال", "بال", "لل", "فال")) and not _is_given(word):
            break
        high, joined = at + 1, connector
        parts += not connector
    while high > place + 1 and reading.word(high - 1) in word_set("in_names"):
        high -= 1
    return high


_HYPHENS = ("-", "'", "’")


def _is_glued(reading: Reading, place: int) -> bool:
    low, high = reading.spans[place]
    return bool(reading.spans[place - 1][1] == low and reading.spans[place + 1][0] == high)


def _may_be_part(reading: Reading, place: int) -> bool:
    word = reading.word(place)
    if len(word) < 2 or not word.isalpha() or word in word_set("not_names"):
        return False
    return not (word.startswith("و") and word[1:] in word_set("not_names") and not _is_given(word))


def _surely_a_name(reading: Reading, low: int, high: int) -> bool:
    """Whether words are a name though nothing says so: a given name that is no other word, or one that another part
    of a name follows, or capitals."""
    first = reading.word(low)
    others = [word for word in reading.words[low + 1 : high] if word not in _HYPHENS]
    more = any(_is_name_like(word) for word in others)
    if _is_given(first):
        return more or first not in word_set("given_names_also_other_words")
    titled = all(_is_capital(reading, place) for place in range(low, high))
    return len(others) > 0 and (titled or (more and first in ("ام", "ابو", "abu", "um", "umm")))


def _all_names(reading: Reading, low: int, high: int) -> bool:
    titled = all(_is_capital(reading, place) for place in range(low, high))
    return titled or all(
        _is_name_like(word) or word.endswith("ي") or word in ("-", "'") or before in word_set("in_names")
        for before, word in zip(reading.words[low:high], reading.words[low + 1 : high], strict=False)
    )


def _is_capital(reading: Reading, place: int) -> bool:
    """Of a message all in capitals they tell nothing."""
    return reading.text[reading.spans[place][0]].isupper() and any(sign.islower() for sign in reading.text)


def _is_name_like(word: str) -> bool:
    """Whether a word may go on a name without more: a given name, or one with the article (القحطاني)."""
    return (
        _is_given(word)
        or (len(word) > 4 and word.startswith("ال") and word not in word_set("not_names"))
        or word in word_set("in_names")
    )


def _is_given(word: str) -> bool:
    return word in _given_names() or (word.isascii() and len(word) > 4 and "~" + sound(word) in _given_names())


@lru_cache(maxsize=1)
def _given_names() -> frozenset[str]:
    names = [normalize(str(name)) for part in lexicon()["given_names"] for name in part]
    return frozenset(names) | frozenset("~" + sound(name) for name in names if name.isascii() and len(name) > 3)
