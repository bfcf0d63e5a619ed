"""The channel over a real database and a real server, with an assistant that echoes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bot.bootstrap import build_telegram, telegram_loops, utc_now
from bot.connectors.telegram.api import Timeouts
from bot.connectors.telegram.pacing import Limits
from bot.connectors.telegram.service import Telegram
from bot.conversations.inbox import Inbox
from bot.conversations.live import Happening, LiveEvents, Logged
from bot.conversations.model import Reply, Turn
from bot.conversations.turns import TurnRunner
from bot.handoff.service import HandoffService
from bot.scheduler.loops import Loop
from bot.settings import load_settings
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.handoff import SqlHandoffs
from bot.storage.outbox import SqlOutbox
from bot.storage.telegram import SqlTelegram
from bot.storage.turns import SqlTurnStore
from tests.integration.conversations import KeyWording, NoShop
from tests.telegram.server import TOKEN, TelegramServer

FAST = Timeouts(connect=2.0, answer=3.0, poll=2)
QUICK = Limits(between=0.0, a_second=2000.0)


class Echo:
    """Implements `conversations.ports.Assistant`: says what it heard, or what `answer` makes of it."""

    def __init__(self) -> None:
        self.heard: list[Turn] = []
        self.answer: Callable[[Turn], Sequence[Reply]] = lambda turn: [
            Reply(f"re: {turn.payload or turn.message.text}", response="utter_echo")
        ]

    def respond(self, turn: Turn) -> Sequence[Reply]:
        self.heard.append(turn)
        turn.state_after = str(int(turn.state.data or 0) + 1)
        return self.answer(turn)


@dataclass
class World:
    database: Database
    server: TelegramServer
    home: Path
    tokens: str = TOKEN
    mode: str = "polling"
    base: str = ""
    limits: Limits = QUICK
    timeouts: Timeouts = FAST
    hold: timedelta = timedelta(seconds=8)
    assistant: Echo = field(default_factory=Echo)
    wording: Any = field(default_factory=KeyWording)
    max_pending: int = 50
    agents_group: str = ""

    def __post_init__(self) -> None:
        self.settings = load_settings(
            home=self.home,
            telegram_token=self.tokens,
            telegram_api_url=self.server.url,
            telegram_mode=self.mode,
            public_url=self.base,
            telegram_agents_group=self.agents_group,
        )
        self.live = LiveEvents()
        self.store, self.outbox = SqlTurnStore(self.database), SqlOutbox(self.database)
        self.records = SqlTelegram(self.database)
        self.inbox = Inbox(self.store, utc_now, self.max_pending, self.live)
        desk = HandoffService(SqlHandoffs(self.database), NoShop(), self.wording)  # type: ignore[arg-type]
        self.telegram: Telegram
        self.telegram, sender = build_telegram(
            self.settings, self.database, self.inbox, self.wording, self.live, utc_now, self.timeouts, self.limits
        )
        longest = timedelta(seconds=self.timeouts.connect + self.timeouts.answer)
        self.loops = telegram_loops(self.outbox, sender, self.live, utc_now, self.hold, longest)
        runner = TurnRunner("worker", self.store, self.assistant, desk, self.wording, utc_now, self.live)
        turns = Loop("turns", runner.run_once, 0.05)

        def wake(happening: Happening) -> None:
            if type(happening) is Logged:
                turns.wake()

        self.live.subscribe(wake)
        self.loops.append(turns)

    def start(self) -> World:
        for loop in self.loops:
            loop.start()
        self.telegram.start()
        return self

    def stop(self) -> None:
        for loop in self.loops:
            loop.stop()
        assert all(loop.join(15) for loop in self.loops)
        assert self.telegram.stop(5)

    def rows(self, table: Any, *where: Any) -> list[Any]:
        with self.database.read() as c:
            return list(c.execute(sa.select(table).where(*where)).all())

    def said(self, chat: int, bot: int | None = None) -> list[Any]:
        """What the customer's messages are in the log, in order."""
        number = bot or int(TOKEN.partition(":")[0])
        with self.database.read() as c:
            return list(
                c.execute(
                    sa.select(t.messages)
                    .join(t.conversations, t.conversations.c.id == t.messages.c.conversation_id)
                    .where(t.conversations.c.address == f"{number}:{chat}", t.messages.c.author == "customer")
                    .order_by(t.messages.c.number)
                ).all()
            )

    def quiet(self, seconds: float = 20.0) -> None:
        """Wait until nothing is left to do."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            updates = self.rows(t.telegram_updates, t.telegram_updates.c.done_at.is_(None))
            inbox = self.rows(t.inbox, t.inbox.c.done_at.is_(None))
            outbox = self.rows(t.outbox, t.outbox.c.sent_at.is_(None), t.outbox.c.failed_at.is_(None))
            if not updates and not inbox and not outbox and not self.server.pending():
                return
            time.sleep(0.05)
        raise AssertionError(f"still open: {len(updates)} updates, {len(inbox)} messages, {len(outbox)} replies")


@contextmanager
def world(database: Database, server: TelegramServer, home: Path, **how: Any) -> Iterator[World]:
    made = World(database, server, home, **how).start()
    try:
        yield made
    finally:
        made.stop()
