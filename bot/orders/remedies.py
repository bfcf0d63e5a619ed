"""What Thiqa asks the shop to do. Every request carries an idempotency `key`: asked again with the same key, the shop
does nothing more and gives the same answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum

from bot.orders.model import CustomerId, Money, OrderNumber, Sku


@dataclass(frozen=True)
class RefundRequest:
    """Give back part or all of what was paid for an order, the way it was paid. `reason`: a kind of complaint, or
    "shipping"."""

    key: str
    order: OrderNumber
    amount: Money
    reason: str


@dataclass(frozen=True)
class RefundMade:
    """`due_on`: the day by which the money is there."""

    reference: str
    amount: Money
    method: str
    due_on: date


class ReplacementKind(str, Enum):
    RESEND = "resend"
    EXCHANGE = "exchange"
    MISSING_PART = "missing_part"


@dataclass(frozen=True)
class ReplacementRequest:
    """Send an item of an order (all of it where `item` is None) again, at no cost."""

    key: str
    order: OrderNumber
    kind: ReplacementKind
    item: Sku | None
    quantity: int


@dataclass(frozen=True)
class ReplacementMade:
    """`order`: the number of the order that brings it; it is an order like any other."""

    order: OrderNumber
    promised_on: date


@dataclass(frozen=True)
class VoucherRequest:
    """A voucher of a fixed amount for one customer, good for one order until the end of `valid_until`."""

    key: str
    customer: CustomerId
    amount: Money
    valid_until: date


class VoucherState(str, Enum):
    ACTIVE = "active"
    USED = "used"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Voucher:
    """`code` cannot be guessed. `minimum`: the least order it is good for; `used_on`: the order it was used for."""

    code: str
    customer: CustomerId | None
    amount: Money
    state: VoucherState
    valid_until: date
    minimum: Decimal = Decimal(0)
    used_on: OrderNumber | None = None


@dataclass(frozen=True)
class PointsRequest:
    """Add loyalty points. `points` is positive."""

    key: str
    customer: CustomerId
    points: int
    reason: str
