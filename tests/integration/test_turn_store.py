"""A turn is one transaction: whatever comes between, each message is answered once, in order, by one owner."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.conversations.inbox import EMPTY, STALE_BUTTON, TOO_LONG
from bot.conversations.model import (
    Author,
    Button,
    Effect,
    LanguageRead,
    Owner,
    OwnerChange,
    Reply,
    Turn,
)
from bot.conversations.turns import LEASE, MAX_ATTEMPTS, MAX_FAILURES
from bot.customers.proof import ProofFailed, ProofGiven
from bot.errors import (
    AlreadyTaken,
    AssistantFailed,
    ConfigurationError,
    LeaseLost,
    MessageRefused,
    OwnerChanged,
    StorageUnavailable,
)
from bot.handoff.model import HandoffAsked, Reason
from bot.handoff.service import BACK_TO_BOT
from bot.orders.model import CustomerId, OrderNumber
from bot.storage.database import Database
from bot.storage.effects import count
from bot.storage.tables import assistant_states, handoffs, inbox, messages, outbox, proof_failures, proofs
from tests.integration.conversations import START, Core, KeyWording, numbers


@pytest.fixture
def core(database: Database) -> Core:
    return Core(database)


@dataclass(frozen=True)
class Unwritable(Effect):
    """An effect that nothing knows how to write."""


def rows(database: Database, table: sa.Table) -> int:
    with database.read() as c:
        return count(c, table)


# -- taking messages in ------------------------------------------------------------------------------------------------


def test_the_same_key_is_the_same_message_within_its_conversation_only(core: Core) -> None:
    first = core.receive("hello", "a", key="1")
    again = core.receive("hello", "a", key="1")
    elsewhere = core.receive("hello", "b", key="1")
    assert (first.new, again.new, elsewhere.new) == (True, False, True)
    assert again.message == first.message and elsewhere.conversation != first.conversation
    assert core.run_all() == 2
    assert core.receive("hello", "a", key="1").message == first.message, "also when it is answered"
    assert core.run_all() == 0
    assert [m.text for m in core.inbox.replies(first.message) or []] == ["re: hello"]


def test_messages_without_a_key_are_all_new(core: Core) -> None:
    assert core.receive("hello").message != core.receive("hello").message
    assert core.run_all() == 2


def test_the_same_message_twenty_times_at_once_is_stored_once(core: Core) -> None:
    with ThreadPoolExecutor(8) as pool:
        received = list(pool.map(lambda _: core.receive("hello", key="1"), range(20)))
    assert sum(r.new for r in received) == 1
    assert len({r.message for r in received}) == 1
    assert rows(core.database, messages) == 1


def test_numbers_have_no_gaps_when_many_write_and_answer_at_once(core: Core) -> None:
    core.max_pending = 1000
    with ThreadPoolExecutor(6) as pool:
        writers = [pool.submit(core.receive, f"m{n}", f"customer {n % 3}") for n in range(30)]
        workers = [pool.submit(core.make_runner(f"w{n}").run_once) for n in range(20)]
        received = [writer.result() for writer in writers]
        [worker.result() for worker in workers]
    core.run_all()
    for conversation in {r.conversation: r for r in received}.values():
        log = core.log(conversation)
        assert numbers(log) == list(range(1, 21))
        asked = [m.text for m in log if m.author is Author.CUSTOMER]
        assert core.said(conversation) == [f"re: {text}" for text in asked]


def test_a_flood_is_refused_per_conversation_and_stores_nothing(database: Database) -> None:
    core = Core(database, max_pending=3)
    for number in range(3):
        core.receive(f"m{number}", key=str(number))
    with pytest.raises(MessageRefused) as refused:
        core.receive("one too many")
    assert (refused.value.code, refused.value.retry_after) == ("flood", 5)
    assert not core.receive("m0", key="0").new, "a repeat is no flood"
    core.receive("others are not held up", "another")
    assert rows(database, messages) == 4
    core.run_all()
    core.receive("room again")


def test_an_address_or_a_key_that_cannot_be_stored_is_refused(core: Core) -> None:
    for bad in ("", "a" * 256, "a\x00b", "\ud800", "a\nb", "\u202ea"):
        with pytest.raises(MessageRefused):
            core.receive("hello", bad)
        with pytest.raises(MessageRefused):
            core.receive("hello", key=bad)
    assert rows(core.database, messages) == 0


BAD_TEXTS = [
    "",
    " \u200b\u202e ",
    "\x00",
    "\ud83d",
    "b.\x00",
    "b.\ud800",
    "b.' OR 1=1 --",
    "س" * 100_000,
    "🫠👩🏽‍💻",
    "<script>alert(1)</script>",
    '/cancel{"order_number": "1001"}',
    "'; DROP TABLE messages; --",
    "%s %(text)s :text ${x} {x}",
]


def test_whatever_is_typed_is_stored_and_answered(core: Core) -> None:
    for number, text in enumerate(BAD_TEXTS):
        core.receive(text, f"customer {number}")
    assert core.run_all() == len(BAD_TEXTS)
    assert all(row.channel == "rest" for row in core.outbox_rows()) and len(core.outbox_rows()) == len(BAD_TEXTS)


def test_what_cannot_be_read_as_typed_reaches_the_assistant_as_a_notice(core: Core) -> None:
    heard: list[str | None] = []
    core.assistant.before = lambda turn: heard.append(turn.payload)
    for text in ("", "س" * 5000, "b.0123456789abcd", "/cancel", "b.x"):
        core.receive(text)
    core.run_all()
    assert heard == [EMPTY, TOO_LONG, STALE_BUTTON, None, None]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(), max_size=60))
def test_no_text_is_too_strange_to_store(core: Core, text: str) -> None:
    received = core.receive(text, "strange")
    core.run_all()
    assert core.inbox.replies(received.message)


def test_card_numbers_are_nowhere_in_the_database_and_the_customer_is_told(core: Core) -> None:
    received = core.receive("my card is 4111 1111 1111 1111 12/27")
    long = core.receive("4111111111111111 " + "x" * 5000)
    core.run_all()
    assert core.said(received)[:2] == ["utter_number_masked.ar", "re: my card is ••••1111 12/27"]
    assert core.said(long)[2] == "utter_number_masked.ar"
    with core.database.read() as c:
        for table in ("messages", "inbox", "outbox"):
            assert "4111" not in str(c.execute(sa.text(f"SELECT * FROM {table}")).all())


def test_a_pressed_button_means_its_payload_in_its_own_conversation_only(core: Core) -> None:
    heard: list[tuple[str, str | None]] = []

    def offer(turn: Turn) -> None:
        heard.append((turn.message.text, turn.payload))

    core.assistant.before = offer
    received = core.receive("hello", "mine")
    claimed = core.store.claim("w", START, START + LEASE)
    assert claimed
    core.store.commit(
        "w", claimed, [Reply("choose", [Button("", "Track", "/track"), Button("", "Stop", "/stop")])], START
    )
    [reply] = core.inbox.replies(received.message) or []
    assert [b.title for b in reply.buttons] == ["Track", "Stop"]
    core.receive(reply.buttons[1].id, "mine")
    core.receive(reply.buttons[1].id, "another's")
    core.run_all()
    assert heard == [("Stop", "/stop"), (reply.buttons[1].id, STALE_BUTTON)]


# -- leases ------------------------------------------------------------------------------------------------------------


def test_a_held_conversation_is_given_to_nobody_else_until_its_lease_runs_out(core: Core) -> None:
    core.receive("one")
    core.receive("two")
    held = core.store.claim("a", START, START + LEASE)
    assert held and held.turn.message.text == "one" and held.attempt == 1
    assert core.store.claim("b", START + LEASE, START + 2 * LEASE) is None
    late = START + LEASE + timedelta(milliseconds=1)
    taken = core.store.claim("b", late, late + LEASE)
    assert taken and taken.turn.message.text == "one" and taken.attempt == 2
    with pytest.raises(LeaseLost):
        core.store.commit("a", held, [Reply("late")], late)
    core.store.commit("b", taken, [Reply("in time")], late)
    assert [m.text for m in core.inbox.replies(held.turn.message.id) or []] == ["in time"]


def test_a_renewed_lease_holds_longer(core: Core) -> None:
    core.receive("one")
    held = core.store.claim("a", START, START + LEASE)
    core.store.renew("a", START + 3 * LEASE)
    core.store.renew("b", START)
    assert held and core.store.claim("b", START + 2 * LEASE, START + 3 * LEASE) is None
    core.store.commit("a", held, [Reply("done")], START + 2 * LEASE)


def test_a_lease_that_could_not_be_given_back_does_not_hold_the_conversation_although_it_is_renewed(core: Core) -> None:
    core.receive("one")
    left = core.store.claim("a", START, START + LEASE)
    core.store.renew("a", START + timedelta(hours=1))
    again = core.store.claim("a", START, START + LEASE)
    assert left and again and again.turn.message == left.turn.message


def test_a_lease_that_ran_out_is_good_while_nobody_else_took_it(core: Core) -> None:
    received = core.receive("one")
    held = core.store.claim("a", START, START + LEASE)
    assert held
    core.store.commit("a", held, [Reply("slow")], START + 5 * LEASE)
    assert core.said(received) == ["slow"]


def test_two_workers_never_hold_one_conversation(core: Core) -> None:
    for number in range(40):
        core.receive(f"m{number}", f"customer {number % 4}")
    working: set[str] = set()
    overlaps: list[str] = []
    lock = threading.Lock()

    def watch(turn: Turn) -> None:
        with lock:
            if turn.conversation.id in working:
                overlaps.append(turn.conversation.id)
            working.add(turn.conversation.id)
        time.sleep(0.003)
        with lock:
            working.discard(turn.conversation.id)

    core.assistant.before = watch

    def work(name: str) -> int:
        runner, done = core.make_runner(name), 0
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            done += runner.run_once()
            with core.database.read() as c:
                if count(c, inbox, inbox.c.done_at.is_(None)) == 0:
                    return done
        raise AssertionError("not done in time")

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, ["w1", "w2", "w3", "w4"])) == 40
    assert overlaps == []
    for number in range(4):
        found = core.store.find("rest", f"customer {number}")
        assert found
        said = [m.text for m in core.store.log(found.id) if m.author is Author.BOT]
        assert said == [f"re: m{n}" for n in range(number, 40, 4)]


def test_two_messages_at_the_same_instant_are_answered_in_order_without_a_wait(core: Core) -> None:
    with ThreadPoolExecutor(2) as pool:
        received = list(pool.map(core.receive, ["one", "two"]))
    assert core.run_all() == 2  # the clock stands still: neither was put off
    asked = [m.text for m in core.log(received[0]) if m.author is Author.CUSTOMER]
    assert core.said(received[0]) == [f"re: {text}" for text in asked]


# -- the commit --------------------------------------------------------------------------------------------------------


def test_a_turn_writes_replies_memory_effects_and_outbox_together(core: Core) -> None:
    core.assistant.before = lambda turn: turn.effects.extend(
        [LanguageRead("en", "gulf"), ProofGiven(CustomerId("C1")), ProofFailed(OrderNumber("1042"))]
    )
    received = core.receive("hello")
    core.run_all()
    found = core.store.conversation(received.conversation)
    assert found and (found.language, found.variety) == ("en", "gulf")
    assert [rows(core.database, t) for t in (proofs, proof_failures, assistant_states, outbox)] == [1, 1, 1, 1]
    [question, answer] = core.log(received)
    assert answer.reply_to == question.id and answer.meta["response"] == "utter_echo"
    assert core.outbox_rows()[0].message_id == answer.id
    core.receive("again")
    core.run_all()
    with core.database.read() as c:
        assert c.execute(sa.select(assistant_states.c.version, assistant_states.c.data)).one() == (2, "2")


@pytest.mark.parametrize("owner", [Owner.QUEUE, Owner.AGENT])
def test_a_changed_owner_refuses_the_commit_and_nothing_is_written(core: Core, owner: Owner) -> None:
    core.receive("hello")
    held = core.store.claim("a", START, START + LEASE)
    assert held
    with core.database.write() as c:
        c.execute(sa.text("UPDATE conversations SET owner = :owner"), {"owner": owner.value})
    held.turn.effects.append(ProofFailed(OrderNumber("1042")))
    held.turn.state_after = "memory"
    with pytest.raises(OwnerChanged):
        core.store.commit("a", held, [Reply("stale")], START)
    assert [rows(core.database, t) for t in (messages, outbox, proof_failures, assistant_states)] == [1, 0, 0, 0]


def test_a_message_is_not_answered_twice_by_one_claim(core: Core) -> None:
    received = core.receive("hello")
    held = core.store.claim("a", START, START + LEASE)
    assert held
    core.store.commit("a", held, [Reply("once")], START)
    with pytest.raises(LeaseLost):
        core.store.commit("a", held, [Reply("twice")], START)
    assert core.said(received) == ["once"]


@pytest.mark.parametrize("stored", [0, 1])
def test_memory_that_moved_on_during_the_turn_refuses_the_commit(core: Core, stored: int) -> None:
    received = core.receive("hello")
    if stored:
        core.run_all()
        core.receive("again")
    held = core.store.claim("a", START, START + LEASE)
    assert held and held.turn.state.version == stored
    with core.database.write() as c:
        if stored:
            c.execute(assistant_states.update().values(version=7))
        else:
            c.execute(assistant_states.insert().values(conversation_id=received.conversation, version=1, data="x"))
    held.turn.state_after = "mine"
    said = core.said(received)
    with pytest.raises(LeaseLost):
        core.store.commit("a", held, [Reply("stale")], START)
    assert core.said(received) == said
    with core.database.read() as c:
        assert c.execute(sa.select(assistant_states.c.data)).scalar_one() != "mine"


def test_an_effect_that_cannot_be_written_takes_the_whole_turn_back(core: Core) -> None:
    core.receive("hello")
    held = core.store.claim("a", START, START + LEASE)
    assert held
    held.turn.effects += [ProofFailed(OrderNumber("1042")), OwnerChange(Owner.QUEUE), Unwritable()]
    held.turn.state_after = "memory"
    with pytest.raises(NotImplementedError):
        core.store.commit("a", held, [Reply("never")], START)
    assert [rows(core.database, t) for t in (messages, outbox, proof_failures, assistant_states)] == [1, 0, 0, 0]
    assert core.owner(held.turn.conversation.id) is Owner.BOT


# -- people ------------------------------------------------------------------------------------------------------------


def test_a_takeover_during_a_turn_discards_the_bots_answer_and_the_agent_has_the_message(core: Core) -> None:
    received = core.receive("hello")

    def take_over(turn: Turn) -> None:
        turn.effects.append(ProofFailed(OrderNumber("1042")))
        core.take(turn.conversation.id, "agent")

    core.assistant.before = take_over
    assert core.run_all() == 2, "discarded, then handled under its new owner"
    assert core.said(received) == []
    assert core.inbox.replies(received.message) == []
    assert core.owner(received.conversation) is Owner.AGENT
    assert rows(core.database, proof_failures) == 0


def test_a_move_to_the_queue_during_a_turn_discards_it_and_the_message_is_acknowledged(core: Core) -> None:
    received = core.receive("hello")

    def queue(turn: Turn) -> None:
        with core.database.write() as c:
            c.execute(handoffs.insert().values(conversation_id=turn.conversation.id, reason="asked", asked_at=START))
            c.execute(sa.text("UPDATE conversations SET owner = 'queue'"))

    core.assistant.before = queue
    core.run_all()
    assert core.said(received) == ["utter_waiting_acknowledged.ar"]


def test_only_one_agent_takes_a_conversation(core: Core) -> None:
    received = core.receive("hello")

    def take(agent: int) -> bool:
        try:
            core.take(received.conversation, f"agent {agent}")
        except AlreadyTaken:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(take, range(8))) == 1


def test_asking_for_a_person_queues_once_alerts_once_and_then_the_bot_is_silent(core: Core) -> None:
    core.assistant.before = lambda turn: core.desk.ask(turn, Reason.ASKED)
    received = core.receive("a person please")
    core.receive("hello?")
    core.receive("hello??")
    core.run_all()
    assert core.said(received) == ["re: a person please", "utter_waiting_acknowledged.ar"]
    assert [row.channel for row in core.outbox_rows()] == ["rest", "alert_webhook", "rest"] or [
        row.channel for row in core.outbox_rows()
    ] == ["alert_webhook", "rest", "rest"]
    [entry] = core.records.queue()
    assert (entry.last_text, entry.waiting_messages, entry.handoff.reason) == ("hello??", 3, Reason.ASKED)


def test_back_to_the_bot_and_into_the_queue_again_is_a_second_wait(core: Core) -> None:
    core.assistant.before = lambda turn: core.desk.ask(turn, Reason.ASKED)
    received = core.receive("a person")
    core.receive("still there?")
    core.run_all()
    [acknowledged] = [m for m in core.log(received) if m.buttons]
    assert acknowledged.buttons[0].payload == BACK_TO_BOT
    core.receive(acknowledged.buttons[0].id)
    core.run_all()
    assert core.owner(received.conversation) is Owner.BOT and core.records.queue() == []
    core.receive("a person again")
    core.run_all()
    assert core.owner(received.conversation) is Owner.QUEUE
    assert len(core.records.queue()) == 1 and rows(core.database, handoffs) == 2


def test_a_second_open_wait_in_one_conversation_is_never_stored(core: Core) -> None:
    core.receive("hello")
    held = core.store.claim("a", START, START + LEASE)
    assert held
    held.turn.effects += [HandoffAsked(Reason.ASKED, ("alert_webhook",))] * 2
    core.store.commit("a", held, [Reply("ok")], START)
    assert rows(core.database, handoffs) == 1 and rows(core.database, outbox) == 2


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [AssistantFailed("no"), RuntimeError("bug"), ConfigurationError("a", "b", "c")])
def test_an_assistant_that_always_fails_is_given_up_with_an_apology_and_a_person(core: Core, error: Exception) -> None:
    calls: list[str] = []

    def fail(turn: Turn) -> None:
        calls.append(turn.message.text)
        turn.effects.append(ProofFailed(OrderNumber("1042")))
        if turn.message.text == "poison":
            raise error

    core.assistant.before = fail
    received = core.receive("poison")
    core.receive("another customer", "another")
    assert core.run_all() == MAX_FAILURES + 2
    assert calls.count("poison") == MAX_FAILURES
    assert core.said(received) == ["utter_error.ar"]
    assert core.owner(received.conversation) is Owner.QUEUE
    assert rows(core.database, proof_failures) == 1, "the failed attempts left nothing"
    [entry] = core.records.queue()
    assert entry.handoff.reason is Reason.ERROR


def test_an_assistant_that_says_nothing_has_failed(core: Core) -> None:
    core.assistant.respond = lambda turn: []  # type: ignore[method-assign]
    received = core.receive("hello")
    core.run_all()
    assert core.said(received) == ["utter_error.ar"]


def test_a_reply_that_cannot_be_stored_ends_in_an_apology(core: Core) -> None:
    core.assistant.respond = lambda turn: [Reply("half \ud800 a pair")]  # type: ignore[method-assign]
    received = core.receive("hello")
    core.run_all()
    assert core.said(received) == ["utter_error.ar"]


def test_an_effect_that_can_never_be_written_ends_in_an_apology(core: Core) -> None:
    core.assistant.before = lambda turn: turn.effects.append(Unwritable())
    received = core.receive("hello")
    core.run_all()
    assert core.said(received) == ["utter_error.ar"]


def test_an_assistant_that_recovers_answers(core: Core) -> None:
    left = [AssistantFailed("once"), RuntimeError("twice")]

    def fail_twice(turn: Turn) -> None:
        if left:
            raise left.pop()

    core.assistant.before = fail_twice
    received = core.receive("hello")
    core.run_all()
    assert core.said(received) == ["re: hello"]


def test_a_message_that_kills_its_process_several_times_is_given_up_with_an_apology(core: Core) -> None:
    received = core.receive("poison")
    core.receive("the next one")
    for attempt in range(1, MAX_ATTEMPTS + 1):
        claimed = core.store.claim(f"killed {attempt}", core.clock(), core.clock() + LEASE)
        assert claimed and claimed.attempt == attempt and claimed.turn.message.text == "poison"
        assert not core.runner.run_once(), "nobody may have it before the lease is out"
        core.clock.move(LEASE + timedelta(milliseconds=1))
    core.run_all()
    assert core.said(received) == ["utter_error.ar", "utter_waiting_acknowledged.ar"]
    assert core.owner(received.conversation) is Owner.QUEUE


def test_where_not_even_an_apology_has_words_the_message_is_retried_ever_later_and_others_are_answered(
    database: Database,
) -> None:
    core = Core(database, wording=KeyWording(languages=["en"]))
    core.assistant.before = lambda turn: failing_for(turn, "poison")
    core.receive("poison")
    other = core.receive("hello", "another")
    assert core.run_all() == MAX_FAILURES + 2
    assert core.said(other) == ["re: hello"]
    pauses = []
    for _ in range(8):
        waited = 0
        while not core.runner.run_once():
            core.clock.move(timedelta(seconds=1))
            waited += 1
        pauses.append(waited)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    core.desk._wording = core.runner._wording = KeyWording()
    core.clock.move(timedelta(minutes=1))
    assert core.run_all() == 1
    assert [row.channel for row in core.outbox_rows()] == ["rest", "alert_webhook", "rest"]


def failing_for(turn: Turn, text: str) -> None:
    if turn.message.text == text:
        raise AssistantFailed("no")


def test_a_desk_that_fails_does_not_block_the_conversation_of_those_who_wait(database: Database) -> None:
    core = Core(database)
    core.assistant.before = lambda turn: core.desk.ask(turn, Reason.ASKED)
    received = core.receive("a person")
    core.run_all()
    core.desk._wording = KeyWording(languages=[])
    core.receive("hello?")
    assert core.run_all() == MAX_FAILURES + 1
    core.desk._wording = KeyWording()
    core.receive("hello??")
    core.run_all()
    assert core.said(received) == ["re: a person", "utter_waiting_acknowledged.ar"]


def test_a_message_waits_for_its_retry_time_and_others_do_not(core: Core) -> None:
    core.receive("first")
    claimed = core.store.claim("w", START, START + LEASE)
    assert claimed
    core.store.release("w", claimed, START + timedelta(seconds=2))
    other = core.receive("other", "another")
    assert core.run_all() == 1 and core.said(other) == ["re: other"]
    core.clock.move(timedelta(seconds=2))
    assert core.run_all() == 1
    assert core.row(claimed.turn.conversation.id).retry_at is None


def test_a_lease_is_given_back_only_by_who_holds_it(core: Core) -> None:
    core.receive("first")
    claimed = core.store.claim("a", START, START + LEASE)
    assert claimed
    core.store.release("b", claimed, counted=False)
    assert core.store.claim("b", START, START + LEASE) is None
    late = START + 2 * LEASE
    again = core.store.claim("b", late, late + LEASE)
    assert again and again.attempt == 2


# -- a database that is locked or gone ---------------------------------------------------------------------------------


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Another process holds what every write needs."""
    if database.is_postgresql:
        with database.engine.connect() as c:
            c.execute(sa.text("LOCK TABLE conversations, messages IN ACCESS EXCLUSIVE MODE"))
            yield
    else:
        path = sa.engine.make_url(database.url).database
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.rollback()
            other.close()


def hang_up(database: Database, *pids: int) -> None:
    """End these connections from the server's side."""
    with sa.create_engine(database.url, future=True, poolclass=sa.pool.NullPool).connect() as c:
        for pid in pids:
            c.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


@pytest.fixture
def impatient(database: Database) -> Iterator[Core]:
    """A core that waits half a second for a lock, not five."""
    patient = Database(database.url, busy_ms=500)
    yield Core(patient)
    patient.close()


def test_a_locked_database_refuses_new_messages_and_takes_them_when_it_is_free(impatient: Core) -> None:
    core = impatient
    started = time.monotonic()
    with locked(core.database), pytest.raises(StorageUnavailable) as refused:
        core.receive("the customer's words", key="1")
    assert 0.4 < time.monotonic() - started < 4
    assert "words" not in str(refused.value)
    assert rows(core.database, messages) == 0
    received = core.receive("hello", key="1")
    assert received.new
    core.run_all()
    assert core.said(received) == ["re: hello"]


def test_a_turn_that_ends_while_the_database_is_locked_is_answered_afterwards(impatient: Core) -> None:
    core = impatient
    received = core.receive("hello")
    locks: list[object] = []
    calls = 0

    def lock_once(turn: Turn) -> None:
        nonlocal calls
        calls += 1
        turn.effects.append(ProofFailed(OrderNumber("1042")))
        if calls == 1:
            lock = locked(core.database)
            lock.__enter__()
            locks.append(lock)

    core.assistant.before = lock_once
    with pytest.raises(StorageUnavailable):
        core.runner.run_once()
    locks.pop().__exit__(None, None, None)  # type: ignore[attr-defined]
    assert core.run_all() == 1, "its own lease does not keep the worker off"
    assert core.said(received) == ["re: hello"]
    assert rows(core.database, proof_failures) == 1


def test_storage_failures_are_not_held_against_the_message(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    received = core.receive("hello")
    commit, failures = core.store.commit, 2 * MAX_FAILURES

    def fail(*args: object) -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise StorageUnavailable("locked")
        commit(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(core.store, "commit", fail)
    for _ in range(2 * MAX_FAILURES):
        assert core.run_all() == 1
        core.clock.move(timedelta(seconds=1))
    assert core.run_all() == 1
    assert core.said(received) == ["re: hello"]


def test_a_takeover_and_back_is_not_held_against_the_message(core: Core) -> None:
    received = core.receive("hello")
    takeovers = 2 * MAX_FAILURES

    def interfere(turn: Turn) -> None:
        nonlocal takeovers
        takeovers -= 1
        if takeovers >= 0:
            core.take(turn.conversation.id, "agent")

    class GivesBack:
        """A desk whose agents give every conversation back at once."""

        def while_waiting(self, turn: Turn, language: str) -> list[Reply]:
            with core.database.write() as c:
                c.execute(sa.text("UPDATE conversations SET owner = 'bot'"))
            return []

        def assistant_failed(self, turn: Turn) -> None:
            raise AssertionError("it did not fail")

    core.assistant.before = interfere
    core.runner._desk = GivesBack()
    core.run_all()
    assert core.said(received) == ["re: hello"]


def test_connections_that_die_in_the_middle_of_a_turn_are_replaced(database: Database) -> None:
    if not database.is_postgresql:
        pytest.skip("SQLite has no server that could hang up")
    core = Core(database)
    received = core.receive("hello")
    with pytest.raises(StorageUnavailable), database.write() as c:
        c.execute(sa.text("UPDATE conversations SET language = 'en'"))
        hang_up(database, c.execute(sa.text("SELECT pg_backend_pid()")).scalar_one())
        c.execute(sa.text("SELECT 1"))
    assert core.run_all() == 1
    assert core.said(received) == ["re: hello"]
    with database.engine.connect() as one, database.engine.connect() as two:
        pids = [c.execute(sa.text("SELECT pg_backend_pid()")).scalar_one() for c in (one, two)]
    hang_up(database, *pids)
    core.receive("still there?")
    core.run_all()
    assert core.said(received)[-1] == "re: still there?"


def test_a_database_that_is_not_there_is_unavailable_and_says_no_more_than_that() -> None:
    database = Database("postgresql://nobody:secret@127.0.0.1:1/none")
    with pytest.raises(StorageUnavailable) as unavailable:
        database.ping()
    assert "secret" not in str(unavailable.value)


def test_errors_of_the_database_do_not_quote_what_was_written(core: Core) -> None:
    with pytest.raises(sa.exc.IntegrityError) as error, core.database.write() as c:
        c.execute(
            messages.insert().values(
                id="m", conversation_id=None, number=1, author="x", text="the customer's words", meta={}, at=START
            )
        )
    assert "hidden" in str(error.value) or "hide_parameters" in str(error.value)
