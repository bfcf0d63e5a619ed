"""The nouns' own records: proof, unanswered questions. Reads; writes go through `effects`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from bot.conversations.model import ConversationId
from bot.customers.proof import Failures, Proof
from bot.orders.model import CustomerId, OrderNumber
from bot.storage import tables as t
from bot.storage.database import Database


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
