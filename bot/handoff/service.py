"""A person, please: the way to the queue, what is said while waiting, and the way back to the bot.

While a conversation is in the queue, or with an agent, the assistant sees nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import phonenumbers

from bot.conversations.inbox import ENDED
from bot.conversations.model import Button, ContactOptOut, ConversationId, Effect, Owner, OwnerChange, Reply, Turn
from bot.conversations.ports import Wording
from bot.errors import ShopError
from bot.formatting import Formatter
from bot.handoff.model import (
    AgentAwaited,
    ContactLeft,
    Handoff,
    HandoffAcknowledged,
    HandoffAsked,
    HandoffWithdrawn,
    QueueEntry,
    Reason,
)
from bot.orders.ports import OrderBackend

BACK_TO_BOT = "/back_to_bot"
STOP_MESSAGES = "/stop_messages"

_EMAIL = re.compile(r"(?<![\w.+\-])[\w.+\-]+@[\w\-]+\.[\w.\-]*\w")


class HandoffRecords(Protocol):
    def open_handoff(self, conversation: ConversationId) -> Handoff | None:
        """The wait under way, or None."""

    def waiting_ahead(self, handoff: Handoff | None) -> int:
        """How many conversations have waited longer and are not taken; all of them for None."""

    def queue(self) -> Sequence[QueueEntry]:
        """Everyone who waits and is not taken, longest first."""


def contact_in(text: str, region: str = "SA") -> str | None:
    """The e-mail or phone number in a message, if there is one. `region` guesses the country of a local number."""
    if found := _EMAIL.search(text):
        return found.group()
    for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.POSSIBLE):
        if len(str(match.number.national_number)) >= 7:
            return str(match.raw_string)
    return None


class HandoffService:
    """`alerts`: the channels over which the merchant hears of a new wait (see delivery.alerts)."""

    def __init__(
        self, records: HandoffRecords, shop: OrderBackend, wording: Wording, alerts: Sequence[str] = ()
    ) -> None:
        self._records, self._shop, self._wording, self._alerts = records, shop, wording, tuple(alerts)

    def ask(self, turn: Turn, reason: Reason) -> None:
        """Move the conversation to the queue in this turn's commit."""
        if not any(isinstance(e, HandoffAsked) for e in turn.effects):
            turn.effects += [HandoffAsked(reason, self._alerts), OwnerChange(Owner.QUEUE)]

    def assistant_failed(self, turn: Turn) -> None:
        """Put the conversation into the queue because the assistant failed on this message."""
        self.ask(turn, Reason.ERROR)

    def announcement(self, now: datetime, language: str) -> tuple[str, dict[str, str]]:
        """The response that tells the real state, and its values: (key, values).

        A shop that cannot be asked for its hours keeps nobody from a person: then nothing is said of hours.
        """
        try:
            store = self._shop.store()
        except ShopError:
            return "utter_handoff_hours_unknown", {}
        figures = Formatter(language)
        values = {"support_hours": figures.hours(store.support_hours)}
        if not store.support_hours.open_at(now, store.timezone):
            return "utter_handoff_closed", values
        ahead = self._records.waiting_ahead(None)
        if ahead == 0:
            return "utter_handoff_open_first", values
        return "utter_handoff_open", {**values, "ahead": figures.counted(ahead, "conversation", nominative=True)}

    def while_waiting(self, turn: Turn, language: str) -> list[Reply]:
        """Answer a message that came while the customer waits: the way back, a contact, or one acknowledgement."""
        handoff = self._records.open_handoff(turn.conversation.id)
        if turn.payload == BACK_TO_BOT:
            if turn.conversation.owner is Owner.AGENT:
                return [self._wording.say("utter_already_with_agent", language)]
            turn.effects += [HandoffWithdrawn(), OwnerChange(Owner.BOT)]
            return [self._wording.say("utter_back_to_bot", language)]
        if turn.payload == STOP_MESSAGES:
            turn.effects.append(ContactOptOut())
            return [self._wording.say("utter_stop_messages", language)]
        if turn.payload == ENDED and turn.conversation.owner is Owner.QUEUE:
            turn.effects += [HandoffWithdrawn(), OwnerChange(Owner.BOT)]
            return [self._wording.say("utter_ended", language)]
        if turn.conversation.owner is Owner.AGENT:
            turn.effects.append(AgentAwaited())
            return []
        if handoff is None:
            return []
        contact = contact_in(turn.message.text)
        effects: list[Effect] = [ContactLeft(contact)] if contact and contact != handoff.contact else []
        replies = []
        if effects:
            replies.append(self._with_way_back("utter_contact_saved", language))
        elif handoff.acknowledged_at is None:
            replies.append(self._with_way_back("utter_waiting_acknowledged", language))
        if handoff.acknowledged_at is None:
            effects.append(HandoffAcknowledged())
        turn.effects += effects
        return replies

    def queue(self) -> Sequence[QueueEntry]:
        """Everyone who waits, longest first."""
        return self._records.queue()

    def _with_way_back(self, response: str, language: str) -> Reply:
        said = self._wording.say(response, language)
        title = self._wording.say("label_back_to_bot", language).text
        return Reply(said.text, [Button("", title, BACK_TO_BOT)], said.response)
