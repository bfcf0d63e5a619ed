"""Short answers to a choice: "the second", "٢", a button's own words, or what is wanted ("my money back"), typed instead
of pressed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import regex

from bot.text import normalize

__all__ = ["chosen", "wanted"]

_ORDINALS = [
    frozenset(normalize(words).split("|"))
    for words in (
        "اول|الاول|الاولى|اولى|اول واحد|الاولاني|اولاني|لول|اللول|first|the first|first one|1st|awal|"
        "el awal|elawel|el awwal|lowel|louwel|lewla|el oula|el ula|one",
        "ثاني|الثاني|الثانيه|ثانيه|تاني|التاني|التانيه|تاني واحد|ثاني واحد|second|the second|second one|"
        "the second one|2nd|tani|el tani|eltani|thani|el thani|tany|el tany|el tanye|el tanya|ettenya|tani wa7de|tani wa7da|two",
        "ثالث|الثالث|الثالثه|تالت|التالت|التالته|ثالث واحد|تالت واحد|third|the third|third one|3rd|talet|"
        "el talet|thaleth|three",
        "رابع|الرابع|الرابعه|fourth|the fourth|4th|rabe3|el rabe3|four",
    )
]
_LAST = frozenset("اخر|الاخير|الاخيره|اخر واحد|اخر وحده|last|the last|last one|el akheer|akher wa7ed".split("|"))
_AROUND = regex.compile(
    r"^(?:(?:ابغي|ابي|اختار|بدي|عايز|عاوز|بغيت|خلينا|خلاص|اي|ايه|ايوه|نعم|هو|هي|رقم|الرقم|الخيار|خيار|يعني|option|number|no"
    r"|i want|i mean|abi|3ayez|bghit|badi|yes|please) )*|(?: (?:من فضلك|لو سمحت|لو سمحتي|رجاء|please|pls|بليز|عفوا|شكرا))*$"
)

# What people call the things that a complaint is made good by; see `compensation.model.Option` and actions/complaints.py.
_WANTED = {
    "resend": r"ارسل\w*|ارسال|ترسل\w*|رسل\w*|ابعت\w*|تبعت\w*|بعت\w*|صيفط\w*|(?:واحد|وحده) (?:جديد\w*|اخر\w*|ثاني\w*|تاني\w*)|غيره|غيرها"
    r"|جديد\w*|resend|replacement|new one|another one|a new|ab3at\w*|b3at\w*|seft\w*|wa7d[ae]? jdid\w*|wa7ad jdid\w*|jdid\w*",
    "exchange": r"تبديل|استبدال|بدل\w*|ابدل\w*|تبدل\w*|غيرو\w*|exchange|swap|replace\w*|tabdeel|badel\w*|bedel\w*",
    "missing_part": r"الناقص\w*|ناقص\w*|القطعه|كمل\w*|missing|rest|na2es|nages|naqes",
    "refund": r"استرداد|استرجاع|فلوس\w*|مصار\w*|مصريات\w*|مبلغ\w*|المبلغ|دراهم\w*|refund|money|cash|fl?oo?s\w*|fel[ou]+s\w*|flous\w*|masar\w*",
    "shipping_refund": r"(?:رسوم )?الشحن|التوصيل|shipping|delivery fee|sha7n|shahn",
    "voucher": r"قسيم\w*|القسيم\w*|كوبون\w*|الكوبون|خصم|الخصم|voucher|coupon|discount|kobon|kou?poun|coupoun",
    "points": r"نقاط|النقاط|نقط|points?|no2at|nqat|n9at",
}
_MEANT = {
    "not_enough": r"ما (?:ي|ت)كفي\w*|مو كافي|مش كفايه|موش كافي|ماشي كافي|ما ?هوش كافي|غير كاف\w*|لا يكفي|مايكفي\w*|ما يكفيش|ميكفيش"
    r"|قليل\w*|شويه|اكثر|اكتر|ما (?:ي|ت)رضيني\w*|ما عجبني\w*|تضحكو?\w*|not (?:good )?enough|too little|more than that|mesh kefaya"
    r"|mo kafi|msh kfaye|mahouch? kafi|machi kafi",
    "decline_offers": r"لا شكرا|ما (?:ابي|ابغى|ابغي|بدي|بغيت|نحب|نبي) (?:شي|والو|حاجه|تعويض)\w*|مش عايز حاجه|ولا شي\w*|ما احتاج شي\w*"
    r"|لا احتاج شي\w*|ما عاد بدي\w*|بلا شي|مسامح\w*|no thanks?|no thank you|nothing|i(?:'m| am) fine|la shukran|la choukran"
    r"|la merci|non merci|ma badde shi|mesh 3ayez 7aga|ma bghit walou",
    "complain_anyway": r"ما (?:وصل|نزل|شفت|جا|شفتش|جاش)\w*|ماوصل\w*|ما في شي|لسا|لسه|لساته|مازال|ما زال\w*|مبلى|متاكد\w*|مو صحيح|مش صحيح"
    r"|غير صحيح|still (?:not|no|nothing|missing|wrong|haven|hasn)\w*|not (?:in|received|there|arrived)|never (?:came|got|received)|ma ?wes[eil]l\w*|ma ?jat\w*|mazal",
}
_YES = r"صافي|واخا|ماشي الحال|تمام|موافق\w*|c ?bon|d'?accord|wakha|ok(?:ay)?|safi|tamam|deal"
_OTHERS = regex.compile(
    r"(?<!\p{L})(?:صاحب\w*|صديق\w*|زميل\w*|اختي|اخوي|غيري|ناس|واحد غيري|عميل\w*|friends?|others|someone|somebody|colleague"
    r"|sister|brother|sa7b\w*|sadi2\w*|sahb\w*)(?!\p{L})"
)
_GOT = regex.compile(
    r"اعط\w*|عط\w*|ادي\w*|دي?تو\w*|اخذ\w*|خذ\w*|خد\w*|جا\w{0,3}|حصل\w*|نال\w*|رجع\w*|got|gave|get|gets|received|paid|3ta\w*|5ad\w*|kha[dt]\w*"
)
_DENIED = regex.compile(
    r"(?<!\p{L})(?:ما|مو|مش|موش|مب|لا|بدون|ما(?:ابي|بي|ابغي|ابغى|بغيت|بدي|نبي)|تستهبل\w*|not|no|keep|useless|insult\w*|joke|kidding|don'?t|without|mesh|msh|mouch|mo|ma|mabi)(?!\p{L})"
)
# A question about an option does not accept it; "can I have the refund?" does.
_ASKS = regex.compile(
    r"(?<!\p{L})(?:كم|كيف|كيفاش|متي|متى|امتى|امتي|ايمتي|وقتاش|ايش|وش|شو|شنو|شنوه|اش|ليش|ليه|علاش|وين|فين|قديش|شحال|ازاي|هل|يعني ايه|how|when|what"
    r"|why|which|where|who|kam|kif|kifach|emta|imta|wach|wesh|shu|shou|chnou|fein|wein)(?!\p{L})"
)
_GOODS = {"resend", "exchange", "missing_part"}  # three ways of getting the thing itself, that people call alike
_LONGEST_WISH = 8  # words; a longer message says more than a choice
_LONGEST_PROTEST = 16
_ANSWERS = {*_WANTED, *_MEANT}


def chosen(text: str, buttons: Sequence[Mapping[str, str]]) -> Mapping[str, str] | None:
    """The button of those offered last (`title`, `payload`) that a typed message means, or None."""
    if len(buttons) < 2:
        return None
    said = _bare(text)
    if not said or len(said) > 80:
        return None
    for button in buttons:
        if said == _bare(button["title"]):
            return button
    bare = regex.sub(r" (?:one|option)$", "", _AROUND.sub("", said).strip())
    if regex.fullmatch(r"[1-9]", bare):
        return buttons[int(bare) - 1] if int(bare) <= len(buttons) else None
    if bare in _LAST:
        return buttons[-1]
    for place, words in enumerate(_ORDINALS[: len(buttons)]):
        if bare in words:
            return buttons[place]
    return wanted(text, buttons)


def wanted(text: str, buttons: Sequence[Mapping[str, str]]) -> Mapping[str, str] | None:
    """The offer of a complaint that a message asks for by name, or the way on ("not enough"), out ("no thanks") or back
    ("it is still wrong") that it means; None where the buttons are none of a complaint's."""
    offers = {name: button for button in buttons if (name := _offer(button["payload"]))}
    said = _bare(text)
    words = len(said.split())
    if not said or not offers:
        return None
    if "complain_anyway" in offers:
        another = regex.search(r"\d{3}", said)  # it is about something else
        insists = words <= _LONGEST_PROTEST and not another and _holds(_MEANT["complain_anyway"], said)
        return offers["complain_anyway"] if insists else None
    if "not_enough" in offers and _OTHERS.search(said) and _GOT.search(said):
        compared = json.dumps({**_values(offers["not_enough"]["payload"]), "why": "compare"})
        return {**offers["not_enough"], "payload": f"/not_enough{compared}"}
    if words > _LONGEST_WISH:
        return None
    for name, meant in _MEANT.items():
        if name in offers and _holds(meant, said):
            return offers[name]
    given = [name for name in offers if name in _WANTED]
    if len(given) == 1 and regex.fullmatch(_YES, said):
        return offers[given[0]]
    asked = regex.search(r"[?؟]", text) and not regex.match(
        r"(?:ممكن|اقدر|بقدر|can i|could i|may i|please)(?!\p{L})", said
    )
    loud = regex.search(r"!!|[?؟]!|![?؟]", text) or (text.isupper() and words > 1)
    if asked or loud or _DENIED.search(said) or _ASKS.search(said):
        return None  # who asks about an offer, or shouts at it, has not taken it
    named = {name for name, called in _WANTED.items() if _holds(called, said)}
    if named & _GOODS & set(given):
        named -= _GOODS - set(given)
    if "shipping_refund" in named and "refund" in named:
        named.remove("refund")  # "the shipping money"
    if "missing_part" in named and "resend" in named:
        named.remove("resend")
    return offers.get(named.pop()) if len(named) == 1 else None


def _bare(text: str) -> str:
    """Words alone, as they are compared."""
    return " ".join(regex.sub(r"[^\p{L}\p{N}' ]+", " ", normalize(text)).split())


def _holds(words: str, said: str) -> bool:
    return regex.search(rf"(?<!\p{{L}})(?:ال|بال|وال|لل|ب|و|ل|el |l )?(?:{words})(?!\p{{L}})", said) is not None


def _offer(payload: str) -> str | None:
    """What a button of a complaint does: the option that it chooses, or its own intent."""
    name = payload.split("{")[0].removeprefix("/")
    name = str(_values(payload).get("option")) if name == "choose" else name
    return name if name in _ANSWERS else None


def _values(payload: str) -> dict[str, str]:
    opened = payload.find("{")
    values: dict[str, str] = json.loads(payload[opened:]) if opened >= 0 else {}
    return values
