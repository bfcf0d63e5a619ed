"""What the server's database says of a visitor, to hold against what their tabs show."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from bot.storage import tables as t
from tests.e2e.browser.widget import Chat
from tests.e2e.server import Server

Line = tuple[int, str, str]  # number, author, text


def session_key(address: str) -> str:
    """Where the widget keeps its session with the server at `address`."""
    return f"thiqa:{address}:session"


def stored_session(chat: Chat, address: str) -> Any:
    return chat.page.evaluate("key => JSON.parse(localStorage.getItem(key) || 'null')", session_key(address))


def visitor_of(chat: Chat, address: str) -> str:
    kept = stored_session(chat, address)
    return str(kept["visitor"]) if kept else ""


def log_of(server: Server, visitor: str) -> list[Line]:
    """The visitor's conversation, in order."""
    with server.database().read() as c:
        rows = c.execute(
            sa.select(t.messages.c.number, t.messages.c.author, t.messages.c.text)
            .join(t.conversations, t.conversations.c.id == t.messages.c.conversation_id)
            .where(t.conversations.c.channel == "webchat", t.conversations.c.address == visitor)
            .order_by(t.messages.c.number)
        )
        return [(number, author, flat(text)) for number, author, text in rows]


def said_by_customer(server: Server, visitor: str) -> list[str]:
    return [text for _, author, text in log_of(server, visitor) if author == "customer"]


def waiting(server: Server, visitor: str) -> int:
    """How many of the visitor's messages no turn has dealt with."""
    with server.database().read() as c:
        open_ = (
            sa.select(sa.func.count())
            .select_from(t.inbox.join(t.conversations, t.conversations.c.id == t.inbox.c.conversation_id))
            .where(t.conversations.c.address == visitor, t.inbox.c.done_at.is_(None))
        )
        return int(c.execute(open_).scalar_one())


def unanswered(server: Server, visitor: str) -> list[str]:
    """Texts of the visitor that no message replies to."""
    with server.database().read() as c:
        reply = t.messages.alias()
        rows = c.execute(
            sa.select(t.messages.c.text)
            .join(t.conversations, t.conversations.c.id == t.messages.c.conversation_id)
            .where(t.conversations.c.address == visitor, t.messages.c.author == "customer")
            .where(~sa.exists().where(reply.c.reply_to == t.messages.c.id))
        )
        return [text for (text,) in rows]


def visitors(server: Server) -> list[str]:
    """Addresses of all conversations of the web chat."""
    with server.database().read() as c:
        return list(
            c.execute(sa.select(t.conversations.c.address).where(t.conversations.c.channel == "webchat")).scalars()
        )


def shown(chat: Chat) -> list[Line]:
    """What the tab shows, in order; a message on its way has number 0."""
    return [(message["number"], message["author"], flat(message["text"])) for message in chat.messages()]


def flat(text: str) -> str:
    """A page shows white space its own way."""
    return re.sub(r"\s+", " ", text).strip()


def wait_answered(chat: Chat, server: Server, visitor: str, texts: list[str], timeout: float = 30.0) -> None:
    """Until the visitor has said exactly `texts`, in order, each is answered, and the tab shows just that."""

    def holds() -> bool:
        return (
            waiting(server, visitor) == 0
            and said_by_customer(server, visitor) == texts
            and not unanswered(server, visitor)
            and shown(chat) == log_of(server, visitor)
        )

    try:
        chat.wait(holds, timeout)
    except AssertionError:
        assert said_by_customer(server, visitor) == texts
        assert unanswered(server, visitor) == []
        assert shown(chat) == log_of(server, visitor)
        raise
