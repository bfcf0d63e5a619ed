"""Two hundred processes are killed at random steps of their work; afterwards nothing is lost, doubled or out of order.

A step is the moment before or after a statement, before or after a commit, and any moment of the assistant's thinking.
KILLS_SEED repeats a run's choices (not its timing).
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.conversations.inbox import Inbox
from bot.conversations.live import LiveEvents
from bot.conversations.model import Author, Button, Inbound, Reply, Turn
from bot.conversations.turns import TurnRunner
from bot.customers.proof import ProofFailed
from bot.errors import StorageUnavailable
from bot.handoff.service import HandoffService
from bot.orders.model import OrderNumber
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.effects import count
from bot.storage.handoff import SqlHandoffs
from bot.storage.turns import SqlTurnStore
from tests.databases import KINDS, migrated
from tests.integration.conversations import KeyWording, NoShop

KILLS = 200
CONVERSATIONS = 6
LEASE = timedelta(milliseconds=100)
LATEST_STEP = 140
PATIENCE = 0.25  # seconds a child waits for work that others hold


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass
class TwoReplies:
    """Implements `conversations.ports.Assistant`: one effect, a growing memory and two replies a message."""

    step: Callable[[], None] = lambda: None

    def respond(self, turn: Turn) -> Sequence[Reply]:
        self.step()
        turn.effects.append(ProofFailed(OrderNumber(turn.message.text)))
        self.step()
        turn.state_after = json.dumps([*json.loads(turn.state.data or "[]"), turn.message.text])
        self.step()
        return [
            Reply(f"{turn.message.text} first", [Button("", "more", "/more")]),
            Reply(f"{turn.message.text} second"),
        ]


@dataclass
class Plan:
    """What customers send: every conversation's messages in order, `sent` so far."""

    sent: dict[str, list[str]] = field(default_factory=dict)

    def more(self, address: str) -> None:
        texts = self.sent.setdefault(address, [])
        texts.append(f"{address}.{len(texts) + 1}")

    def not_stored(self, database: Database) -> dict[str, list[str]]:
        with database.read() as c:
            stored = set(c.execute(sa.select(t.inbox.c.key)).scalars())
        return {address: [text for text in texts if text not in stored] for address, texts in self.sent.items()}


def work(database: Database, unsent: dict[str, list[str]], assistant: TwoReplies, patience: float) -> None:
    """What one process does: take in what its customers sent, and answer whatever waits."""
    store, wording, shop = SqlTurnStore(database), KeyWording(), NoShop()
    desk = HandoffService(SqlHandoffs(database), shop, wording)  # type: ignore[arg-type]
    live = LiveEvents()
    inbox = Inbox(store, utc_now, 1000, live)
    # Never given up: this test is about answers, and kills count as attempts.
    runner = TurnRunner(
        f"{os.getpid()}", store, assistant, desk, wording, utc_now, live, lease=LEASE, max_attempts=1_000_000
    )
    for address, texts in unsent.items():
        for text in texts:
            _until_stored(lambda address=address, text=text: inbox.receive(Inbound("rest", address, text, text)))  # type: ignore[misc]
    idle_since = time.monotonic()
    while time.monotonic() - idle_since < patience:
        try:
            if runner.run_once():
                idle_since = time.monotonic()
                continue
            with database.read() as c:
                if count(c, t.inbox, t.inbox.c.done_at.is_(None)) == 0:
                    return
        except StorageUnavailable:
            pass
        time.sleep(0.005)


def _until_stored(receive: Callable[[], object]) -> None:
    while True:
        try:
            receive()
            return
        except StorageUnavailable:
            time.sleep(0.005)


def die_at(step: int, engine: Any) -> Callable[[], None]:
    """Kill this process at its `step`-th step."""
    left = step

    def count_down(*_: object, **__: object) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    for event in ("before_cursor_execute", "after_cursor_execute", "commit"):
        sa.event.listen(engine, event, count_down)
    sa.event.listen(engine, "checkin", count_down)  # after the commit
    return count_down


def start_child(url: str, unsent: dict[str, list[str]], step: int) -> int:
    """Fork a process that works until it is done or dies at its `step`-th step; returns its id."""
    if pid := os.fork():
        return pid
    try:
        database = Database(url)
        work(database, unsent, TwoReplies(die_at(step, database.engine)), PATIENCE)
    except BaseException as error:
        os.write(2, f"child failed: {error!r}\n".encode())
        os._exit(1)
    os._exit(0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_after_two_hundred_kills_every_message_has_its_answer_once_and_in_order(kind: str, tmp_path: Path) -> None:
    seed = os.environ.get("KILLS_SEED") or str(random.SystemRandom().randrange(10**9))
    print(f"KILLS_SEED={seed}")
    chance = random.Random(seed)
    addresses = [f"c{number}" for number in range(CONVERSATIONS)]
    plan, kills = Plan(), 0
    with migrated(kind, tmp_path) as database:
        while kills < KILLS:
            for address in chance.sample(addresses, 2):
                plan.more(address)
            unsent = plan.not_stored(database)
            database.close()  # a child must not share our connections
            together = 2 if chance.random() < 0.7 else 1
            shares = [{a: unsent[a] for a in addresses[n::together] if a in unsent} for n in range(together)]
            children = [start_child(database.url, share, chance.randint(1, LATEST_STEP)) for share in shares]
            for child in children:
                status = os.waitpid(child, 0)[1]
                assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "a child failed"
                kills += os.WIFSIGNALED(status)
        work(database, plan.not_stored(database), TwoReplies(), patience=5.0)
        check(database, plan)


def check(database: Database, plan: Plan) -> None:
    store = SqlTurnStore(database)
    everything = [text for texts in plan.sent.values() for text in texts]
    assert len(everything) >= KILLS / 2
    replies = []
    for address, texts in plan.sent.items():
        found = store.find("rest", address)
        assert found
        log = store.log(found.id)
        assert [m.number for m in log] == list(range(1, 3 * len(texts) + 1)), "numbers without gaps"
        assert [m.text for m in log if m.author is Author.CUSTOMER] == texts, "each message once, in order"
        said = [m for m in log if m.author is Author.BOT]
        assert [m.text for m in said] == [f"{text} {which}" for text in texts for which in ("first", "second")]
        asked = {m.id: m.text for m in log if m.author is Author.CUSTOMER}
        assert all(m.text.startswith(f"{asked[m.reply_to]} ") for m in said if m.reply_to)
        assert all(len(m.buttons) == (1 if m.text.endswith("first") else 0) for m in said)
        replies += [m.id for m in said]
        with database.read() as c:
            memory = c.execute(
                sa.select(t.assistant_states.c.data, t.assistant_states.c.version).where(
                    t.assistant_states.c.conversation_id == found.id
                )
            ).one()
        assert (json.loads(memory.data), memory.version) == (texts, len(texts)), "the memory saw each message once"
    with database.read() as c:
        effects = Counter(c.execute(sa.select(t.proof_failures.c.order_number)).scalars())
        outbox = Counter(c.execute(sa.select(t.outbox.c.message_id)).scalars())
        waiting = count(c, t.inbox, t.inbox.c.done_at.is_(None))
    assert effects == Counter(everything), "each effect once"
    assert outbox == Counter(replies), "each reply is in the outbox once"
    assert waiting == 0
