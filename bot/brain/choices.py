"""Short answers to a choice: "the second", "٢", a button's own words, or what is wanted ("my money back"), typed instead
of pressed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import regex

from bot.complaints.wishes import GOODS, NAMES, amounts_in, bare, holds, named_in, without_rejected
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

_MEANT = {
    "not_enough": r"ما (?:ي|ت)كفي\w*|مو كافي|مش كفايه|موش كافي|ماشي كافي|ما ?هوش كافي|غير كاف\w*|لا يكفي|مايكفي\w*|ما يكفيش|ميكفيش"
    r"|قليل\w*|شويه|اكثر|اكتر|ما (?:ي|ت)رضيني\w*|ما عجبني\w*|تضحكو?\w*|not (?:good )?enough|too little|more than that|mesh kefaya"
    r"|mo kafi|msh kfaye|mahouch? kafi|machi kafi"
    r"|(?:offer|give|do|add|get|have|got) (?:(?:me|us|it|a|any|anything|something|little|bit|you) )*(?:more|better|else)|(?:any|some)thing (?:more|better|else)|more please"
    r"|زيد\w*|زود\w*|احسن من (?:هذا|هيك|كذا|كده)|(?:شي|حاجه|عرض|خيار) (?:ثاني\w*|تاني\w*|اخر|احسن)|غير (?:هذا|كذا|كده|هيك|هاد\w*)",
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
_WISHES = (
    r"ابي|ابغي|اريد|عايز\w*|عاوز\w*|بدي|بغيت|نحب|نبي|حاب\w*|افضل|ودي|اعطوني|عطوني|رجع\w*|ترجع\w*|ردوا|ردولي|want|give|need|prefer|rather|like|instead"
    r"|get|take|abi|abgha|3ayez\w*|3awez\w*|badd?i|bghit"
)
_CALLS_OFF = r"الغ\w*|ارجاع(?! (?:ال)?(?:مبلغ|فلوس|مصار))|ارجع ال\w*|اتصل\w*|cancel\w*|return|call\w*"  # an order called off or sent back is another matter
_SHORT = 3  # words: "my money back"
_LONGEST_WISH = 8  # words; a longer message says more than a choice
_LONGEST_PROTEST = 16
_ANSWERS = {*NAMES, *_MEANT}


def chosen(text: str, buttons: Sequence[Mapping[str, str]]) -> Mapping[str, str] | None:
    """The button of those offered last (`title`, `payload`) that a typed message means, or None."""
    if len(buttons) < 2:
        return None
    said = bare(text)
    if not said or len(said) > 80:
        return None
    for button in buttons:
        if said == bare(button["title"]):
            return button
    place_said = regex.sub(r" (?:one|option)$", "", _AROUND.sub("", said).strip())
    if regex.fullmatch(r"[1-9]", place_said):
        if any(bare(button["title"]).isdigit() for button in buttons):
            return None  # asked how many: a number is one, not a place
        return buttons[int(place_said) - 1] if int(place_said) <= len(buttons) else None
    single = [button for button in buttons if _values(button["payload"]).get("product") != "all"]
    if place_said in _LAST:
        return single[-1]
    for place, words in enumerate(_ORDINALS[: len(single)]):
        if place_said in words:
            return single[place]
    return wanted(text, buttons)


def wanted(text: str, buttons: Sequence[Mapping[str, str]]) -> Mapping[str, str] | None:
    """The offer of a complaint that a message asks for by name, or the way on ("not enough"), out ("no thanks") or back
    ("it is still wrong") that it means; None where the buttons are none of a complaint's."""
    offers = {name: button for button in buttons if (name := _offer(button["payload"]))}
    said = bare(text)
    words = len(said.split())
    if not said or not offers:
        return None
    if "complain_anyway" in offers:
        another = regex.search(r"\d{3}", said)  # it is about something else
        insists = words <= _LONGEST_PROTEST and not another and holds(_MEANT["complain_anyway"], said)
        return offers["complain_anyway"] if insists else None
    if "not_enough" in offers and _OTHERS.search(said) and _GOT.search(said):
        return _way_on(offers, "compare")
    if words <= _LONGEST_PROTEST:
        said = without_rejected(said) or said  # "I don't want the voucher, I want my money back"
    if len(said.split()) > _LONGEST_WISH:
        return None
    for name, meant in _MEANT.items():
        if name in offers and holds(meant, said):
            return offers[name]
    given = [name for name in offers if name in NAMES]
    if len(given) == 1 and regex.fullmatch(_YES, said):
        return offers[given[0]]
    if not _ASKS.search(said) and (worth := _amount(said, offers)):
        return worth
    asked = regex.search(r"[?؟]", text) and not regex.match(
        r"(?:ممكن|اقدر|بقدر|can i|could i|may i|please)(?!\p{L})", said
    )
    loud = regex.search(r"!!|[?؟]!|![?؟]", text) or (text.isupper() and words > 1)
    if asked or loud or _DENIED.search(said) or _ASKS.search(said):
        return None  # who asks about an offer, or shouts at it, has not taken it
    named = named_in(said)
    if named & GOODS & set(given):
        named -= GOODS - set(given)
    if len(named) != 1:
        return None
    name = named.pop()
    return offers.get(name) or _beyond(name, said, offers)


def _amount(said: str, offers: Mapping[str, Mapping[str, str]]) -> Mapping[str, str] | None:
    """What a sum of money means: the one offer of that worth, or more than was offered."""
    amounts = amounts_in(said)
    if not amounts:
        return None
    worth = [b for name, b in offers.items() if name in NAMES and amounts[-1] in bare(b["title"]).split()]
    return worth[0] if len(worth) == 1 else _way_on(offers, "beyond")


def _beyond(name: str, said: str, offers: Mapping[str, Mapping[str, str]]) -> Mapping[str, str] | None:
    """The way on, for something that was not offered and is plainly wished for: not for a word about it."""
    if name in GOODS and GOODS & set(offers):
        return None  # the thing itself is offered, by another name
    short = name == "refund" and len(said.split()) <= _SHORT
    if not (short or holds(_WISHES, said)) or holds(_CALLS_OFF, said):
        return None
    return _way_on(offers, "beyond", option=name)


def _way_on(offers: Mapping[str, Mapping[str, str]], why: str, **more: str) -> Mapping[str, str] | None:
    """The button "not enough" with the reason why; one that has led to a person says so already."""
    button = offers.get("not_enough")
    if button is None or "why" in _values(button["payload"]):
        return button
    return {**button, "payload": "/not_enough" + json.dumps({**_values(button["payload"]), "why": why, **more})}


def _offer(payload: str) -> str | None:
    """What a button of a complaint does: the option that it chooses, or its own intent."""
    name = payload.split("{")[0].removeprefix("/")
    name = str(_values(payload).get("option")) if name == "choose" else name
    return name if name in _ANSWERS else None


def _values(payload: str) -> dict[str, str]:
    opened = payload.find("{")
    values: dict[str, str] = json.loads(payload[opened:]) if opened >= 0 else {}
    return values
