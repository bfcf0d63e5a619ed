"""Planned messages, and the conversations they would be said in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.complaints.model import CaseState
from bot.conversations.model import Author, Conversation, ConversationId, Owner
from bot.outreach.model import Outreach, OutreachId, OutreachKind
from bot.outreach.policy import Contact, Later
from bot.outreach.service import Decision, Saying, Settled
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.log import say
from bot.storage.turns import conversation_of

_OPEN = (t.outreach.c.sent_at.is_(None), t.outreach.c.dropped_at.is_(None))
# The dispatcher's word for what it gave up because of its age: it says nothing of the receiver.
_TOO_LATE = "too late"


class SqlOutreach:
    """Implements `outreach.service.OutreachRecords`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def due(self, now: datetime) -> bool:
        with self._db.read() as c:
            return c.execute(_first_due(now)).first() is not None

    def settle_next(
        self, now: datetime, decide: Callable[[Outreach, Contact, Conversation], Decision]
    ) -> Settled | None:
        with self._db.write() as c:
            first = c.execute(_first_due(now)).first()
            if first is None:
                return None
            # Conversations before everything else, as every turn does it.
            conversation = _locked(c, first.conversation_id)
            row = c.execute(
                sa.select(t.outreach)
                .where(
                    t.outreach.c.id == first.id,
                    t.outreach.c.conversation_id == first.conversation_id,
                    t.outreach.c.due_at <= now,
                    *_OPEN,
                )
                .with_for_update()
            ).first()
            if row is None or conversation is None:
                return Settled(None, None, None)  # another was faster, or it has moved to another conversation
            outreach = _outreach(row)
            here = conversation_of(conversation, ConversationId(conversation.id))
            decision = decide(outreach, _contact(c, conversation, row.case_id, now), here)
            if isinstance(decision, Saying):
                meta = {"response": decision.reply.response, "outreach": outreach.kind.value}
                say(c, here, decision.reply, now, meta)
                c.execute(t.conversations.update().where(t.conversations.c.id == here.id).values(active_at=now))
                written: dict[str, Any] = {"sent_at": now}
            elif isinstance(decision, Later):
                written = {"due_at": decision.at}
            else:
                written = {"dropped_at": now, "reason": decision.reason.value}
            c.execute(t.outreach.update().where(t.outreach.c.id == row.id).values(**written))
            return Settled(outreach, here, decision)


def _first_due(now: datetime) -> Any:
    return sa.select(t.outreach).where(t.outreach.c.due_at <= now, *_OPEN).order_by(t.outreach.c.due_at).limit(1)


def _locked(c: Connection, conversation: str) -> Any:
    """The conversation, with the rows of all its customer's conversations locked: two messages to one customer, in two
    conversations, are judged one after the other."""
    mine = sa.select(t.conversations.c.customer).where(t.conversations.c.id == conversation).scalar_subquery()
    rows = c.execute(
        sa.select(t.conversations)
        .where(sa.or_(t.conversations.c.id == conversation, t.conversations.c.customer == mine))
        .order_by(t.conversations.c.id)
        .with_for_update()
    ).all()
    return next((row for row in rows if row.id == conversation), None)


def _contact(c: Connection, conversation: Any, case: str | None, now: datetime) -> Contact:
    here = t.messages.c.conversation_id == conversation.id
    wrote_at = c.execute(
        sa.select(t.messages.c.at)
        .where(here, t.messages.c.author == Author.CUSTOMER.value)
        .order_by(t.messages.c.number.desc())
        .limit(1)
    ).scalar_one_or_none()
    waiting = c.execute(
        sa.select(t.inbox.c.id)
        .where(t.inbox.c.conversation_id == conversation.id, t.inbox.c.done_at.is_(None))
        .limit(1)
    ).first()
    theirs = _of_customer(conversation)
    opted_out = c.execute(sa.select(t.conversations.c.id).where(theirs, t.conversations.c.opted_out).limit(1)).first()
    told_at = c.execute(
        sa.select(sa.func.max(t.outreach.c.sent_at)).where(
            t.outreach.c.conversation_id.in_(sa.select(t.conversations.c.id).where(theirs))
        )
    ).scalar_one_or_none()
    state = c.execute(sa.select(t.cases.c.state).where(t.cases.c.id == case)).scalar_one_or_none() if case else None
    return Contact(
        channel=conversation.channel,
        owner=Owner(conversation.owner),
        opted_out=opted_out is not None,
        unreachable=conversation.unreachable_at is not None or _refused(c, conversation, wrote_at),
        busy=waiting is not None or (conversation.lease_until is not None and conversation.lease_until >= now),
        wrote_at=wrote_at,
        told_at=told_at,
        case=CaseState(state) if state else None,
    )


def _of_customer(conversation: Any) -> Any:
    this = t.conversations.c.id == conversation.id
    if conversation.customer is None:
        return this
    return sa.or_(this, t.conversations.c.customer == conversation.customer)


def _refused(c: Connection, conversation: Any, wrote_at: datetime | None) -> bool:
    """Whether the channel has refused the last message for good (the customer has blocked us, or is gone)."""
    last = c.execute(
        sa.select(t.outbox.c.failed_at, t.outbox.c.error)
        .join(t.messages, t.messages.c.id == t.outbox.c.message_id)
        .where(
            t.messages.c.conversation_id == conversation.id,
            t.outbox.c.channel == conversation.channel,
            sa.or_(t.outbox.c.sent_at.is_not(None), t.outbox.c.failed_at.is_not(None)),
        )
        .order_by(t.messages.c.number.desc())
        .limit(1)
    ).first()
    if last is None or last.failed_at is None or last.error == _TOO_LATE:
        return False
    return wrote_at is None or wrote_at <= last.failed_at


def _outreach(row: Any) -> Outreach:
    return Outreach(
        OutreachId(row.id),
        ConversationId(row.conversation_id),
        row.case_id,
        OutreachKind(row.kind),
        row.what,
        row.due_at,
        row.until,
    )
