"""Order numbers, phones, e-mails, amounts, dates, quantities, products, cities and names in what a customer writes.

Numbers are read from the text with its digits mapped to 0-9, which keeps every position; words from a spaCy blank
Arabic pipeline whose tokens carry the normal form of `bot.text.normalize`: an EntityRuler for products and cities, a
Matcher for dates and quantities. Where two readings overlap, the one named first in `_PRIORITY` wins.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import phonenumbers
import regex
import spacy
import yaml
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.extractors.extractor import EntityExtractorMixin
from rasa.shared.nlu.constants import ENTITIES, TEXT
from rasa.shared.nlu.training_data.message import Message
from spacy.language import Language
from spacy.matcher import Matcher
from spacy.tokens import Doc, Span

from bot.brain.nlu.ngrams import LONGEST
from bot.text import normalize, western_digits

__all__ = ["Entity", "Extractor", "PatternEntities", "extract", "phone_number", "set_catalogue"]

_LEXICON = Path(__file__).with_name("lexicon.yml")
_PRIORITY = ("email", "phone", "amount", "date", "order_number", "quantity", "product", "city", "person_name")

# Tried in this order for a phone written without its country: the shop's own first, then by number of customers.
_COUNTRIES = "SA EG AE JO KW MA LB QA BH OM IQ DZ TN PS YE LY SY SD".split()

_MOBILE = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)

_SURROGATE = regex.compile("[\ud800-\udfff]")
_EMAIL = regex.compile(r"[A-Za-z0-9][\w.+\-]*@[A-Za-z0-9][A-Za-z0-9.\-]*\.[A-Za-z]{2,}", regex.ASCII)
_PHONE = regex.compile(r"(?<![\w#/.,@])(?:\+|00)?\(?\d(?:[ \-().\u00a0\u200e\u202a\u202c]{0,2}\d){7,14}(?![\d@])")
_PHONE_CUE = regex.compile(
    r"(?:جوال|موبايل|هاتف|تلفون|تليفون|نمر|نمره|واتس|رقمي|رقم التواصل|phone|mobile|cell|whats|\btel\b|contact|call me|"
    r"ra2my|raqmi|r9mi|ra2mi|nemr|nimr|mobayl|jawwal|jawal|gawal|telephone|تيليفون|بورطابل|portable)[\p{L}\s:،,.\-]{0,25}$",
    regex.IGNORECASE,
)
_TAIL_CUE = regex.compile(
    r"(?:اخر|آخر|اواخر|ينتهي|تنتهي|منتهي|نهايت|بينتهي|بيخلص|اخره|اخرها|last|ends?|ending|a5er|akher|akhir|2akher|"
    r"tali|yentehi|byentehi)(?![^\s]*\d{5})[\p{L}\s:،,.\-]{0,25}(?:\b[4٤]\b[\p{L}\s:،,.\-]{0,25})?$",
    regex.IGNORECASE,
)
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
_ANY_CURRENCY = "|".join(f"(?P<{code}>{words})" for code, words in _CURRENCIES.items())
_NUMBER = r"\d{1,3}(?:[,٬]\d{3})+(?:[.٫]\d{1,2})?|\d{1,7}(?:[.٫]\d{1,2})?"
_AMOUNT = regex.compile(
    rf"(?<![\w#.,+\-])(?:(?P<number>{_NUMBER})\s{{0,2}}(?:{_ANY_CURRENCY})(?![\p{{L}}\d])"
    rf"|(?P<before>\$|€|\b(?:SAR|AED|EGP|USD|SR|KWD|JOD|MAD))\s?(?P<number2>{_NUMBER})(?![\d\p{{L}}]))",
    regex.IGNORECASE,
)
_BARE_AMOUNT = regex.compile(
    r"(?:(?<!\p{L})(?:ال)?(?:سعر|ثمن|مبلغ|انسحب|انخصم|اتسحب|اتخصم|خصمتو|سحبتو|سحبو|خصمو|دفعت|بسعر|قيمه|قيمة)\p{L}*|"
    r"\b(?:price|paid|charged|cost|costs|amount|site said|dafa3t|sa7abto|se3r))"
    rf"(?:\s\p{{L}}{{1,8}}){{0,3}}\s(?P<number>{_NUMBER})(?=\s|[.،,!?؟]|$)(?!\s?(?:%|بالم|mah|مل|ml|points|نقط))",
    regex.IGNORECASE,
)
_DATE = regex.compile(
    r"(?<![\d/.\-#])(?:(?P<year>20\d\d)[/.\-](?P<month>1[0-2]|0?[1-9])[/.\-](?P<day>3[01]|[12]\d|0?[1-9])"
    r"|(?P<day2>3[01]|[12]\d|0?[1-9])(?P<mark>[/\-.])(?P<month2>1[0-2]|0?[1-9])(?P=mark)(?P<year2>20\d\d)"
    r"|(?:3[01]|[12]\d|0?[1-9])/(?:1[0-2]|0?[1-9]))(?![\d/])"
)
_MARKED_ORDER = regex.compile(
    r"(?:#\s?(?:ORD[\-_ ]?)?|(?<!\w)ORD[\-_ #]{0,2})(?P<number>\d{3,10})(?!\d)", regex.IGNORECASE
)
_NAMED_ORDER = regex.compile(
    r"(?:(?:ال|لل|بال|ب|ل|و|ف)*(?:طلبيه|طلبيتي|طلبية|طلبيت|طلبي|طلبك|طلب|اوردري|اوردر|أوردر|"
    r"كوموند|كماند|لاكوموند|الكوموند)|"
    r"\b(?:orders?|talabi+t?i?|talaby?|talab|6alabi|6alab|6alabiti|talabeya|talabiyti|talabiya|ordr|commande|komand|"
    r"ordery))"
    r"(?:[\s:#.\-]{1,3}(?:هو|هي|رقم|رقمو|رقمه|رقمها|ورقم|نمره|نمرة|number|numero|num|nb|no|nr|id|is|its|"
    r"ra2m|ra2am|ra9m|raqm|raqam|ra8m|rakm|nemra|nimra|n°|my|هوه|الي)){0,3}[\s:#.\-]{0,3}(?P<number>\d{3,10})(?![\d\p{L}%])",
    regex.IGNORECASE,
)
_BARE_ORDER = regex.compile(r"(?<!\d:)(?<![\d\p{Latin}.,+/\-@_])(?P<number>\d{4,8})(?![\d\p{Latin}@/_]|[.,:]\d)")
_NOT_AFTER = regex.compile(
    r"^\s{0,2}(?:m?ah|mAh|مل|ملي|ml|gb|tb|جيجا|قيقا|غيغا|واط|watts?|w\b|نقط|نقاط|نقطة|points?|pts|no2at|no2ta|n2at|mm|cm|سم\b|"
    r"kg|كيلو|جرام|غرام|يوم|ايام|أيام|days?|ساع|hours?|دقيق|min|%|٪|بالمي|بالمئ|الف|ألف|مليون|followers|مره|مرة|times)",
    regex.IGNORECASE,
)
_NOT_BEFORE = regex.compile(
    r"(?:شارع|بنايه|بناية|مبنى|مبني|عماره|عمارة|شقه|شقة|فيلا|بلوك|قطعه|قطعة|منزل|طريق|زنقه|زنقة|"
    r"(?:رمز|كود|الكود|الرمز) (?:ال)?(?:تحقق|تفعيل|تاكيد|تأكيد|دخول)|رمز|الكود|كود|بريدي|البريدي|ص\.?ب\.?|صندوق بريد|موديل|سنه|سنة|عام|otp|\bcode|\bpin|zip|postal|postcode|box|"
    r"street|st\.|villa|building|bldg|block|apt|flat|"
    r"model|year|since|\bin|rue|balance|رصيدي|نقاطي|points)[\s:.،#\-]{0,3}(?:رقم|number|no\.?|is|هو)?[\s:.،#\-]{0,3}$",
    regex.IGNORECASE,
)
_NAME_CUE = regex.compile(
    r"(?:(?<!\p{L})(?:و|انا |أنا )?(?:اسمي|إسمي|أسمي|سميتي|سميتو|الاسم|الإسم|اسم العميل|اسم المستلم|باسم|بإسم)|"
    r"\b(?:my (?:full )?name(?: is|'s|:)|full name|name ?:|name is|ana esmi|esmi|ismi|esmy|smiti|el esm|el ism|"
    r"under the name(?: of)?))"
    r"(?:\s+(?:هو|هوه|is|الكامل|الكريم|كامل|howa))*\s*[:：\-]?\s*",
    regex.IGNORECASE,
)
_NAME_WORD = regex.compile(r"[\p{L}\p{M}][\p{L}\p{M}'’\-.]*")
_ARTICLES = ("ال", "لل", "بال", "وال", "فال", "عال", "هال", "كال", "ولل", "وبال")
_CLITICS = ("", "ب", "ل", "و", "ف", "ع")


@dataclass(frozen=True)
class Entity:
    """`text` is `message[start:end]` as written; `value` the normal form (docs/nlu.md). `more` holds what a kind adds,
    such as the currency of an amount."""

    kind: str
    start: int
    end: int
    text: str
    value: str
    more: Mapping[str, str] = field(default_factory=dict)


@lru_cache(maxsize=1)
def _lexicon() -> dict[str, Any]:
    kept: dict[str, Any] = yaml.safe_load(_LEXICON.read_text(encoding="utf-8"))
    return kept


@lru_cache(maxsize=1)
def _cities() -> dict[str, list[str]]:
    text = resources.files("bot.content").joinpath("cities.yml").read_text(encoding="utf-8")
    return {str(city): [str(name) for name in names] for city, names in yaml.safe_load(text)["cities"].items()}


def phone_number(written: str, sure: bool = True) -> str | None:
    """E.164 of a phone as customers write it, or None. Without a country it is the first of `_COUNTRIES` in which the
    number is a mobile, or else a landline. `sure=False` (nothing says that it is a phone) asks for a leading +, 00 or
    0, or a number of the first country."""
    digits = regex.sub(r"[^\d+]", "", western_digits(written))
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    regions: list[str | None] = [None] if digits.startswith("+") else list(_COUNTRIES)
    if not sure and not digits.startswith(("+", "0")):
        regions = list(_COUNTRIES[:1])
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
            number = phonenumbers.parse(digits, _COUNTRIES[0])
        except phonenumbers.NumberParseException:
            return None
        if phonenumbers.is_possible_number(number) and len(digits) >= 9:
            return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return None


@Language.component("thiqa_norm")  # type: ignore[untyped-decorator]
def _norm(doc: Doc) -> Doc:
    for token in doc:
        token.norm_ = normalize(token.text) or token.text
    return doc


def _arabic(word: str) -> bool:
    return bool(regex.match(r"\p{Arabic}", word))


def _forms(word: str, article: bool = True) -> list[str]:
    """The word with the prefixes that Arabic writes onto it; with and without the article if `article`, else only as
    it is given: الزرقا is a city, زرقا is blue."""
    if not _arabic(word):
        return [word]
    bare = word[2:] if word.startswith("ال") and len(word) > 4 else word
    with_article = {prefix + bare for prefix in _ARTICLES}
    without = {prefix + bare for prefix in _CLITICS}
    if article:
        return sorted(with_article | without)
    return sorted(without if bare == word else with_article)


def _pattern(words: list[str], article: bool) -> list[dict[str, Any]]:
    """Token pattern of a phrase: prefixes on the first word, the article on the others, an English plural."""
    first, *others = words
    pattern = [_forms(first, article), *([word, "ال" + word] if _arabic(word) else [word] for word in others)]
    if article and words[-1].isascii():
        pattern[-1] = [*pattern[-1], words[-1] + "s"]
    return [{"NORM": {"IN": forms}} for forms in pattern]


class Extractor:
    """Reads entities for one catalogue. Build once, use from any thread."""

    def __init__(self, products: Iterable[Mapping[str, Any]]) -> None:
        """`products` have `sku` and `name: {ar, en}` as in the demo shop's file."""
        self._nlp = spacy.blank("ar")
        self._nlp.add_pipe("thiqa_norm")
        self._city_words: set[str] = set()  # first words, as they stand without prefixes
        self._product_words: set[str] = set()
        ruler = self._nlp.add_pipe("entity_ruler", config={"overwrite_ents": True})
        ruler.add_patterns([*self._city_patterns(), *self._product_patterns(list(products))])
        self._matcher = Matcher(self._nlp.vocab)
        words = _lexicon()
        self._numbers: dict[str, int] = {normalize(str(k)): int(v) for k, v in words["numbers"].items()}
        self._duals: dict[str, int] = {normalize(str(k)): 2 for k in words["duals"]}
        self._add_quantities([normalize(str(word)) for word in words["units"]])
        self._add_dates(words)

    def _words(self, phrase: str) -> list[str]:
        return [normalize(token.text) for token in self._nlp.make_doc(phrase) if not token.is_space]

    def _city_patterns(self) -> Iterator[dict[str, Any]]:
        for city, names in _cities().items():
            for name in {city, *names}:
                words = self._words(name)
                if words:
                    self._city_words |= {words[0], words[0].removeprefix("ال")}
                    yield {"label": "city", "pattern": _pattern(words, article=False), "id": city}

    def _product_patterns(self, products: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Whole names, parts of two words or more, and everyday words for the kind of product. What two products
        share names neither: its id is empty."""
        owners: dict[tuple[str, ...], set[str]] = {}
        families = [[normalize(str(word)) for word in family] for family in _lexicon()["products"]]
        for product in products:
            sku = str(product["sku"])
            for name in dict(product["name"]).values():
                words = [word for word in self._words(str(name)) if regex.search(r"\w", word)]
                telling = [word.removeprefix("ال") if len(word) > 4 else word for word in words]
                for low in range(len(telling)):
                    for high in range(low + 2, len(telling) + 1):
                        part = telling[low:high]
                        if sum(word.isalpha() and len(word) > 2 for word in part) >= 2:
                            owners.setdefault(tuple(part), set()).add(sku)
                whole = f" {normalize(str(name))} "
                for family in families:
                    if any(f" {word} " in whole for word in family):
                        for word in family:
                            owners.setdefault(tuple(self._words(word)), set()).add(sku)
        for part_words, skus in owners.items():
            if part_words:
                first = part_words[0]
                self._product_words.add(first.removeprefix("ال") if len(first) > 4 else first)
                yield {
                    "label": "product",
                    "pattern": _pattern(list(part_words), article=True),
                    "id": "|".join(sorted(skus)),
                }

    def _add_quantities(self, units: list[str]) -> None:
        number: list[dict[str, Any]] = [
            {"TEXT": {"REGEX": r"^[0-9٠-٩۰-۹]{1,2}$"}},
            {"NORM": {"IN": sorted(self._numbers)}},
        ]
        unit = {"NORM": {"IN": [form for word in units for form in _forms(word)]}}
        for one in number:
            self._matcher.add("quantity", [[one, unit]])
        self._matcher.add("quantity", [[{"NORM": {"IN": sorted(self._duals)}}]])
        self._matcher.add("quantity", [[{"NORM": {"REGEX": r"^(?:x\d{1,2}|\d{1,2}x)$"}}]])
        said: dict[str, Any] = {"NORM": {"IN": ["quantity", "qty", "الكميه", "كميه", "عدد", "العدد"]}}
        for one in number:
            self._matcher.add("quantity", [[said, {"IS_PUNCT": True, "OP": "?"}, one]])

    def _add_dates(self, words: Mapping[str, Any]) -> None:
        day: dict[str, Any] = {"TEXT": {"REGEX": r"^(?:[0-9٠-٩۰-۹]{1,2})(?:st|nd|rd|th)?$"}}
        month: dict[str, Any] = {"NORM": {"IN": sorted({normalize(str(word)) for word in words["months"]})}}
        year: dict[str, Any] = {"TEXT": {"REGEX": r"^[2٢۲][0٠۰][0-9٠-٩۰-۹]{2}$"}, "OP": "?"}
        weekdays = [self._words(str(word)) for word in words["weekdays"]]
        days = sorted({form for word in weekdays if len(word) == 1 for form in _forms(word[0], article=False)})
        lead = ["يوم", "ليوم", "بيوم", "نهار", "لنهار", "youm", "yom", "nhar", "last", "next", "this"]
        this: dict[str, Any] = {"NORM": {"IN": [normalize(str(word)) for word in words["nearness"]]}, "OP": "?"}
        self._matcher.add("date", [[day, month, year], [month, day, year]])
        self._matcher.add("date", [[{"NORM": {"IN": lead}, "OP": "?"}, {"NORM": {"IN": days}}, this]])
        for phrase in (word for word in weekdays if len(word) > 1):
            self._matcher.add("date", [[{"NORM": {"IN": lead}, "OP": "?"}, *({"NORM": word} for word in phrase)]])
        for relative in words["days"]:
            self._matcher.add("date", [[{"NORM": word} for word in self._words(str(relative))]])

    def extract(self, text: str) -> list[Entity]:
        """All entities of `text` in the order they stand, none overlapping. Never raises; what follows the first
        `LONGEST` characters is not read."""
        text = _SURROGATE.sub("\ufffd", text[:LONGEST])  # spaCy refuses halves of characters
        digits = western_digits(text)
        found = [*self._numeric(text, digits), *self._verbal(text)]
        found.sort(key=lambda entity: (_PRIORITY.index(entity.kind), entity.start - entity.end, entity.start))
        taken: list[Entity] = []
        for entity in found:
            if all(entity.end <= other.start or entity.start >= other.end for other in taken):
                taken.append(entity)
        return sorted(taken, key=lambda entity: entity.start)

    def _numeric(self, text: str, digits: str) -> Iterator[Entity]:
        def entity(kind: str, span: tuple[int, int], value: str, **more: str) -> Entity:
            return Entity(kind, *span, text[slice(*span)], value, more)

        for found in _EMAIL.finditer(digits):
            yield entity("email", found.span(), found[0].lower())
        marked = [found for form in (_MARKED_ORDER, _NAMED_ORDER) for found in form.finditer(digits)]
        for found in marked:
            if len(found["number"]) <= 8:
                yield entity("order_number", found.span("number"), found["number"])
        for found in _PHONE.finditer(digits):
            before = digits[max(0, found.start() - 40) : found.start()]
            if any(other.start("number") == found.start() and len(other["number"]) <= 8 for other in marked):
                continue
            count = sum(sign.isdigit() for sign in found[0])
            cued = bool(_PHONE_CUE.search(before))
            if count <= 8 and not (cued or found[0].startswith(("+", "00"))):
                continue
            value = phone_number(found[0], sure=cued)
            if value:
                yield entity("phone", found.span(), value)
        for found in _AMOUNT.finditer(digits):
            number = (found["number"] or found["number2"]).replace(",", "").replace("٬", "").replace("٫", ".")
            code = next((code for code in _CURRENCIES if found[code]), "") or self._currency(found["before"] or "")
            yield entity("amount", found.span(), number, currency=code)
        for found in _BARE_AMOUNT.finditer(digits):
            if len(found["number"]) > 1 and not any(other.span("number") == found.span("number") for other in marked):
                number = found["number"].replace(",", "").replace("٬", "").replace("٫", ".")
                yield entity("amount", found.span("number"), number)
        for found in _DATE.finditer(digits):
            year, month, day = (found[part] or found[f"{part}2"] for part in ("year", "month", "day"))
            yield entity("date", found.span(), f"{year}-{int(month):02}-{int(day):02}" if year else found[0])
        for found in _BARE_ORDER.finditer(digits):
            before, after = digits[max(0, found.start() - 40) : found.start()], digits[found.end() : found.end() + 12]
            if len(found["number"]) == 4 and _TAIL_CUE.search(before):
                yield entity("phone", found.span(), found["number"])  # the last four digits: a proof, not an order
            elif not _NOT_AFTER.search(after) and not _NOT_BEFORE.search(before):
                yield entity("order_number", found.span(), found["number"])

    @staticmethod
    def _currency(sign: str) -> str:
        return {"$": "USD", "€": "EUR", "SR": "SAR"}.get(sign.upper(), sign.upper())

    def _verbal(self, text: str) -> Iterator[Entity]:
        doc = self._nlp(text)
        products = set()
        for span in doc.ents:
            start = span.start_char + self._prefix(span[0].text, span.label_ == "city")
            written = text[start : span.end_char]
            if span.label_ == "product":
                if self._is_hour(doc, span.start, span.end):
                    continue
                products.add(span.start)
                value = span.ent_id_ if "|" not in span.ent_id_ else normalize(written)
            else:
                value = span.ent_id_
            yield Entity(span.label_, start, span.end_char, written, value)
        for match, low, high in self._matcher(doc):
            kind = self._nlp.vocab.strings[match]
            span = doc[low:high]
            start = span.start_char + (1 if regex.match(r"[لب](?:يوم|نهار)", span[0].norm_) else 0)
            start += 1 if kind == "date" and regex.match(r"[وف]ال", span[0].norm_) else 0
            written = text[start : span.end_char]
            if count := self._count(span) if kind == "quantity" else normalize(written):
                yield Entity(kind, start, span.end_char, written, count)
        for place in products:  # "2 headphones", "عدد 3 عطور"
            if place and (number := self._small(doc[place - 1].norm_)):
                token = doc[place - 1]
                yield Entity("quantity", token.idx, token.idx + len(token.text), token.text, number)
        yield from self._names(text)

    def _small(self, word: str) -> str | None:
        if word.isdigit() and len(word) <= 2 and int(word):
            return str(int(word))
        return str(self._numbers[word]) if word in self._numbers else None

    def _count(self, span: Span) -> str | None:
        for token in span:
            word = token.norm_.strip("x")
            if token.norm_ in self._duals:
                return "2"
            if count := self._small(word):
                return count
        return None

    @staticmethod
    def _is_hour(doc: Doc, low: int, high: int) -> bool:
        """«الساعة» is more often the hour than the watch; only a neighbour tells."""
        if high - low > 1 or not regex.fullmatch(
            r"(?:ال|لل|بال|وال|عال|ب|ل|و)*ساع(?:ه|ات)|(?:el\W?)?sa3a", doc[low].norm_
        ):
            return False
        before = doc[low - 1].norm_ if low else ""
        after = doc[high].norm_ if high < len(doc) else ""
        if regex.match(r"(?:ال)?(?:سود|فضي|ذهبي|سوداء|فضيه|جديده)", after):
            return False
        if doc[low].norm_ in ("ساعه", "ساعات", "بساعه", "لساعه", "وساعه") or regex.search(r"\d", before + after):
            return True
        return before in {"كم", "قديش", "اديش", "شحال", "هذي", "هلا", "كل"} or after in {
            "كم", "كام", "قديش", "واحده", "ثنتين", "تنتين", "ثلاث", "تلاته", "ثلاثه", "اربع", "خمس", "خمسه", "ست",
            "سته", "سبع", "ثمان", "تسع", "عشر", "عشره", "الان", "وحده",
        }  # fmt: skip

    def _prefix(self, word: str, city: bool) -> int:
        """How many characters of a phrase's first word are prefixes. The article of a city is part of its name."""
        if not _arabic(word):
            return 0
        known = self._city_words if city else self._product_words
        for length in range(len(word) - 2):
            if normalize(word[length:]) in known:
                return length
        return 0

    def _names(self, text: str) -> Iterator[Entity]:
        stops = _stops()
        for cue in _NAME_CUE.finditer(text):
            words: list[Any] = []
            at = cue.end()
            while len(words) < 3:
                word = _NAME_WORD.match(text, at)
                form = normalize(word[0]) if word else ""
                if not word or form in stops or (form.startswith("و") and form[1:] in stops) or len(form) < 2:
                    break
                words.append(word)
                if word[0].endswith("."):
                    break
                gap = regex.match(r"[ \u00a0]+", text[word.end() :])
                if not gap:
                    break
                at = word.end() + gap.end()
            if words:
                end = words[-1].end() - (1 if words[-1][0].endswith(".") else 0)
                start = words[0].start()
                if end > start:
                    yield Entity("person_name", start, end, text[start:end], text[start:end])


@lru_cache(maxsize=1)
def _stops() -> frozenset[str]:
    return frozenset(normalize(str(word)) for word in _lexicon()["not_names"])


_current: Extractor | None = None


def set_catalogue(products: Iterable[Mapping[str, Any]]) -> None:
    """From now on products are those of this catalogue (`sku`, `name: {ar, en}`). Costs some 50 ms; may be called
    while messages are read, and whenever the shop's products change."""
    global _current
    _current = Extractor(products)


def _extractor() -> Extractor:
    if _current is None:
        shop = json.loads(resources.files("bot.content").joinpath("demo_shop.json").read_text(encoding="utf-8"))
        set_catalogue(shop["products"])
    assert _current is not None
    return _current


def extract(text: str) -> list[Entity]:
    """The entities of `text` by the catalogue in force (the demo shop's before `set_catalogue`)."""
    return _extractor().extract(text)


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=False)
class PatternEntities(GraphComponent, EntityExtractorMixin):
    """Puts what `extract` finds on the message, each with the written words under `text`."""

    @staticmethod
    def required_packages() -> list[str]:
        return ["spacy", "phonenumbers"]

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> PatternEntities:
        _extractor()  # the first message should not wait for it
        return cls()

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            found = [
                {
                    "entity": entity.kind,
                    "start": entity.start,
                    "end": entity.end,
                    "value": entity.value,
                    "text": entity.text,
                    "confidence_entity": 1.0,
                    **entity.more,
                }
                for entity in extract(str(message.get(TEXT) or ""))
            ]
            message.set(ENTITIES, [*(message.get(ENTITIES) or []), *self.add_extractor_name(found)], add_to_output=True)
        return messages
