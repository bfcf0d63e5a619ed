"""People answer: one agent at a time, each change whole and on record, each word said once and in order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.conversations.live import HandedOver, Happening, Logged
from bot.conversations.model import Author, ConversationId, FileId, Owner
from bot.conversations.ports import Received
from bot.errors import (
    MessageRefused,
    NotOpen,
    NotYours,
)
from bot.handoff.model import Act, AgentId, Reason, Role, State
from bot.storage import tables as t
from bot.storage.database import Database
from tests.integration.conversations import Core

SALMA, OMAR, LEAD = AgentId("salma"), AgentId("omar"), AgentId("huda")
MINUTE = timedelta(minutes=1)


class Desk(Core):
    """A core with two agents and a lead, all there."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        for agent in (SALMA, OMAR):
            self.team.put(agent)
        self.team.put(LEAD, role=Role.LEAD)

    def ask(self, address: str = "customer", text: str = "a person please") -> Received:
        """A customer asks for a person."""
        self.assistant.before = lambda turn: self.desk.ask(turn, Reason.ASKED)
        received = self.receive(text, address)
        self.run_all()
        self.assistant.before = lambda turn: None
        return received

    def write(self, text: str, address: str = "customer") -> None:
        """A customer writes, and the turn is run."""
        self.receive(text, address)
        self.run_all()

    def talk(self, received: Received) -> list[tuple[str, str]]:
        return [(m.author.value, m.text) for m in self.log(received)]

    def acts(self, conversation: ConversationId) -> list[tuple[Act, str, str | None]]:
        return [(event.what, event.by, event.agent) for event in self.people.events(conversation)]

    def rows(self, table: Any) -> list[Any]:
        with self.database.read() as c:
            return list(c.execute(sa.select(table)).all())


@pytest.fixture
def core(database: Database) -> Desk:
    return Desk(database)


# -- take, say, close --------------------------------------------------------------------------------------------------


def test_from_the_queue_through_an_agents_answer_to_the_end(core: Desk) -> None:
    told: list[Happening] = []
    core.live.subscribe(told.append)
    received = core.ask()
    here = received.conversation
    core.clock.move(MINUTE)
    handoff = core.people.take(here, SALMA)
    assert (handoff.state, handoff.agent, handoff.agent_name) == (State.TAKEN, SALMA, "Salma")
    assert core.owner(here) is Owner.AGENT
    core.write("my order is late")
    said = core.people.say(here, SALMA, "I am looking at it.", "k1")
    assert said.new and said.number == 4
    closed = core.people.close(here, SALMA, note="explained", agreed="it comes tomorrow")
    assert (closed.state, closed.note, closed.agreed) == (State.CLOSED, "explained", "it comes tomorrow")
    assert core.owner(here) is Owner.BOT
    core.write("thanks")
    assert core.talk(received) == [
        ("customer", "a person please"),
        ("bot", "re: a person please"),
        ("customer", "my order is late"),
        ("agent", "I am looking at it."),
        ("bot", "utter_handoff_rate.ar"),
        ("customer", "thanks"),
        ("bot", "re: thanks"),
    ]
    assert core.acts(here) == [(Act.ASKED, "customer", None), (Act.TAKEN, SALMA, None), (Act.CLOSED, SALMA, None)]
    assert {type(happening) for happening in told} >= {Logged, HandedOver}
    rows = [row for row in core.outbox_rows() if row.channel == "rest"]
    assert [row.body["text"] for row in rows][1] == "I am looking at it."
    assert (rows[1].body["author"], rows[1].body["name"]) == ("agent", "Salma")
    [agents] = [m for m in core.log(received) if m.author is Author.AGENT]
    assert (agents.meta["agent"], agents.meta["name"]) == (SALMA, "Salma")


def test_a_double_click_says_it_once_and_another_conversation_has_its_own_keys(core: Desk) -> None:
    first, second = core.ask("a"), core.ask("b")
    for received in (first, second):
        core.people.take(received.conversation, SALMA)
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda _: core.people.say(first.conversation, SALMA, "hello", "k"), range(8)))
    assert sum(s.new for s in said) == 1 and len({s.message for s in said}) == 1
    assert core.people.say(second.conversation, SALMA, "hello", "k").new
    assert [text for author, text in core.talk(first) if author == "agent"] == ["hello"]
    assert core.records.message_of(first.conversation, "k") == said[0].message


def test_words_that_cannot_be_said_are_refused_and_nothing_is_stored(core: Desk) -> None:
    here = core.ask().conversation
    core.people.take(here, SALMA)
    for text, key in [("", "k"), (" \u200b ", "k"), ("x" * 4001, "k"), ("x", ""), ("x", "k" * 65), ("x", "a\nb")]:
        with pytest.raises(MessageRefused):
            core.people.say(here, SALMA, text, key)
    with pytest.raises(MessageRefused):
        core.people.say(here, SALMA, "x", "k", [FileId("not there")])
    assert core.rows(t.agent_messages) == []


def test_only_who_holds_the_conversation_speaks(core: Desk) -> None:
    received = core.ask()
    here = received.conversation
    with pytest.raises(NotOpen):
        core.people.say(here, SALMA, "too early", "k")
    core.people.take(here, SALMA)
    for other in (OMAR, LEAD):
        with pytest.raises(NotYours) as refused:
            core.people.say(here, other, "me too", "k")
        assert (refused.value.by, refused.value.name) == (SALMA, "Salma")
    core.people.close(here, SALMA)
    with pytest.raises(NotOpen):
        core.people.say(here, SALMA, "too late", "k")
    assert [author for author, _ in core.talk(received)] == ["customer", "bot"], "who never spoke is not rated"


def test_an_agent_steps_in_for_the_bot_and_the_bot_is_silent_until_it_is_handed_back(core: Desk) -> None:
    received = core.receive("hello")
    core.run_all()
    here = received.conversation
    handoff = core.people.take(here, SALMA)
    assert handoff.reason is Reason.STEPPED_IN
    core.write("are you there?")
    assert core.said(received) == ["re: hello"]
    core.people.hand_back(here, SALMA, "a note", "a voucher of 20")
    core.write("and now?")
    assert core.said(received) == ["re: hello", "utter_handed_back_agreed.ar", "re: and now?"]
    last = core.people.standing(here).last
    assert last and (last.state, last.note, last.agreed) == (State.RETURNED, "a note", "a voucher of 20")
