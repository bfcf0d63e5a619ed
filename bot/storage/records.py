"""The nouns' own records: proof, handoffs, unanswered questions. Reads; writes go through `effects`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.conversations.model import Author, ConversationId, Owner
from bot.customers.proof import Failures, Proof
from bot.errors import OwnerChanged
from bot.handoff.model import Handoff, HandoffId, QueueEntry, Reason
from bot.orders.model import CustomerId, OrderNumber
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.effects import count


class SqlProofRecords:
    """Implements `customers.proof.ProofRecords`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def proof(self, conversation: ConversationId) -> Proof | None:
        with self._db.read() as c:
            row = c.execute(sa.select(t.proofs).where(t.proofs.c.conversation_id == conversation)).first()
        return Proof(CustomerId(row.customer), row.used_at) if row else None

    def verified_phone(self, conversation: ConversationId) -> str | None:
        with self._db.read() as c:
            phone: str | None = c.execute(
                sa.select(t.verified_phones.c.phone).where(t.verified_phones.c.conversation_id == conversation)
            ).scalar_one_or_none()
        return phone

    def failures(self, conversation: ConversationId, order: OrderNumber | None, since: datetime) -> Failures:
        times = sa.select(t.proof_failures.c.at).where(t.proof_failures.c.at >= since).order_by(t.proof_failures.c.at)
        with self._db.read() as c:
            here = c.execute(times.where(t.proof_failures.c.conversation_id == conversation)).scalars().all()
            there = (
                c.execute(times.where(t.proof_failures.c.order_number == order[:32])).scalars().all() if order else []
            )
        return Failures(here, there)


class SqlHandoffRecords:
    """Implements `handoff.service.HandoffRecords`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def open_handoff(self, conversation: ConversationId) -> Handoff | None:
        with self._db.read() as c:
            row = c.execute(
                sa.select(t.handoffs).where(
                    t.handoffs.c.conversation_id == conversation, t.handoffs.c.ended_at.is_(None)
                )
            ).first()
        return _handoff(row) if row else None

    def waiting_ahead(self, handoff: Handoff | None) -> int:
        waiting = [t.handoffs.c.ended_at.is_(None), t.handoffs.c.taken_at.is_(None)]
        if handoff:
            waiting.append(t.handoffs.c.id < handoff.id)
        with self._db.read() as c:
            return count(c, t.handoffs, *waiting)

    def queue(self) -> Sequence[QueueEntry]:
        open_ = sa.and_(t.handoffs.c.ended_at.is_(None), t.handoffs.c.taken_at.is_(None))
        with self._db.read() as c:
            rows = c.execute(
                sa.select(t.handoffs, t.conversations.c.channel, t.conversations.c.language)
                .join(t.conversations, t.conversations.c.id == t.handoffs.c.conversation_id)
                .where(open_)
                .order_by(t.handoffs.c.id)
            ).all()
            return [self._entry(c, row) for row in rows]

    def _entry(self, c: Any, row: Any) -> QueueEntry:
        of_customer = (
            t.messages.c.conversation_id == row.conversation_id,
            t.messages.c.author == Author.CUSTOMER.value,
        )
        last = c.execute(
            sa.select(t.messages.c.text).where(*of_customer).order_by(t.messages.c.number.desc()).limit(1)
        ).scalar()
        since = count(c, t.messages, *of_customer, t.messages.c.at >= row.asked_at)
        return QueueEntry(_handoff(row), row.channel, row.language, last or "", since)

    def take(self, conversation: ConversationId, agent: str, now: datetime) -> None:
        """An agent takes a conversation, out of the queue or from the bot.

        A bot turn under way is discarded when it tries to commit. Raises OwnerChanged where an agent has it already.
        """
        with self._db.write() as c:
            taken = c.execute(
                t.conversations.update()
                .where(t.conversations.c.id == conversation, t.conversations.c.owner != Owner.AGENT.value)
                .values(owner=Owner.AGENT.value)
            )
            if taken.rowcount != 1:
                raise OwnerChanged("an agent has this conversation already")
            c.execute(
                t.handoffs.update()
                .where(t.handoffs.c.conversation_id == conversation, t.handoffs.c.ended_at.is_(None))
                .values(taken_at=now, taken_by=agent)
            )


def _handoff(row: Any) -> Handoff:
    return Handoff(
        HandoffId(row.id),
        ConversationId(row.conversation_id),
        Reason(row.reason),
        row.asked_at,
        row.acknowledged_at,
        row.contact,
        row.taken_at,
    )


@dataclass(frozen=True)
class UnansweredQuestion:
    text: str
    language: str
    nearest: str | None
    at: datetime


class SqlUnansweredQuestions:
    """The merchant's list of questions that nothing answered."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def latest(self, limit: int = 100) -> Sequence[UnansweredQuestion]:
        """Newest first."""
        with self._db.read() as c:
            rows = c.execute(
                sa.select(t.unanswered_questions).order_by(t.unanswered_questions.c.id.desc()).limit(limit)
            ).all()
        return [UnansweredQuestion(r.text, r.language, r.nearest, r.at) for r in rows]
