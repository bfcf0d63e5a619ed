"""Only who knows the phone or the e-mail of an order hears about it, and guessing is paused."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.conversations.model import (
    AssistantState,
    Author,
    Conversation,
    ConversationId,
    Message,
    MessageId,
    Owner,
    Turn,
)
from bot.customers.proof import (
    IDLE,
    PAUSE,
    Failures,
    Proof,
    ProofFailed,
    ProofGiven,
    ProofService,
    paused_until,
    proves,
)
from bot.orders.model import Contact, CustomerId, Order, OrderNumber, OrderStatus

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=timezone.utc)
SAUDI, EGYPTIAN, LEBANESE = "+966551234567", "+201001239046", "+96170123456"
NUMBER = OrderNumber("1042")


@pytest.mark.parametrize(
    ("phone", "typed"),
    [
        (SAUDI, "4567"),
        (SAUDI, "٤٥٦٧"),
        (SAUDI, "آخر أربعة 4567"),
        (SAUDI, "+966551234567"),
        (SAUDI, "966551234567"),
        (SAUDI, "00966551234567"),
        (SAUDI, "0551234567"),
        (SAUDI, "551234567"),
        (SAUDI, "055 123 4567"),
        (SAUDI, "055-123-4567"),
        (SAUDI, "055‑123‑4567"),
        (SAUDI, "055–123–4567"),
        (SAUDI, "(055) 123.4567"),
        (SAUDI, "+966 (55) 123/4567"),
        (SAUDI, "٠٥٥١٢٣٤٥٦٧"),
        (SAUDI, "۰۵۵۱۲۳۴۵۶۷"),
        (SAUDI, "+٩٦٦ ٥٥ ١٢٣ ٤٥٦٧"),
        (SAUDI, "＋966551234567"),
        (SAUDI, "  0551234567\n"),
        (EGYPTIAN, "01001239046"),
        (EGYPTIAN, "00201001239046"),
        (EGYPTIAN, "+20 100 123 9046"),
        (LEBANESE, "70123456"),
        (LEBANESE, "0096170123456"),
        ("+14155552671", "0014155552671"),
        ("+14155552671", "(415) 555-2671"),
    ],
)
def test_a_phone_proves_in_every_form_and_by_its_last_four_digits(phone: str, typed: str) -> None:
    assert proves(typed, Contact(phone, None))


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "7",
        "567",
        "34567",
        "234567",
        "1234567",
        "4568",
        "5512",
        "0551234568",
        "+971551234567",
        "00971551234567",
        "+201551234567",
        "05512345670",
        "0551234567 0559999999",
        "055123456x7",
        "0551234567; DROP",
        "+",
        "٠",
        "²",
        "\x00",
        "9665512345670000",
        "+" + "9" * 400,
        "reem@example.com",
        "@",
    ],
)
def test_anything_else_proves_nothing(typed: str) -> None:
    assert not proves(typed, Contact(SAUDI, None))


@pytest.mark.parametrize(
    ("typed", "proven"),
    [
        ("reem@example.com", True),
        (" REEM@Example.com ", True),
        ("reem@example.co", False),
        ("xreem@example.com", False),
        ("reem@example.com.evil", False),
        ("@", False),
        ("4567", False),
    ],
)
def test_an_email_proves_only_whole(typed: str, proven: bool) -> None:
    assert proves(typed, Contact(None, "Reem@example.com")) is proven


@pytest.mark.parametrize("typed", ["", "@", "4567", "0551234567", "a@b.c"])
def test_an_order_without_contact_is_proven_by_nothing(typed: str) -> None:
    assert not proves(typed, Contact(None, None))


phones = st.sampled_from([SAUDI, EGYPTIAN, LEBANESE, "+971501112233", "+212612345678", "+96599887766"])
pieces = st.text(st.sampled_from("0123456789٠١٢٣٤٥٦٧٨٩+-() .@a"), max_size=24)


@given(phones, pieces)
def test_never_proven_by_fewer_than_four_digits_nor_by_digits_not_its_own(phone: str, typed: str) -> None:
    if not proves(typed, Contact(phone, None)):
        return
    given_digits = "".join(str(int(c)) for c in typed if c.isdigit())
    assert len(given_digits) >= 4
    assert phone.endswith(given_digits.lstrip("0")) or given_digits.lstrip("0") == phone[1:] or len(given_digits) == 4
    if len(given_digits) == 4:
        assert phone.endswith(given_digits)


@given(phones, st.integers(10**6, 10**9 - 1))
def test_another_whole_phone_never_proves_even_with_the_same_last_four_digits(phone: str, other: int) -> None:
    typed = phone[:4] + str(other) + phone[-4:]
    if typed != phone:
        assert not proves(typed, Contact(phone, None))
        assert not proves("0" + str(other)[1:] + phone[-4:], Contact(phone, None)) or phone.endswith(
            str(other)[1:] + phone[-4:]
        )


@given(st.text(max_size=60), st.one_of(st.none(), phones), st.sampled_from([None, "reem@example.com"]))
def test_judging_never_fails(typed: str, phone: str | None, email: str | None) -> None:
    assert proves(typed, Contact(phone, email)) in (True, False)


def minutes_ago(*minutes: float) -> list[datetime]:
    return [NOW - timedelta(minutes=m) for m in minutes]


@pytest.mark.parametrize(
    ("here", "on_order", "until"),
    [
        ([], [], None),
        (minutes_ago(4, 3, 2, 1), [], None),
        (minutes_ago(5, 4, 3, 2, 1), [], NOW + timedelta(minutes=14)),
        (minutes_ago(60, 50, 40, 30, 0), [], NOW + PAUSE),
        (minutes_ago(60, 50, 40, 30, 15), [], None),
        (minutes_ago(60, 50, 40, 30, 14.9), [], NOW + timedelta(minutes=0.1)),
        (minutes_ago(60, 50, 40, 30, 20, 1), [], None),
        (minutes_ago(60, 59, 58, 57, 56, 5, 4, 3, 2, 1), [], NOW + timedelta(minutes=14)),
        ([], minutes_ago(*range(19, 0, -1)), None),
        ([], minutes_ago(*range(20, 0, -1)), NOW + timedelta(minutes=14)),
        ([], minutes_ago(*range(25, 0, -1)), NOW + timedelta(minutes=14)),
        ([], minutes_ago(*range(40, 15, -1)), None),
        (minutes_ago(5, 4, 3, 2, 1), minutes_ago(*range(29, 9, -1)), NOW + timedelta(minutes=14)),
    ],
)
def test_five_wrong_tries_here_or_twenty_on_an_order_pause_for_a_quarter_of_an_hour(
    here: list[datetime], on_order: list[datetime], until: datetime | None
) -> None:
    assert paused_until(Failures(here, on_order), NOW) == until


@dataclass
class FakeRecords:
    """Implements `customers.proof.ProofRecords` in memory; `apply` writes a turn's effects."""

    given: dict[ConversationId, Proof] = field(default_factory=dict)
    failed: list[tuple[ConversationId, OrderNumber, datetime]] = field(default_factory=list)

    def proof(self, conversation: ConversationId) -> Proof | None:
        return self.given.get(conversation)

    def verified_phone(self, conversation: ConversationId) -> str | None:
        return None

    def failures(self, conversation: ConversationId, order: OrderNumber | None, since: datetime) -> Failures:
        recent = [f for f in self.failed if f[2] >= since]
        return Failures([f[2] for f in recent if f[0] == conversation], [f[2] for f in recent if f[1] == order])

    def apply(self, turn: Turn) -> None:
        for effect in turn.effects:
            if isinstance(effect, ProofFailed):
                self.failed.append((turn.conversation.id, effect.order_number, turn.now))
            elif isinstance(effect, ProofGiven):
                self.given[turn.conversation.id] = Proof(effect.customer, turn.now)


def turn_at(now: datetime = NOW, conversation: str = "c") -> Turn:
    there = ConversationId(conversation)
    return Turn(
        Conversation(there, "rest", "a", Owner.BOT, "ar", None, NOW),
        Message(MessageId("m"), there, 1, Author.CUSTOMER, "", now),
        None,
        AssistantState(None, 0),
        now,
    )


def an_order() -> Order:
    return Order(
        number=NUMBER,
        customer=CustomerId("C1"),
        contact=Contact(SAUDI, None),
        status=OrderStatus.PROCESSING,
        items=[],
        shipping_fee=Decimal(25),
        currency="SAR",
        payment="card",
        city=None,
        placed_on=NOW.date(),
        promised_on=None,
    )


def test_a_right_proof_covers_the_customer_for_thirty_idle_minutes() -> None:
    records = FakeRecords()
    service = ProofService(records)
    turn = turn_at()
    assert service.check(turn, NUMBER, an_order(), "4567").granted
    assert service.customer_of(turn) == "C1", "in the same turn already"
    records.apply(turn)
    assert service.customer_of(turn_at(NOW + IDLE)) == "C1"
    assert service.customer_of(turn_at(NOW + IDLE + timedelta(seconds=1))) is None
    assert service.customer_of(turn_at(conversation="another")) is None


def test_a_wrong_proof_and_an_unknown_number_look_the_same() -> None:
    wrong, unknown = turn_at(), turn_at()
    service = ProofService(FakeRecords())
    assert service.check(wrong, NUMBER, an_order(), "0000") == service.check(unknown, NUMBER, None, "0000")
    assert wrong.effects == unknown.effects == [ProofFailed(NUMBER)]


def test_the_fifth_wrong_try_pauses_and_then_even_the_right_proof_must_wait() -> None:
    records = FakeRecords()
    service = ProofService(records)
    left = []
    for _ in range(5):
        turn = turn_at()
        outcome = service.check(turn, NUMBER, an_order(), "0000")
        left.append(outcome.tries_left)
        records.apply(turn)
    assert left == [4, 3, 2, 1, 0]
    assert outcome.paused_until == NOW + PAUSE
    turn = turn_at(NOW + PAUSE - timedelta(seconds=1))
    assert service.check(turn, NUMBER, an_order(), "4567").paused_until == NOW + PAUSE
    assert turn.effects == [], "a try during the pause counts neither way"
    assert service.check(turn_at(NOW + PAUSE), NUMBER, an_order(), "4567").granted


def test_twenty_wrong_tries_from_many_conversations_pause_one_order_and_no_other() -> None:
    records = FakeRecords()
    service = ProofService(records)
    for number in range(20):
        turn = turn_at(conversation=f"thief {number}")
        service.check(turn, NUMBER, an_order(), "0000")
        records.apply(turn)
    assert service.paused(turn_at(conversation="owner"), NUMBER) == NOW + PAUSE
    assert service.paused(turn_at(conversation="owner"), OrderNumber("1043")) is None
    assert service.paused(turn_at(conversation="owner")) is None


def test_several_wrong_tries_in_one_turn_all_count() -> None:
    service, turn = ProofService(FakeRecords()), turn_at()
    for _ in range(4):
        assert service.check(turn, NUMBER, an_order(), "0000").paused_until is None
    assert service.check(turn, NUMBER, an_order(), "0000").paused_until == NOW + PAUSE
    assert service.check(turn, NUMBER, an_order(), "4567").granted is False
