"""Planned messages are said once, whatever races, at a decent hour, to those who want them, and by nobody's side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.conversations.live import Happening, Logged
from bot.conversations.model import Author, ContactOptOut, ConversationId, Effect, Inbound, Message, Owner, Reply, Turn
from bot.errors import AssistantFailed, ShopUnavailable
from bot.orders.model import CustomerId, Store
from bot.outreach.model import OutreachKind, OutreachPlanned
from bot.outreach.policy import ONE_A_DAY, PAUSE
from bot.outreach.service import OutreachService
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.effects import plan_outreach
from bot.storage.identities import SqlIdentities
from bot.storage.outreach import SqlOutreach
from tests.integration.conversations import START, Core, KeyWording
from tests.unit.orders import STORE

# START is 13:00 in Riyadh.
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WHAT = {
    "amount": "20.00",
    "currency": "SAR",
    "order_number": "1004",
    "case_number": "C204817",
    "due_on": "2026-12-01",
    "items": {"ar": "قميص", "en": "a shirt"},
    "code": None,
}


@dataclass
class NotingWording(KeyWording):
    """Says the key, and keeps the values it was given; `missing` keys have no wording."""

    missing: set[str] = field(default_factory=set)
    values: list[Mapping[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def say(self, response: str, language: str, **values: str) -> Reply:
        if response in self.missing:
            raise AssistantFailed(response)
        if not response.startswith("label_"):
            self.values.append(values)
        return super().say(response, language, **values)


class World:
    """A core on the web chat with the service beside it."""

    def __init__(self, database: Database) -> None:
        self.core = Core(database)
        self.database = database
        self.words = NotingWording()
        self.heard: list[Happening] = []
        self.core.live.subscribe(self.heard.append)
        self.store: Callable[[], Store] = lambda: STORE
        self.service = self.make_service()

    def make_service(self) -> OutreachService:
        return OutreachService(
            SqlOutreach(self.database), self.words, lambda: self.store(), self.core.clock, self.core.live
        )

    def talk(self, address: str = "visitor", channel: str = "webchat", language: str = "ar") -> ConversationId:
        """A conversation that is at rest."""
        received = self.core.inbox.receive(Inbound(channel, address, "hello", language=language))
        self.core.run_all()
        self.core.clock.move(PAUSE)
        return received.conversation

    def case(self, conversation: ConversationId, state: str = "resolved", number: str = "C204817") -> str:
        with self.database.write() as c:
            c.execute(
                t.cases.insert().values(
                    id=f"case-{number}",
                    number=number,
                    conversation_id=conversation,
                    kind="late",
                    state=state,
                    severity=1,
                    about=f"late:{number}",
                    details="",
                    emotion="neutral",
                    step=0,
                    offered=[],
                    opened_at=START,
                    updated_at=START,
                )
            )
        return f"case-{number}"

    def plan(
        self,
        conversation: ConversationId,
        kind: OutreachKind = OutreachKind.SUGGESTION_DONE,
        key: str = "key",
        due_in: timedelta = timedelta(),
        what: Mapping[str, Any] = WHAT,
        case: str | None = None,
        worth: timedelta = 3 * DAY,
    ) -> None:
        due = self.core.clock() + due_in
        with self.database.write() as c:
            plan_outreach(OutreachPlanned(key, kind, due, due + worth, what, case), c, conversation, self.core.clock())  # type: ignore[arg-type]

    def run(self, limit: int = 100) -> None:
        for _ in range(limit):
            if not self.service.run_once():
                return
        raise AssertionError("it never comes to rest")

    def row(self, key: str = "key") -> Any:
        with self.database.read() as c:
            return c.execute(sa.select(t.outreach).where(t.outreach.c.key == key)).one()

    def told(self, conversation: ConversationId) -> list[Message]:
        return [m for m in self.core.store.log(conversation) if "outreach" in m.meta]

    def outbox(self, conversation: ConversationId) -> list[Any]:
        """Rows of what was said unasked."""
        said = {message.id for message in self.told(conversation)}
        return [row for row in self.core.outbox_rows() if row.message_id in said]

    def set(self, conversation: ConversationId, **values: Any) -> None:
        with self.database.write() as c:
            c.execute(t.conversations.update().where(t.conversations.c.id == conversation).values(**values))


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def test_a_case_check_is_logged_with_its_buttons_and_leaves_through_the_outbox(world: World) -> None:
    here = world.talk()
    case = world.case(here)
    world.plan(here, OutreachKind.CASE_CHECK, case=case)
    world.heard.clear()
    world.run()
    [said] = world.told(here)
    assert (said.author, said.text, said.number) == (Author.BOT, "utter_outreach_case_check.ar", 3)
    assert said.meta == {"response": "utter_outreach_case_check", "outreach": "case_check"}
    assert [(b.title, b.payload) for b in said.buttons] == [
        ("label_case_right.ar", '/case_right{"case": "C204817"}'),
        ("label_case_not_right.ar", '/case_not_right{"case": "C204817"}'),
    ]
    [row] = world.outbox(here)
    assert (row.channel, row.address, row.conversation_id) == ("webchat", "visitor", here)
    buttons = [{"id": b.id, "title": b.title} for b in said.buttons]
    assert row.body == {"text": said.text, "buttons": buttons, "response": "utter_outreach_case_check"}
    assert world.core.store.offered("webchat", "visitor", said.buttons[0].id) == said.buttons[0]
    assert world.row().sent_at == world.core.clock()
    assert world.heard == [Logged("webchat", "visitor")]
    assert world.core.row(here).active_at == world.core.clock(), "other processes find it by looking"


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("ar", {"amount": "20 ريالًا", "due": "الثلاثاء 1 ديسمبر", "items": "قميص"}),
        ("en", {"amount": "SAR 20", "due": "Tuesday 1 December", "items": "a shirt"}),
        ("fr", {"amount": "SAR 20", "due": "Tuesday 1 December", "items": "a shirt"}),
    ],
)
def test_values_are_written_in_the_language_of_the_conversation(
    world: World, language: str, expected: dict[str, str]
) -> None:
    here = world.talk(language="ar")
    world.set(here, language=language)
    world.plan(here, OutreachKind.PROMISE_BROKEN, what={**WHAT, "promise": "refund_arrives", "offer": {"option": "x"}})
    world.run()
    [said] = world.told(here)
    assert said.meta["response"] == "utter_outreach_promise_broken_refund_arrives"
    [values] = world.words.values
    assert expected.items() <= values.items()
    assert (values["case_number"], values["order_number"], values["code"]) == ("C204817", "1004", "")
    assert "offer" not in values and said.buttons == []


def test_moments_are_told_by_the_clock_of_the_shop(world: World) -> None:
    here = world.talk(language="en")
    what = {"promise": "person_decides", "due_at": "2026-11-20T22:00:00+00:00", "points": 3}
    world.plan(here, OutreachKind.PROMISE_BROKEN, what=what)
    world.run()
    [values] = world.words.values
    assert (values["due"], values["due_time"], values["points"]) == ("Saturday 21 November", "1 am", "3 points")


def test_the_same_thing_is_planned_once(world: World) -> None:
    here = world.talk()

    def plan(turn: Turn) -> None:
        turn.effects.append(
            OutreachPlanned("key", OutreachKind.SUGGESTION_DONE, turn.now + DAY, turn.now + 2 * DAY, dict(WHAT))
        )

    world.core.assistant.before = plan
    for _ in range(2):
        world.core.inbox.receive(Inbound("webchat", "visitor", "again"))
        world.core.run_all()
    with world.database.read() as c:
        [row] = c.execute(sa.select(t.outreach)).all()
    assert (row.conversation_id, row.kind, row.what) == (here, "suggestion_done", WHAT)


def test_it_is_said_once_however_many_say_it_at_the_same_time(world: World) -> None:
    places = [world.talk(f"visitor {n}") for n in range(8)]
    for n, place in enumerate(places):
        world.plan(place, key=f"key {n}")
    services = [world.make_service() for _ in range(4)]
    together = threading.Barrier(4)

    def work(service: OutreachService) -> None:
        together.wait()
        while service.run_once():
            pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, services))
    assert [len(world.told(place)) for place in places] == [1] * 8
    assert [len(world.outbox(place)) for place in places] == [1] * 8


def test_one_customer_is_told_one_thing_a_day_on_all_their_channels_also_in_a_race(world: World) -> None:
    """While one scheduler finds its words, another takes what is due in the same customer's other conversation; that
    waits, and follows a day later."""
    phone, chat = world.talk("phone", "webchat"), world.talk("chat", "telegram")
    for place in (phone, chat):
        world.set(place, customer="42")
    world.plan(phone, key="phone")
    another = world.make_service()

    def meanwhile() -> None:
        world.plan(chat, key="chat", due_in=-HOUR)
        while another.run_once():
            pass

    other = threading.Thread(target=meanwhile)

    class Slow(NotingWording):
        def say(self, response: str, language: str, **values: str) -> Reply:
            other.start()
            other.join(0.3)
            return super().say(response, language, **values)

    world.words = Slow()
    world.make_service().run_once()
    other.join()
    assert (len(world.told(phone)), len(world.told(chat))) == (1, 0)
    assert world.row("chat").due_at == world.core.clock() + ONE_A_DAY
    world.words, world.service = NotingWording(), another
    world.core.clock.move(ONE_A_DAY - timedelta(minutes=1))
    world.run()
    assert world.told(chat) == []
    world.core.clock.move(timedelta(minutes=1))
    world.run()
    assert (len(world.told(phone)), len(world.told(chat))) == (1, 1)


def test_nobody_is_woken_at_night(world: World) -> None:
    here = world.talk()
    world.plan(here, due_in=12 * HOUR)
    world.core.clock.move(12 * HOUR)  # 01:10 in Riyadh
    world.run()
    assert world.told(here) == []
    assert world.row().due_at == datetime.fromisoformat("2026-11-21T06:00:00+00:00")
    world.core.clock.at = world.row().due_at
    world.run()
    assert len(world.told(here)) == 1


def test_who_opted_out_anywhere_is_written_to_nowhere(world: World) -> None:
    here, there = world.talk("phone", "webchat"), world.talk("chat", "telegram")
    stranger = world.talk("stranger")
    for place in (here, there):
        world.set(place, customer="42")

    def stop(turn: Turn) -> None:
        turn.effects.append(ContactOptOut())

    world.core.assistant.before = stop
    world.core.inbox.receive(Inbound("telegram", "chat", "stop"))
    world.core.run_all()
    world.core.clock.move(PAUSE)
    for place in (here, there, stranger):
        world.plan(place, key=place)
    service = {**WHAT, "promise": "refund_arrives"}
    world.plan(here, OutreachKind.PROMISE_BROKEN, key="service", what=service)
    world.run()
    assert (world.row(here).reason, world.row(there).reason) == ("opted_out", "opted_out")
    assert len(world.told(stranger)) == 1, "who has not said so is told"
    assert [m.meta["outreach"] for m in world.told(here)] == ["promise_broken"], "an answer is owed all the same"


@pytest.mark.parametrize("owner", [Owner.AGENT, Owner.QUEUE])
def test_a_conversation_that_people_answer_is_not_spoken_into(world: World, owner: Owner) -> None:
    here = world.talk()
    world.plan(here)
    world.set(here, owner=owner.value)
    world.run()
    assert world.told(here) == [] and world.row().due_at == world.core.clock() + PAUSE
    world.set(here, owner=Owner.BOT.value)
    world.core.clock.move(PAUSE)
    world.run()
    assert len(world.told(here)) == 1


def test_an_agent_who_takes_the_conversation_while_words_are_sought_comes_before_or_after(world: World) -> None:
    """The take waits for the lock: what is said was said before it, never after."""
    here = world.talk()
    world.plan(here)
    order: list[str] = []
    seeking = threading.Event()

    class Slow(NotingWording):
        def say(self, response: str, language: str, **values: str) -> Reply:
            seeking.set()
            taken.join(0.3)
            order.append("said")
            return super().say(response, language, **values)

    def take() -> None:
        seeking.wait(5)
        world.core.take(here)
        order.append("taken")

    world.words = Slow()
    world.service = world.make_service()
    taken = threading.Thread(target=take)
    taken.start()
    world.service.run_once()
    taken.join()
    assert order == ["said", "taken"]
    assert len(world.told(here)) == 1 and world.core.owner(here) is Owner.AGENT


def test_a_turn_under_way_a_message_that_waits_and_fresh_words_come_first(world: World) -> None:
    here = world.talk()
    world.plan(here)
    world.core.inbox.receive(Inbound("webchat", "visitor", "a question"))
    world.run()
    assert world.told(here) == [], "it waits for its answer"
    world.core.clock.move(PAUSE)
    claimed = world.core.store.claim("other", world.core.clock(), world.core.clock() + HOUR)
    assert claimed is not None
    world.core.clock.move(PAUSE)
    world.run()
    assert world.told(here) == [], "it is being answered"
    world.core.store.commit("other", claimed, [Reply("an answer")], world.core.clock())
    world.core.inbox.receive(Inbound("webchat", "visitor", "thanks"))
    world.core.run_all()
    world.core.clock.move(PAUSE - timedelta(minutes=1))
    world.run()
    assert world.told(here) == [], "they wrote nine minutes ago"
    world.core.clock.move(PAUSE)
    world.run()
    assert len(world.told(here)) == 1


@pytest.mark.parametrize("channel", ["rest", "terminal"])
def test_a_channel_that_only_answers_is_not_written_to(world: World, channel: str) -> None:
    here = world.talk(channel=channel)
    world.plan(here)
    world.run()
    assert (world.told(here), world.row().reason) == ([], "channel")


def test_a_case_that_has_moved_on_is_not_asked_about(world: World) -> None:
    here = world.talk()
    world.plan(here, OutreachKind.CASE_CHECK, case=world.case(here, state="with_person"))
    world.run()
    assert (world.told(here), world.row().reason) == ([], "moved_on")


def test_who_has_blocked_the_bot_is_left_in_peace_until_they_write(world: World) -> None:
    here = world.talk("chat", "telegram")
    blocked = world.core.outbox_rows()[-1]
    world.core.outbox.failed(blocked.id, world.core.clock(), "Forbidden")
    world.plan(here)
    world.run()
    assert world.row().reason == "unreachable"
    world.core.clock.move(HOUR)
    assert world.talk("chat", "telegram") == here
    world.plan(here, key="second")
    world.run()
    assert len(world.told(here)) == 1


def test_what_failed_for_its_age_alone_does_not_count_as_blocked(world: World) -> None:
    here = world.talk("chat", "telegram")
    world.core.outbox.failed(world.core.outbox_rows()[-1].id, world.core.clock(), "too late")
    world.plan(here)
    world.run()
    assert len(world.told(here)) == 1


def test_killed_between_nothing_is_said_by_half(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies after the log line and before the commit: on restart it is said once, whole."""
    from bot.storage import outreach as adapter

    here = world.talk()
    world.plan(here)
    before = len(world.core.outbox_rows())
    whole = adapter.say

    def dies(*args: Any, **kwargs: Any) -> Any:
        whole(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(adapter, "say", dies)
    with pytest.raises(KeyboardInterrupt):
        world.service.run_once()
    assert (world.told(here), len(world.core.outbox_rows()), world.row().sent_at) == ([], before, None)
    monkeypatch.setattr(adapter, "say", whole)
    world.service = world.make_service()
    world.run()
    assert len(world.told(here)) == len(world.outbox(here)) == 1


def test_a_clock_that_jumps_says_nothing_early_late_or_twice(world: World) -> None:
    here = world.talk()
    world.plan(here, due_in=DAY, key="first")
    world.plan(here, due_in=3 * DAY, key="second", worth=DAY)
    right = world.core.clock()
    world.core.clock.at = right - 30 * DAY
    world.run()
    assert world.told(here) == [], "not early"
    world.core.clock.at = right + DAY
    world.run()
    world.core.clock.at = right - 30 * DAY
    world.run()
    world.core.clock.at = right + DAY
    world.run()
    assert len(world.told(here)) == 1, "not twice"
    world.core.clock.at = right + 300 * DAY
    world.run()
    assert len(world.told(here)) == 1 and world.row("second").reason == "too_late"


def test_a_sentence_that_is_missing_holds_up_nobody_else_and_is_sought_again(world: World) -> None:
    here, there = world.talk("one"), world.talk("two")
    world.plan(here, OutreachKind.PROMISE_BROKEN, key="bad", what={**WHAT, "promise": "refund_arrives"})
    world.plan(there, key="good")
    world.words.missing.add("utter_outreach_promise_broken_refund_arrives")
    world.run()
    assert (len(world.told(here)), len(world.told(there))) == (0, 1)
    world.words.missing.clear()
    world.core.clock.move(HOUR)
    world.run()
    assert len(world.told(here)) == 1


def test_while_the_shop_has_never_said_where_it_is_nothing_is_said_and_later_its_last_word_counts(world: World) -> None:
    here = world.talk()
    world.plan(here)

    def away() -> Store:
        raise ShopUnavailable()

    world.store = away
    assert not world.service.run_once()
    assert world.told(here) == [] and world.row().due_at == world.core.clock()
    world.store = lambda: STORE
    world.run()
    assert len(world.told(here)) == 1
    world.store = away
    world.core.clock.move(ONE_A_DAY)
    world.plan(here, key="second")
    world.run()
    assert len(world.told(here)) == 2


def test_an_opt_out_stays_with_the_customer_when_their_conversations_are_joined(world: World) -> None:
    here = world.talk("visitor")
    identities = SqlIdentities(world.database)
    identities.identify("webchat", "visitor", CustomerId("42"), "ar", world.core.clock())
    world.set(here, opted_out=True)
    other = world.talk("chat", "telegram")
    world.set(other, customer="42")
    world.plan(other)
    world.run()
    assert world.row().reason == "opted_out"


def test_effects_that_follow_are_written_with_the_turn_or_not_at_all(world: World) -> None:
    """A turn that an agent's take makes void plans nothing."""
    here = world.talk()

    def plan(turn: Turn) -> None:
        effects: Sequence[Effect] = [
            OutreachPlanned("key", OutreachKind.SUGGESTION_DONE, turn.now, turn.now + DAY, dict(WHAT))
        ]
        turn.effects += effects
        world.core.take(here)

    world.core.assistant.before = plan
    world.core.inbox.receive(Inbound("webchat", "visitor", "again"))
    world.core.runner.run_once()
    with world.database.read() as c:
        assert c.execute(sa.select(t.outreach)).all() == []
