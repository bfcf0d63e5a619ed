"""What can honestly be said of a promise that was not kept, and when the owner is reminded. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from bot.handoff.hours import after_support_hours
from bot.orders.model import Store
from bot.promises.model import PromiseKind

REMIND_BEFORE = timedelta(minutes=30)
LOOK_AGAIN = timedelta(minutes=15)  # where the shop could not say whether it was kept
NEVER_SAID = timedelta(days=1)  # past due: what nobody can confirm by then counts as broken

# The time that is asked for after a promise is broken; twice as much each time it is broken again.
_DAYS = {PromiseKind.PARCEL_ARRIVES: 2, PromiseKind.REFUND_ARRIVES: 3}
_REMEDY_DAYS = 1
_PERSON_HOURS = timedelta(hours=4)  # of support hours
_MOST_DAYS = 14


def renewed(
    kind: PromiseKind, what: Mapping[str, Any], due_at: datetime, now: datetime, store: Store
) -> Mapping[str, Any]:
    """`what` of the promise that takes a broken one's place: the new due time, the old one as `was_due…`, and how
    often it was broken (`broken`). `renewed_due` reads the time from it."""
    times = int(what.get("broken", 0)) + 1
    kept = {key: value for key, value in what.items() if key not in ("due_on", "due_at", "was_due_on", "was_due_at")}
    if kind in _DAYS:
        days = min(_DAYS[kind] * 2 ** min(times - 1, 8), _MOST_DAYS)
        was_on = what.get("due_on") or due_at.astimezone(store.timezone).date().isoformat()
        day = now.astimezone(store.timezone).date() + timedelta(days=days)
        return {**kept, "due_on": day.isoformat(), "was_due_on": was_on, "broken": times}
    if kind is PromiseKind.PERSON_DECIDES:
        again = after_support_hours(now, _PERSON_HOURS, store)
    else:
        again = now + timedelta(days=min(_REMEDY_DAYS * 2 ** min(times - 1, 8), _MOST_DAYS))
    # To the full hour of the shop's clock: "by 4 pm" is what is said.
    local = again.astimezone(store.timezone) + timedelta(minutes=59, seconds=59)
    again = local.replace(minute=0, second=0, microsecond=0).astimezone(timezone.utc)
    return {**kept, "due_at": again.isoformat(), "was_due_at": due_at.isoformat(), "broken": times}


def renewed_due(what: Mapping[str, Any], store: Store) -> datetime:
    """When the promise that `renewed` describes falls due: at the time said, or when the shop closes on the day said."""
    if "due_at" in what:
        return datetime.fromisoformat(what["due_at"])
    day = datetime.fromisoformat(what["due_on"]).date()
    return datetime.combine(day, store.support_hours.closes, store.timezone).astimezone(timezone.utc)
