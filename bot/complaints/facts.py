"""What the shop's records say about a complaint. Pure: the customer is believed, and told kindly where records differ."""

from __future__ import annotations

from datetime import date
from enum import Enum

from bot.complaints.model import Kind
from bot.orders.model import UNDER_WAY, Order, OrderStatus
from bot.orders.policy import days_late, refund_days_late

ABOUT_ITEMS = frozenset({Kind.DAMAGED, Kind.WRONG_ITEM, Kind.MISSING_ITEM, Kind.QUALITY})
"""Complaints about what was in the parcel."""

_CALLED_OFF = (OrderStatus.CANCELLED, OrderStatus.RETURNED, OrderStatus.REFUND_PENDING, OrderStatus.REFUNDED)


class Finding(str, Enum):
    """`CONFIRMED`: the records say the same. `BELIEVED`: no record could tell. The rest: what they say instead."""

    CONFIRMED = "confirmed"
    BELIEVED = "believed"
    NOT_DUE = "not_due"
    IN_TIME = "in_time"
    UNPAID = "unpaid"
    NOT_DELIVERED = "not_delivered"
    CALLED_OFF = "called_off"
    REFUND_PAID = "refund_paid"
    REFUND_NOT_DUE = "refund_not_due"
    REFUND_NONE = "refund_none"

    @property
    def agrees(self) -> bool:
        return self in (Finding.CONFIRMED, Finding.BELIEVED)


def check(kind: Kind, order: Order, today: date) -> tuple[Kind, Finding]:
    """What it is, seen from the records, and how they stand to it: a parcel that "never came" and is still under way is
    a late one."""
    if kind is Kind.NOT_RECEIVED and order.status in UNDER_WAY:
        kind = Kind.LATE
    if kind is Kind.LATE:
        return kind, _late(order, today)
    if kind is Kind.REFUND_DELAY:
        return kind, _refund(order, today)
    if kind is Kind.NOT_RECEIVED:
        return kind, Finding.CONFIRMED if order.status is OrderStatus.DELIVERED else Finding.CALLED_OFF
    if kind in ABOUT_ITEMS and order.status is not OrderStatus.DELIVERED:
        return kind, Finding.NOT_DELIVERED if order.status in UNDER_WAY else Finding.CALLED_OFF
    return kind, Finding.BELIEVED


def _late(order: Order, today: date) -> Finding:
    if order.status is OrderStatus.PENDING_PAYMENT:
        return Finding.UNPAID
    if order.status is not OrderStatus.DELIVERED and order.status not in UNDER_WAY:
        return Finding.CALLED_OFF
    if days_late(order, today):
        return Finding.CONFIRMED
    if order.status is OrderStatus.DELIVERED:
        return Finding.IN_TIME
    return Finding.NOT_DUE if order.promised_on else Finding.BELIEVED


def _refund(order: Order, today: date) -> Finding:
    if order.refund is None:
        return Finding.REFUND_NONE
    if order.refund.paid_on is not None:
        return Finding.REFUND_PAID
    if order.refund.due_on is None or refund_days_late(order.refund, today):
        return Finding.CONFIRMED
    return Finding.REFUND_NOT_DUE


def paid(order: Order) -> bool:
    """Whether the shop has the customer's money: cash is paid at the door, and what was called off goes back anyway."""
    if order.status in _CALLED_OFF:
        return False
    if order.payment == "cash_on_delivery":
        return order.delivered_on is not None
    return order.status is not OrderStatus.PENDING_PAYMENT
