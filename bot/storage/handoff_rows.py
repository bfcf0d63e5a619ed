"""Rows of handoffs and their audit log. The caller's transaction holds the conversation's row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.conversations.model import ConversationId
from bot.handoff.model import WAITING, Act, Handoff, HandoffId, Reason, State
from bot.storage import tables as t

# Columns whose name differs from the field's.
_COLUMN = {"conversation": "conversation_id", "agent": "taken_by", "agent_name": "taken_by_name"}

IS_WAITING = t.handoffs.c.state.in_([state.value for state in WAITING])
IS_TAKEN = t.handoffs.c.state == State.TAKEN.value
IS_OPEN = t.handoffs.c.ended_at.is_(None)


def handoff_of(row: Any) -> Handoff:
    values = {name: row[_COLUMN.get(name, name)] for name in Handoff.__dataclass_fields__}
    return Handoff(
        **{
            **values,
            "id": HandoffId(row["id"]),
            "reason": Reason(row["reason"]),
            "state": State(row["state"]),
        }
    )


def write(c: Connection, handoff: Handoff) -> HandoffId:
    """Store a handoff, new (`id` 0) or known; returns its id."""
    columns = {_COLUMN.get(name, name): _plain(value) for name, value in vars(handoff).items() if name != "id"}
    if handoff.id:
        c.execute(t.handoffs.update().where(t.handoffs.c.id == handoff.id).values(**columns))
        return handoff.id
    return HandoffId(int(c.execute(t.handoffs.insert().values(**columns)).inserted_primary_key[0]))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return getattr(value, "value", value)


def open_handoff(c: Connection, conversation: ConversationId) -> Handoff | None:
    found = c.execute(sa.select(t.handoffs).where(t.handoffs.c.conversation_id == conversation, IS_OPEN)).first()
    return handoff_of(found._mapping) if found else None


def last_handoff(c: Connection, conversation: ConversationId) -> Handoff | None:
    """The one that ended last."""
    found = c.execute(
        sa.select(t.handoffs)
        .where(t.handoffs.c.conversation_id == conversation, t.handoffs.c.ended_at.is_not(None))
        .order_by(t.handoffs.c.id.desc())
        .limit(1)
    ).first()
    return handoff_of(found._mapping) if found else None


def note_event(
    c: Connection,
    conversation: ConversationId,
    handoff: HandoffId | None,
    what: Act,
    by: str,
    agent: str | None,
    note: Mapping[str, Any],
    now: datetime,
) -> None:
    """A line of the audit log."""
    c.execute(
        t.handoff_events.insert().values(
            conversation_id=conversation,
            handoff_id=handoff,
            what=what.value,
            by=by,
            agent=agent,
            note=dict(note),
            at=now,
        )
    )
