"""What people call the things that a complaint is made good by, and what they wish of them. Pure.

The names are those of `compensation.model.Option`.
"""

from __future__ import annotations

import regex

from bot.text import normalize

__all__ = ["NAMES", "amounts_in", "bare", "changes_mind", "holds", "named_in", "without_rejected"]

NAMES = {
    "resend": r"ارسل\w*|ارسال|ترسل\w*|رسل\w*|ابعت\w*|تبعت\w*|بعت\w*|صيفط\w*|(?:واحد|وحده) (?:جديد\w*|اخر\w*|ثاني\w*|تاني\w*)|غيره|غيرها"
    r"|جديد\w*|resend|replacement|new one|another one|a new|ab3at\w*|b3at\w*|seft\w*|wa7d[ae]? jdid\w*|wa7ad jdid\w*|jdid\w*",
    "exchange": r"تبديل|استبدال|بدل\w*|ابدل\w*|تبدل\w*|غيرو\w*|exchange|swap|replace\w*|tabdeel|badel\w*|bedel\w*",
    "missing_part": r"الناقص\w*|ناقص\w*|القطعه|كمل\w*|missing|rest|na2es|nages|naqes",
    "refund": r"استرداد|استرجاع|فلوس\w*|مصار\w*|مصريات\w*|مبلغ\w*|المبلغ|دراهم\w*|refund|money|cash|fl?oo?s\w*|fel[ou]+s\w*|flous\w*|masar\w*",
    "shipping_refund": r"(?:رسوم )?الشحن|التوصيل|shipping|delivery fee|sha7n|shahn",
    "voucher": r"قسيم\w*|القسيم\w*|كوبون\w*|الكوبون|خصم|الخصم|voucher|coupon|discount|kobon|kou?poun|coupoun",
    "points": r"نقاط|النقاط|نقط|points?|no2at|nqat|n9at",
}
GOODS = frozenset({"resend", "exchange", "missing_part"})
"""Three ways of getting the thing itself, that people call alike."""

_OF_OPTIONS = "|".join(NAMES.values())
_INSTEAD = r"بدال|بدل|عوض|مكان|عن|instead of|rather than|in place of|badal|bedal"
_NOT_WISHED = (
    r"ما ?(?:ابي|ابغي|اريد|بدي|بدنا|بغيت|نحب|نبي|احتاج|بغيناش)|لا (?:اريد|ابغي|احتاج)|مش (?:عايز\w*|عاوز\w*)|مو|مب|مش|موش|ماشي"
    r"|(?:i )?(?:don'?t|do not) (?:want|need)|not|no|without|بدون|بلا|mesh 3ayez\w*|ma badd?i|mabi|ma bghit"
)
# "the refund, not the voucher"; "استرجاع بدال الكوبون".
_REJECTED = regex.compile(
    rf"(?<!\p{{L}})(?:{_INSTEAD}|{_NOT_WISHED}) (?:هال|هذا |هذي |هاي |the |a |an |any |your |this |that |el |l )?(?:ال)?(?:{_OF_OPTIONS})(?!\p{{L}})"
)
_CHANGES = regex.compile(
    r"(?<!\p{L})(?:غيرت راي\w*|بدلت راي\w*|نغير راي\w*|اغير راي\w*|بطلت|تراجعت|افضل|احسن لي|خلوها|خليها|changed? my mind|rather|prefer|instead"
    r"|on second thoughts?|switch|ghayart ra2y\w*|badalt ra2y\w*|bdelt rayi)(?!\p{L})"
)
_MONEY = r"ريال\w*|ر س|درهم\w*|دينار\w*|جنيه\w*|ليره|دولار\w*|riy?als?|sar|sr|rs|aed|dirhams?|egp|usd|dollars?|bucks"
_AMOUNT = regex.compile(
    rf"(?<![\p{{L}}\p{{N}}])(\d{{2,6}}) ?(?:{_MONEY})(?!\p{{L}})|(?<!\p{{L}})(?:sar|sr|aed|egp|usd) (\d{{2,6}})(?!\p{{N}})"
    r"|(?<!\p{L})(?:ابي|ابغي|اريد|بدي|عايز\w*|عاوز\w*|بغيت|نبي|اعطوني|عطوني|خلوها|اديني|ادوني|want|give me|make it|abi|badi|bghit|3ayez) (\d{2,6})$"
)


def bare(text: str) -> str:
    """Words alone, as they are compared."""
    return " ".join(regex.sub(r"[^\p{L}\p{N}' ]+", " ", normalize(text)).split())


def holds(words: str, said: str) -> bool:
    return regex.search(rf"(?<!\p{{L}})(?:ال|بال|وال|لل|ب|و|ل|el |l )?(?:{words})(?!\p{{L}})", said) is not None


def named_in(said: str) -> set[str]:
    """The options that words (`bare`) name."""
    named = {name for name, called in NAMES.items() if holds(called, said)}
    if "shipping_refund" in named and "refund" in named:
        named.remove("refund")  # "the shipping money"
    if "missing_part" in named and "resend" in named:
        named.remove("resend")
    return named


def without_rejected(said: str) -> str:
    """The same words without what is named only to refuse it."""
    return " ".join(_REJECTED.sub(" ", said).split())


def amounts_in(said: str) -> list[str]:
    """Sums of money that words ask for."""
    return [next(group for group in found.groups() if group) for found in _AMOUNT.finditer(said)]


def changes_mind(text: str) -> str | None:
    """The option that a text wants in the place of another, where it says so; None where it does not."""
    said = bare(text)
    left = without_rejected(said)
    if left == said and not _CHANGES.search(said):
        return None
    named = named_in(left)
    return named.pop() if len(named) == 1 else None
