"""People answer: one agent at a time, each change whole and on record, each word said once and in order."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.complaints.model import CaseState
from bot.conversations.live import HandedOver, Happening, Logged
from bot.conversations.model import Author, ConversationId, FileId, Inbound, Owner, Turn
from bot.conversations.ports import Received
from bot.errors import (
    AgentAway,
    ConversationUnknown,
    HandoffRefused,
    MessageRefused,
    NotOpen,
    NotYours,
    ShopUnavailable,
)
from bot.feedback.model import HandoffRated
from bot.handoff.model import Act, AgentId, Reason, Role, State
from bot.handoff.summary import Summary, SummaryService
from bot.orders.model import CustomerId
from bot.promises.model import PromiseKind, PromiseOwner
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.identities import SqlIdentities
from bot.storage.summaries import SqlSummaries
from tests.integration.conversations import START, Core, NoShop
from tests.integration.test_promises import Ledger

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
        ("bot", "utter_handed_back_agreed.ar"),
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


# -- notes, files, cases -----------------------------------------------------------------------------------------------


def test_notes_are_for_people_alone(core: Desk) -> None:
    received = core.ask()
    here = received.conversation
    made = core.people.note(here, SALMA, "<script>alert(1)</script>\x00 careful", [OMAR, OMAR])
    assert (made.text, made.mentions) == ("<script>alert(1)</script> careful", (OMAR,))
    assert [(note.name, note.text) for note in core.people.notes(here)] == [("Salma", made.text)]
    assert all("careful" not in text for _, text in core.talk(received))
    assert core.acts(here)[-1] == (Act.NOTED, SALMA, None)
    for text in ("", " \u200b", "x" * 4001):
        with pytest.raises(MessageRefused):
            core.people.note(here, SALMA, text)


def stored_image(core: Desk, address: str = "customer") -> FileId:
    file = FileId(str(uuid.uuid4()))
    with core.database.write() as c:
        c.execute(
            t.files.insert().values(
                id=file,
                channel="rest",
                address=address,
                media_type="image/png",
                width=1,
                height=1,
                content=b"x",
                created_at=START,
            )
        )
    return file


def test_files_go_with_the_words_each_once_and_only_the_conversations_own(core: Desk) -> None:
    received = core.ask()
    here = received.conversation
    core.people.take(here, SALMA)
    first, second, others = stored_image(core), stored_image(core), stored_image(core, "another")
    core.people.say(here, SALMA, "look", "k1", [first, second])
    with pytest.raises(MessageRefused):
        core.people.say(here, SALMA, "again", "k2", [first])
    with pytest.raises(MessageRefused):
        core.people.say(here, SALMA, "not theirs", "k3", [others])
    spoken = [m for m in core.log(received) if m.author is Author.AGENT]
    assert [(m.text, m.meta["image"]["id"]) for m in spoken] == [("look", first), ("", second)]
    rows = [row.body for row in core.outbox_rows() if row.body.get("author") == "agent"]
    assert [body["image"] for body in rows] == [first, second]


@pytest.mark.parametrize("state", [CaseState.RESOLVED, CaseState.CLOSED])
def test_closing_settles_the_case_that_people_had_and_keeps_their_promise(database: Database, state: CaseState) -> None:
    world = Ledger(database)
    core, here = world.core, world.here
    world.make(kind=PromiseKind.PERSON_DECIDES, owner=PromiseOwner.AGENT)
    world.make("other", PromiseKind.REFUND_ARRIVES)
    core.take(here, "salma")
    with pytest.raises(ValueError):
        core.people.close(here, SALMA, settle=CaseState.OPEN)
    core.people.close(here, SALMA, "refunded by hand", settle=state)
    with database.read() as c:
        case = c.execute(sa.select(t.cases)).one()
        states = dict(c.execute(sa.select(t.promises.c.kind, t.promises.c.state)).all())
        events = c.execute(sa.select(t.case_events.c.what, t.case_events.c.note)).all()
    assert case.state == state.value and case.closed_at is not None
    assert states == {"person_decides": "kept", "refund_arrives": "open"}
    assert (state.value, {"by": "person", "note": "refunded by hand"}) in [(e.what, e.note) for e in events]


def test_what_was_agreed_is_told_and_known_to_the_bot_afterwards(core: Desk) -> None:
    received = core.ask()
    here = received.conversation
    core.people.take(here, SALMA)
    core.people.say(here, SALMA, "I will send a new one.", "k")
    core.people.close(here, SALMA, "internal", "a new one comes on Sunday")
    assert core.said(received)[-2:] == ["utter_handed_back_agreed.ar", "utter_handoff_rate.ar"]
    known: list[Any] = []
    core.assistant.before = lambda turn: known.append(core.desk.agreed(turn))
    core.write("what did we agree?")
    assert (known[0].agent, known[0].agreed) == ("Salma", "a new one comes on Sunday")
    core.clock.move(timedelta(days=31))
    core.write("and now?")
    assert known[1] is None


def test_how_people_answered_is_rated_once_and_the_last_score_counts(core: Desk) -> None:
    here = core.ask().conversation
    core.people.take(here, SALMA)
    core.people.close(here, SALMA)
    for score in (2, 5):
        core.assistant.before = lambda turn, score=score: turn.effects.append(HandoffRated("handoff:1", score))  # type: ignore[misc]
        core.write(f"rate {score}")
    [rating] = core.rows(t.ratings)
    assert (rating.key, rating.score, rating.case_id) == ("handoff:1", 5, None)
    with pytest.raises(ValueError):
        HandoffRated("handoff:1", 6)


# -- on and off --------------------------------------------------------------------------------------------------------


def test_a_lead_may_take_a_conversation_over_by_passing_it_to_themselves(core: Desk) -> None:
    here = core.ask().conversation
    core.people.take(here, SALMA)
    with pytest.raises(NotYours):
        core.people.transfer(here, OMAR, to=OMAR)
    assert core.people.transfer(here, LEAD, to=LEAD).agent == LEAD
    with pytest.raises(NotYours):
        core.people.say(here, SALMA, "still me", "k")
    with pytest.raises(NotYours):
        core.people.assign(here, OMAR, by=SALMA)
    assert core.people.assign(here, OMAR, by=LEAD).agent == OMAR
    with pytest.raises(ValueError):
        core.people.transfer(here, OMAR)


def test_an_agent_goes_on_with_what_they_closed(core: Desk) -> None:
    here = core.ask().conversation
    core.people.take(here, SALMA)
    first = core.people.close(here, SALMA)
    again = core.people.reopen(here, SALMA)
    assert (again.reason, again.reopens, again.state) == (Reason.REOPENED, first.id, State.TAKEN)
    core.people.close(here, SALMA)
    core.clock.move(timedelta(hours=73))
    with pytest.raises(NotOpen):
        core.people.reopen(here, SALMA)


def test_who_does_not_exist_can_do_nothing(core: Desk) -> None:
    nowhere, here = ConversationId("nowhere"), core.ask().conversation
    acts: list[Any] = [core.people.take, core.people.accept, core.people.decline, core.people.close]
    for act in acts:
        with pytest.raises(ConversationUnknown):
            act(nowhere, SALMA)
    for refused in (
        lambda: core.people.say(nowhere, SALMA, "x", "k"),
        lambda: core.people.note(nowhere, SALMA, "x"),
        lambda: core.people.standing(nowhere),
    ):
        with pytest.raises(ConversationUnknown):
            refused()
    core.team.agent = lambda agent: None  # type: ignore[method-assign, assignment]
    with pytest.raises(AgentAway):
        core.people.take(here, SALMA)


def test_a_refused_change_writes_nothing(core: Desk) -> None:
    here = core.ask().conversation
    core.people.take(here, SALMA)
    before = [core.rows(table) for table in (t.conversations, t.handoffs, t.handoff_events, t.outbox)]
    for act in (core.people.take, core.people.hand_back, core.people.close):
        with pytest.raises(HandoffRefused):
            act(here, OMAR)
    assert [core.rows(table) for table in (t.conversations, t.handoffs, t.handoff_events, t.outbox)] == before


def test_what_people_wrote_goes_along_when_a_visitor_signs_in(core: Desk) -> None:
    for address in ("phone", "tablet"):
        core.inbox.receive(Inbound("webchat", address, f"from {address}"))
        core.run_all()
    for address in ("phone", "tablet"):
        found = core.store.find("webchat", address)
        assert found
        core.people.take(found.id, SALMA if address == "phone" else OMAR)
        core.people.say(found.id, SALMA if address == "phone" else OMAR, f"to {address}", "k")
        core.people.note(found.id, LEAD, f"about {address}")
    identities = SqlIdentities(core.database)
    for address in ("phone", "tablet"):
        there = identities.identify("webchat", address, CustomerId("C1"), "ar", core.clock())
    found = core.store.find("webchat", there)
    assert found
    standing = core.people.standing(found.id)
    assert standing.conversation.owner is Owner.AGENT and standing.handoff
    assert {note.text for note in core.people.notes(found.id)} == {"about phone", "about tablet"}
    assert len(core.rows(t.agent_messages)) == 2 and {row.conversation_id for row in core.rows(t.agent_messages)} == {
        found.id
    }
    with pytest.raises(HandoffRefused):
        core.people.say(found.id, OMAR if standing.handoff.agent == SALMA else SALMA, "mine?", "k9")


def test_a_conversation_of_ten_thousand_messages_costs_what_a_short_one_costs(core: Desk) -> None:
    short, long = core.ask("short").conversation, core.ask("long").conversation
    with core.database.write() as c:
        line = {"author": "customer", "text": "more", "meta": {}, "at": START}
        lines = [{"id": f"m{n}", "conversation_id": long, "number": n, **line} for n in range(3, 10_001)]
        c.execute(t.messages.insert(), lines)
        c.execute(t.conversations.update().where(t.conversations.c.id == long).values(last_number=10_000))
    costs = []
    summaries = SqlSummaries(core.database)
    for here in (short, long):
        read: list[str] = []
        listen = lambda *a, read=read: read.append(a[2])  # noqa: E731
        sa.event.listen(core.database.engine, "before_cursor_execute", listen)
        core.people.take(here, SALMA)
        assert core.people.say(here, SALMA, "hello", "k").number == (3 if here == short else 10_001)
        facts = summaries.facts(here)
        assert facts and len(facts.texts) <= 5
        core.people.held(SALMA)
        core.people.close(here, SALMA)
        sa.event.remove(core.database.engine, "before_cursor_execute", listen)
        costs.append(len(read))
    assert costs[0] == costs[1]


# -- the summary -------------------------------------------------------------------------------------------------------


def test_who_takes_a_conversation_reads_the_facts_in_either_language(database: Database) -> None:
    world = Ledger(database)
    core, here = world.core, world.here
    world.make(kind=PromiseKind.PERSON_DECIDES, owner=PromiseOwner.AGENT)

    def angry(turn: Turn) -> None:
        turn.trace.update(emotion="angry", tension=0.8)
        core.desk.ask(turn, Reason.COMPLAINT)

    core.assistant.before = angry
    world.talk()
    service = SummaryService(SqlSummaries(database), NoShop(), core.wording)  # type: ignore[arg-type]
    service._with_shop = Summary  # type: ignore[method-assign, assignment]
    found = service.summary(here)
    assert found.facts.handoff and found.facts.handoff.reason is Reason.COMPLAINT
    assert [feeling.emotion for feeling in found.facts.feelings] == ["angry"]
    assert len(found.facts.cases) == 1 and len(found.facts.promises) == 1
    for language, expected in (("ar", "سبب التحويل: شكوى"), ("en", "Reason: complaint needs a decision")):
        text = service.text(here, language, core.clock())
        assert text.startswith(expected) and found.facts.cases[0].number in text and "😠" in text
    with pytest.raises(ConversationUnknown):
        service.summary(ConversationId("nowhere"))


def test_a_shop_that_does_not_answer_leaves_the_summary_without_its_part(core: Desk) -> None:
    class Away:
        def store(self) -> Any:
            raise ShopUnavailable("away")

    here = core.ask().conversation
    service = SummaryService(SqlSummaries(core.database), Away(), core.wording)  # type: ignore[arg-type]
    assert service.summary(here).orders == () and "a person please" in service.text(here, "en", core.clock())
