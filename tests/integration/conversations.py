"""A conversation core over a real database with an assistant that is told what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa

from bot.conversations.inbox import Inbox
from bot.conversations.live import LiveEvents
from bot.conversations.model import Author, ConversationId, Inbound, Message, Owner, Reply, Turn
from bot.conversations.ports import Received
from bot.conversations.turns import LEASE, TurnRunner
from bot.errors import AssistantFailed
from bot.handoff.desk import HandoffDesk
from bot.handoff.model import Agent, AgentId, Presence
from bot.handoff.service import HandoffService
from bot.orders.ports import OrderBackend
from bot.storage.database import Database
from bot.storage.handoff import SqlHandoffs
from bot.storage.outbox import SqlOutbox
from bot.storage.tables import conversations, outbox
from bot.storage.turns import SqlTurnStore

START = datetime(2026, 11, 20, 10, 0, tzinfo=timezone.utc)
ALERTS = ("alert_webhook",)


class SetClock:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def move(self, by: timedelta) -> None:
        self.at += by


class EchoAssistant:
    """Implements `conversations.ports.Assistant`: answers "re: <text>" and keeps count of turns in its memory.

    `before` is called with each turn before it is answered, to raise, to add effects or to interfere.
    """

    def __init__(self, before: Callable[[Turn], None] = lambda turn: None) -> None:
        self.before = before

    def respond(self, turn: Turn) -> Sequence[Reply]:
        self.before(turn)
        turn.state_after = str(int(turn.state.data or 0) + 1)
        return [Reply(f"re: {turn.message.text}", response="utter_echo")]


class KeyWording:
    """Implements `conversations.ports.Wording`: says the key itself, in the languages it has."""

    def __init__(self, languages: Sequence[str] = ("ar", "en")) -> None:
        self._languages = languages

    def say(self, response: str, language: str, **values: str) -> Reply:
        if language not in self._languages:
            raise AssistantFailed(f"{response} has no wording in {language}")
        return Reply(f"{response}.{language}", response=response)


class NoShop:
    """A shop that must not be asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the shop was asked for {name}")


class Team:
    """Implements `handoff.ports.Agents`: whoever is named is there, unless `put` says otherwise."""

    def __init__(self) -> None:
        self.known: dict[AgentId, Agent] = {}

    def put(self, agent: str, **changes: Any) -> Agent:
        """Add an agent, or change one."""
        before = self.known.get(AgentId(agent)) or Agent(AgentId(agent), agent.title(), presence=Presence.ONLINE)
        self.known[before.id] = replace(before, **changes)
        return self.known[before.id]

    def agents(self) -> Sequence[Agent]:
        return list(self.known.values())

    def agent(self, agent: AgentId) -> Agent | None:
        return self.known.get(agent) or self.put(agent)


@dataclass
class Core:
    """The core of one worker, with its clock in the test's hand."""

    database: Database
    assistant: EchoAssistant = field(default_factory=EchoAssistant)
    wording: KeyWording = field(default_factory=KeyWording)
    clock: SetClock = field(default_factory=SetClock)
    max_pending: int = 50
    lease: timedelta = LEASE
    worker: str = "worker"

    def __post_init__(self) -> None:
        shop: OrderBackend = NoShop()  # type: ignore[assignment]
        self.store = SqlTurnStore(self.database)
        self.records = SqlHandoffs(self.database)
        self.outbox = SqlOutbox(self.database)
        self.desk = HandoffService(self.records, shop, self.wording, ALERTS)
        self.live = LiveEvents()
        self.team = Team()
        self.people = HandoffDesk(self.records, self.team, self.wording, self.clock, self.live, ALERTS)
        self.inbox = Inbox(self.store, self.clock, self.max_pending, self.live)
        self.runner = self.make_runner(self.worker)

    def make_runner(self, worker: str, **options: Any) -> TurnRunner:
        return TurnRunner(
            worker,
            self.store,
            self.assistant,
            self.desk,
            self.wording,
            self.clock,
            self.live,
            lease=self.lease,
            **options,
        )

    def take(self, conversation: ConversationId, agent: str = "agent") -> None:
        """An agent takes the conversation."""
        self.people.take(conversation, AgentId(agent))

    def receive(self, text: str, address: str = "customer", key: str | None = None) -> Received:
        return self.inbox.receive(Inbound("rest", address, text, key))

    def run_all(self, limit: int = 200) -> int:
        """Run turns until nothing is due; returns how many were run."""
        for count in range(limit):
            if not self.runner.run_once():
                return count
        raise AssertionError(f"still at work after {limit} turns")

    def log(self, received: Received) -> list[Message]:
        return list(self.store.log(received.conversation))

    def said(self, received: Received) -> list[str]:
        """What the bot said in that conversation, in order."""
        return [m.text for m in self.log(received) if m.author is Author.BOT]

    def owner(self, conversation: ConversationId) -> Owner:
        found = self.store.conversation(conversation)
        assert found is not None
        return found.owner

    def row(self, conversation: ConversationId) -> Any:
        with self.database.read() as c:
            return c.execute(sa.select(conversations).where(conversations.c.id == conversation)).one()

    def outbox_rows(self) -> list[Any]:
        with self.database.read() as c:
            return list(c.execute(sa.select(outbox).order_by(outbox.c.id)).all())


def numbers(log: Sequence[Message]) -> list[int]:
    return [message.number for message in log]
