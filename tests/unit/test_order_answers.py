"""What is true to say about an order: every status and day in both languages; and finding the product that is meant."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.formatting import Formatter
from bot.orders import policy
from bot.orders.answers import Line, OrderAnswers
from bot.orders.catalogue import find_products
from bot.orders.model import Customer, CustomerId, Order, OrderStatus, Product, Refund, Tier
from bot.orders.ports import OrderBackend
from bot.orders.service import OFFERED_ORDERS, OrderService, order_number_in
from bot.shops.demo import resolve
from bot.shops.wire import parse_product
from tests.unit.orders import POLICIES, STORE, TODAY, any_order, day, order, shipment

PROJECT = Path(__file__).parents[2]
RESPONSES: dict[str, list[dict[str, Any]]] = yaml.load((PROJECT / "domain.yml").read_text("utf-8"), yaml.CSafeLoader)[
    "responses"
]
S = OrderStatus
GOALS = ["track", "refund", "cancel", "change", "return", "invoice", "points"]
LATE = {"utter_order_late", "utter_order_late_unshipped", "utter_order_shipped_late", "utter_order_delivered_late"}
REFUND = Refund(Decimal("149"), "card", day(-4), day(3))


def answers(language: str = "en", today: date = TODAY) -> OrderAnswers:
    return OrderAnswers(STORE, POLICIES, today, Formatter(language))


def keys(lines: list[Line]) -> list[str]:
    return [line.response.removeprefix("utter_") for line in lines]


@pytest.mark.parametrize("language", ["ar", "en"])
@pytest.mark.parametrize(
    ("given_order", "said"),
    [
        (order(S.PENDING_PAYMENT), ["order_pending_payment"]),
        (order(S.PENDING_PAYMENT, payment="bank_transfer"), ["order_pending_transfer"]),
        (order(S.PENDING_PAYMENT, promised_on=day(-2)), ["order_pending_payment"]),
        (order(S.PROCESSING), ["order_processing"]),
        (order(S.PROCESSING, promised_on=day(0)), ["order_processing"]),
        (order(S.PROCESSING, promised_on=day(-1)), ["order_late_unshipped"]),
        (order(S.PROCESSING, promised_on=day(-1), shipment=shipment(shipped_on=None)), ["order_late_unshipped"]),
        (order(S.PROCESSING, promised_on=None), ["order_status"]),
        (order(S.PACKED), ["order_packed"]),
        (order(S.PACKED, promised_on=day(-3)), ["order_late_unshipped"]),
        (order(S.SHIPPED), ["order_shipped"]),
        (order(S.SHIPPED, promised_on=day(-1)), ["order_shipped_late"]),
        (
            order(S.SHIPPED, promised_on=day(-1), shipment=shipment(last_scan_on=day(-2))),
            ["order_shipped_late", "last_scan"],
        ),
        (order(S.SHIPPED, promised_on=day(-1), shipment=None), ["order_late", "order_status"]),
        (order(S.SHIPPED, shipment=None), ["order_status"]),
        (order(S.OUT_FOR_DELIVERY), ["order_out_for_delivery"]),
        (order(S.OUT_FOR_DELIVERY, promised_on=day(-1)), ["order_late", "order_out_for_delivery"]),
        (order(S.DELIVERY_FAILED), ["order_delivery_failed"]),
        (order(S.DELIVERY_FAILED, promised_on=day(-1)), ["order_late", "order_delivery_failed"]),
        (order(S.DELIVERY_FAILED, promised_on=day(-1), shipment=None), ["order_late", "order_status"]),
        (order(S.DELIVERED), ["order_delivered"]),
        (order(S.DELIVERED, promised_on=day(-2)), ["order_delivered_late"]),
        (order(S.DELIVERED, delivered_on=None), ["order_status"]),
        (order(S.CANCELLED), ["order_cancelled"]),
        (order(S.CANCELLED, promised_on=day(-2)), ["order_cancelled"]),
        (order(S.CANCELLED, refund=REFUND), ["order_cancelled", "refund_pending"]),
        (order(S.CANCELLED, cancelled_on=None, refund=REFUND), ["order_status", "refund_pending"]),
        (order(S.RETURNED), ["order_returned"]),
        (order(S.REFUND_PENDING, refund=REFUND), ["order_returned", "refund_pending"]),
        (order(S.REFUND_PENDING, refund=replace(REFUND, due_on=day(-1))), ["order_returned", "refund_pending_late"]),
        (order(S.REFUND_PENDING, returned_on=None, refund=REFUND), ["order_status", "refund_pending"]),
        (order(S.REFUNDED, refund=replace(REFUND, paid_on=day(-1))), ["order_returned", "refund_paid"]),
    ],
)
def test_each_status_is_told_as_it_is(language: str, given_order: Order, said: list[str]) -> None:
    assert keys(answers(language).status(given_order)) == said


@pytest.mark.parametrize("language", ["ar", "en"])
@pytest.mark.parametrize(
    ("refund", "said"),
    [
        (None, "refund_none"),
        (REFUND, "refund_pending"),
        (replace(REFUND, due_on=day(0)), "refund_pending"),
        (replace(REFUND, due_on=day(-1)), "refund_pending_late"),
        (replace(REFUND, due_on=day(-1), started_on=None), "refund_pending_late"),
        (replace(REFUND, started_on=None), "refund_due"),
        (replace(REFUND, due_on=None), "refund_no_date"),
        (replace(REFUND, paid_on=day(-1), due_on=day(-3)), "refund_paid"),
    ],
)
def test_money_back_is_told_with_its_day(language: str, refund: Refund | None, said: str) -> None:
    assert keys(answers(language).for_goal("refund", order(S.CANCELLED, refund=refund))) == [said]


@pytest.mark.parametrize("status", OrderStatus)
def test_cancelling_is_never_said_to_be_done_and_never_offered_too_late(status: OrderStatus) -> None:
    said = keys(answers().for_goal("cancel", order(status)))
    if status in (S.PENDING_PAYMENT, S.PROCESSING, S.PACKED):
        assert said == ["cancel_possible"]
    elif status in (S.SHIPPED, S.OUT_FOR_DELIVERY, S.DELIVERY_FAILED):
        assert said == ["cancel_too_late"]
    elif status is S.CANCELLED:
        assert said == ["cancel_already"]
    elif status is S.DELIVERED:
        assert said == ["return_possible", "offer_person"]
    else:
        assert said == ["order_returned"]


@pytest.mark.parametrize("status", OrderStatus)
def test_a_return_is_promised_only_for_what_can_still_come_or_has_come(status: OrderStatus) -> None:
    said = keys(answers().for_goal("return", order(status)))
    expected = {
        S.DELIVERED: ["return_possible", "offer_person"],
        S.CANCELLED: ["order_cancelled"],
        S.RETURNED: ["order_returned"],
        S.REFUND_PENDING: ["order_returned"],
        S.REFUNDED: ["order_returned"],
    }
    assert said == expected.get(status, ["return_not_delivered"])


def test_a_return_past_its_days_is_refused_with_the_last_day_and_a_person() -> None:
    lines = answers().for_goal("return", order(S.DELIVERED, delivered_on=day(-16)))
    assert keys(lines) == ["return_too_late", "offer_person"]
    assert "21 November" in lines[0].values["until"] and lines[1].person


def test_a_delivery_without_a_day_is_not_said_to_be_still_to_come() -> None:
    assert keys(answers().for_goal("return", order(S.DELIVERED, delivered_on=None))) == ["order_status", "offer_person"]


@pytest.mark.parametrize("status", OrderStatus)
def test_changing_ends_where_the_shop_says(status: OrderStatus) -> None:
    said = keys(answers().for_goal("change", order(status)))
    possible = status in (S.PENDING_PAYMENT, S.PROCESSING)
    assert said == (["change_possible"] if possible else ["change_too_late", "offer_person"])


@pytest.mark.parametrize(
    ("points", "tier"),
    [(0, "label_tier_basic"), (999, "label_tier_basic"), (1000, "label_tier_silver"), (9000, "label_tier_gold")],
)
def test_points_come_with_their_tier_and_worth(points: int, tier: str) -> None:
    (line,) = answers().points(Customer(CustomerId("c1"), {"ar": "س", "en": "S"}, None, None, points, None))
    assert line.values["tier"] == tier
    assert line.values["worth"] == Formatter("en").money(Decimal("0.05") * points, "SAR")


def test_a_tier_of_the_shops_own_is_said_by_its_name() -> None:
    """A label that domain.yml does not have would end the turn in an error."""
    policies = replace(POLICIES, tiers=[Tier("Platinum", 0)])
    customer = Customer(CustomerId("c1"), {"ar": "س", "en": "S"}, None, None, 5, None)
    (line,) = OrderAnswers(STORE, policies, TODAY, Formatter("en")).points(customer)
    assert line.values["tier"] == "Platinum"


@pytest.mark.parametrize(
    ("language", "late", "promised"),
    [("ar", "4 أيام", "الأربعاء 18 نوفمبر"), ("en", "4 days", "Wednesday 18 November")],
)
def test_lateness_is_told_in_days_with_the_day_that_was_promised(language: str, late: str, promised: str) -> None:
    (line,) = answers(language).status(order(S.SHIPPED, promised_on=day(-4)))
    assert (line.values["days_late"], line.values["promised"]) == (late, promised)
    assert line.person


@settings(max_examples=120)
@given(
    any_order(), st.dates(date(2024, 1, 1), date(2028, 12, 31)), st.sampled_from(GOALS), st.sampled_from(["ar", "en"])
)
def test_every_order_of_every_shop_has_an_answer_that_can_be_said(
    given_order: Order, today: date, goal: str, language: str
) -> None:
    """Nothing raises; every line is a response of domain.yml, with every value that any of its wordings asks for."""
    lines = answers(language, today).for_goal(goal, given_order)
    assert lines
    for line in lines:
        for variation in RESPONSES[line.response]:
            assert set(re.findall(r"\{(\w+)\}", variation["text"])) <= {*line.values}, line.response
        for value in line.values.values():
            assert not value.startswith("label_") or value in RESPONSES


@settings(max_examples=120)
@given(any_order(), st.dates(date(2024, 1, 1), date(2028, 12, 31)), st.sampled_from(["ar", "en"]))
def test_late_is_said_of_late_orders_and_of_no_others(given_order: Order, today: date, language: str) -> None:
    lines = answers(language, today).status(given_order)
    late = policy.days_late(given_order, today)
    assert bool({line.response for line in lines} & LATE) == (late > 0)
    days = Formatter(language).days(late, nominative=True)
    assert all(line.values["days_late"] == days for line in lines if line.response in LATE)


@settings(max_examples=120)
@given(any_order(), st.dates(date(2024, 1, 1), date(2028, 12, 31)), st.sampled_from(["ar", "en"]))
def test_no_day_to_come_is_named_but_the_one_promised(given_order: Order, today: date, language: str) -> None:
    """A new date would be a promise that nobody made; and once the promised day is past, it is never called expected."""
    lines = answers(language, today).status(given_order)
    for line in lines:
        if "promised" in line.values:
            assert given_order.promised_on
            assert line.values["promised"] == Formatter(language).date(given_order.promised_on, today)
        if "promised_words" in line.values:
            assert given_order.promised_on and given_order.promised_on >= today
        known = {
            "promised",
            "promised_words",
            "delivered",
            "cancelled",
            "returned",
            "shipped",
            "date",
            "paid",
            "due",
            "started",
        }
        dated = {name for name, value in line.values.items() if re.search(r"\b20[2-9]\d\b", value)}
        assert dated <= known
    text = " ".join(value for line in lines for value in line.values.values())
    assert not re.search(r"\bNone\b|\{|\}", text)


# Order numbers and service


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1042", "1042"),
        ("#1042", "1042"),
        ("ORD-1042", "1042"),
        ("طلب رقم ١٠٤٢", "1042"),
        ("۱۰۴۲", "1042"),
        ("رقمه1042 لو سمحت", "1042"),
        ("12", None),
        ("no number", None),
        ("", None),
        ("1" * 12, "1" * 12),
    ],
)
def test_an_order_number_is_read_from_any_writing_of_it(text: str, number: str | None) -> None:
    assert order_number_in(text) == number


@given(st.text())
def test_no_text_makes_reading_a_number_fail(text: str) -> None:
    found = order_number_in(text)
    assert found is None or re.fullmatch(r"[0-9]{3,12}", found)


class ManyOrders(OrderBackend):
    def store(self) -> Any:
        return STORE

    def policies(self) -> Any:
        return POLICIES

    def order(self, number: Any) -> Order | None:
        return None

    def orders_of(self, customer: Any) -> list[Order]:
        return [order(S.SHIPPED, number=str(n)) for n in range(9)]

    def customer(self, customer: Any) -> None:
        return None

    def products(self) -> list[Product]:
        return []


def test_the_shops_day_is_the_one_in_its_own_time_zone() -> None:
    """Half past nine in the evening in London is the next day in Riyadh."""
    service = OrderService(ManyOrders())
    assert service.today(datetime(2026, 11, 20, 21, 30, tzinfo=timezone.utc)) == date(2026, 11, 21)
    assert service.today(datetime(2026, 11, 20, 20, 59, tzinfo=timezone(timedelta(0)))) == date(2026, 11, 20)


def test_few_enough_orders_are_offered_for_buttons_newest_first() -> None:
    assert [o.number for o in OrderService(ManyOrders()).choices(CustomerId("c1"))] == list("01234")
    assert OFFERED_ORDERS == 5


# Products


@pytest.fixture(scope="module")
def products() -> list[Product]:
    document = json.loads((PROJECT / "bot" / "content" / "demo_shop.json").read_text("utf-8"))
    return [parse_product(record.body) for record in resolve(document, TODAY) if record.kind == "product"]


@pytest.mark.parametrize(
    ("text", "sku"),
    [
        ("بكم السماعة؟", "HP-210"),
        ("عندكم سماعات لاسلكية", "HP-210"),
        ("ابغى سماعه بلوتوث", "HP-210"),
        ("do you have wireless headphones", "HP-210"),
        ("how much are the headphones?", "HP-210"),
        ("headphone price", "HP-210"),
        ("متى يتوفر الباور بانك", "PB-20K"),
        ("باوربانك موجود؟", "PB-20K"),
        ("is the power bank back in stock", "PB-20K"),
        ("powerbank", "PB-20K"),
        ("الساعة الذكية بكم", "SW-45"),
        ("كم سعر الساعه", "SW-45"),
        ("smart watch colours", "SW-45"),
        ("smartwatch", "SW-45"),
        ("عبايات سودا", "AB-BLK"),
        ("عبايه كريب", "AB-BLK"),
        ("black abaya size 54", "AB-BLK"),
        ("abayas", "AB-BLK"),
        ("جزمة جري", "RN-SH"),
        ("حذاء رياضي رجالي", "RN-SH"),
        ("running shoes", "RN-SH"),
        ("mens shoes 43", "RN-SH"),
        ("عطر العود الملكي", "PF-OUD"),
        ("ريحة العود", "PF-OUD"),
        ("oud perfume", "PF-OUD"),
        ("فناجيل قهوة", "CF-SET"),
        ("طقم فناجين", "CF-SET"),
        ("coffee cups", "CF-SET"),
        ("القلايه الهوائيه", "AF-55"),
        ("قلاية بدون زيت", "AF-55"),
        ("airfryer", "AF-55"),
        ("air fryer", "AF-55"),
        ("hp-210", "HP-210"),
        ("AF-55 متوفرة؟", "AF-55"),
        ("headfones wireless", "HP-210"),
        ("parfum oud", "PF-OUD"),
    ],
)
def test_the_product_meant_is_found_alone(text: str, sku: str, products: list[Product]) -> None:
    assert [product.sku for product in find_products(text, products)] == [sku]


@pytest.mark.parametrize(
    "text",
    [
        "عندكم لابتوب؟",
        "iphone 15",
        "ما شروط الإرجاع",
        "وين طلبي",
        "",
        "???",
        "playstation",
        "كم سعر التوصيل",
        "فستان أحمر",
        "a",
    ],
)
def test_what_the_shop_does_not_sell_is_not_found(text: str, products: list[Product]) -> None:
    assert find_products(text, products) == []


@given(st.text())
def test_no_text_makes_the_search_fail(products: list[Product], text: str) -> None:
    assert len(find_products(text, products)) <= 3


def test_a_shop_without_products_finds_none() -> None:
    assert find_products("headphones", []) == []
