"""A customer waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NewType

from bot.conversations.model import ConversationId, Effect

HandoffId = NewType("HandoffId", int)


class Reason(str, Enum):
    """Why the bot stepped back."""

    ASKED = "asked"  # the customer wants a person
    NOT_UNDERSTOOD = "not_understood"  # two failures to understand in a row
    ERROR = "error"  # the assistant failed on a message
    COMPLAINT = "complaint"  # a complaint needs a person's decision
    LOW_RATING = "low_rating"  # the customer says that it is not right
    PRIVACY = "privacy"  # the customer wants personal data shown, exported or erased


@dataclass(frozen=True)
class Handoff:
    """One wait. Open until `ended_at`; `contact` is how the customer can be reached outside support hours."""

    id: HandoffId
    conversation: ConversationId
    reason: Reason
    asked_at: datetime
    acknowledged_at: datetime | None = None
    contact: str | None = None
    taken_at: datetime | None = None


@dataclass(frozen=True)
class HandoffAsked(Effect):
    """The conversation goes to the queue; the merchant is alerted over the `alerts` channels in the same commit."""

    reason: Reason
    alerts: Sequence[str] = ()


@dataclass(frozen=True)
class HandoffAcknowledged(Effect):
    """The one acknowledgement of a message written while waiting has been said."""


@dataclass(frozen=True)
class ContactLeft(Effect):
    """How the customer wants to be reached."""

    contact: str


@dataclass(frozen=True)
class HandoffWithdrawn(Effect):
    """The customer went back to the bot before anyone came."""


@dataclass(frozen=True)
class QueueEntry:
    """A line of the queue as a person on duty reads it. `last_text` is the customer's latest message."""

    handoff: Handoff
    channel: str
    language: str
    last_text: str
    waiting_messages: int
