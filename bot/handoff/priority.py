"""Who is next. Pure.

Everyone's urgency grows alike while they wait, so the order of the queue does not change by waiting: a place is a moment,
the one at which somebody without any urgency would have had to ask to be as urgent now. `rank_at` is that moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.feelings import TENSE
from bot.handoff.model import Reason

_SEVERITY = {1: timedelta(0), 2: timedelta(minutes=10), 3: timedelta(minutes=30)}
_TENSE = timedelta(minutes=15)
_UNEASY, _UNEASY_FROM = timedelta(minutes=5), 0.45
_BEST_TIER = timedelta(minutes=20)
_REASON = {
    Reason.ERROR: timedelta(minutes=10),  # our fault
    Reason.LOW_RATING: timedelta(minutes=10),
    Reason.ANGER: timedelta(minutes=15),
    Reason.VIP: timedelta(minutes=15),
    Reason.PROMISE: timedelta(minutes=10),
}
_REOPENED = timedelta(minutes=15)  # they have waited before
_AGAIN = timedelta(minutes=15)  # whose agent has gone, or who was passed on
# A promise is as urgent, when it is due, as 90 minutes of waiting.
_PROMISE_LEAD = timedelta(minutes=90)


@dataclass(frozen=True)
class Urgency:
    """What is known of a customer who waits. `severity` 1 to 3 of their case, None without one; `tension` 0 to 1 (see
    `feelings`); `tier` 0 to 1, from the lowest of the shop's tiers to its best; `promise_due`: the next that people owe
    them; `taken_before`: an agent has had it in this wait."""

    asked_at: datetime
    reason: Reason
    severity: int | None = None
    tension: float = 0.0
    tier: float = 0.0
    promise_due: datetime | None = None
    reopened: bool = False
    taken_before: bool = False


@dataclass(frozen=True)
class Rank:
    """`at` orders the queue, smallest first. `why`: `{"what": …, "minutes": …}` for each thing that counts, most first;
    the minutes are those of waiting that it is worth."""

    at: datetime
    why: list[dict[str, Any]]


def rank(urgency: Urgency) -> Rank:
    """The place of a customer in the queue, explained."""
    worth = {
        "severity": _SEVERITY.get(urgency.severity or 1, timedelta(0)),
        "tension": _TENSE if urgency.tension >= TENSE else _UNEASY if urgency.tension >= _UNEASY_FROM else timedelta(0),
        "tier": timedelta(minutes=round(_BEST_TIER.total_seconds() / 60 * max(0.0, min(1.0, urgency.tier)))),
        f"reason_{urgency.reason.value}": _REASON.get(urgency.reason, timedelta(0)),
        "reopened": _REOPENED if urgency.reopened else timedelta(0),
        "again": _AGAIN if urgency.taken_before else timedelta(0),
    }
    at = urgency.asked_at - sum(worth.values(), timedelta(0))
    if urgency.promise_due is not None and urgency.promise_due - _PROMISE_LEAD < at:
        worth["promise"] = at - (urgency.promise_due - _PROMISE_LEAD)
        at = urgency.promise_due - _PROMISE_LEAD
    why = [{"what": what, "minutes": int(gain.total_seconds() // 60)} for what, gain in worth.items() if gain]
    return Rank(at, sorted(why, key=lambda line: -line["minutes"]))
