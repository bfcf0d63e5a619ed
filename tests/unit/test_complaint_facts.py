"""What the records say about a complaint: the customer is believed, and told where they say something else."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.complaints.answers import CaseAnswers
from bot.complaints.facts import Finding, check, paid
from bot.complaints.model import Kind
from bot.complaints.service import about, case_number_in
from bot.formatting import Formatter
from bot.orders.model import Item, Order, OrderStatus, Refund, Sku
from tests.unit.orders import STORE, TODAY, any_order, order


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


REFUND = Refund(Decimal("315"), "card", ago(7), ago(1))

TABLE = [
    # said, status, promised, delivered, refund -> kind, finding
    (Kind.LATE, OrderStatus.SHIPPED, ago(4), None, None, Kind.LATE, Finding.CONFIRMED),
    (Kind.LATE, OrderStatus.SHIPPED, ago(0), None, None, Kind.LATE, Finding.NOT_DUE),
    (Kind.LATE, OrderStatus.SHIPPED, ago(-3), None, None, Kind.LATE, Finding.NOT_DUE),
    (Kind.LATE, OrderStatus.SHIPPED, None, None, None, Kind.LATE, Finding.BELIEVED),
    (Kind.LATE, OrderStatus.DELIVERED, ago(3), ago(1), None, Kind.LATE, Finding.CONFIRMED),
    (Kind.LATE, OrderStatus.DELIVERED, ago(3), ago(3), None, Kind.LATE, Finding.IN_TIME),
    (Kind.LATE, OrderStatus.PENDING_PAYMENT, ago(3), None, None, Kind.LATE, Finding.UNPAID),
    (Kind.LATE, OrderStatus.CANCELLED, ago(3), None, None, Kind.LATE, Finding.CALLED_OFF),
    (Kind.NOT_RECEIVED, OrderStatus.DELIVERED, ago(3), ago(2), None, Kind.NOT_RECEIVED, Finding.CONFIRMED),
    (Kind.NOT_RECEIVED, OrderStatus.SHIPPED, ago(3), None, None, Kind.LATE, Finding.CONFIRMED),
    (Kind.NOT_RECEIVED, OrderStatus.SHIPPED, ago(-3), None, None, Kind.LATE, Finding.NOT_DUE),
    (Kind.NOT_RECEIVED, OrderStatus.REFUNDED, ago(9), ago(8), None, Kind.NOT_RECEIVED, Finding.CALLED_OFF),
    (Kind.DAMAGED, OrderStatus.DELIVERED, ago(3), ago(3), None, Kind.DAMAGED, Finding.BELIEVED),
    (Kind.DAMAGED, OrderStatus.SHIPPED, ago(3), None, None, Kind.DAMAGED, Finding.NOT_DELIVERED),
    (Kind.MISSING_ITEM, OrderStatus.RETURNED, ago(9), ago(8), None, Kind.MISSING_ITEM, Finding.CALLED_OFF),
    (Kind.DAMAGED, OrderStatus.CANCELLED, ago(9), None, None, Kind.DAMAGED, Finding.CALLED_OFF),
    (Kind.REFUND_DELAY, OrderStatus.REFUND_PENDING, ago(20), ago(19), REFUND, Kind.REFUND_DELAY, Finding.CONFIRMED),
    (Kind.REFUND_DELAY, OrderStatus.DELIVERED, ago(20), ago(19), None, Kind.REFUND_DELAY, Finding.REFUND_NONE),
    (Kind.BILLING, OrderStatus.PROCESSING, ago(-2), None, None, Kind.BILLING, Finding.BELIEVED),
]


@pytest.mark.parametrize(("said", "status", "promised", "delivered", "refund", "kind", "finding"), TABLE)
def test_a_complaint_is_held_against_the_records(
    said: Kind,
    status: OrderStatus,
    promised: date | None,
    delivered: date | None,
    refund: Refund | None,
    kind: Kind,
    finding: Finding,
) -> None:
    told = order(status, promised_on=promised, delivered_on=delivered, refund=refund)
    assert check(said, told, TODAY) == (kind, finding)


@given(st.sampled_from(Kind), any_order())
def test_something_true_can_be_said_of_every_complaint(kind: Kind, told: Order) -> None:
    """Whatever a shop tells or leaves out, no complaint fails for a missing value."""
    seen, finding = check(kind, told, TODAY)
    for language in ("ar", "en"):
        answers = CaseAnswers(STORE, TODAY, Formatter(language))
        if finding.agrees:
            answers.facts(seen, told, None)
        else:
            assert answers.differs(finding, told).values["order_number"] == told.number


def test_a_lost_and_a_late_parcel_are_one_matter_and_two_items_are_two() -> None:
    late = about(Kind.LATE, "c1", "1004", None, "here")  # type: ignore[arg-type]
    assert about(Kind.NOT_RECEIVED, "c1", "1004", None, "there") == late  # type: ignore[arg-type]
    cup, oud = (about(Kind.DAMAGED, "c1", "1002", sku, "here") for sku in ("CF-SET", "PF-OUD"))  # type: ignore[arg-type]
    assert cup != oud
    assert about(Kind.SERVICE, None, None, None, "here") != about(Kind.SERVICE, None, None, None, "there")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("C204817", "C204817"), ("وش صار على c-204817؟", "C204817"), ("شكوى رقم ٢٠٤٨١٧", "C204817")),
        *(
            ("case 204817 please", "C204817"),
            ("طلبي 204817", None),
            ("1004", None),
            ("C2048171", None),
            ("ABC204817", None),
        ),
    ],
)
def test_a_case_number_is_found_in_any_writing(text: str, number: str | None) -> None:
    assert case_number_in(text) == number


def test_cash_is_paid_at_the_door() -> None:
    cash = "cash_on_delivery"
    assert not paid(order(OrderStatus.SHIPPED, payment=cash))
    assert paid(order(OrderStatus.DELIVERED, payment=cash))
    assert not paid(order(OrderStatus.PENDING_PAYMENT, payment="bank_transfer"))
    assert paid(order(OrderStatus.PROCESSING))


ITEM = Item(Sku("CF-SET"), {"ar": "طقم فناجين", "en": "Cups"}, 2, Decimal("95"))


def test_the_item_spoken_of_is_named_and_not_the_whole_order() -> None:
    told = order(
        OrderStatus.DELIVERED, items=[ITEM, Item(Sku("PF-OUD"), {"ar": "عود", "en": "Oud"}, 1, Decimal("420"))]
    )
    line = CaseAnswers(STORE, TODAY, Formatter("en")).facts(Kind.DAMAGED, told, ITEM)
    assert line and line.values == {"order_number": told.number, "item": "Cups"}
