"""The product killed again and again under load: every message is answered once, in order, and every effect happens once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from bot.conversations.model import Author
from bot.storage import tables as t
from bot.storage.turns import SqlTurnStore
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

KILLS = 5
# Questions, an order asked for, greetings: nothing that ends with a person, who would be silent.
SCRIPT = ("مرحبا", "كم مدة التوصيل؟", "وين طلبي 1004", "شكرا", "what is your return policy?", "hello")


@dataclass(eq=False)
class Client(threading.Thread):
    """Sends one message after the other, each until it is answered, as a caller with message ids does."""

    server: Server
    sender: str
    over: threading.Event
    sent: list[str] = field(default_factory=list)
    answers: list[list[dict[str, Any]]] = field(default_factory=list)
    refused: int = 0
    trouble: str | None = None

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def run(self) -> None:
        while not self.over.is_set() or len(self.sent) > len(self.answers):
            if len(self.sent) == len(self.answers):
                self.sent.append(SCRIPT[len(self.sent) % len(SCRIPT)])
            number = len(self.sent)
            try:
                response = self.server.request(
                    {"sender": self.sender, "message": self.sent[-1], "metadata": {"message_id": f"m-{number}"}}
                )
            except requests.RequestException:
                time.sleep(0.1)  # it was killed, or is not up yet
                continue
            if response.status_code == 200:
                self.answers.append(response.json())
            elif response.status_code in (429, 503, 504):
                self.refused += 1
                time.sleep(0.2)
            else:
                self.trouble = f"{response.status_code}: {response.text[:200]}"
                return


@pytest.mark.timeout(900)
def test_killed_five_times_under_load_it_answers_every_message_once_and_in_order(serve: Callable[..., Server]) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    print(f"seed {seed}")
    server = serve()
    over = threading.Event()
    clients = [Client(server, f"sender-{number}", over) for number in range(4)]
    for client in clients:
        client.start()
    for _ in range(KILLS):
        # The fifth part of the kills comes within the very first turns after a start.
        time.sleep(chance.choice([0.05, chance.uniform(0.3, 2.5)]))
        server.kill()
        server.start()
    time.sleep(1)
    over.set()
    for client in clients:
        client.join(120)
        assert not client.is_alive(), f"{client.sender} still waits for the answer to message {len(client.sent)}"
        assert client.trouble is None, client.trouble

    assert sum(len(client.sent) for client in clients) >= KILLS
    for client in clients:
        check_conversation(server, client)
    check_effects(server)

    before = rows(server)
    for client in clients:
        for number, answer in enumerate(client.answers, 1):
            assert server.post(client.sender, "another text", message_id=f"m-{number}") == answer
    assert rows(server) == before, "a message sent again after restarts was taken for a new one"


def check_conversation(server: Server, client: Client) -> None:
    store = SqlTurnStore(server.database())
    conversation = store.find("rest", client.sender)
    assert conversation is not None and conversation.owner.value == "bot"
    log = store.log(conversation.id)
    assert [message.number for message in log] == list(range(1, len(log) + 1))
    asked = [message for message in log if message.author is Author.CUSTOMER]
    assert [message.text for message in asked] == client.sent
    assert "utter_error" not in {message.meta.get("response") for message in log}
    # The client waits for each answer: message, its replies, the next message, …
    place = 0
    for message, answer in zip(asked, client.answers, strict=True):
        replies = [reply for reply in log if reply.reply_to == message.id]
        assert log[place] == message
        assert list(log[place + 1 : place + 1 + len(replies)]) == replies and replies
        assert [reply["text"] for reply in answer] == [reply.text for reply in replies]
        place += 1 + len(replies)
    assert place == len(log)
    with server.database().read() as c:
        turns = c.execute(
            sa.select(t.assistant_states.c.version).where(t.assistant_states.c.conversation_id == conversation.id)
        ).scalar_one()
    assert turns == len(asked), "the assistant's memory took some message in twice, or not at all"


def check_effects(server: Server) -> None:
    """Each reply has one row in the outbox, and each is done with; nothing waits in the inbox."""
    with server.database().read() as c:
        said = c.execute(sa.select(t.messages.c.id).where(t.messages.c.author == Author.BOT.value)).scalars().all()
        out = c.execute(sa.select(t.outbox.c.message_id)).scalars().all()
        assert sorted(out) == sorted(said)
        waiting = sa.select(sa.func.count()).select_from(t.outbox).where(t.outbox.c.sent_at.is_(None))
        assert c.execute(waiting).scalar_one() == 0
        open_ = sa.select(sa.func.count()).select_from(t.inbox).where(t.inbox.c.done_at.is_(None))
        assert c.execute(open_).scalar_one() == 0
        held = sa.select(sa.func.count()).select_from(t.conversations).where(t.conversations.c.lease_owner.is_not(None))
        assert c.execute(held).scalar_one() == 0


def rows(server: Server) -> list[int]:
    with server.database().read() as c:
        return [
            c.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (t.conversations, t.messages, t.inbox, t.outbox)
        ]
