"""A person's decision on a case. Pure."""

from __future__ import annotations

from datetime import datetime

from bot.complaints.model import UNDER_WAY, CaseChanged, CaseId, CaseState
from bot.conversations.model import Effect
from bot.promises.model import PromiseKind, PromisesSettled, PromiseState


def settled_by_person(case: CaseId, state: CaseState, note: str, now: datetime) -> list[Effect]:
    """What follows when a person ends a case: its state, and the promise that a person decides it is kept. Raises
    ValueError for a state that is no end."""
    if state in UNDER_WAY:
        raise ValueError("a case ends resolved or closed")
    values = {"state": state, "offered": [], "closed_at": now}
    kept = {"by": "person", **({"note": note[:500]} if note else {})}
    return [
        CaseChanged(case, state.value, values, kept, UNDER_WAY),
        PromisesSettled(case, PromiseState.KEPT, PromiseKind.PERSON_DECIDES),
    ]
