"""The log as people read it: in pages, with what has been read, and what is new."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.conversations.model import Author, Button, ConversationId, Message, MessageId, Owner
from bot.conversations.ports import LogLine, LogState
from bot.storage import tables as t
from bot.storage.database import Database


def messages_where(c: Connection, *conditions: Any) -> list[Message]:
    """Messages that meet the conditions, with their buttons, in the order of their numbers."""
    return _with_buttons(c, c.execute(sa.select(t.messages).where(*conditions).order_by(t.messages.c.number)).all())


def _with_buttons(c: Connection, rows: Sequence[Any]) -> list[Message]:
    choices: dict[str, list[Button]] = {}
    if rows:
        offered = (
            sa.select(t.buttons).where(t.buttons.c.message_id.in_([row.id for row in rows])).order_by(t.buttons.c.place)
        )
        for button in c.execute(offered):
            choices.setdefault(button.message_id, []).append(Button(button.id, button.title, button.payload))
    return [
        Message(
            MessageId(row.id),
            ConversationId(row.conversation_id),
            row.number,
            Author(row.author),
            row.text,
            row.at,
            choices.get(row.id, []),
            row.reply_to,
            row.meta,
        )
        for row in rows
    ]


class SqlTranscripts:
    """Implements `conversations.ports.Transcripts`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def state(self, channel: str, address: str) -> LogState | None:
        with self._db.read() as c:
            found = self._states(c, t.conversations.c.channel == channel, t.conversations.c.address == address)
        return found[0] if found else None

    def moved(self, channel: str, since: datetime) -> Sequence[LogState]:
        with self._db.read() as c:
            return self._states(c, t.conversations.c.channel == channel, t.conversations.c.active_at >= since)

    def before(self, conversation: ConversationId, number: int, limit: int) -> Sequence[LogLine]:
        return self._page(conversation, limit, t.messages.c.number < number, newest=True)

    def after(self, conversation: ConversationId, number: int, limit: int) -> Sequence[LogLine]:
        return self._page(conversation, limit, t.messages.c.number > number)

    def undelivered(self, conversation: ConversationId, limit: int) -> Sequence[LogLine]:
        waiting = sa.select(t.outbox.c.message_id).where(
            t.outbox.c.conversation_id == conversation, t.outbox.c.sent_at.is_(None), t.outbox.c.failed_at.is_(None)
        )
        return self._page(conversation, limit, t.messages.c.id.in_(waiting))

    def read_by_customer(self, conversation: ConversationId, number: int, now: datetime) -> bool:
        with self._db.write() as c:
            moved = c.execute(
                t.conversations.update()
                .where(
                    t.conversations.c.id == conversation,
                    t.conversations.c.read_by_customer < number,
                    t.conversations.c.last_number >= number,
                )
                .values(read_by_customer=number, active_at=now)
            )
            return bool(moved.rowcount)

    def _page(
        self, conversation: ConversationId, limit: int, *conditions: Any, newest: bool = False
    ) -> Sequence[LogLine]:
        order = t.messages.c.number.desc() if newest else t.messages.c.number
        chosen = (
            sa.select(t.messages, t.inbox.c.key)
            .outerjoin(t.inbox, t.inbox.c.message_id == t.messages.c.id)
            .where(t.messages.c.conversation_id == conversation, *conditions)
            .order_by(order)
            .limit(limit)
        )
        with self._db.read() as c:
            rows = sorted(c.execute(chosen).all(), key=lambda row: int(row.number))
            return [LogLine(message, row.key) for message, row in zip(_with_buttons(c, rows), rows, strict=True)]

    def _states(self, c: Connection, *conditions: Any) -> list[LogState]:
        of_this = t.inbox.c.conversation_id == t.conversations.c.id
        first_open = (
            sa.select(sa.func.min(t.messages.c.number))
            .select_from(t.inbox.join(t.messages, t.messages.c.id == t.inbox.c.message_id))
            .where(of_this, t.inbox.c.done_at.is_(None))
            .correlate(t.conversations)
            .scalar_subquery()
        )
        rows = c.execute(sa.select(t.conversations, first_open.label("first_open")).where(*conditions)).all()
        return [
            LogState(
                ConversationId(row.id),
                row.address,
                Owner(row.owner),
                row.customer,
                row.last_number,
                delivered=row.last_number if row.first_open is None else row.first_open - 1,
                seen=row.read_by_team,
                read=row.read_by_customer,
            )
            for row in rows
        ]
