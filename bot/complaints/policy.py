"""How serious a complaint is. Pure."""

from __future__ import annotations

from decimal import Decimal

from bot.complaints.model import Kind, Severity

__all__ = ["severity"]

_BASE = {
    Kind.LATE: Severity.MINOR,
    Kind.NOT_RECEIVED: Severity.SERIOUS,  # paid, and nothing in hand
    Kind.DAMAGED: Severity.MODERATE,
    Kind.WRONG_ITEM: Severity.MODERATE,
    Kind.MISSING_ITEM: Severity.MODERATE,
    Kind.QUALITY: Severity.MODERATE,
    Kind.SERVICE: Severity.MINOR,
    Kind.BILLING: Severity.MODERATE,
    Kind.REFUND_DELAY: Severity.MODERATE,
    Kind.OTHER: Severity.MINOR,
}
_HIGH_VALUE = Decimal(500)  # in the shop's currency
_LONG = 5  # days late
_HIGH_TIERS = frozenset({"gold", "vip"})


def severity(kind: Kind, value: Decimal, days_late: int, emotion: str, repeat: bool, tier: str) -> Severity:
    """Its kind's own severity, raised by one for each of: a high value, a long delay, anger, a repeated complaint, a high
    tier. Anger alone moves it by one at most, so that shouting is not worth more than the fault.

    `value` in the shop's currency; `repeat`: the customer complained about the same order before.
    """
    raised = (
        int(value >= _HIGH_VALUE)
        + int(days_late >= _LONG)
        + int(emotion == "angry")
        + int(repeat)
        + int(tier in _HIGH_TIERS)
    )
    return Severity(min(Severity.SERIOUS, _BASE[kind] + raised))
