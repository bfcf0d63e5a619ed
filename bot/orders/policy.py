"""What the shop's policies say about one order on one day. Pure."""

from __future__ import annotations

from datetime import date, timedelta
from enum import Enum

from bot.orders.model import UNDER_WAY, Order, OrderStatus, Policies, Refund, Tier

_CALLED_OFF = (OrderStatus.CANCELLED, OrderStatus.RETURNED, OrderStatus.REFUND_PENDING, OrderStatus.REFUNDED)


class Verdict(str, Enum):
    POSSIBLE = "possible"
    TOO_LATE = "too_late"
    ALREADY = "already"  # it is done already: cancelled, or sent back
    NOT_YET = "not_yet"  # nothing was delivered that could go back


def days_late(order: Order, today: date) -> int:
    """Days between the promised day and today (or the day of delivery); 0 when in time, not promised, or called off."""
    if order.promised_on is None:
        return 0
    if order.status is OrderStatus.DELIVERED:
        reached = order.delivered_on or order.promised_on
    elif order.status in UNDER_WAY and order.status is not OrderStatus.PENDING_PAYMENT:
        reached = today
    else:
        return 0
    return max(0, (reached - order.promised_on).days)


def refund_days_late(refund: Refund, today: date) -> int:
    """Days since a refund was due; 0 when it is paid, not due yet, or no day was given."""
    if refund.paid_on is not None or refund.due_on is None:
        return 0
    return max(0, (today - refund.due_on).days)


def _until(order: Order, last: OrderStatus) -> Verdict:
    if order.status is OrderStatus.CANCELLED:
        return Verdict.ALREADY
    steps = (*UNDER_WAY, OrderStatus.DELIVERED)
    if order.status in UNDER_WAY and last in steps and steps.index(order.status) <= steps.index(last):
        return Verdict.POSSIBLE
    return Verdict.TOO_LATE


def cancellation(order: Order, policies: Policies) -> Verdict:
    return _until(order, policies.cancel_until)


def change(order: Order, policies: Policies) -> Verdict:
    """Of items, address or delivery time: all while the parcel has not left."""
    return _until(order, policies.change_address_until)


def last_return_day(order: Order, policies: Policies) -> date | None:
    """The last day for sending something back; None while nothing was delivered."""
    return order.delivered_on + timedelta(days=policies.return_days) if order.delivered_on else None


def last_exchange_day(order: Order, policies: Policies) -> date | None:
    return order.delivered_on + timedelta(days=policies.exchange_days) if order.delivered_on else None


def returning(order: Order, policies: Policies, today: date) -> Verdict:
    if order.status in _CALLED_OFF:
        return Verdict.ALREADY
    last = last_return_day(order, policies)
    if order.status is not OrderStatus.DELIVERED or last is None:
        return Verdict.NOT_YET
    return Verdict.POSSIBLE if today <= last else Verdict.TOO_LATE


def tier_of(points: int, policies: Policies) -> Tier | None:
    """The highest tier that so many points reach; None below all."""
    reached = [tier for tier in policies.tiers if tier.from_points <= points]
    return max(reached, key=lambda tier: tier.from_points, default=None)


def tier_share(points: int, policies: Policies) -> float:
    """How high that tier is among the shop's: 0 the lowest (or none), 1 the best."""
    tier = tier_of(points, policies)
    ranks = sorted({each.from_points for each in policies.tiers})
    return ranks.index(tier.from_points) / (len(ranks) - 1) if tier and len(ranks) > 1 else 0.0
