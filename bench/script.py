"""The conversation that both sides hold: two customers' orders in turn, so that each tracking needs its proof again."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice


@dataclass(frozen=True)
class Step:
    """One message. `told`: what a right answer holds, in any wording and language; empty where any answer is right."""

    kind: str
    text: str
    told: str = ""


def _visit(order: str, digits: str, parcel: str) -> list[Step]:
    return [
        Step("greeting", "السلام عليكم", "ثقة"),
        Step("question", "كم تكلفة الشحن؟", "20"),
        Step("tracking", "وين طلبي؟"),
        Step("tracking", order, order),
        Step("tracking", digits, parcel),
        Step("product", "كم سعر الباور بانك؟", "129"),
        Step("question", "كم يوم عندي للإرجاع؟", "14"),
        Step("small talk", "هل أنت روبوت؟"),
        Step("product", "هل الساعة الذكية متوفرة؟", "899"),
        Step("small talk", "شكرا جزيلا"),
    ]


CYCLE = [*_visit("1004", "9046", "AX55010004"), *_visit("1001", "4567", "AX55010001")]


def conversation(messages: int) -> list[Step]:
    """The first so many messages; the same 20 come again and again."""
    return list(islice(cycle(CYCLE), messages))
