"""A person, please: the way to the queue, what is said while waiting, and the way back to the bot.

While a conversation is in the queue, or with an agent, the assistant sees nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import phonenumbers

from bot.conversations.inbox import ENDED
from bot.conversations.model import Button, ContactOptOut, ConversationId, Effect, Owner, OwnerChange, Reply, Turn
from bot.conversations.ports import Wording
from bot.errors import ShopError
from bot.formatting import Formatter
from bot.handoff.expectation import LATEST_WAITS, RECENT, Expectation, Kind, expect
from bot.handoff.hours import current_hours, open_at, support_time
from bot.handoff.model import (
    AgentAwaited,
    ContactLeft,
    Handoff,
    HandoffAcknowledged,
    HandoffAsked,
    HandoffId,
    HandoffWithdrawn,
    Presence,
    QueueEntry,
    Reason,
)
from bot.handoff.ports import Agents, Nobody
from bot.orders.model import Store
from bot.orders.ports import OrderBackend

BACK_TO_BOT = "/back_to_bot"
STOP_MESSAGES = "/stop_messages"
AGREED_LASTS = timedelta(days=30)

_EMAIL = re.compile(r"(?<![\w.+\-])[\w.+\-]+@[\w\-]+\.[\w.\-]*\w")


class HandoffRecords(Protocol):
    def open_handoff(self, conversation: ConversationId) -> Handoff | None:
        """The wait under way, or None."""

    def waiting_ahead(self, handoff: Handoff | None) -> int:
        """How many conversations have waited longer and are not taken; all of them for None."""

    def queue(self) -> Sequence[QueueEntry]:
        """Everyone who waits and is not taken, most pressing first."""

    def last_handoff(self, conversation: ConversationId) -> Handoff | None:
        """The one that ended last."""

    def recent_waits(self, since: datetime, limit: int) -> Sequence[tuple[datetime, datetime]]:
        """From when to when the latest waits since then lasted, newest first."""


@dataclass(frozen=True)
class Announcement:
    """What a customer is told of the wait: a response and its values, and what is kept of it (`Handoff.told`)."""

    response: str
    values: Mapping[str, str]
    told: Mapping[str, Any]


@dataclass(frozen=True)
class Agreement:
    """What people agreed with the customer, told in the customer's language, by whom and when."""

    handoff: HandoffId
    agent: str
    agreed: str
    note: str
    at: datetime


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
        self,
        records: HandoffRecords,
        shop: OrderBackend,
        wording: Wording,
        alerts: Sequence[str] = (),
        agents: Agents | None = None,
    ) -> None:
        self._records, self._shop, self._wording, self._alerts = records, shop, wording, tuple(alerts)
        self._agents: Agents = agents or Nobody()

    def ask(self, turn: Turn, reason: Reason, told: Mapping[str, Any] | None = None) -> None:
        """Move the conversation to the queue in this turn's commit. `told`: of the announcement that this turn says; who
        is told nothing now is told soon."""
        if not any(isinstance(e, HandoffAsked) for e in turn.effects):
            turn.effects += [HandoffAsked(reason, self._alerts, told), OwnerChange(Owner.QUEUE)]

    def agreed(self, turn: Turn) -> Agreement | None:
        """What people agreed with this customer in the last 30 days, if they left it: the latest alone."""
        last = self._records.last_handoff(turn.conversation.id)
        if last is None or not last.agreed or last.ended_at is None or turn.now - last.ended_at > AGREED_LASTS:
            return None
        return Agreement(last.id, last.agent_name or "", last.agreed, last.note, last.ended_at)

    def assistant_failed(self, turn: Turn) -> None:
        """Put the conversation into the queue because the assistant failed on this message."""
        self.ask(turn, Reason.ERROR)

    def announcement(self, now: datetime, language: str, handoff: Handoff | None = None) -> Announcement:
        """What is told of the real state to who waits (None: joins the queue now).

        A shop that cannot be asked for its hours keeps nobody from a person: then nothing is said of hours.
        """
        store = self._store()
        expected = self.expectation(now, handoff, store)
        figures = Formatter(language)
        values: dict[str, str] = {}
        if store is not None:
            values["support_hours"] = figures.hours(current_hours(now, store))
        response = {
            Kind.UNKNOWN: "utter_handoff_hours_unknown",
            Kind.CLOSED: "utter_handoff_closed",
            Kind.NOBODY: "utter_handoff_nobody",
            Kind.OPEN: "utter_handoff_open",
        }[expected.kind]
        if expected.kind is Kind.OPEN:
            if expected.low is not None and expected.high is not None:
                response = "utter_handoff_wait"
                values["wait"] = figures.minute_range(expected.low, expected.high)
            elif expected.ahead == 0:
                response = "utter_handoff_open_first"
            else:
                values["ahead"] = figures.counted(expected.ahead, "conversation", nominative=True)
        return Announcement(response, values, expected.document())

    def news(self, handoff: Handoff, language: str, now: datetime, expected: Expectation) -> Announcement:
        """What is told to who waits already, because it has changed. `expected`: of `expectation`."""
        before = handoff.told or {}
        if not before:
            return self.announcement(now, language, handoff)
        figures, response = Formatter(language), "utter_handoff_longer"
        values: dict[str, str] = {}
        if expected.kind is Kind.CLOSED:
            response = "utter_handoff_closed_meanwhile"
            if (store := self._store()) is not None:
                values["support_hours"] = figures.hours(current_hours(now, store))
        elif expected.kind is Kind.NOBODY:
            response = "utter_handoff_nobody"
        elif before.get("kind") != expected.kind.value:
            response = "utter_handoff_team_back"
        elif expected.low is not None and expected.high is not None:
            response = "utter_handoff_longer_wait"
            values["wait"] = figures.minute_range(expected.low, expected.high)
        return Announcement(response, values, expected.document(int(before.get("times") or 1) + 1))

    def expectation(self, now: datetime, handoff: Handoff | None, store: Store | None) -> Expectation:
        """What who waits (None: who would join the queue now) can expect; `store` None: not known."""
        ahead = self._records.waiting_ahead(handoff)
        if store is None:
            return expect(None, 0, 0, ahead, ())
        waits = self._records.recent_waits(now - RECENT, LATEST_WAITS)
        lasted = [support_time(asked, taken, store) for asked, taken in waits]
        agents = self._agents.agents()
        present = sum(agent.presence is Presence.ONLINE for agent in agents)
        return expect(open_at(now, store), len(agents), present, ahead, lasted)

    def _store(self) -> Store | None:
        try:
            return self._shop.store()
        except ShopError:
            return None

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
        """Everyone who waits, most pressing first."""
        return self._records.queue()

    def _with_way_back(self, response: str, language: str) -> Reply:
        said = self._wording.say(response, language)
        title = self._wording.say("label_back_to_bot", language).text
        return Reply(said.text, [Button("", title, BACK_TO_BOT)], said.response)
