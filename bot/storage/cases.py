"""Cases: reads. They are written as effects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.complaints.model import UNDER_WAY, Case, CaseId, CaseNumber, CaseState, Kind, Severity
from bot.conversations.model import ConversationId
from bot.orders.model import CustomerId
from bot.storage import tables as t
from bot.storage.database import Database

_MOST = 50  # of one customer; older ones are history for people


class SqlCases:
    """Implements `complaints.service.CaseRecords`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def by_number(self, number: CaseNumber) -> Case | None:
        return next(iter(self._where(t.cases.c.number == number)), None)

    def latest_about(self, about: str) -> Case | None:
        # One under way counts before those that are over, whatever clock they were opened by.
        states = [state.value for state in UNDER_WAY]
        under_way = self._where(t.cases.c.about == about, t.cases.c.state.in_(states), most=1)
        return next(iter(under_way or self._where(t.cases.c.about == about, most=1)), None)

    def of_conversation(self, conversation: ConversationId) -> Sequence[Case]:
        return self._where(t.cases.c.conversation_id == conversation)

    def of_customer(self, customer: CustomerId) -> Sequence[Case]:
        return self._where(t.cases.c.customer == customer)

    def person_due(self, case: CaseId) -> datetime | None:
        due = sa.select(sa.func.max(t.promises.c.due_at)).where(
            t.promises.c.case_id == case, t.promises.c.kind == "person_decides", t.promises.c.state == "open"
        )
        with self._db.read() as c:
            found: datetime | None = c.execute(due).scalar_one_or_none()
        return found

    def open_cases(self) -> Sequence[Case]:
        """Every case under way, the most serious and then the oldest first."""
        states = [state.value for state in UNDER_WAY]
        found = self._where(t.cases.c.state.in_(states), most=500)
        return sorted(found, key=lambda case: (-case.severity, case.opened_at))

    def _where(self, *conditions: Any, most: int = _MOST) -> list[Case]:
        chosen = sa.select(t.cases).where(*conditions).order_by(t.cases.c.opened_at.desc()).limit(most)
        with self._db.read() as c:
            return [case_of(row) for row in c.execute(chosen).all()]


def case_of(row: Any) -> Case:
    return Case(
        CaseId(row.id),
        CaseNumber(row.number),
        ConversationId(row.conversation_id),
        row.customer,
        row.order_number,
        Kind(row.kind),
        CaseState(row.state),
        Severity(row.severity),
        row.about,
        row.item,
        row.details,
        row.emotion,
        row.step,
        row.offered,
        row.accepted,
        row.opened_at,
        row.updated_at,
        row.closed_at,
        row.pieces,
    )
