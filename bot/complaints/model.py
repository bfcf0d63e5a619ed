"""A case: one thing that went wrong for one customer. Plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, NewType

from bot.conversations.model import ConversationId, Effect, FileId
from bot.orders.model import CustomerId, OrderNumber, Sku

CaseId = NewType("CaseId", str)
CaseNumber = NewType("CaseNumber", str)  # "C204817": what a customer is told, and may write later


class Kind(str, Enum):
    """What went wrong. The intents `complaint_…` carry the same names."""

    LATE = "late"
    NOT_RECEIVED = "not_received"
    DAMAGED = "damaged"
    WRONG_ITEM = "wrong_item"
    MISSING_ITEM = "missing_item"
    QUALITY = "quality"
    SERVICE = "service"
    BILLING = "billing"
    REFUND_DELAY = "refund_delay"
    OTHER = "other"


class CaseState(str, Enum):
    """`OPEN`: the customer is asked or offered something. `WITH_PERSON`: people decide. `RESOLVED`: something was
    accepted and done. `CLOSED`: over without a remedy (declined, withdrawn). A case that is neither resolved nor closed
    is under way; a resolved one may be reopened."""

    OPEN = "open"
    WITH_PERSON = "with_person"
    RESOLVED = "resolved"
    CLOSED = "closed"


UNDER_WAY = (CaseState.OPEN, CaseState.WITH_PERSON)


class Severity(int, Enum):
    MINOR = 1
    MODERATE = 2
    SERIOUS = 3


@dataclass(frozen=True)
class Case:
    """`about` is the same for complaints about the same thing: of those only one is under way at a time. `offered` and
    `accepted` are offers as `compensation.model.Offer.document()` gives them; `step` counts the rounds of offers. `pieces`:
    of the item, where it was ordered more than once; None: all of them."""

    id: CaseId
    number: CaseNumber
    conversation: ConversationId
    customer: CustomerId | None
    order_number: OrderNumber | None
    kind: Kind
    state: CaseState
    severity: Severity
    about: str
    item: Sku | None
    details: str
    emotion: str
    step: int
    offered: Sequence[Mapping[str, Any]]
    accepted: Mapping[str, Any] | None
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
    pieces: int | None = None


@dataclass(frozen=True)
class CaseOpened(Effect):
    """A case begins. Written once for its `about`: where one is under way by then, the turn is void and thought anew."""

    case: Case


@dataclass(frozen=True)
class CaseChanged(Effect):
    """`what` happened to a case (`offered`, `accepted`, `declined`, `handed_over`, `resolved`, `closed`, `reopened`,
    `repeated`, `detailed`), with the columns that change and what is worth keeping for people. Void where the case is
    no longer in one of the states `before`."""

    case: CaseId
    what: str
    values: Mapping[str, Any] = field(default_factory=dict)
    note: Mapping[str, Any] = field(default_factory=dict)
    before: Sequence[CaseState] = UNDER_WAY


@dataclass(frozen=True)
class EvidenceAdded(Effect):
    """A picture that the customer sent belongs to a case."""

    case: CaseId
    file: FileId
