"""How a line of the log is written, whoever writes it. The caller's transaction holds the conversation's row."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.conversations.model import Author, Button, Conversation, ConversationId, FileId, MessageId, Reply
from bot.errors import MessageRefused
from bot.storage import tables as t


def new_id() -> str:
    return str(uuid.uuid4())


def append(
    c: Connection,
    conversation: ConversationId,
    message: MessageId,
    author: Author,
    text: str,
    now: datetime,
    reply_to: MessageId | None = None,
    meta: dict[str, Any] | None = None,
) -> int:
    """Write a line of the log; returns its number."""
    row = t.conversations.c.id == conversation
    c.execute(t.conversations.update().where(row).values(last_number=t.conversations.c.last_number + 1))
    number = c.execute(sa.select(t.conversations.c.last_number).where(row)).scalar_one()
    c.execute(
        t.messages.insert().values(
            id=message,
            conversation_id=conversation,
            number=number,
            author=author.value,
            text=text,
            reply_to=reply_to,
            meta=meta or {},
            at=now,
        )
    )
    return int(number)


def say(
    c: Connection,
    conversation: Conversation,
    reply: Reply,
    now: datetime,
    meta: dict[str, Any],
    reply_to: MessageId | None = None,
    author: Author = Author.BOT,
    body: dict[str, Any] | None = None,
) -> MessageId:
    """Write what the customer is told: the line of the log, its buttons, and the row of the outbox by which it leaves.

    Values of `meta` that are None are left out. `body`: what else its channel is told.
    """
    message = MessageId(new_id())
    known = {key: value for key, value in meta.items() if value is not None}
    append(c, conversation.id, message, author, reply.text, now, reply_to, known)
    offered = [Button("b." + uuid.uuid4().hex[:14], button.title, button.payload) for button in reply.buttons]
    for place, button in enumerate(offered):
        c.execute(
            t.buttons.insert().values(
                conversation_id=conversation.id,
                id=button.id,
                message_id=message,
                place=place,
                title=button.title,
                payload=button.payload,
            )
        )
    c.execute(
        t.outbox.insert().values(
            channel=conversation.channel,
            address=conversation.address,
            conversation_id=conversation.id,
            message_id=message,
            body={
                "text": reply.text,
                "buttons": [{"id": b.id, "title": b.title} for b in offered],
                "response": reply.response,
                **(body or {}),
            },
            attempts=0,
            next_at=now,
            created_at=now,
        )
    )
    return message


def unsent_file(c: Connection, channel: str, address: str, file: FileId) -> dict[str, Any]:
    """What the log keeps of a stored file of this address: id, width, height. Raises MessageRefused (`file`)."""
    found = c.execute(
        sa.select(t.files.c.id, t.files.c.width, t.files.c.height)
        .where(
            t.files.c.id == file,
            t.files.c.channel == channel,
            t.files.c.address == address,
            t.files.c.message_id.is_(None),
        )
        .with_for_update()
    ).first()
    if found is None:
        raise MessageRefused("file", "the file does not exist, is not of this conversation, or was sent before")
    return dict(found._mapping)


def alert(
    c: Connection, channels: Sequence[str], conversation: ConversationId, body: dict[str, Any], now: datetime
) -> None:
    """Tell the merchant over each of the alert channels. `body` holds ids and times, never a customer's words."""
    for channel in channels:
        c.execute(
            t.outbox.insert().values(
                channel=channel,
                address=conversation,
                conversation_id=conversation,
                body=body,
                attempts=0,
                next_at=now,
                created_at=now,
            )
        )
