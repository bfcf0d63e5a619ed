"""What the policies say about one order on one day: late or not, and what can still be done with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.orders import policy
from bot.orders.model import Order, OrderStatus, Policies, Refund
from bot.orders.policy import Verdict
from tests.unit.orders import POLICIES, TODAY, any_order, day, order

S = OrderStatus


@pytest.mark.parametrize(
    ("status", "promised", "delivered", "late"),
    [
        (S.PROCESSING, 1, None, 0),
        (S.PROCESSING, 0, None, 0),  # promised for today is not late today
        (S.PROCESSING, -1, None, 1),
        (S.PACKED, -4, None, 4),
        (S.SHIPPED, -4, None, 4),
        (S.SHIPPED, None, None, 0),
        (S.OUT_FOR_DELIVERY, -1, None, 1),
        (S.DELIVERY_FAILED, -1, None, 1),
        (S.PENDING_PAYMENT, -9, None, 0),  # waits for the customer, not the other way round
        (S.DELIVERED, -4, -3, 1),
        (S.DELIVERED, -4, -4, 0),
        (S.DELIVERED, -4, -6, 0),
        (S.DELIVERED, -4, None, 0),  # nobody says when: not called late
        (S.CANCELLED, -4, None, 0),
        (S.RETURNED, -20, -15, 0),
        (S.REFUND_PENDING, -20, -15, 0),
        (S.REFUNDED, -20, -15, 0),
    ],
)
def test_an_order_is_late_by_days_after_the_promised_one(
    status: OrderStatus, promised: int | None, delivered: int | None, late: int
) -> None:
    given_order = order(
        status,
        promised_on=None if promised is None else day(promised),
        delivered_on=None if delivered is None else day(delivered),
    )
    assert policy.days_late(given_order, TODAY) == late


@pytest.mark.parametrize(
    ("due", "paid", "late"), [(None, None, 0), (0, None, 0), (3, None, 0), (-1, None, 1), (-9, None, 9), (-9, -2, 0)]
)
def test_a_refund_is_late_from_the_day_after_it_was_due_until_it_is_paid(
    due: int | None, paid: int | None, late: int
) -> None:
    refund = Refund(
        Decimal(10), "card", day(-10), None if due is None else day(due), None if paid is None else day(paid)
    )
    assert policy.refund_days_late(refund, TODAY) == late


CANCEL = {
    S.PENDING_PAYMENT: Verdict.POSSIBLE,
    S.PROCESSING: Verdict.POSSIBLE,
    S.PACKED: Verdict.POSSIBLE,
    S.CANCELLED: Verdict.ALREADY,
}
CHANGE = {S.PENDING_PAYMENT: Verdict.POSSIBLE, S.PROCESSING: Verdict.POSSIBLE, S.CANCELLED: Verdict.ALREADY}


@pytest.mark.parametrize("status", OrderStatus)
def test_cancelling_and_changing_are_possible_until_the_statuses_the_shop_sets(status: OrderStatus) -> None:
    assert policy.cancellation(order(status), POLICIES) is CANCEL.get(status, Verdict.TOO_LATE)
    assert policy.change(order(status), POLICIES) is CHANGE.get(status, Verdict.TOO_LATE)


@pytest.mark.parametrize(
    ("status", "delivered", "verdict"),
    [
        (S.DELIVERED, 0, Verdict.POSSIBLE),
        (S.DELIVERED, -15, Verdict.POSSIBLE),  # the last day counts
        (S.DELIVERED, -16, Verdict.TOO_LATE),
        (S.DELIVERED, None, Verdict.NOT_YET),
        (S.SHIPPED, None, Verdict.NOT_YET),
        (S.PENDING_PAYMENT, None, Verdict.NOT_YET),
        (S.CANCELLED, None, Verdict.ALREADY),  # will never be delivered: "not yet" would promise that it is
        (S.RETURNED, -20, Verdict.ALREADY),
        (S.REFUND_PENDING, -20, Verdict.ALREADY),
        (S.REFUNDED, -20, Verdict.ALREADY),
    ],
)
def test_returning_is_possible_within_the_shops_days_after_delivery(
    status: OrderStatus, delivered: int | None, verdict: Verdict
) -> None:
    given_order = order(status, delivered_on=None if delivered is None else day(delivered))
    assert policy.returning(given_order, POLICIES, TODAY) is verdict


def test_the_last_days_are_counted_from_the_delivery() -> None:
    given_order = order(S.DELIVERED, delivered_on=date(2026, 2, 20))
    assert policy.last_return_day(given_order, POLICIES) == date(2026, 3, 7)
    assert policy.last_exchange_day(given_order, POLICIES) == date(2026, 3, 12)
    assert policy.last_return_day(order(S.SHIPPED), POLICIES) is None
    assert policy.last_exchange_day(order(S.SHIPPED), POLICIES) is None


@given(any_order(), st.dates(date(2024, 1, 1), date(2028, 12, 31)), st.sampled_from(OrderStatus))
def test_every_order_of_every_shop_has_a_verdict(given_order: Order, today: date, until: OrderStatus) -> None:
    """Nothing raises, also where a shop sets a limit that is no step on the way to the customer."""
    policies: Policies = replace(POLICIES, cancel_until=until, change_address_until=until)
    assert policy.days_late(given_order, today) >= 0
    for verdict in (
        policy.cancellation(given_order, policies),
        policy.change(given_order, policies),
        policy.returning(given_order, policies, today),
    ):
        assert verdict in Verdict
    if given_order.promised_on is None or given_order.promised_on >= max(today, given_order.delivered_on or today):
        assert policy.days_late(given_order, today) == 0
