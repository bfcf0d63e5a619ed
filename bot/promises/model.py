"""A commitment about the future. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, NewType

from bot.complaints.model import CaseId
from bot.conversations.model import ConversationId, Effect
from bot.orders.model import CustomerId

PromiseId = NewType("PromiseId", str)


class PromiseKind(str, Enum):
    """What is promised. A response of domain.yml that commits to one carries `metadata: {promise: <kind>}`."""

    REFUND_ARRIVES = "refund_arrives"  # money is back by the day told
    PARCEL_ARRIVES = "parcel_arrives"  # a replacement arrives by the day told
    REMEDY_DONE = "remedy_done"  # accepted, but the shop did not answer: it is done by the hour told
    PERSON_DECIDES = "person_decides"  # a person answers a case by the hour told


class PromiseOwner(str, Enum):
    BOT = "bot"
    SHOP = "shop"
    AGENT = "agent"


class PromiseState(str, Enum):
    OPEN = "open"
    KEPT = "kept"
    BROKEN = "broken"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Promise:
    """`what`: values for the sentences about it and for the check whether it was kept (`order_number`, `amount`, …)."""

    id: PromiseId
    key: str
    conversation: ConversationId
    case: CaseId | None
    customer: CustomerId | None
    kind: PromiseKind
    what: Mapping[str, Any]
    owner: PromiseOwner
    state: PromiseState
    made_at: datetime
    due_at: datetime
    reminded_at: datetime | None = None
    settled_at: datetime | None = None


@dataclass(frozen=True)
class PromiseMade(Effect):
    """Written in the commit that says it. `key`: a promise that exists already is not made again."""

    key: str
    kind: PromiseKind
    owner: PromiseOwner
    due_at: datetime
    what: Mapping[str, Any] = field(default_factory=dict)
    case: CaseId | None = None
    customer: CustomerId | None = None


@dataclass(frozen=True)
class PromisesSettled(Effect):
    """The open promises of a case (of one kind, or all) are kept or withdrawn."""

    case: CaseId
    state: PromiseState
    kind: PromiseKind | None = None
