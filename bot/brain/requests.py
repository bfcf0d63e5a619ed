"""More than one thing in one message: "cancel it, and also the coupon doesn't work" is two requests, one after the other.

A message is cut where people begin a second thing, and a cut stands only where both sides are understood as requests
of different kinds. What belongs to one story ("it came broken and I want my money back") stays together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import regex

__all__ = ["FAMILIES", "MOST_REQUESTS", "Request", "answer_and_requests", "parts_of", "requests_in"]

MOST_REQUESTS = 3
_MOST_PARTS = 12  # a longer message is a story
_SURE = 0.5  # a part that is understood with less confidence belongs to the part before it

# Requests of one family are one matter. Intents without a family are no request of their own: greetings, feelings,
# and what takes the whole conversation (a person, the end).
FAMILIES: Mapping[str, str] = {
    **dict.fromkeys(("track_order", "complaint_late", "complaint_not_received"), "delivery"),
    **dict.fromkeys(
        (
            *("return_item", "complaint_damaged", "complaint_wrong_item", "complaint_missing_item"),
            *("complaint_quality", "refund_status", "complaint_refund_delay"),
        ),
        "after the sale",
    ),
    "cancel_order": "cancel",
    **dict.fromkeys(("change_order", "change_address"), "change"),
    "request_invoice": "invoice",
    **dict.fromkeys(("complaint_billing", "payment_problem"), "payment"),
    "complaint_service": "service",
    "voucher": "voucher",
    "loyalty_points": "points",
    "account_problem": "account",
    "faq": "shop",
    "product_question": "product",
}

_ONE_STORY = {"delivery", "after the sale", "payment"}
_MATTERS = {"track": "delivery", "refund": "after the sale", "return": "after the sale", "case": "after the sale"}

_ARABIC_CUES = (
    "كمان|برضو|برضه|ايضا|كذلك|كذالك|بالاضافه|بالنسبه|بخصوص|شي ثاني|شي تاني|شغله ثانيه|شغله تانيه|سؤال ثاني|"
    "سؤال تاني|سوال ثاني|سوال تاني|حاجه تانيه|حاجه ثانيه|حاجه اخرى|امر اخر|ثانيا|تانيا|زيد|عاد|بعدين|غير كذا|"
    "غير هيك|غير كده"
)
_ARABIC_OPENINGS = (  # with the "و" written onto them
    "كم|كيف|هل|متى|ابغى|ابغا|ابي|ودي|عايز|عاوز|عايزه|عاوزه|بدي|بغيت|نبي|حاب|وين|فين|ايش|وش|شو|ليش|ممكن|اريد|اود|"
    "قديش|شحال|كيفاش|واش|عندي|عندكم|الكوبون|كود|نقاطي|ازاي|امتى|ايمتى|شلون|شكد"
)
_LATIN_CUES = (
    "and also|also|another thing|one more thing|secondly|in addition|besides|by the way|btw|plus|as well as|"
    "and can you|and could you|and how|and what|and whats|and what's|and when|and where|and wheres|and where's|and why|and do you|and is there|and i want|"
    "and i need|and i'd like|and please|and my|and i was|and the driver|and the courier|and the coupon|then can you|w kaman|kaman|kmn|w bardo|bardo|"
    "w ba3dein|w ba3den|w bidde|w baddi|w 3ayez|w abi|w abgha|w bghit|w kam|w ezay|w kif|w fen|w wen|w momken|"
    "w 3andi"
)
_LETTERS = str.maketrans("أإآىة", "اااىه")  # one letter for one: positions stay
_CUE = rf"و?\s?(?:{_ARABIC_CUES.translate(_LETTERS)})|و\s?(?:{_ARABIC_OPENINGS.translate(_LETTERS)})|(?:{_LATIN_CUES})"
_CUT = regex.compile(rf"(?<=[.!?؟؛،,;])\s*(?=\S)|(?<line>\n+)|(?<!\s)\s++(?=(?:{_CUE})(?!\p{{L}}))", regex.IGNORECASE)
_WORDS_OF_A_LINE = 3  # with fewer a line was only broken: "How much ⏎ is delivery?"

Request = tuple[str, str]  # what was written, and its intent


def parts_of(text: str) -> list[str]:
    """Where a message may be cut: its parts in order, empty where it is of one piece (or of too many)."""
    found = _CUT.finditer(text.translate(_LETTERS))
    cuts = [cut.start() for cut in found if not cut["line"] or _between_lines(text, cut.start(), cut.end())]
    bounds = [0, *cuts, len(text)]
    parts = [part for low, high in zip(bounds, bounds[1:], strict=False) if (part := text[low:high].strip())]
    return parts if 1 < len(parts) <= _MOST_PARTS else []


def _names_an_order(read: Mapping[str, Any]) -> bool:
    return any(entity.get("entity") == "order_number" for entity in read.get("entities") or ())


def _between_lines(text: str, end: int, start: int) -> bool:
    """Whether the lines that end and start here say enough to be requests of their own."""
    lines = text[text.rfind("\n", 0, end) + 1 : end], text[start:].split("\n", 1)[0]
    return all(len(line.split()) >= _WORDS_OF_A_LINE for line in lines)


def requests_in(text: str, parsed: Mapping[str, Mapping[str, Any]]) -> list[Request]:
    """The requests of a message in their order, at most MOST_REQUESTS; empty where it is (at most) one matter.

    `parsed`: what each of its parts (`parts_of`) is read as by itself.
    """
    found: list[Request] = []
    families: set[str] = set()
    opening = ""
    for part in parts_of(text):
        intent = parsed[part].get("intent") or {}
        name = str(intent.get("name"))
        family, sure = FAMILIES.get(name), _is_sure(part, parsed[part])
        if family in _ONE_STORY and families & _ONE_STORY and not _names_an_order(parsed[part]):
            family = None  # "you are late and I want my money back" is about one order
        if family and sure and family not in families and len(found) < MOST_REQUESTS:
            families.add(family)
            found.append((f"{opening} {part}".strip(), name))
            opening = ""
        elif found:
            found[-1] = (f"{found[-1][0]} {part}", found[-1][1])
        else:
            opening = f"{opening} {part}".strip()
    return found if len(found) > 1 else []


def answer_and_requests(
    text: str, parsed: Mapping[str, Mapping[str, Any]], goal: str | None
) -> tuple[str, list[Request]]:
    """What of a message answers the question that was asked for `goal` (actions/orders.py), and the requests that follow
    it ("9046, and how much is delivery?"). The whole message and nothing where its first part is a request already, or
    what follows belongs to the same matter."""
    matter = _MATTERS.get(str(goal), FAMILIES.get(str(goal), goal))
    answer: list[str] = []
    found: list[Request] = []
    for part in parts_of(text):
        name = str((parsed[part].get("intent") or {}).get("name"))
        family = FAMILIES.get(name)
        if {family, matter} <= _ONE_STORY and not _names_an_order(parsed[part]):
            family = None
        if family and family != matter and _is_sure(part, parsed[part]):
            if not answer:
                return text, []
            found.append((part, name))
        elif found:
            found[-1] = (f"{found[-1][0]} {part}", found[-1][1])
        elif not answer and not _answers(parsed[part]):
            return text, []  # "sorry, how much is delivery?"
        else:
            answer.append(part)
    return (" ".join(answer), found[: MOST_REQUESTS - 1]) if found else (text, [])


def _answers(read: Mapping[str, Any]) -> bool:
    """Whether a part can answer a question: it holds data, or says yes or no."""
    name = (read.get("intent") or {}).get("name")
    return bool(read.get("entities")) or name in ("inform", "affirm", "deny")


def _is_sure(part: str, read: Mapping[str, Any]) -> bool:
    return float((read.get("intent") or {}).get("confidence") or 0) >= _SURE and len(part.split()) > 1
