"""How each kind of promise is found kept or not. Asked when it is due, with the shop's and the case's present state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from bot.complaints.model import CaseId, CaseState
from bot.conversations.ports import Clock
from bot.errors import ShopError
from bot.orders.model import Order, OrderNumber, OrderStatus
from bot.orders.ports import OrderBackend
from bot.promises.model import Promise, PromiseKind
from bot.promises.service import Check

_NEVER_ARRIVES = (
    OrderStatus.CANCELLED,
    OrderStatus.RETURNED,
    OrderStatus.REFUND_PENDING,
    OrderStatus.REFUNDED,
)


def promise_checks(
    shop: OrderBackend, case_state: Callable[[CaseId], CaseState | None], clock: Clock
) -> Mapping[PromiseKind, Check]:
    """A check for every kind. What asks the shop says None while it does not answer."""

    def days_past(promise: Promise) -> int:
        zone = shop.store().timezone
        told = promise.what.get("due_on")
        due = date.fromisoformat(told) if told else promise.due_at.astimezone(zone).date()
        return (clock().astimezone(zone).date() - due).days

    def order_of(promise: Promise, name: str) -> Order | None:
        number = promise.what.get(name)
        return shop.order(OrderNumber(number)) if number else None

    def parcel_arrives(promise: Promise) -> bool | None:
        order = order_of(promise, "replacement")
        if order is not None and (order.status is OrderStatus.DELIVERED or order.delivered_on is not None):
            return True
        if order is not None and order.status in _NEVER_ARRIVES:
            return False
        return False if days_past(promise) > 0 else None

    def refund_arrives(promise: Promise) -> bool | None:
        order = order_of(promise, "order_number")
        paid_on = order.refund.paid_on if order is not None and order.refund is not None else None
        # One that was paid before this was promised is another one: the shop does not tell an order's refunds apart.
        if paid_on is not None and paid_on >= promise.made_at.astimezone(shop.store().timezone).date():
            return True
        return False if days_past(promise) > 0 else None

    def remedy_done(promise: Promise) -> bool | None:
        return False if clock() >= promise.due_at else None  # whoever does it settles the promise, too

    def person_decides(promise: Promise) -> bool | None:
        state = case_state(promise.case) if promise.case else None
        if state is None:
            return None
        if state is not CaseState.WITH_PERSON:
            return True
        return False if clock() >= promise.due_at else None

    return {
        PromiseKind.PARCEL_ARRIVES: _asking(parcel_arrives),
        PromiseKind.REFUND_ARRIVES: _asking(refund_arrives),
        PromiseKind.REMEDY_DONE: remedy_done,
        PromiseKind.PERSON_DECIDES: person_decides,
    }


def _asking(check: Check) -> Check:
    def asked(promise: Promise) -> bool | None:
        try:
            return check(promise)
        except ShopError:
            return None

    return asked
