"""A visitor becomes a customer of the shop: one conversation on all their devices, and nothing of it lost or said twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.conversations.model import (
    Author,
    Button,
    ContactOptOut,
    FileId,
    Inbound,
    LanguageRead,
    Message,
    Owner,
    OwnerChange,
    Reply,
    Turn,
)
from bot.conversations.ports import Received
from bot.customers.proof import ProofFailed
from bot.feedback.model import Rating
from bot.files.model import Image
from bot.handoff.model import HandoffAsked, Reason
from bot.orders.model import CustomerId, OrderNumber
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.effects import apply
from bot.storage.files import SqlFiles
from bot.storage.handoff import SqlHandoffs
from bot.storage.identities import SqlIdentities
from bot.storage.ratings import SqlRatings
from bot.storage.records import SqlProofRecords
from bot.storage.transcripts import SqlTranscripts
from tests.integration.conversations import START, Core, EchoAssistant

CHANNEL = "webchat"
NOURA, AHMED = CustomerId("c1"), CustomerId("c2")
PIXEL = Image(b"content", "image/png", 4, 3)


class Chooser(EchoAssistant):
    """Echoes, and offers one button with each answer."""

    def respond(self, turn: Turn) -> Sequence[Reply]:
        super().respond(turn)
        return [Reply(f"re: {turn.message.text}", [Button("", "more", f"/more of {turn.message.text}")])]


class Shop:
    """A core whose customers come over the web chat."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.core = Core(database, Chooser())
        self.identities, self.transcripts = SqlIdentities(database), SqlTranscripts(database)
        self.files, self.ratings = SqlFiles(database), SqlRatings(database)

    def say(self, address: str, text: str, key: str | None = None, file: FileId | None = None) -> Received:
        return self.core.inbox.receive(Inbound(CHANNEL, address, text, key, file))

    def talk(self, address: str, *texts: str) -> None:
        """Messages that are answered one by one; each one's key is its text."""
        for text in texts:
            self.say(address, text, text)
            self.core.run_all()

    def identify(self, address: str, customer: CustomerId, language: str = "ar") -> str:
        return self.identities.identify(CHANNEL, address, customer, language, self.core.clock())

    def row(self, address: str) -> Any:
        with self.database.read() as c:
            return c.execute(
                sa.select(t.conversations).where(
                    t.conversations.c.channel == CHANNEL, t.conversations.c.address == address
                )
            ).one_or_none()

    def log(self, address: str) -> list[Message]:
        return list(self.core.store.log(self.row(address).id))

    def texts(self, address: str) -> list[str]:
        return [message.text for message in self.log(address)]

    def rows(self, table: Any, *where: Any) -> list[Any]:
        with self.database.read() as c:
            return list(c.execute(sa.select(table).where(*where)).all())

    def act(self, address: str, *effects: Any) -> None:
        """A message whose turn has these effects."""

        def add(turn: Turn) -> None:
            turn.effects.extend(effects)

        self.core.assistant.before = add
        self.say(address, "act")
        assert self.core.run_all() >= 1
        self.core.assistant.before = lambda turn: None

    def check(self) -> None:
        """Whatever was joined: numbers without a gap, answers behind what they answer, nothing left of the old place."""
        conversations = {row.id: row for row in self.rows(t.conversations)}
        for row in conversations.values():
            log = self.core.store.log(row.id)
            assert [message.number for message in log] == list(range(1, len(log) + 1)), "numbers have a gap"
            assert row.last_number == len(log)
            assert row.read_by_customer <= row.last_number and row.read_by_team <= row.last_number
            place = {message.id: message.number for message in log}
            for message in log:
                if message.reply_to:
                    assert place[message.reply_to] < message.number, "a reply stands before its message, or elsewhere"
        of_message = {row.id: row.conversation_id for row in self.rows(t.messages)}
        for table in (t.inbox, t.outbox, t.buttons):
            for row in self.rows(table, table.c.message_id.is_not(None)):
                assert row.conversation_id == of_message[row.message_id], table.name
        for row in self.rows(t.outbox, t.outbox.c.channel == CHANNEL):
            assert row.address == conversations[row.conversation_id].address
        for row in self.rows(t.files, t.files.c.message_id.is_not(None)):
            assert row.address == conversations[of_message[row.message_id]].address
        customers = [(row.channel, row.customer) for row in conversations.values() if row.customer]
        assert len(customers) == len(set(customers)), "one customer has two conversations"

    def answers(self, address: str) -> dict[str, int]:
        """How often each message of the customer was answered."""
        log = self.log(address)
        return {
            message.text: sum(reply.reply_to == message.id for reply in log)
            for message in log
            if message.author is Author.CUSTOMER
        }

    def prepare(self) -> None:
        """Noura has a conversation on her phone; the tablet has one of nobody."""
        self.talk("phone", "p1", "p2")
        assert self.identify("phone", NOURA) == "phone"
        self.talk("tablet", "t1", "t2", "t3")


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


# -- where there is nothing to join ------------------------------------------------------------------------------------


def test_who_signs_in_before_the_first_word_has_an_empty_conversation_with_proof(shop: Shop) -> None:
    assert shop.identify("phone", NOURA, "en") == "phone"
    row = shop.row("phone")
    assert (row.customer, row.language, row.owner, row.last_number) == (NOURA, "en", "bot", 0)
    proof = SqlProofRecords(shop.database).proof(row.id)
    assert proof is not None and (proof.customer, proof.used_at) == (NOURA, START)
    shop.talk("phone", "hello")
    assert shop.texts("phone") == ["hello", "re: hello"]
    shop.check()


def test_what_was_said_before_signing_in_stays_where_it_is_the_first_conversation(shop: Shop) -> None:
    shop.talk("phone", "hello")
    before = shop.row("phone").id
    assert shop.identify("phone", NOURA) == "phone"
    assert (shop.row("phone").id, shop.row("phone").customer) == (before, NOURA)
    assert shop.texts("phone") == ["hello", "re: hello"]
    shop.check()


def test_signing_in_again_changes_nothing_but_makes_the_proof_new(shop: Shop) -> None:
    shop.prepare()
    at = shop.identify("tablet", NOURA)
    log, conversation = shop.log(at), shop.row(at)
    shop.core.clock.move(timedelta(minutes=20))
    assert shop.identify(at, NOURA) == at
    assert shop.identify(at, NOURA) == at
    assert shop.log(at) == log and shop.row(at).last_number == conversation.last_number
    proofs = shop.rows(t.proofs)
    assert [(row.customer, row.used_at) for row in proofs] == [(NOURA, START + timedelta(minutes=20))]
    shop.check()


def test_the_old_address_of_a_joined_conversation_leads_to_the_customer_again(shop: Shop) -> None:
    shop.prepare()
    assert shop.identify("tablet", NOURA) == "phone"
    log = shop.log("phone")
    assert shop.identify("tablet", NOURA) == "phone"
    assert shop.log("phone") == log and shop.row("tablet") is None


def test_a_second_device_that_said_nothing_gets_the_first_ones_conversation(shop: Shop) -> None:
    shop.talk("phone", "hello")
    shop.identify("phone", NOURA)
    assert shop.identify("tablet", NOURA) == "phone"
    assert len(shop.rows(t.conversations)) == 1
    shop.check()


def test_the_same_id_on_another_channel_is_another_conversation(shop: Shop) -> None:
    shop.talk("phone", "hello")
    shop.identify("phone", NOURA)
    assert shop.identities.identify("other", "phone", NOURA, "ar", START) == "phone"
    assert len(shop.rows(t.conversations)) == 2
    shop.check()


# -- another customer --------------------------------------------------------------------------------------------------


def test_who_was_another_customer_before_takes_nothing_of_theirs_along(shop: Shop) -> None:
    shop.talk("phone", "secret of noura")
    shop.identify("phone", NOURA)
    at = shop.identify("phone", AHMED)
    assert at != "phone" and len(at) >= 22, "an address that nobody can guess"
    assert shop.texts("phone") == ["secret of noura", "re: secret of noura"]
    assert shop.row("phone").customer == NOURA and shop.row(at).customer == AHMED
    assert shop.log(at) == []
    assert {row.customer: row.conversation_id for row in shop.rows(t.proofs)} == {
        NOURA: shop.row("phone").id,
        AHMED: shop.row(at).id,
    }
    shop.check()


def test_who_was_another_customer_before_comes_back_to_what_they_said_themselves(shop: Shop) -> None:
    shop.talk("phone", "of noura")
    shop.identify("phone", NOURA)
    shop.talk("tablet", "of ahmed")
    shop.identify("tablet", AHMED)
    assert shop.identify("phone", AHMED) == "tablet"
    assert shop.identify("tablet", NOURA) == "phone"
    assert shop.texts("phone") == ["of noura", "re: of noura"]
    assert shop.texts("tablet") == ["of ahmed", "re: of ahmed"]
    shop.check()


# -- joining -----------------------------------------------------------------------------------------------------------


def test_what_was_said_moves_to_the_end_and_numbers_go_on(shop: Shop) -> None:
    shop.prepare()
    assert shop.identify("tablet", NOURA) == "phone"
    assert shop.row("tablet") is None
    assert shop.texts("phone") == [
        "p1", "re: p1", "p2", "re: p2", "t1", "re: t1", "t2", "re: t2", "t3", "re: t3",
    ]  # fmt: skip
    shop.talk("phone", "next")
    assert shop.texts("phone")[-2:] == ["next", "re: next"]
    assert set(shop.answers("phone").values()) == {1}
    shop.check()


def test_long_conversations_are_joined_too(shop: Shop) -> None:
    """The numbers of the moved ones run into each other on the way, whichever is the longer."""
    for phone, tablet in ((1, 15), (15, 1), (10, 10)):
        one, other = f"phone-{phone}", f"tablet-{phone}"
        customer = CustomerId(f"c-{phone}")
        shop.talk(one, *[f"p{n}" for n in range(phone)])
        shop.identify(one, customer)
        shop.talk(other, *[f"t{n}" for n in range(tablet)])
        assert shop.identify(other, customer) == one
        assert len(shop.log(one)) == 2 * (phone + tablet)
    shop.check()


def test_buttons_of_both_conversations_still_mean_what_they_meant(shop: Shop) -> None:
    shop.prepare()
    old = {
        message.text: message.buttons[0] for at in ("phone", "tablet") for message in shop.log(at) if message.buttons
    }
    shop.identify("tablet", NOURA)
    heard: list[str | None] = []
    shop.core.assistant.before = lambda turn: heard.append(turn.payload)
    for text in ("re: p1", "re: t2"):
        shop.say("phone", old[text].id)
        shop.core.run_all()
    assert heard == ["/more of p1", "/more of t2"]
    assert shop.texts("phone")[-2] == "more", "the log shows the title"
    shop.check()


def test_a_message_sent_again_after_the_join_is_the_same_message(shop: Shop) -> None:
    shop.prepare()
    moved = shop.log("tablet")[0]
    shop.identify("tablet", NOURA)
    again = shop.say("phone", "t1", "t1")
    assert (again.new, again.message, again.number) == (False, moved.id, 5)
    assert shop.say("phone", "p1", "p1").new is False
    assert shop.core.run_all() == 0


def test_two_devices_that_gave_their_messages_the_same_ids_are_joined_too(shop: Shop) -> None:
    """An id is the client's own: a client that counts 1, 2, 3 on each device has every right to."""
    shop.say("phone", "on the phone", "1")
    shop.core.run_all()
    shop.identify("phone", NOURA)
    shop.say("tablet", "on the tablet", "1")
    shop.core.run_all()
    assert shop.identify("tablet", NOURA) == "phone"
    assert shop.texts("phone") == ["on the phone", "re: on the phone", "on the tablet", "re: on the tablet"]
    shop.check()


def test_two_devices_that_gave_their_ratings_the_same_ids_are_joined_too(shop: Shop) -> None:
    shop.prepare()
    shop.ratings.rate(CHANNEL, "phone", Rating("1", 5, ""), START)
    shop.ratings.rate(CHANNEL, "tablet", Rating("1", 2, ""), START)
    assert shop.identify("tablet", NOURA) == "phone"
    assert sorted(row.score for row in shop.rows(t.ratings)) == [2, 5]
    shop.check()


def test_a_message_that_waits_is_answered_once_in_the_new_place(shop: Shop) -> None:
    shop.prepare()
    shop.say("tablet", "waits", "w")
    shop.identify("tablet", NOURA)
    state = shop.transcripts.state(CHANNEL, "phone")
    assert state is not None and (state.last, state.delivered) == (11, 10)
    assert shop.core.run_all() == 1
    assert shop.texts("phone")[-2:] == ["waits", "re: waits"]
    assert set(shop.answers("phone").values()) == {1}
    shop.check()


def test_messages_that_wait_on_both_sides_are_each_answered_once(shop: Shop) -> None:
    shop.prepare()
    for address in ("phone", "tablet"):
        for number in range(3):
            shop.say(address, f"{address} waits {number}")
    shop.identify("tablet", NOURA)
    assert shop.core.run_all() == 6
    assert set(shop.answers("phone").values()) == {1}
    shop.check()


def test_replies_that_were_not_collected_go_to_the_new_address_and_collected_ones_not_again(shop: Shop) -> None:
    shop.prepare()
    collected = [message.id for message in shop.log("tablet") if message.author is Author.BOT][:1]
    shop.core.outbox.collected(collected, START)
    shop.identify("tablet", NOURA)
    conversation = shop.row("phone").id
    waiting = [line.message.text for line in shop.transcripts.undelivered(conversation, 100)]
    assert waiting == ["re: p1", "re: p2", "re: t2", "re: t3"]
    assert {row.address for row in shop.rows(t.outbox)} == {"phone"}
    shop.check()


def test_an_alert_to_the_merchant_keeps_its_own_address(shop: Shop) -> None:
    shop.prepare()
    shop.act("tablet", OwnerChange(Owner.QUEUE), HandoffAsked(Reason.ASKED, ("alert_webhook",)))
    before = shop.rows(t.outbox, t.outbox.c.channel == "alert_webhook")
    shop.identify("tablet", NOURA)
    after = shop.rows(t.outbox, t.outbox.c.channel == "alert_webhook")
    assert len(before) == len(after) == 1 and after[0].conversation_id == shop.row("phone").id


def test_files_sent_and_not_yet_sent_are_the_customers(shop: Shop) -> None:
    shop.prepare()
    sent, unsent = (shop.files.keep(CHANNEL, "tablet", PIXEL, START) for _ in range(2))
    strangers = shop.files.keep(CHANNEL, "stranger", PIXEL, START)
    shop.say("tablet", "", file=sent)
    shop.identify("tablet", NOURA)
    assert shop.files.image(CHANNEL, "phone", sent) == PIXEL
    assert shop.files.image(CHANNEL, "tablet", sent) is None
    assert shop.files.image(CHANNEL, "phone", strangers) is None
    assert shop.say("phone", "", file=unsent).new
    shop.core.run_all()
    shop.check()


def test_an_image_uploaded_before_the_first_word_is_not_lost_by_signing_in(shop: Shop) -> None:
    """The visitor takes a picture, the shop signs them in, and then they press send."""
    shop.talk("phone", "hello")
    shop.identify("phone", NOURA)
    unsent = shop.files.keep(CHANNEL, "tablet", PIXEL, START)
    at = shop.identify("tablet", NOURA)
    assert shop.files.image(CHANNEL, at, unsent) == PIXEL
    shop.check()


def test_ratings_move(shop: Shop) -> None:
    shop.prepare()
    shop.ratings.rate(CHANNEL, "tablet", Rating("r", 4, "good"), START)
    shop.identify("tablet", NOURA)
    assert [(row.conversation_id, row.score) for row in shop.rows(t.ratings)] == [(shop.row("phone").id, 4)]
    shop.ratings.rate(CHANNEL, "phone", Rating("r", 1, ""), START)
    assert len(shop.rows(t.ratings)) == 1, "the same rating sent again after the join"


def test_wrong_tries_at_proof_are_remembered(shop: Shop) -> None:
    """Else a visitor would have new tries for the price of signing in."""
    shop.prepare()
    shop.act("tablet", *[ProofFailed(OrderNumber("1004"))] * 4)
    shop.identify("tablet", NOURA)
    failures = SqlProofRecords(shop.database).failures(shop.row("phone").id, None, START - timedelta(days=1))
    assert len(failures.in_conversation) == 4


def test_who_wants_no_messages_wants_none_after_signing_in(shop: Shop) -> None:
    shop.prepare()
    shop.act("tablet", ContactOptOut())
    assert shop.row("tablet").opted_out
    shop.identify("tablet", NOURA)
    assert shop.row("phone").opted_out, "what the customer asked for is lost"


def test_the_language_is_the_one_spoken_last(shop: Shop) -> None:
    shop.prepare()
    shop.act("phone", LanguageRead("ar", "gulf"))
    shop.act("tablet", LanguageRead("en", None))
    shop.identify("tablet", NOURA)
    assert shop.row("phone").language == "en"


@pytest.mark.parametrize(("phone", "tablet"), [(0, 0), (3, 0), (0, 2), (4, 5)])
def test_marks_are_moved_and_never_go_back(shop: Shop, phone: int, tablet: int) -> None:
    shop.prepare()
    for address, mark in (("phone", phone), ("tablet", tablet)):
        if mark:
            assert shop.transcripts.read_by_customer(shop.row(address).id, mark, START)
    before = shop.transcripts.state(CHANNEL, "phone")
    shop.identify("tablet", NOURA)
    after = shop.transcripts.state(CHANNEL, "phone")
    assert before and after
    assert after.read == (4 + tablet if tablet else phone)
    assert after.seen == 4 + 5, "t3, answered, is number 9"
    assert after.seen >= before.seen and after.read >= before.read


def test_the_seen_mark_does_not_go_back_when_an_older_message_is_answered_after_the_join(shop: Shop) -> None:
    shop.prepare()
    shop.say("phone", "waits")
    shop.identify("tablet", NOURA)
    before = shop.transcripts.state(CHANNEL, "phone")
    shop.core.run_all()
    after = shop.transcripts.state(CHANNEL, "phone")
    assert before and after and before.seen == 10
    assert after.seen >= before.seen


# -- people first ------------------------------------------------------------------------------------------------------


def hand_over(shop: Shop, address: str, owner: Owner) -> None:
    if owner is Owner.BOT:
        return
    shop.act(address, OwnerChange(Owner.QUEUE), HandoffAsked(Reason.ASKED))
    if owner is Owner.AGENT:
        shop.core.take(shop.row(address).id, "salma")


@pytest.mark.parametrize("phone", Owner)
@pytest.mark.parametrize("tablet", Owner)
def test_people_who_answer_or_are_waited_for_keep_the_conversation(shop: Shop, phone: Owner, tablet: Owner) -> None:
    shop.prepare()
    hand_over(shop, "phone", phone)
    hand_over(shop, "tablet", tablet)
    shop.identify("tablet", NOURA)
    row = shop.row("phone")
    first = next(owner for owner in (Owner.AGENT, Owner.QUEUE, Owner.BOT) if owner in (phone, tablet))
    assert row.owner == first.value
    open_ = [handoff for handoff in shop.rows(t.handoffs) if handoff.ended_at is None]
    assert {handoff.conversation_id for handoff in shop.rows(t.handoffs)} <= {row.id}
    assert len(open_) == (0 if first is Owner.BOT else 1)
    if first is Owner.AGENT:
        assert open_[0].taken_by == "salma", "the one that waits is not the one that the agent took"
        assert SqlHandoffs(shop.database).queue() == [], "what an agent has is in nobody's queue"
    if first is Owner.QUEUE:
        assert len(SqlHandoffs(shop.database).queue()) == 1
    shop.check()


# -- a turn under way --------------------------------------------------------------------------------------------------


def joined_during_a_turn(shop: Shop, address: str) -> int:
    """A message comes at `address`; while the assistant thinks, the tablet signs in. How often it thought."""
    thought = 0

    def interfere(turn: Turn) -> None:
        nonlocal thought
        thought += 1
        if thought == 1:
            assert shop.identify("tablet", NOURA) == "phone"

    shop.core.assistant.before = interfere
    shop.say(address, "under way", "u")
    shop.core.run_all()
    return thought


@pytest.mark.parametrize("address", ["phone", "tablet"])
def test_a_turn_under_way_on_either_side_is_void_and_answered_again_once(shop: Shop, address: str) -> None:
    shop.prepare()
    assert joined_during_a_turn(shop, address) == 2
    assert set(shop.answers("phone").values()) == {1}
    assert shop.texts("phone").count("re: under way") == 1
    assert [row.body["text"] for row in shop.rows(t.outbox)].count("re: under way") == 1
    memory = shop.rows(t.assistant_states)
    assert len(memory) == 1 and memory[0].conversation_id == shop.row("phone").id
    assert memory[0].data == "4", "what the tablet spoke of, and the message that was under way"
    shop.check()


@pytest.mark.parametrize("address", ["phone", "tablet"])
def test_the_first_turn_of_either_side_is_void_too(shop: Shop, address: str) -> None:
    """There is no memory yet whose version could have moved on."""
    shop.identify("phone", NOURA)
    if address == "phone":
        shop.talk("tablet", "t1")
    assert joined_during_a_turn(shop, address) >= 1
    assert set(shop.answers("phone").values()) == {1}
    assert len(shop.rows(t.assistant_states)) == 1
    shop.check()


def test_what_was_spoken_of_last_is_what_the_assistant_remembers(shop: Shop) -> None:
    shop.prepare()
    shop.identify("tablet", NOURA)
    (memory,) = shop.rows(t.assistant_states)
    assert (memory.conversation_id, memory.data) == (shop.row("phone").id, "3")
    assert memory.version > 3, "higher than either was, so that a turn under way is void"
    shop.talk("phone", "next")
    assert shop.rows(t.assistant_states)[0].data == "4"


def test_a_visitor_without_memory_leaves_the_customers_as_it_was(shop: Shop) -> None:
    shop.talk("phone", "p1", "p2")
    shop.identify("phone", NOURA)
    shop.say("tablet", "not answered yet")
    shop.identify("tablet", NOURA)
    assert shop.rows(t.assistant_states)[0].data == "2"
    shop.core.run_all()
    assert set(shop.answers("phone").values()) == {1}
    shop.check()


def test_when_writing_fails_half_way_nothing_has_moved(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.prepare()
    before = [shop.log(address) for address in ("phone", "tablet")]

    def broken(*_args: Any) -> None:
        raise RuntimeError("half-way")

    monkeypatch.setattr("bot.storage.identities._move_memory", broken)
    with pytest.raises(RuntimeError):
        shop.identify("tablet", NOURA)
    assert [shop.log(address) for address in ("phone", "tablet")] == before
    shop.check()


# -- at once -----------------------------------------------------------------------------------------------------------


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        gate.wait(30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


@pytest.mark.parametrize("round_", range(5))
@pytest.mark.parametrize("spoken", [True, False], ids=["both spoke", "neither spoke"])
def test_two_devices_that_sign_in_at_once_end_in_one_conversation(shop: Shop, spoken: bool, round_: int) -> None:
    if spoken:
        shop.talk("phone", "p1")
        shop.talk("tablet", "t1")
    found = at_once(*[lambda at=at: shop.identify(at, NOURA) for at in ("phone", "tablet")])
    assert len(set(found)) == 1
    of_noura = shop.rows(t.conversations, t.conversations.c.customer == NOURA)
    assert [row.address for row in of_noura] == [found[0]]
    assert len(shop.log(found[0])) == (4 if spoken else 0)
    shop.check()


@pytest.mark.parametrize("round_", range(3))
def test_two_tabs_that_sign_in_at_once_end_in_one_conversation(shop: Shop, round_: int) -> None:
    shop.prepare()
    found = at_once(*[lambda: shop.identify("tablet", NOURA)] * 4)
    assert set(found) == {"phone"}
    assert len(shop.log("phone")) == 10
    shop.check()


@pytest.mark.parametrize("round_", range(3))
def test_ten_devices_that_sign_in_at_once_while_workers_answer_lose_and_double_nothing(shop: Shop, round_: int) -> None:
    devices = [f"device-{number}" for number in range(10)]
    for device in devices:
        for number in range(3):
            shop.say(device, f"{device} {number}", f"{device} {number}")
    over = threading.Event()

    def work(name: str) -> Callable[[], Any]:
        runner = shop.core.make_runner(name)

        def run() -> None:
            while not over.is_set():
                runner.run_once()

        return run

    workers = [threading.Thread(target=work(f"w{number}")) for number in range(2)]
    for worker in workers:
        worker.start()
    try:
        found = at_once(*[lambda at=at: shop.identify(at, NOURA) for at in devices])
    finally:
        over.set()
        for worker in workers:
            worker.join(30)
    assert len(set(found)) == 1
    shop.core.clock.move(timedelta(minutes=1))
    shop.core.run_all()
    assert len(shop.rows(t.conversations)) == 1
    answers = shop.answers(found[0])
    assert len(answers) == 30 and set(answers.values()) == {1}
    assert len(shop.rows(t.outbox)) == 30
    shop.check()


def test_the_store_of_effects_knows_every_effect_used_here() -> None:
    """The effects above are written by name: a renamed one must fail here, not silently do nothing."""
    for effect in (OwnerChange, HandoffAsked, ProofFailed):
        assert apply.dispatch(effect) is not apply.dispatch(object)
