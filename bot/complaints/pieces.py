"""How many pieces of an item a complaint is about, read from what was written. Pure."""

from __future__ import annotations

import regex

from bot.text import normalize

__all__ = ["all_items_in", "pieces_answered", "pieces_in"]

_NUMBERS = {
    1: r"1|واحد\w?|وحد[هة]|حبه|قطعه|علبه|one|single|wa?7[ae]?d\w?|wahed|wahda|wa7da",
    2: r"2|اثنين|اتنين|ثنين|تنين|اثنان|ثنتين|اثنتين|تنتين|حبتين|قطعتين|علبتين|زوز|زوج|جوج|two|couple|[ei]?tn[ei]+n|joo?j|jouj|zou?z",
    3: r"3|ثلاث\w?|تلات\w?|ثلث|three|tlata|talata|tleta",
    4: r"4|اربع\w?|four|arba3a",
    5: r"5|خمس\w?|five|khamsa",
    6: r"6|سته?|six",
    7: r"7|سبع\w?|seven",
    8: r"8|ثماني?\w?|تماني?\w?|eight",
    9: r"9|تسع\w?|nine",
    10: r"10|عشر\w?|ten",
}
_N = rf"(?:ال|el )?(?:{'|'.join(_NUMBERS.values())}|\d{{1,2}})"
_BROKEN = (
    r"ناقص\w*|مكسور\w*|مفقود\w*|خرب\w*|تالف\w*|متضرر\w*|معيوب\w*|مشروخ\w*|بايظ\w*|ضايع\w*|(?:مش|مو|مب|ما) \w+"
    r"|broken|missing|damaged|cracked|faulty|defective|shattered|leaking|not (?:there|working)|na2e?s\w*|nages\w*|maksour\w*|mksour\w*"
)
# "one of the two", "واحد ناقص من اثنين", "only one", "two are missing", "ناقص واحد". A plain number says nothing of pieces.
_SAID = [
    regex.compile(rf"(?<!\w)({_N})(?!\w)(?: \w+){{0,2}} (?:of|out of|من|min|mn) (?:the |these |those |al |el |ال)?(?:them|those|{_N}|اصل)(?!\w)"),
    regex.compile(rf"(?<!\w)({_N}) (?:منه[ما]?\w*|منهن|فيهم|menhom|mnhom|minhum|minha)(?!\w)"),
    regex.compile(rf"(?<!\w)(?:only|just|بس|فقط|غير) ({_N})(?!\w)|(?<!\w)({_N}) (?:only|بس|فقط|bas|bss)(?!\w)"),
    regex.compile(rf"(?<!\w)(?<!the )(?<!يوم )({_N})(?: (?:is|are|was|were|came|arrived|pieces?|cups?|sets?|حب\w+|قطع\w*))* (?:{_BROKEN})(?!\w)"),
    regex.compile(rf"(?<!\w)(?<!the )(?:{_BROKEN})(?: (?:منه[ما]?|منهم|فيها))? ({_N})(?!\w)(?! (?:days?|hours?|weeks?|ايام|يوم|ساع\w+|اسابيع))"),
]  # fmt: skip
# "يوم الاثنين" is a Monday.
_BOTH = regex.compile(
    r"(?<!\w)(?:both|(?<!يوم )(?:ال|ب|بال)(?:اثنين|اتنين|ثنين|تنين|ثنتين|تنتين|جوج|زوز)|كلاهما|كلتاهما|كليهما|(?:[اث]?[ثت]نين|جوج|زوز)(?:ه[ما]\w*|اتن|ات?ه?ن)"
    r"|[ei]l[ -]?[ei]?tn[ei]+n|b?jouj|zouz)(?!\w)"
)
_ALL = regex.compile(
    r"(?<!\w)(?:كلهم|كلها|كلهن|كلهما|كلن|جميعه[ما]|جميعهم|الجميع|الكل|كل (?:الحبات|القطع|المنتجات|الاغراض|شي|شيء|حاجه|حاجة)"
    r"|(?<!at )all(?: (?:of )?(?:them|it|those|the \w+|broken|damaged|missing|\d))?|every (?:one|single one|item)|everything|each (?:one|of them)"
    r"|k[ou]ll?[ou]?h[oa]m|kell?on|kolhom|kolha)(?!\w)"
)


def pieces_in(text: str, ordered: int) -> int | None:
    """How many of the pieces ordered a text says are concerned; None where it does not say, or more than were ordered."""
    said = normalize(text)
    for pattern in _SAID:
        if found := pattern.search(said):
            return _within(_number(next(group for group in found.groups() if group)), ordered)
    if ordered == 2 and _BOTH.search(said):
        return 2
    # "All" of what was ordered, not "not at all".
    return (
        ordered
        if regex.search(r"(?<!\w)(?:كلهم|كلها|كلهن|كلهما|كلن|جميعها|جميعهم|all of (?:them|those))(?!\w)", said)
        else None
    )


def pieces_answered(text: str, ordered: int) -> int | None:
    """The same of an answer to "how many?", where any number is meant."""
    if (stated := pieces_in(text, ordered)) is not None:
        return stated
    said = normalize(text)
    if _ALL.search(said) or regex.fullmatch(r"كله|all", said):
        return ordered
    if _BOTH.search(said):
        return _within(2, ordered)
    numbers = {_number(word) for word in regex.findall(rf"(?<!\w)({_N})(?!\w)", said)}
    return _within(numbers.pop(), ordered) if len(numbers) == 1 else None


def all_items_in(text: str, items: int) -> bool:
    """Whether an answer to "which item?" means all the items that were named: "both" of two, "all of them"."""
    said = normalize(text)
    if _ALL.search(said):
        return True
    return items == 2 and (
        _BOTH.search(said) is not None or regex.fullmatch(r"2|two|اثنين|اتنين|تنين", said) is not None
    )


def _number(word: str) -> int:
    bare = regex.sub(r"^(?:ال|el )", "", word)
    return next(
        (n for n, words in _NUMBERS.items() if regex.fullmatch(words, bare)), int(bare) if bare.isdecimal() else 0
    )


def _within(number: int, ordered: int) -> int | None:
    return number if 1 <= number <= ordered else None
