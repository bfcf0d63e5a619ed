"""The way to a person: into the queue once, one acknowledgement, a contact kept, and the way back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pytest

from bot.conversations.model import (
    AssistantState,
    Author,
    Conversation,
    ConversationId,
    Message,
    MessageId,
    Owner,
    OwnerChange,
    Reply,
    Turn,
)
from bot.handoff.model import (
    AgentAwaited,
    ContactLeft,
    Handoff,
    HandoffAcknowledged,
    HandoffAsked,
    HandoffId,
    HandoffWithdrawn,
    QueueEntry,
    Reason,
    State,
)
from bot.handoff.service import BACK_TO_BOT, HandoffService, contact_in

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=timezone.utc)
HERE = ConversationId("c")


@dataclass
class FakeRecords:
    """Implements `handoff.service.HandoffRecords`."""

    handoff: Handoff | None = None
    ahead: int = 0

    def open_handoff(self, conversation: ConversationId) -> Handoff | None:
        return self.handoff

    def waiting_ahead(self, handoff: Handoff | None) -> int:
        return self.ahead

    def queue(self) -> Sequence[QueueEntry]:
        return []


class KeyWording:
    """Implements `conversations.ports.Wording`: says the key."""

    def say(self, response: str, language: str, **values: str) -> Reply:
        return Reply(f"{response}.{language}", response=response)


def service(handoff: Handoff | None = None) -> HandoffService:
    shop: Any = None
    return HandoffService(FakeRecords(handoff), shop, KeyWording(), ["alert_webhook"])


def waiting(**changes: Any) -> Handoff:
    return Handoff(**{"id": HandoffId(1), "conversation": HERE, "reason": Reason.ASKED, "asked_at": NOW, **changes})


def turn(text: str = "", payload: str | None = None, owner: Owner = Owner.QUEUE) -> Turn:
    return Turn(
        Conversation(HERE, "rest", "a", owner, "en", None, NOW),
        Message(MessageId("m"), HERE, 1, Author.CUSTOMER, text, NOW),
        payload,
        AssistantState(None, 0),
        NOW,
    )


def test_asking_twice_in_one_turn_is_one_wait_and_one_alert() -> None:
    desk, asked = service(), turn(owner=Owner.BOT)
    desk.ask(asked, Reason.ASKED)
    desk.assistant_failed(asked)
    assert asked.effects == [HandoffAsked(Reason.ASKED, ("alert_webhook",)), OwnerChange(Owner.QUEUE)]


def test_a_failed_assistant_fetches_a_person() -> None:
    failed = turn(owner=Owner.BOT)
    service().assistant_failed(failed)
    assert failed.effects == [HandoffAsked(Reason.ERROR, ("alert_webhook",)), OwnerChange(Owner.QUEUE)]


def test_the_first_message_while_waiting_is_acknowledged_with_a_way_back() -> None:
    first = turn("hello?")
    [reply] = service(waiting()).while_waiting(first, "en")
    assert (reply.text, [b.payload for b in reply.buttons]) == ("utter_waiting_acknowledged.en", [BACK_TO_BOT])
    assert first.effects == [HandoffAcknowledged()]


def test_further_messages_while_waiting_are_stored_in_silence() -> None:
    later = turn("hello??")
    assert service(waiting(acknowledged_at=NOW)).while_waiting(later, "en") == []
    assert later.effects == []


def test_a_contact_is_kept_and_confirmed_also_after_the_acknowledgement() -> None:
    left = turn("call 0551234567 please")
    [reply] = service(waiting(acknowledged_at=NOW)).while_waiting(left, "en")
    assert reply.response == "utter_contact_saved"
    assert left.effects == [ContactLeft("0551234567")]
    again = turn("0551234567")
    assert service(waiting(acknowledged_at=NOW, contact="0551234567")).while_waiting(again, "en") == []
    assert again.effects == []


def test_a_contact_in_the_first_message_counts_as_the_acknowledgement() -> None:
    left = turn("reem@example.com")
    assert len(service(waiting()).while_waiting(left, "en")) == 1
    assert left.effects == [ContactLeft("reem@example.com"), HandoffAcknowledged()]


def test_the_button_leads_back_to_the_bot_while_nobody_has_taken_it() -> None:
    back = turn("Back to the assistant", BACK_TO_BOT)
    [reply] = service(waiting()).while_waiting(back, "en")
    assert reply.response == "utter_back_to_bot"
    assert back.effects == [HandoffWithdrawn(), OwnerChange(Owner.BOT)]


@pytest.mark.parametrize("handoff", [waiting(taken_at=NOW, state=State.TAKEN), None])
def test_the_button_does_not_take_the_conversation_from_an_agent(handoff: Handoff | None) -> None:
    back = turn("Back to the assistant", BACK_TO_BOT, Owner.AGENT)
    [reply] = service(handoff).while_waiting(back, "en")
    assert reply.response == "utter_already_with_agent"
    assert back.effects == []


def test_typing_what_the_button_means_is_only_text() -> None:
    typed = turn(BACK_TO_BOT)
    service(waiting()).while_waiting(typed, "en")
    assert OwnerChange(Owner.BOT) not in typed.effects


def test_while_an_agent_talks_nothing_is_said() -> None:
    said = turn("my mail is reem@example.com", owner=Owner.AGENT)
    assert service(waiting(taken_at=NOW)).while_waiting(said, "en") == []
    assert said.effects == [AgentAwaited()], "but it counts as waiting"


@pytest.mark.parametrize(
    ("text", "contact"),
    [
        ("reem@example.com", "reem@example.com"),
        ("بريدي reem.a+b@mail.example.com.", "reem.a+b@mail.example.com"),
        ("رقمي 0551234567", "0551234567"),
        ("رقمي ٠٥٥١٢٣٤٥٦٧", "٠٥٥١٢٣٤٥٦٧"),
        ("+20 100 123 9046", "+20 100 123 9046"),
        ("both reem@example.com and 0551234567", "reem@example.com"),
        ("طلبي 1042", None),
        ("لماذا لا يرد أحد؟", None),
        ("a@b", None),
        ("@", None),
        ("", None),
        ("بطاقتي ••••1111", None),
    ],
)
def test_a_contact_is_an_email_or_a_phone_and_nothing_else(text: str, contact: str | None) -> None:
    assert contact_in(text) == contact


@pytest.mark.parametrize("text", ["a" * 4000, "a." * 2000, "a@" * 2000, "a@b." * 1000, "1 " * 2000, "+" * 4000])
def test_looking_for_a_contact_is_quick_whatever_is_typed(text: str) -> None:
    started = time.perf_counter()
    contact_in(text)
    assert time.perf_counter() - started < 5
