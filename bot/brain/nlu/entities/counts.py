"""Quantities: a number with a unit or a product, which spaCy's Matcher and the products found tell, and one that only
the words around it call a count ("make it five", "paid for six")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import regex
from spacy.matcher import Matcher
from spacy.tokens import Doc
from spacy.vocab import Vocab

from bot.brain.nlu.entities.lexicon import lexicon, word_set
from bot.brain.nlu.entities.model import Entity
from bot.brain.nlu.entities.number_words import small_number, small_numbers
from bot.brain.nlu.entities.phrases import Hit
from bot.brain.nlu.entities.reading import Reading, is_arabic
from bot.text import normalize

__all__ = ["CountReader"]

_SIZES = frozenset(
    "مقاس مقاسي مقاسها نمره نمرة قياس رقم size sizes بوانت حجم طول mas ma2as ma9as maqas nemra 9yas no number الطابق طابق الدور "
    "دور floor شقه شقة apt بيت عماره شارع block بلوك".split()
)
_BEFORE_COUNTED = frozenset(
    "من of the men mn min el al my those these your our new big small black white red blue gold silver".split()
)
_HOURS_BEFORE = frozenset("after before at around till until الساعه بعد قبل العاشره sa3a ba3d abl".split())
_NO_COUNT_OF = frozenset(
    "يوم ايام يومين ساعه ساعات دقيقه دقايق دقائق اسبوع اسابيع شهر شهور اشهر سنه سنين مره مرات ريال ريالات جنيه درهم دراهم دينار "
    "دولار مل ملي سم كيلو % / : نقطه نقاط رساله رسائل رسايل نجوم نجمه بالميه بالمئه الف الاف مساء صباحا عصرا ظهرا ليلا الصبح "
    "الضهر العصر طوابق ادوار days day hours hour minutes mins weeks week months month years times stars star am pm sar aed egp "
    "riyals riyal pounds dirhams dinars usd percent k points messages calls emails ayam youm yom sa3at sa3a asabee3 shohoor "
    "marrat mrat geneh ryal derham jnih o'clock minute".split()
)


_FIGURES = regex.compile(r"[0-9]{1,2}|x\d{1,2}|\d{1,2}x|\W")


class CountReader:
    """Build once: it takes a moment."""

    def __init__(self) -> None:
        self._vocab = Vocab()
        self._matcher, self._known = _unit_matcher(self._vocab)
        self._forms = _count_forms()

    def read(self, reading: Reading, products: Sequence[Hit]) -> Iterator[Entity]:
        """`products` are those that the message names."""
        if reading.words:
            yield from self._with_units(reading)
            yield from _of_products(reading, products)
            yield from self._by_context(reading)

    def _with_units(self, reading: Reading) -> Iterator[Entity]:
        words = reading.words
        # A vocabulary keeps every word that it meets: those that no pattern asks for are all one to it.
        told = [word if word in self._known or _FIGURES.fullmatch(word) else "_" for word in words]
        for _, low, high in self._matcher(Doc(self._vocab, words=told)):
            if low and (words[low - 1] in _SIZES or words[low - 1] in ("/", "#")):
                continue
            count = next((count for word in words[low:high] if (count := _count(word))), None)
            if count:
                yield reading.entity("quantity", reading.span(low, high), count)

    def _by_context(self, reading: Reading) -> Iterator[Entity]:
        for form in self._forms:
            for found in form.finditer(reading.flat):
                place = reading.at(found.start("number"))
                number = small_number(found["number"])
                # In words one is "a"; a great one is more often a size.
                if not number or not (1 if found["number"].isdecimal() else 2) <= int(number) < 20:
                    continue
                if "الساعه" in reading.words[max(0, place - 3) : place] or reading.word(place + 1) in _NO_COUNT_OF:
                    continue
                if reading.word(place - 1) in _SIZES or reading.word(place - 1) in _HOURS_BEFORE:
                    continue
                high = reading.at(found.end("number") - 1) + 1
                span = reading.span(place, high, found.start("number") - reading.starts[place])
                yield reading.entity("quantity", span, number)


def _unit_matcher(vocab: Vocab) -> tuple[Matcher, frozenset[str]]:
    """3 pieces, ثلاث حبات, قطعتين, x2, qty: 2; and the words that the patterns name."""
    number: list[dict[str, Any]] = [{"TEXT": {"REGEX": r"^[0-9]{1,2}$"}}, {"TEXT": {"IN": sorted(small_numbers())}}]
    units = [normalize(str(word)) for word in lexicon()["units"]]
    unit: dict[str, Any] = {"TEXT": {"IN": [form for word in units for form in _unit_forms(word)]}}
    of: dict[str, Any] = {"TEXT": {"IN": ["من", "of", "men", "the", "x"]}, "OP": "?"}
    said: dict[str, Any] = {"TEXT": {"IN": ["quantity", "qty", "الكميه", "كميه", "عدد", "العدد", "3adad"]}}
    mark: dict[str, Any] = {"TEXT": {"REGEX": r"^\W$"}, "OP": "?"}
    matcher = Matcher(vocab)
    for one in number:
        matcher.add("quantity", [[one, of, unit]])
    matcher.add("quantity", [[{"TEXT": {"IN": sorted(word_set("duals"))}}]])
    matcher.add("quantity", [[{"TEXT": {"REGEX": r"^(?:x\d{1,2}|\d{1,2}x)$"}}]])
    for one in number:
        matcher.add("quantity", [[said, mark, one]])
    named = [word for part in (number[1], unit, of, said) for word in part["TEXT"]["IN"]]
    return matcher, frozenset(named) | word_set("duals")


def _unit_forms(word: str) -> list[str]:
    if not is_arabic(word):
        return [word]
    return [word, "ال" + word, "لل" + word, "بال" + word, "وال" + word, *(sign + word for sign in "بلوفع")]


def _count(word: str) -> str | None:
    return "2" if word in word_set("duals") else small_number(word.strip("x") if word[0] in "x0123456789" else word)


def _of_products(reading: Reading, products: Sequence[Hit]) -> Iterator[Entity]:
    """2 headphones, عدد 3 عطور, 2 men el fanageen."""
    words = reading.words
    for product in products:
        place, partly = product.low - 1, False
        while place > 0 and product.low - place <= 3 and words[place] in _BEFORE_COUNTED:
            partly = partly or words[place] in ("من", "of", "men", "mn", "min")
            place -= 1
        number = small_number(words[place]) if place >= 0 else None
        sized = place > 0 and words[place - 1] in _SIZES
        if number and not sized and not (partly and not words[place].isdecimal()):
            yield reading.entity("quantity", reading.span(place, place + 1), number)


_COUNTS = (
    # make it five: خليهم ٥
    r"(?<![^ ])(?:[وف]?(?:خلي|خل|خليو|خلو|اجعلو|سوو|سوي|زيدو|زودو|كملو|ديرو|دير|اعمل|اعملو|عمل|بدلو|حط|حطو)"
    r"(?:ه|ها|هم|هن|هوم|هون|ن|لي|ولي|ني|وهم|وها)+|yseer|ysiru|yb2o|yeb2o|5al+e?[iey]+(?:hom|hum|ha|hon)|"
    r"khal+e?[iey]+(?:hom|hum|ha|hon)|make (?:it|them|that)|change (?:it|them) to|up it to|bump it to) (?:الي |الى |to )?NUMBER",
    # paid for six: دفعت ثمن سبع
    r"(?<![^ ])(?:[وف]?(?:دفعت|دافع|دافعه|دافعين|دفعنا|خلصت|مخلص|مخلصه|خلصنا|محاسب|محاسبه|حاسبت|حاسبتوني|سددت) "
    r"(?:ثمن|تمن|حق|علي|عن|ف|في|ل|سعر|حساب)|paid for|charged(?: me)? for|billed(?: me)? for|dafa3t (?:7a[q2g]|taman|3an|3ala)|"
    r"khallast (?:3la|3ala|f|7a[q2g])|5allast (?:3la|3ala|7a[q2g])) NUMBER",
    # counted four, said two: عددتها خمسا
    r"(?<![^ ])(?:[وف]?(?:عددت|عديت|عدت|حسبت|وجدت|لقيت|لاقيت|قلت|قايل|قايله|قايلين|كتبت)(?:ها|هم|هن|هوم)?(?: (?:فيها|فيه|غير|بس|فقط))?|"
    r"counted|3addet(?:hom|ha)?|3adeet(?:hom|ha)?|2olt|gelt|golt) NUMBER(?= *(?:$|[^\p{L}\d ]|و|بس|فقط|خلي|لا |ل[كم]|مش|مو|ب|وال|"
    r"but|and|not|only|so|in|w |bas|msh|mesh))",
    # what came, with nothing counted after it: واصلني ٣, فالكرتونة غير 3
    r"(?<![^ ])(?:[وف]?(?:وصلني|وصلتني|وصلنا|واصلني|واصلنا|واصل|وصلي|وصلولي|وصلوني|وصلو|وصل|جاني|جتني|جاتني|جوني|جابو|جابولي|جابلي|"
    r"اجاني|اجوني|اجا|اجو|جا|استلمت|توصلت|فيها|فيه|فيهم|الموجود|لقيت|طلبت|طالب|طالبه|طالبين|طلبنا|كوموندت|بعتو|بعتولي|ارسلتو|غير|بس|"
    r"فقط|الا|ب|بدل|مكان|صارو|كانو|ناقص|ناقصني|باقي|يبقي|بقي)(?: (?:بس|غير|فقط|ب|فيها|فيه|منهم|منها))?|"
    r"got|received|only|sent(?: me)?|ordered|found|there (?:are|were|was)|there's|just|instead of|says|said|shows|missing|had|"
    r"fiha|feha|fih|fiiha|talabt|tlabt|gatni|jatni|jani|gali|wselni|wasalni|wesalni|weselni|waselni|weslo|laget|la2et|l9it|ghir|8er|"
    r"bas|badal) NUMBER(?= *(?:$|[,،.؛;!?؟:)\-–…]|(?:بس|فقط|لا غير|و[^ ]*|غير|مش|مو|موب|ماهو|مب|لكن|بدل|من اصل|وين|فين|ليش|ليه|علاش|"
    r"جاني|جتني|وصلني|وصلتني|واصلني|واصل|لقيت|خليهم|والباقي|but|and|not|only|instead|so|where|out of|in the|inside|came|w|wa|"
    r"bas|msh|mesh|mo|mish|gatni|jatni|weselni|wesel|gat|gali)(?![^ ])))",
    # two, and no more: 2 bas
    r"(?<![^ ])(?=\d)NUMBER (?:بس|فقط|لا غير|bas|bs|bass|only)(?![^ ])",
)


def _count_forms() -> list[regex.Pattern[str]]:
    words = "|".join(regex.escape(word) for word in sorted(small_numbers(), key=len, reverse=True))
    number = rf"(?P<number>\d{{1,2}}|{words})(?![^ ])"
    return [regex.compile(form.replace("NUMBER", number)) for form in _COUNTS]
