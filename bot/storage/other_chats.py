"""Which conversation on another channel is the same customer's, and from where on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.conversations.model import ConversationId, FileId
from bot.customers.channels import Moved, OtherChat
from bot.storage import tables as t
from bot.storage.database import Database

_here, _other = t.conversations.alias("here"), t.conversations.alias("other")
_same_customer = sa.and_(_other.c.customer == _here.c.customer, _other.c.channel != _here.c.channel)


class SqlOtherChats:
    """Implements `customers.channels.OtherChats`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def beside(self, channel: str, address: str) -> OtherChat | None:
        found = (
            sa.select(_other)
            .select_from(_here.join(_other, _same_customer))
            .where(_here.c.channel == channel, _here.c.address == address)
            .order_by(_other.c.active_at.desc())
        )
        with self._db.read() as c:
            for row in c.execute(found).all():
                if (since := _known_since(c, row)) is not None:
                    first = c.execute(
                        sa.select(sa.func.min(t.messages.c.number)).where(
                            t.messages.c.conversation_id == row.id, t.messages.c.at >= since
                        )
                    ).scalar_one()
                    begins = row.last_number + 1 if first is None else first
                    return OtherChat(ConversationId(row.id), row.channel, row.address, begins, row.last_number)
        return None

    def moved(self, channel: str, since: datetime) -> Sequence[Moved]:
        found = (
            sa.select(_other.c.address, _other.c.last_number, _here.c.address.label("beside"))
            .select_from(_other.outerjoin(_here, sa.and_(_same_customer, _here.c.channel == channel)))
            .where(_other.c.channel != channel, _other.c.active_at >= since)
        )
        with self._db.read() as c:
            return [Moved(row.address, row.last_number, row.beside) for row in c.execute(found)]

    def holds(self, other: OtherChat, file: FileId) -> bool:
        brought = (
            sa.select(t.files.c.id)
            .join(t.messages, t.messages.c.id == t.files.c.message_id)
            .where(
                t.files.c.id == file,
                t.messages.c.conversation_id == other.conversation,
                t.messages.c.number >= other.first,
            )
        )
        with self._db.read() as c:
            return c.execute(brought).first() is not None


def _known_since(c: Connection, chat: Any) -> datetime | None:
    """Since when a chat is the customer's whose it is: by a link of the website that was followed there, or by their own
    phone. What was said before was said by nobody knows whom, and whoever made the link may be another."""
    links = t.telegram_links
    linked: datetime | None = c.execute(
        sa.select(sa.func.max(links.c.used_at, type_=links.c.used_at.type)).where(
            links.c.used_by == chat.address, links.c.customer == chat.customer
        )
    ).scalar_one()
    if linked is not None:
        return linked
    shared: datetime | None = c.execute(
        sa.select(t.verified_phones.c.at).where(t.verified_phones.c.conversation_id == chat.id)
    ).scalar_one_or_none()
    return shared
