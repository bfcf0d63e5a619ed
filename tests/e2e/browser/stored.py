"""What the server keeps of a visitor, read and written beside it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from playwright.sync_api import Page

from bot.storage.tables import buttons, conversations, messages
from tests.e2e.server import Server


def session(page: Page, server: Server) -> dict[str, str]:
    """The visitor's token and id, as the widget keeps them in the page's storage; empty where there is none yet."""
    kept = page.evaluate("name => localStorage.getItem(name)", f"thiqa:{server.url}:session")
    return dict(json.loads(kept or "{}"))


def conversation(server: Server, visitor: str) -> str | None:
    """The id of the visitor's conversation."""
    with server.database().read() as db:
        found = db.execute(sa.select(conversations.c.id).where(conversations.c.address == visitor)).scalar()
    return str(found) if found else None


def said(server: Server, page: Page) -> list[dict[str, Any]]:
    """The stored messages of the page's visitor, in order: number, author, text, meta, at."""
    query = (
        sa.select(messages)
        .join(conversations, conversations.c.id == messages.c.conversation_id)
        .where(conversations.c.address == session(page, server)["visitor"])
        .order_by(messages.c.number)
    )
    with server.database().read() as db:
        return [dict(row) for row in db.execute(query).mappings()]


def texts(server: Server, page: Page, author: str = "customer") -> list[str]:
    """What one side has said, as it is stored."""
    return [row["text"] for row in said(server, page) if row["author"] == author]


def count(server: Server, table: sa.Table, page: Page) -> int:
    """How many rows of a table belong to the page's visitor."""
    held = conversation(server, session(page, server)["visitor"])
    query = sa.select(sa.func.count()).select_from(table).where(table.c.conversation_id == held)
    with server.database().read() as db:
        return int(db.execute(query).scalar())


def read_up_to(server: Server, visitor: str) -> int:
    """The number of the last message that the customer has read."""
    query = sa.select(conversations.c.read_by_customer).where(conversations.c.address == visitor)
    with server.database().read() as db:
        return int(db.execute(query).scalar())


def write(
    server: Server,
    visitor: str,
    lines: Sequence[tuple[str, str, datetime]],
    choices: Sequence[str] = (),
    read: bool = True,
) -> None:
    """Put (author, text, at) at the end of a conversation, as if said; `choices` are buttons of the last of them."""
    held = conversation(server, visitor)
    with server.database().write() as db:
        last = int(db.execute(sa.select(conversations.c.last_number).where(conversations.c.id == held)).scalar())
        rows = [
            {
                "id": str(uuid.uuid4()),
                "conversation_id": held,
                "number": last + place,
                "author": author,
                "text": text,
                "reply_to": None,
                "meta": {},
                "at": at,
            }
            for place, (author, text, at) in enumerate(lines, 1)
        ]
        db.execute(messages.insert(), rows)
        for place, title in enumerate(choices):
            named = {"id": "b." + uuid.uuid4().hex[:14], "conversation_id": held, "message_id": rows[-1]["id"]}
            db.execute(buttons.insert().values(**named, place=place, title=title, payload="/greet"))
        moved: dict[str, Any] = {"last_number": last + len(rows), "active_at": lines[-1][2]}
        if read:
            moved |= {"read_by_customer": last + len(rows)}
        db.execute(conversations.update().where(conversations.c.id == held).values(**moved))


def date_first_messages(server: Server, visitor: str, at: datetime) -> None:
    """Let everything in the conversation so far have been said at `at`."""
    held = conversation(server, visitor)
    with server.database().write() as db:
        db.execute(messages.update().where(messages.c.conversation_id == held).values(at=at))
