"""How each effect of a turn is written. A new effect is a dataclass in its noun and a function here."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from bot.conversations.model import ContactOptOut, Effect, LanguageRead, OwnerChange, Turn
from bot.customers.proof import ProofFailed, ProofGiven, ProofUsed
from bot.handoff.model import ContactLeft, HandoffAcknowledged, HandoffAsked, HandoffWithdrawn
from bot.knowledge.model import QuestionUnanswered
from bot.storage import tables as t


def insert_ignore(c: Connection, table: Any, **values: Any) -> int:
    """Insert a row unless its key exists; returns how many rows were written (0 or 1)."""
    make = postgresql.insert if c.dialect.name == "postgresql" else sqlite.insert
    return int(c.execute(make(table).values(**values).on_conflict_do_nothing()).rowcount)


@singledispatch
def apply(effect: Effect, c: Connection, turn: Turn) -> None:
    """Write `effect` of `turn` inside the turn's transaction."""
    raise NotImplementedError(f"no way to write {type(effect).__name__}")


def _this(turn: Turn) -> Any:
    return t.conversations.c.id == turn.conversation.id


@apply.register
def _(effect: OwnerChange, c: Connection, turn: Turn) -> None:
    c.execute(t.conversations.update().where(_this(turn)).values(owner=effect.to.value))


@apply.register
def _(effect: LanguageRead, c: Connection, turn: Turn) -> None:
    c.execute(t.conversations.update().where(_this(turn)).values(language=effect.language, variety=effect.variety))


@apply.register
def _(effect: ContactOptOut, c: Connection, turn: Turn) -> None:
    c.execute(t.conversations.update().where(_this(turn)).values(opted_out=True))


@apply.register
def _(effect: ProofGiven, c: Connection, turn: Turn) -> None:
    c.execute(t.proofs.delete().where(t.proofs.c.conversation_id == turn.conversation.id))
    c.execute(
        t.proofs.insert().values(
            conversation_id=turn.conversation.id, customer=effect.customer, given_at=turn.now, used_at=turn.now
        )
    )


@apply.register
def _(effect: ProofUsed, c: Connection, turn: Turn) -> None:
    c.execute(t.proofs.update().where(t.proofs.c.conversation_id == turn.conversation.id).values(used_at=turn.now))


@apply.register
def _(effect: ProofFailed, c: Connection, turn: Turn) -> None:
    c.execute(
        t.proof_failures.insert().values(
            conversation_id=turn.conversation.id, order_number=effect.order_number[:32], at=turn.now
        )
    )


@apply.register
def _(effect: QuestionUnanswered, c: Connection, turn: Turn) -> None:
    insert_ignore(
        c,
        t.unanswered_questions,
        message_id=turn.message.id,
        text=effect.text,
        language=effect.language,
        nearest=effect.nearest,
        score=effect.score,
        at=turn.now,
    )


def _open_handoff(turn: Turn) -> tuple[Any, Any]:
    return t.handoffs.c.conversation_id == turn.conversation.id, t.handoffs.c.ended_at.is_(None)


@apply.register
def _(effect: HandoffAsked, c: Connection, turn: Turn) -> None:
    made = insert_ignore(
        c, t.handoffs, conversation_id=turn.conversation.id, reason=effect.reason.value, asked_at=turn.now
    )
    if not made:
        return
    for channel in effect.alerts:
        c.execute(
            t.outbox.insert().values(
                channel=channel,
                address=turn.conversation.id,
                conversation_id=turn.conversation.id,
                body={"event": "handoff.asked", "reason": effect.reason.value, "asked_at": turn.now.isoformat()},
                attempts=0,
                next_at=turn.now,
                created_at=turn.now,
            )
        )


@apply.register
def _(effect: HandoffAcknowledged, c: Connection, turn: Turn) -> None:
    c.execute(t.handoffs.update().where(*_open_handoff(turn)).values(acknowledged_at=turn.now))


@apply.register
def _(effect: ContactLeft, c: Connection, turn: Turn) -> None:
    c.execute(t.handoffs.update().where(*_open_handoff(turn)).values(contact=effect.contact[:255]))


@apply.register
def _(effect: HandoffWithdrawn, c: Connection, turn: Turn) -> None:
    c.execute(t.handoffs.update().where(*_open_handoff(turn)).values(ended_at=turn.now))


def count(c: Connection, table: Any, *conditions: Any) -> int:
    """How many rows of `table` meet the conditions."""
    return int(c.execute(sa.select(sa.func.count()).select_from(table).where(*conditions)).scalar_one())
