"""A customer waits for a person, gets one, and goes back to the bot. Plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, NewType

from bot.conversations.model import ConversationId, Effect, MessageId

HandoffId = NewType("HandoffId", int)
AgentId = NewType("AgentId", str)  # a uuid as text
TeamId = NewType("TeamId", str)


class Reason(str, Enum):
    """Why the bot stepped back."""

    ASKED = "asked"  # the customer wants a person
    NOT_UNDERSTOOD = "not_understood"  # two failures to understand in a row
    ERROR = "error"  # the assistant failed on a message
    COMPLAINT = "complaint"  # a complaint needs a person's decision
    LOW_RATING = "low_rating"  # the customer says that it is not right
    PRIVACY = "privacy"  # the customer wants personal data shown, exported or erased
    ANGER = "anger"  # anger that lasts
    VIP = "vip"  # the merchant's rule for its best customers
    PROMISE = "promise"  # what people promised falls due soon and is not done
    STEPPED_IN = "stepped_in"  # an agent took over from the bot
    REOPENED = "reopened"  # an agent goes on with what was over


class State(str, Enum):
    """`QUEUED`: waits for anyone. `OFFERED`: waits for the one agent it is offered to. `TAKEN`: an agent answers. The
    rest are over: `RETURNED` to the bot, `CLOSED` by an agent, `WITHDRAWN` by the customer."""

    QUEUED = "queued"
    OFFERED = "offered"
    TAKEN = "taken"
    RETURNED = "returned"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


WAITING = (State.QUEUED, State.OFFERED)
OPEN = (*WAITING, State.TAKEN)


class Act(str, Enum):
    """What is done to a handoff: the words of the audit log."""

    ASKED = "asked"
    OFFERED = "offered"
    DECLINED = "declined"
    EXPIRED = "expired"  # an offer that nobody answered
    TAKEN = "taken"
    ASSIGNED = "assigned"
    TRANSFERRED = "transferred"
    LEFT = "left"  # the agent is gone: back to the queue
    RETURNED = "returned"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    REOPENED = "reopened"
    SNOOZED = "snoozed"
    WOKEN = "woken"
    NOTED = "noted"
    REPLY_LATE_SOON = "reply_late_soon"  # the first reply is nearly due
    REPLY_LATE = "reply_late"
    UNNOTICED = "unnoticed"  # waits, and nobody was told


class Role(str, Enum):
    AGENT = "agent"
    LEAD = "lead"
    ADMIN = "admin"


class Presence(str, Enum):
    ONLINE = "online"
    AWAY = "away"
    OFFLINE = "offline"


@dataclass(frozen=True)
class Agent:
    """Someone who answers customers. `languages` and `topics`: what they can take; empty means everything. `cap`: how
    many conversations at once. `seen_at`: when they were last there; None if never."""

    id: AgentId
    name: str
    role: Role = Role.AGENT
    teams: frozenset[TeamId] = frozenset()
    languages: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    cap: int = 5
    presence: Presence = Presence.OFFLINE
    seen_at: datetime | None = None

    @property
    def leads(self) -> bool:
        """Whether they may decide about what other agents hold."""
        return self.role is not Role.AGENT


@dataclass(frozen=True)
class Handoff:
    """From the moment a person is wanted until the conversation is the bot's again. `id` 0: not stored yet.

    `agent` holds it while it is taken, and held it last when it is over; `agent_name` is their name at that time.
    `contact`: how the customer can be reached outside support hours. `waits_since`: the first of the customer's messages
    that no agent has answered. `taken_at`: when it was first taken. `passed`: who let an offer pass. `preferred`: who is
    asked first. `rank_at` orders the queue, smallest first, and `why` explains it (see `priority`). `told`: what the
    customer was last told of the wait (see `expectation`). `noticed_at`: when someone was first told of it. `note` is
    for people and the bot, `agreed` may be told to the customer. `sla`: "met" or "broken", once it is known.
    """

    id: HandoffId
    conversation: ConversationId
    reason: Reason
    asked_at: datetime
    acknowledged_at: datetime | None = None
    contact: str | None = None
    taken_at: datetime | None = None
    state: State = State.QUEUED
    agent: AgentId | None = None
    agent_name: str | None = None
    team: TeamId | None = None
    topic: str | None = None
    offered_to: AgentId | None = None
    offer_until: datetime | None = None
    passed: Sequence[AgentId] = ()
    preferred: AgentId | None = None
    reopens: HandoffId | None = None
    waits_since: datetime | None = None
    reply_due_at: datetime | None = None
    first_reply_at: datetime | None = None
    warned_at: datetime | None = None
    sla: str | None = None
    snoozed_until: datetime | None = None
    rank_at: datetime | None = None
    ranked_at: datetime | None = None
    why: Sequence[Mapping[str, Any]] = ()
    told_at: datetime | None = None
    told: Mapping[str, Any] | None = None
    noticed_at: datetime | None = None
    missed_at: datetime | None = None
    ended_at: datetime | None = None
    note: str = ""
    agreed: str = ""


@dataclass(frozen=True)
class Event:
    """A line of the audit log. `by`: the agent who did it, or "system" or "customer". `agent`: whom it concerns."""

    id: int
    conversation: ConversationId
    handoff: HandoffId | None
    what: Act
    by: str
    agent: AgentId | None
    note: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True)
class Note:
    """What agents tell each other; customers never see it. `mentions`: agents who should look."""

    id: int
    conversation: ConversationId
    agent: AgentId
    name: str
    text: str
    mentions: Sequence[AgentId]
    at: datetime


@dataclass(frozen=True)
class Said:
    """An agent's words in the log. `new` is False where their key was seen before."""

    message: MessageId
    number: int
    at: datetime
    new: bool


@dataclass(frozen=True)
class HandoffAsked(Effect):
    """The conversation goes to the queue; the merchant is alerted over the `alerts` channels in the same commit.
    `told`: what the customer is told of the wait in this turn, if anything (see `expectation`)."""

    reason: Reason
    alerts: Sequence[str] = ()
    told: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class HandoffAcknowledged(Effect):
    """The one acknowledgement of a message written while waiting has been said."""


@dataclass(frozen=True)
class AgentAwaited(Effect):
    """The customer wrote to the agent who holds the conversation: it is awake, and they wait for an answer."""


@dataclass(frozen=True)
class ContactLeft(Effect):
    """How the customer wants to be reached."""

    contact: str


@dataclass(frozen=True)
class HandoffWithdrawn(Effect):
    """The customer went back to the bot before anyone came."""


@dataclass(frozen=True)
class QueueEntry:
    """A line of the queue, or of an agent's list, as a person on duty reads it. `last_text` is the customer's latest
    message, `waiting_messages` how many they wrote since they asked (of the last 50 messages)."""

    handoff: Handoff
    channel: str
    language: str
    last_text: str
    waiting_messages: int
    customer: str | None = None
    last_at: datetime | None = None


@dataclass(frozen=True)
class Page:
    """Some entries, and where the next page begins; None at the end."""

    entries: Sequence[QueueEntry] = field(default_factory=tuple)
    after: str | None = None
