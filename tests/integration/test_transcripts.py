"""The log as people read it, in pages; what was delivered, seen and read; files and ratings of one visitor alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.conversations.model import Author, ConversationId, FileId, Inbound, MessageId, Owner, OwnerChange, Turn
from bot.conversations.ports import LogState, Received
from bot.errors import MessageRefused
from bot.feedback.model import Rating
from bot.files.model import KEPT_UNSENT, Image
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.files import SqlFiles
from bot.storage.ratings import SqlRatings
from bot.storage.transcripts import SqlTranscripts
from tests.integration.conversations import START, Core

CHANNEL = "webchat"
PIXEL = Image(bytes(range(256)), "image/png", 4, 3)

AFTER_ALL = 2**31 - 1  # before this number, that is the newest


class Chats:
    def __init__(self, database: Database) -> None:
        self.database, self.core = database, Core(database)
        self.transcripts, self.files, self.ratings = SqlTranscripts(database), SqlFiles(database), SqlRatings(database)

    def say(self, text: str, address: str = "visitor", key: str | None = None, file: FileId | None = None) -> Received:
        return self.core.inbox.receive(Inbound(CHANNEL, address, text, key, file))

    def state(self, address: str = "visitor") -> LogState:
        found = self.transcripts.state(CHANNEL, address)
        assert found is not None
        return found

    def rows(self, table: Any) -> list[Any]:
        with self.database.read() as c:
            return list(c.execute(sa.select(table)).all())


@pytest.fixture
def chats(database: Database) -> Chats:
    return Chats(database)


def numbers(lines: Any) -> list[int]:
    return [line.message.number for line in lines]


# -- pages -------------------------------------------------------------------------------------------------------------


def test_pages_hold_what_they_should_from_every_place_and_in_order(chats: Chats) -> None:
    for number in range(6):
        chats.say(f"m{number}", key=f"k{number}")
        chats.core.run_all()
    conversation, everything = chats.state().conversation, list(range(1, 13))
    for limit in (1, 3, 12, 100):
        assert numbers(chats.transcripts.before(conversation, AFTER_ALL, limit)) == everything[-limit:]
        for number in range(14):
            assert numbers(chats.transcripts.after(conversation, number, limit)) == everything[number:][:limit]
            before = [n for n in everything if n < number]
            assert numbers(chats.transcripts.before(conversation, number, limit)) == before[-limit:]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 9))
def test_walking_the_pages_either_way_meets_every_message_once(chats: Chats, limit: int) -> None:
    if chats.transcripts.state(CHANNEL, "visitor") is None:
        for number in range(5):
            chats.say(f"m{number}")
        chats.core.run_all()
    conversation = chats.state().conversation
    forwards: list[int] = []
    while page := numbers(chats.transcripts.after(conversation, forwards[-1] if forwards else 0, limit)):
        forwards += page
    backwards = numbers(chats.transcripts.before(conversation, AFTER_ALL, limit))
    while page := numbers(chats.transcripts.before(conversation, backwards[0], limit)):
        backwards = page + backwards
    assert forwards == backwards == list(range(1, 11))


def test_a_customers_line_has_the_key_that_the_client_gave_and_a_reply_has_none(chats: Chats) -> None:
    chats.say("hello", key="mine")
    chats.core.run_all()
    lines = chats.transcripts.before(chats.state().conversation, AFTER_ALL, 10)
    assert [(line.message.text, line.key) for line in lines] == [("hello", "mine"), ("re: hello", None)]


def test_no_page_holds_a_message_of_another_conversation(chats: Chats) -> None:
    chats.say("mine"), chats.say("theirs", "other")
    chats.core.run_all()
    conversation = chats.state().conversation
    for page in (
        chats.transcripts.before(conversation, AFTER_ALL, 99),
        chats.transcripts.after(conversation, 0, 99),
        chats.transcripts.before(conversation, 99, 99),
        chats.transcripts.undelivered(conversation, 99),
    ):
        assert {line.message.conversation for line in page} == {conversation}
    assert chats.transcripts.before(ConversationId("none"), AFTER_ALL, 99) == []


# -- states ------------------------------------------------------------------------------------------------------------


def test_where_nothing_was_said_there_is_no_state(chats: Chats) -> None:
    assert chats.transcripts.state(CHANNEL, "visitor") is None
    chats.say("hello")
    assert chats.transcripts.state("rest", "visitor") is None


def test_a_message_is_delivered_when_nothing_before_it_waits_and_seen_when_it_is_answered(chats: Chats) -> None:
    assert chats.say("one").number == 1
    assert (chats.state().last, chats.state().delivered, chats.state().seen) == (1, 0, 0)
    chats.say("two")
    assert (chats.state().last, chats.state().delivered, chats.state().seen) == (2, 0, 0)
    assert chats.core.runner.run_once()
    assert (chats.state().last, chats.state().delivered, chats.state().seen) == (3, 1, 1)
    assert chats.core.runner.run_once()
    assert (chats.state().last, chats.state().delivered, chats.state().seen) == (4, 4, 2)


def test_what_people_have_not_read_is_delivered_and_not_seen(chats: Chats) -> None:
    def to_people(turn: Turn) -> None:
        turn.effects.append(OwnerChange(Owner.AGENT))

    chats.core.assistant.before = to_people
    chats.say("a person please")
    chats.core.run_all()
    seen = chats.state().seen
    chats.core.assistant.before = lambda turn: None
    late = chats.say("are you there?")
    chats.core.run_all()
    assert chats.state().owner is Owner.AGENT
    assert chats.state().delivered >= late.number and chats.state().seen == seen == 1


def test_states_of_many_conversations_do_not_mix(chats: Chats) -> None:
    for address, count in (("a", 1), ("b", 2), ("c", 3)):
        for number in range(count):
            chats.say(f"{address}{number}", address)
    chats.core.run_all()
    chats.say("more", "b")
    found = {state.address: state for state in chats.transcripts.moved(CHANNEL, START - timedelta(days=1))}
    assert {a: (s.last, s.delivered, s.seen) for a, s in found.items()} == {
        "a": (2, 2, 1), "b": (5, 4, 2), "c": (6, 6, 3),
    }  # fmt: skip
    assert {address: chats.state(address) for address in found} == found


def test_the_conversations_that_moved_are_those_in_which_something_happened_since(chats: Chats) -> None:
    clock = chats.core.clock
    chats.say("old", "old"), chats.say("talks", "talks"), chats.say("reads", "reads"), chats.say("answered", "answered")
    chats.core.inbox.receive(Inbound("rest", "elsewhere", "hello"))
    for _ in range(3):
        assert chats.core.runner.run_once()
    clock.move(timedelta(minutes=1))
    since = clock.at
    assert chats.transcripts.moved(CHANNEL, since) == []
    chats.say("again", "talks")
    assert chats.transcripts.read_by_customer(chats.state("reads").conversation, 1, clock.at)
    assert {state.address for state in chats.transcripts.moved(CHANNEL, since)} == {"talks", "reads"}
    chats.core.run_all()
    assert {state.address for state in chats.transcripts.moved(CHANNEL, since)} == {"talks", "reads", "answered"}


# -- what waits to be delivered ----------------------------------------------------------------------------------------


def test_undelivered_are_the_replies_that_nobody_has_collected(chats: Chats) -> None:
    for text in ("one", "two", "three"):
        chats.say(text)
    chats.core.run_all()
    conversation = chats.state().conversation

    def waiting(limit: int = 99) -> list[str]:
        return [line.message.text for line in chats.transcripts.undelivered(conversation, limit)]

    assert waiting() == ["re: one", "re: two", "re: three"]
    assert waiting(2) == ["re: one", "re: two"]
    second = next(m.id for m in chats.core.store.log(conversation) if m.text == "re: two")
    chats.core.outbox.collected([second], START)
    assert waiting() == ["re: one", "re: three"]
    rest = [m.id for m in chats.core.store.log(conversation) if m.author is Author.BOT]
    chats.core.outbox.collected(rest, START)
    assert waiting() == []


def test_collecting_what_is_not_there_changes_nothing(chats: Chats) -> None:
    chats.say("one")
    chats.core.run_all()
    chats.core.outbox.collected([MessageId("none")], START)
    assert len(chats.transcripts.undelivered(chats.state().conversation, 9)) == 1


# -- read --------------------------------------------------------------------------------------------------------------


def test_the_read_mark_goes_forward_only_and_never_beyond_what_was_said(chats: Chats) -> None:
    for text in ("one", "two", "three"):
        chats.say(text)
    conversation = chats.state().conversation
    marks = []
    for number in (0, 2, 1, 2, 4, 2**31 - 1, 3, 3):
        chats.transcripts.read_by_customer(conversation, number, START)
        marks.append(chats.state().read)
    assert marks == [0, 2, 2, 2, 2, 2, 3, 3]


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(read=st.lists(st.integers(0, 2**31 - 1) | st.integers(0, 8), max_size=10))
def test_whatever_order_the_tabs_read_in_the_mark_never_goes_back(chats: Chats, read: list[int]) -> None:
    if chats.transcripts.state(CHANNEL, "visitor") is None:
        for number in range(5):
            chats.say(f"m{number}")
    state = chats.state()
    for number in read:
        moved = chats.transcripts.read_by_customer(state.conversation, number, START)
        now = chats.state()
        assert now.read == (number if moved else state.read)
        assert state.read <= now.read <= now.last
        state = now


def test_whether_it_moved_is_said(chats: Chats) -> None:
    chats.say("one")
    conversation = chats.state().conversation
    assert [chats.transcripts.read_by_customer(conversation, n, START) for n in (0, 1, 1, 2)] == [
        False, True, False, False,
    ]  # fmt: skip


# -- files -------------------------------------------------------------------------------------------------------------


def test_an_image_is_its_visitors_alone(chats: Chats) -> None:
    file = chats.files.keep(CHANNEL, "visitor", PIXEL, START)
    assert chats.files.image(CHANNEL, "visitor", file) == PIXEL
    for channel, address in ((CHANNEL, "other"), ("rest", "visitor"), (CHANNEL, ""), (CHANNEL, "%")):
        assert chats.files.image(channel, address, file) is None
    assert chats.files.image(CHANNEL, "visitor", FileId("%")) is None


@pytest.mark.parametrize("file", ["", "x" * 10_000, "a\x00b", "\x00", "'; DROP TABLE files; --", "٣" * 36], ids=ascii)
def test_what_is_no_id_of_an_image_finds_none_and_fails_nothing(chats: Chats, file: str) -> None:
    assert chats.files.image(CHANNEL, "visitor", FileId(file)) is None


def test_an_image_is_sent_once_and_by_its_visitor(chats: Chats) -> None:
    file = chats.files.keep(CHANNEL, "visitor", PIXEL, START)
    with pytest.raises(MessageRefused) as refused:
        chats.say("", "thief", file=file)
    assert refused.value.code == "file"
    assert chats.transcripts.state(CHANNEL, "thief") is None, "nothing was stored"
    sent = chats.say("look", key="k", file=file)
    (line,) = chats.transcripts.before(sent.conversation, AFTER_ALL, 9)
    assert line.message.meta["image"] == {"id": file, "width": 4, "height": 3}
    with pytest.raises(MessageRefused):
        chats.say("look again", file=file)
    again = chats.say("look", key="k", file=file)
    assert (again.new, again.message) == (False, sent.message), "the same message sent again is no second use"
    assert chats.state().last == 1


def test_what_was_never_sent_is_dropped_after_a_day_and_what_was_sent_stays(chats: Chats) -> None:
    sent, old, young = (chats.files.keep(CHANNEL, "visitor", PIXEL, START) for _ in range(3))
    chats.say("", file=sent)
    with chats.database.write() as c:
        later = START + timedelta(hours=1)
        c.execute(t.files.update().where(t.files.c.id == young).values(created_at=later))
    assert chats.files.drop_unsent(START) == 0, "not before the day is over"
    assert chats.files.drop_unsent(START + timedelta(seconds=1)) == 1
    assert chats.files.image(CHANNEL, "visitor", old) is None
    assert chats.files.image(CHANNEL, "visitor", sent) == chats.files.image(CHANNEL, "visitor", young) == PIXEL
    assert KEPT_UNSENT == timedelta(days=1)


# -- ratings -----------------------------------------------------------------------------------------------------------


def test_a_rating_counts_once_for_its_key_and_belongs_to_its_conversation(chats: Chats) -> None:
    chats.say("one"), chats.say("two", "other")
    for score in (5, 1):
        assert chats.ratings.rate(CHANNEL, "visitor", Rating("k", score, "good"), START)
    assert chats.ratings.rate(CHANNEL, "visitor", Rating("k2", 2, ""), START)
    assert chats.ratings.rate(CHANNEL, "other", Rating("k", 3, ""), START)
    found = sorted((row.conversation_id == chats.state().conversation, row.key, row.score) for row in chats.rows(t.ratings))  # fmt: skip
    assert found == [(False, "k", 3), (True, "k", 5), (True, "k2", 2)]


def test_where_nothing_was_said_nothing_can_be_rated(chats: Chats) -> None:
    assert chats.ratings.rate(CHANNEL, "visitor", Rating("k", 5, ""), START) is False
    assert chats.rows(t.ratings) == []
