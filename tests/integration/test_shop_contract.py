"""The contract of OrderBackend, held by every implementation. docs/add-a-shop.md says how to run it on another one.

The first part holds for any shop, the second for one that holds the demo shop's records, the third for what such a shop
does, each time in a shop of its own. A shop of your own joins the first part over HTTP when CONTRACT_SHOP_URL, CONTRACT_SHOP_TOKEN and CONTRACT_SHOP_ORDER (a number it has) are set.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from operator import eq
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from bot.errors import ConfigurationError, ShopGarbled, ShopRefused, ShopUnavailable
from bot.orders.model import CustomerId, Money, Order, OrderNumber, OrderStatus, Sku
from bot.orders.ports import OrderBackend
from bot.orders.remedies import (
    PointsRequest,
    RefundRequest,
    ReplacementKind,
    ReplacementRequest,
    VoucherRequest,
    VoucherState,
)
from bot.shops.demo_server import create_demo_shop_app
from bot.shops.embedded import EmbeddedShop, load_demo, reset_demo
from bot.shops.rest import RestShop
from bot.storage.database import Database
from bot.storage.tables import metadata, shop_records
from tests.integration.shop_servers import DEMO, NOW, TODAY, TOKEN, demo_database, demo_shop, serve_app

DOCUMENT: dict[str, Any] = json.loads(DEMO.read_text(encoding="utf-8"))
ORDERS = {order["number"]: order for order in DOCUMENT["orders"]}
DEMO_SHOPS = ("embedded", "rest")
LIVE_SHOPS = ("live",) if os.environ.get("CONTRACT_SHOP_URL") else ()
NO_KEYS = (
    "9999",
    "",
    " ",
    ".",
    "..",
    "../store",
    "10/01",
    "/1001",
    "1001/",
    "1001?x=1",
    "1001#",
    "%31001",
    "1001 ",
    "١٠٠١",
    "۱۰۰۱",
    "1001\x00",
    "1001\n",
    "1\u200b001",
    "\ud800",
    "c1/orders",
    "😀",
    "'; DROP TABLE shop_records; --",
    "9" * 33,
    "9" * 100_000,
)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, OrderBackend]]:
    """Every implementation, ready to be asked. A new one is added here."""
    embedded = demo_shop(tmp_path_factory.mktemp("embedded"))
    shops: dict[str, OrderBackend] = {"embedded": embedded}
    with serve_app(create_demo_shop_app(embedded, TOKEN)) as url:
        shops["rest"] = RestShop(url, TOKEN)
        if LIVE_SHOPS:
            shops["live"] = RestShop(os.environ["CONTRACT_SHOP_URL"], os.environ.get("CONTRACT_SHOP_TOKEN", ""))
        yield shops


@pytest.fixture(params=DEMO_SHOPS + LIVE_SHOPS)
def any_shop(request: pytest.FixtureRequest, opened: dict[str, OrderBackend]) -> OrderBackend:
    return opened[request.param]


@pytest.fixture(params=DEMO_SHOPS)
def shop(request: pytest.FixtureRequest, opened: dict[str, OrderBackend]) -> OrderBackend:
    return opened[request.param]


@pytest.fixture
def known(any_shop: OrderBackend, request: pytest.FixtureRequest) -> Order:
    live = request.node.callspec.params["any_shop"] == "live"
    order = any_shop.order(OrderNumber(os.environ["CONTRACT_SHOP_ORDER"] if live else "1001"))
    assert order is not None
    return order


# Any shop


def test_an_order_is_found_by_its_number_and_among_its_customers(any_shop: OrderBackend, known: Order) -> None:
    assert known in any_shop.orders_of(known.customer)


def test_orders_of_a_customer_are_theirs_and_newest_first(any_shop: OrderBackend, known: Order) -> None:
    orders = any_shop.orders_of(known.customer)
    assert {order.customer for order in orders} == {known.customer}
    assert [order.placed_on for order in orders] == sorted((order.placed_on for order in orders), reverse=True)


def test_an_orders_customer_exists(any_shop: OrderBackend, known: Order) -> None:
    customer = any_shop.customer(known.customer)
    assert customer is not None and customer.id == known.customer


@pytest.mark.parametrize("key", NO_KEYS, ids=lambda key: ascii(key)[:20])
def test_a_number_or_id_that_is_not_there_gives_nothing_however_odd(any_shop: OrderBackend, key: str) -> None:
    assert any_shop.order(OrderNumber(key)) is None
    assert any_shop.customer(CustomerId(key)) is None
    assert list(any_shop.orders_of(CustomerId(key))) == []


def test_amounts_are_decimals_everywhere(any_shop: OrderBackend, known: Order) -> None:
    policies = any_shop.policies()
    amounts = [known.total.amount, known.shipping_fee, *(item.unit_price for item in known.items)]
    amounts += [product.price for product in any_shop.products()]
    amounts += [policies.shipping_fee, policies.points_value, any_shop.store().vat_rate]
    assert {type(amount) for amount in amounts} == {Decimal}


def test_catalogue_items_are_each_listed_once(any_shop: OrderBackend) -> None:
    skus = [product.sku for product in any_shop.products()]
    assert len(skus) == len(set(skus))


def test_threads_may_ask_at_once(any_shop: OrderBackend, known: Order) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(map(repr, pool.map(any_shop.order, [known.number] * 32))) == {repr(known)}


# The demo shop's records


@pytest.mark.parametrize("number", ORDERS)
def test_each_order_of_the_demo_shop_arrives_whole(shop: OrderBackend, number: str) -> None:
    """Every field, with its days counted from the day of loading."""
    source = ORDERS[number]
    owner = next(customer for customer in DOCUMENT["customers"] if customer["id"] == source["customer"])
    names = {product["sku"]: product["name"] for product in DOCUMENT["products"]}

    def day(name: str, of: dict[str, Any] = source) -> date | None:
        return TODAY + timedelta(days=of[f"{name}_day"]) if f"{name}_day" in of else None

    order = shop.order(OrderNumber(number))
    assert order is not None
    assert (order.number, order.customer, order.status.value) == (number, source["customer"], source["status"])
    assert (order.contact.phone, order.contact.email) == (owner["phone"], owner["email"])
    assert [(item.sku, item.quantity, item.unit_price, item.option, item.name) for item in order.items] == [
        (item["sku"], item["quantity"], Decimal(item["unit_price"]), item.get("option"), names[item["sku"]])
        for item in source["items"]
    ]
    assert (order.shipping_fee, order.currency, order.payment) == (Decimal("20.00"), "SAR", source["payment"])
    assert order.city == source["address"]["city"]
    days = (order.placed_on, order.promised_on, order.delivered_on, order.cancelled_on, order.returned_on)
    assert days == tuple(map(day, ("placed", "promised", "delivered", "cancelled", "returned")))
    if "carrier" in source:
        assert order.shipment is not None
        assert order.shipment.carrier == {"ar": "أرامكس", "en": "Aramex"}
        assert order.shipment.tracking_number == source["tracking_number"]
        assert order.shipment.tracking_url is not None
        assert order.shipment.tracking_url.endswith(f"?ShipmentNumber={source['tracking_number']}")
        assert (order.shipment.shipped_on, order.shipment.last_scan_on) == (day("shipped"), day("last_scan"))
        assert order.shipment.failed_attempts == source.get("failed_attempts", 0)
    else:
        assert order.shipment is None
    if "refund" in source:
        refund = source["refund"]
        assert order.refund is not None
        assert (order.refund.amount, order.refund.method) == (Decimal(refund["amount"]), refund["method"])
        dates = (order.refund.started_on, order.refund.due_on, order.refund.paid_on)
        assert dates == tuple(day(name, refund) for name in ("started", "due", "paid"))
    else:
        assert order.refund is None


def test_the_demo_orders_cover_every_status() -> None:
    assert {order["status"] for order in ORDERS.values()} == {status.value for status in OrderStatus}


@pytest.mark.parametrize(
    ("customer", "numbers"),
    [
        ("c1", ["1003", "1001", "1002", "1018"]),
        ("c2", ["1005", "1004"]),
        ("c4", ["1008", "1009"]),
        ("c6", ["1012", "1013"]),
        ("c8", ["1016", "1017"]),
    ],
)
def test_orders_of_the_demo_customers_come_newest_first(shop: OrderBackend, customer: str, numbers: list[str]) -> None:
    assert [order.number for order in shop.orders_of(CustomerId(customer))] == numbers


@pytest.mark.parametrize("source", DOCUMENT["customers"], ids=lambda source: source["id"])
def test_each_customer_of_the_demo_shop_arrives_whole(shop: OrderBackend, source: dict[str, Any]) -> None:
    customer = shop.customer(CustomerId(source["id"]))
    assert customer is not None and vars(customer) == source


def test_the_demo_catalogue_arrives_whole(shop: OrderBackend) -> None:
    """Stock, options, warranty and the day an item is back."""
    products = {product.sku: product for product in shop.products()}
    assert set(products) == {product["sku"] for product in DOCUMENT["products"]}
    for source in DOCUMENT["products"]:
        product = products[source["sku"]]
        assert (product.name, product.price) == (source["name"], Decimal(source["price"]))
        assert (product.stock, product.category) == (source["stock"], source["category"])
        assert product.warranty_months == source.get("warranty_months")
        options = None if product.options is None else {name: list(values) for name, values in product.options.items()}
        assert options == source.get("options")
        back = source.get("restock_day")
        assert product.restock_on == (None if back is None else TODAY + timedelta(days=back))


def test_the_demo_store_arrives_whole(shop: OrderBackend) -> None:
    store, source = shop.store(), DOCUMENT["store"]
    assert (store.name, store.currency, store.timezone) == (source["name"], "SAR", ZoneInfo("Asia/Riyadh"))
    assert store.support_hours.days == {6, 0, 1, 2, 3}
    assert (store.support_hours.opens, store.support_hours.closes) == (time(9), time(22))
    assert (store.support_phone, store.support_email) == (source["support_phone"], source["support_email"])
    assert (store.vat_rate, store.vat_number) == (Decimal("0.15"), source["vat_number"])
    assert store.address == source["address"]
    assert list(store.carriers) == [{"ar": "أرامكس", "en": "Aramex"}]


def test_the_demo_policies_arrive_whole(shop: OrderBackend) -> None:
    policies, source = shop.policies(), DOCUMENT["policies"]
    for name in ("shipping_fee", "free_shipping_from", "cod_fee", "points_value"):
        assert getattr(policies, name) == Decimal(source[name])
    for name in ("return_days", "exchange_days", "refund_days", "damage_report_days", "points_per_unit"):
        assert getattr(policies, name) == source[name]
    assert policies.min_redeem_points == source["min_redeem_points"]
    assert policies.delivery_days == {area: tuple(days) for area, days in source["delivery_days"].items()}
    assert policies.cancel_until is OrderStatus.PACKED and policies.change_address_until is OrderStatus.PACKED
    assert list(policies.payment_methods) == source["payment_methods"]
    assert list(policies.cod_countries) == source["cod_countries"]
    assert list(policies.installment_providers) == source["installments"]["providers"]
    assert (policies.installment_from, policies.installment_parts) == (Decimal("100.00"), 4)
    assert [(tier.id, tier.from_points) for tier in policies.tiers] == [
        (tier["id"], tier["from_points"]) for tier in DOCUMENT["tiers"]
    ]


# What the shop does

_T = TypeVar("_T")
NORA = CustomerId("c1")
UNTIL = TODAY + timedelta(days=90)


def sar(amount: str) -> Money:
    return Money(Decimal(amount), "SAR")


def refund(key: str, order: str, amount: str, currency: str = "SAR") -> RefundRequest:
    return RefundRequest(key, OrderNumber(order), Money(Decimal(amount), currency), "delay")


def again(key: str, order: str, item: str | None = None, quantity: int = 1) -> ReplacementRequest:
    return ReplacementRequest(
        key, OrderNumber(order), ReplacementKind.RESEND, None if item is None else Sku(item), quantity
    )


def voucher(key: str, customer: str = NORA, amount: str = "50.00", until: date = UNTIL) -> VoucherRequest:
    return VoucherRequest(key, CustomerId(customer), sar(amount), until)


def points(key: str, number: int = 200, customer: str = NORA) -> PointsRequest:
    return PointsRequest(key, CustomerId(customer), number, "delay")


@dataclass(frozen=True)
class Deeds:
    """A demo shop of one's own: `inside` it, as Thiqa sees it, and seen anew by a process that starts."""

    shop: OrderBackend
    inside: EmbeddedShop
    reopened: Callable[[], OrderBackend]

    def refunded(self, number: str) -> Decimal:
        order = self.inside.order(OrderNumber(number))
        assert order is not None
        return order.refund.amount if order.refund else Decimal()

    def stock(self, sku: str) -> int:
        return next(product.stock for product in self.inside.products() if product.sku == sku)

    def points(self, customer: str = NORA) -> int:
        found = self.inside.customer(CustomerId(customer))
        assert found is not None
        return found.points

    def numbers(self, customer: str) -> list[str]:
        return [order.number for order in self.inside.orders_of(CustomerId(customer))]


@pytest.fixture(params=DEMO_SHOPS)
def deeds(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deeds]:
    inside = demo_shop(tmp_path)
    if request.param == "embedded":
        url = f"sqlite:///{tmp_path / 'shop.db'}"
        yield Deeds(inside, inside, lambda: EmbeddedShop(Database(url), lambda: NOW))
        return
    with serve_app(create_demo_shop_app(inside, TOKEN)) as url:
        yield Deeds(RestShop(url, TOKEN), inside, lambda: RestShop(url, TOKEN))


def refusal(ask: Callable[[], object]) -> str:
    with pytest.raises(ShopRefused) as error:
        ask()
    return error.value.code


def at_once(*asks: Callable[[], _T]) -> list[_T | str]:
    """What each gives when all begin together: its answer, or the code of its refusal."""
    barrier = threading.Barrier(len(asks))

    def ask(this: Callable[[], _T]) -> _T | str:
        barrier.wait()
        try:
            return this()
        except ShopRefused as error:
            return error.code

    with ThreadPoolExecutor(len(asks)) as pool:
        return list(pool.map(ask, asks))


def test_a_refund_goes_back_the_way_it_was_paid_and_tracking_tells_it(deeds: Deeds) -> None:
    made = deeds.shop.refund(refund("k1", "1002", "42.00"))
    assert made.reference and (made.amount, made.method) == (sar("42.00"), "card")
    assert made.due_on == TODAY + timedelta(days=7)
    order = deeds.shop.order(OrderNumber("1002"))
    assert order is not None and order.refund is not None and order.status is OrderStatus.DELIVERED
    assert (order.refund.amount, order.refund.method) == (Decimal("42.00"), "card")
    assert (order.refund.started_on, order.refund.due_on, order.refund.paid_on) == (TODAY, made.due_on, None)


def test_refunds_of_an_order_add_up_to_what_was_paid_and_no_further(deeds: Deeds) -> None:
    """Order 1001 was 369.00 with its shipping."""
    first = deeds.shop.refund(refund("k1", "1001", "300.00"))
    assert refusal(lambda: deeds.shop.refund(refund("k2", "1001", "69.01"))) == "exceeds_paid"
    last = deeds.shop.refund(refund("k3", "1001", "69.00"))
    assert refusal(lambda: deeds.shop.refund(refund("k4", "1001", "0.01"))) == "exceeds_paid"
    assert first.reference != last.reference and deeds.refunded("1001") == Decimal("369.00")


def test_the_money_of_a_return_counts_and_is_still_told(deeds: Deeds) -> None:
    """Of order 1010 the shop gives 315.00 of 335.00 back already; the shipping may follow, and the return's own refund,
    overdue as it is, stays what tracking tells."""
    before = deeds.inside.order(OrderNumber("1010"))
    assert refusal(lambda: deeds.shop.refund(refund("k1", "1010", "20.01"))) == "exceeds_paid"
    deeds.shop.refund(refund("k2", "1010", "20.00"))
    assert deeds.inside.order(OrderNumber("1010")) == before
    assert refusal(lambda: deeds.shop.refund(refund("k3", "1010", "0.01"))) == "exceeds_paid"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (refund("k", "9999", "1.00"), "unknown"),
        (refund("k", "..", "1.00"), "unknown"),
        (refund("k", "1012", "1.00"), "not_paid"),
        (refund("k", "1005", "1.00"), "not_paid"),
        (refund("k", "1001", "369.01"), "exceeds_paid"),
        (refund("k", "1001", "10.00", "USD"), "not_possible"),
        (refund("k", "1001", "0.00"), "not_possible"),
        (refund("k", "1001", "-5.00"), "not_possible"),
        (refund("k", "1001", "0.00001"), "not_possible"),
        (refund("k", "1001", "NaN"), "not_possible"),
        (refund("k", "1001", "Infinity"), "not_possible"),
        (refund("", "1001", "1.00"), "not_possible"),
        (refund("two words", "1001", "1.00"), "not_possible"),
        (refund("k" * 256, "1001", "1.00"), "not_possible"),
    ],
)
def test_a_refund_that_cannot_be_is_refused_with_its_reason(
    shop: OrderBackend, request_: RefundRequest, code: str
) -> None:
    before = shop.order(OrderNumber("1001"))
    assert refusal(lambda: shop.refund(request_)) == code
    assert shop.order(OrderNumber("1001")) == before


def test_cash_paid_at_the_door_goes_back_by_transfer(deeds: Deeds, tmp_path: Path) -> None:
    edit(tmp_path, "1005", status="delivered", delivered_on=TODAY.isoformat())
    assert deeds.shop.refund(refund("k", "1005", "335.00")).method == "bank_transfer"


def test_a_replacement_is_an_order_like_any_other_at_no_cost(deeds: Deeds) -> None:
    made = deeds.shop.replace(again("k1", "1002", "CF-SET", 1))
    assert (made.order, made.promised_on) == ("1019", TODAY + timedelta(days=3))
    order, old = deeds.shop.order(made.order), deeds.inside.order(OrderNumber("1002"))
    assert order is not None and old is not None and order in deeds.shop.orders_of(NORA)
    assert (order.customer, order.contact, order.city) == (old.customer, old.contact, old.city)
    assert (order.status, order.placed_on, order.promised_on) == (OrderStatus.PROCESSING, TODAY, made.promised_on)
    assert [(item.sku, item.quantity, item.unit_price) for item in order.items] == [("CF-SET", 1, Decimal("0.00"))]
    assert order.total == sar("0.00") and order.refund is None and order.shipment is None
    assert (deeds.stock("CF-SET"), deeds.stock("PF-OUD")) == (57, 31)


def test_all_of_an_order_is_sent_again_where_no_item_is_named(deeds: Deeds) -> None:
    """And a city without delivery days of its own gets the longest of elsewhere."""
    made = deeds.shop.replace(again("k1", "1008"))
    order = deeds.inside.order(made.order)
    assert order is not None
    assert [(item.sku, item.quantity) for item in order.items] == [("SW-45", 2), ("HP-210", 1)]
    assert (deeds.stock("SW-45"), deeds.stock("HP-210")) == (5, 22)
    assert made.promised_on == TODAY + timedelta(days=10)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (again("k", "9999"), "unknown"),
        (again("k", "1001", "SW-45"), "not_possible"),
        (again("k", "1001", "HP-210", 2), "not_possible"),
        (again("k", "1001", "HP-210", 0), "not_possible"),
        (again("k", "1001", "HP-210", -1), "not_possible"),
        (again("k", "1007", "PB-20K"), "not_possible"),
        (again("k", "1012"), "not_paid"),
        (again("k", "1005"), "not_paid"),
        (again("k", "1016"), "out_of_stock"),
        (again("k", "1016", "PB-20K"), "out_of_stock"),
    ],
)
def test_a_replacement_that_cannot_be_is_refused_and_takes_nothing(
    shop: OrderBackend, opened: dict[str, OrderBackend], request_: ReplacementRequest, code: str
) -> None:
    """Of order 1016 one item is in stock and one is not: neither is taken."""
    before = opened["embedded"].products()
    assert refusal(lambda: shop.replace(request_)) == code
    assert opened["embedded"].products() == before
    assert shop.order(OrderNumber("1019")) is None


def test_a_replacement_earns_no_money_back(deeds: Deeds) -> None:
    made = deeds.shop.replace(again("k1", "1001"))
    assert refusal(lambda: deeds.shop.refund(refund("k2", made.order, "0.01"))) == "exceeds_paid"


def test_stock_that_is_back_lets_a_refused_key_through(deeds: Deeds, tmp_path: Path) -> None:
    """A refusal has done nothing, and is not remembered."""
    request_ = again("k", "1016", "PB-20K")
    assert refusal(lambda: deeds.shop.replace(request_)) == "out_of_stock"
    edit(tmp_path, "PB-20K", stock=1)
    assert deeds.shop.replace(request_).order == "1019" and deeds.stock("PB-20K") == 0


def test_a_voucher_is_good_until_the_end_of_its_last_day(deeds: Deeds, tmp_path: Path) -> None:
    made = deeds.shop.issue_voucher(voucher("k1", until=TODAY))
    assert (made.customer, made.amount, made.valid_until) == (NORA, sar("50.00"), TODAY)
    assert (made.state, made.minimum, made.used_on) == (VoucherState.ACTIVE, 0, None)
    assert deeds.shop.voucher(made.code) == made
    tomorrow = EmbeddedShop(Database(f"sqlite:///{tmp_path / 'shop.db'}"), lambda: NOW + timedelta(days=1))
    old = tomorrow.voucher(made.code)
    assert old is not None and old.state is VoucherState.EXPIRED
    assert refusal(lambda: tomorrow.redeem_voucher(made.code, OrderNumber("1001"))) == "not_possible"


def test_codes_of_vouchers_are_all_different_and_in_letters_that_are_not_mistaken(deeds: Deeds) -> None:
    codes = {deeds.shop.issue_voucher(voucher(f"k{number}")).code for number in range(20)}
    assert len(codes) == 20
    for code in codes:
        assert [len(group) for group in code.split("-")] == [2, 4, 4, 4] and code.startswith("TH-")
        assert not set(code[3:]) & set("01OIl")


def test_a_code_is_found_however_it_is_written(deeds: Deeds) -> None:
    made = deeds.shop.issue_voucher(voucher("k1"))
    for written in (made.code.lower(), made.code.replace("-", ""), made.code.replace("-", " "), f" {made.code} "):
        assert deeds.shop.voucher(written) == made
    for other in ("", "TH-2222-2222-2222", made.code[:-1], made.code + "2", "../store", "9" * 100_000, "\x00"):
        assert deeds.shop.voucher(other) is None


def test_a_voucher_is_used_once(deeds: Deeds) -> None:
    made = deeds.shop.issue_voucher(voucher("k1"))
    used = deeds.inside.redeem_voucher(made.code.lower(), OrderNumber("1019"))
    assert (used.state, used.used_on) == (VoucherState.USED, "1019") and deeds.shop.voucher(made.code) == used
    for order in ("1019", "1020"):
        assert refusal(lambda order=order: deeds.inside.redeem_voucher(made.code, order)) == "not_possible"  # type: ignore[misc]
    assert refusal(lambda: deeds.inside.redeem_voucher("TH-2222-2222-2222", OrderNumber("1019"))) == "not_possible"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (voucher("k", customer="nobody"), "unknown"),
        (voucher("k", amount="0.00"), "not_possible"),
        (voucher("k", amount="-1.00"), "not_possible"),
        (voucher("k", until=TODAY - timedelta(days=1)), "not_possible"),
        (replace(voucher("k"), amount=Money(Decimal("50.00"), "EUR")), "not_possible"),
    ],
)
def test_a_voucher_that_cannot_be_is_refused(shop: OrderBackend, request_: VoucherRequest, code: str) -> None:
    assert refusal(lambda: shop.issue_voucher(request_)) == code


def test_points_are_added_to_the_balance(deeds: Deeds) -> None:
    assert deeds.shop.add_points(points("k1")) == 2650
    assert deeds.shop.add_points(points("k2", 1)) == 2651
    customer = deeds.shop.customer(NORA)
    assert customer is not None and customer.points == 2651


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (points("k", customer="nobody"), "unknown"),
        (points("k", 0), "not_possible"),
        (points("k", -200), "not_possible"),
        (points("k", 1_000_000_000), "not_possible"),
    ],
)
def test_points_that_cannot_be_are_refused(shop: OrderBackend, request_: PointsRequest, code: str) -> None:
    before = shop.customer(NORA)
    assert refusal(lambda: shop.add_points(request_)) == code
    assert shop.customer(NORA) == before


def test_the_same_key_does_a_thing_once_also_after_a_new_start(deeds: Deeds) -> None:
    """And gives the answer of the first time, though another refund, order, use and gift came between."""

    def all_four(shop: OrderBackend, suffix: str) -> list[Any]:
        return [
            shop.refund(refund("refund" + suffix, "1001", "100.00")),
            shop.replace(again("replace" + suffix, "1001")),
            shop.issue_voucher(voucher("voucher" + suffix)),
            shop.add_points(points("points" + suffix)),
        ]

    first = all_four(deeds.shop, "-1")
    second = all_four(deeds.shop, "-2")
    deeds.inside.redeem_voucher(first[2].code, OrderNumber("1001"))
    assert all_four(deeds.shop, "-1") == first and all_four(deeds.reopened(), "-1") == first
    assert all_four(deeds.reopened(), "-2") == second
    assert not any(map(eq, first, second))
    assert deeds.refunded("1001") == Decimal("200.00") and deeds.points() == 2850
    assert deeds.stock("HP-210") == 21 and len(deeds.numbers(NORA)) == 4 + 2


def test_the_same_key_for_something_else_is_refused(deeds: Deeds) -> None:
    deeds.shop.refund(refund("k", "1001", "100.00"))
    others: list[Callable[[], object]] = [
        lambda: deeds.shop.refund(refund("k", "1001", "100.01")),
        lambda: deeds.shop.refund(refund("k", "1002", "100.00")),
        lambda: deeds.shop.refund(replace(refund("k", "1001", "100.00"), reason="shipping")),
        lambda: deeds.shop.replace(again("k", "1001")),
        lambda: deeds.shop.issue_voucher(voucher("k")),
        lambda: deeds.shop.add_points(points("k")),
    ]
    assert {refusal(other) for other in others} == {"not_possible"}
    assert (deeds.refunded("1001"), deeds.refunded("1002"), deeds.points()) == (Decimal("100.00"), 0, 2450)


def test_threads_with_the_same_key_do_it_once(deeds: Deeds) -> None:
    made = at_once(*[lambda: deeds.shop.refund(refund("k", "1001", "300.00"))] * 4)
    assert len(set(made)) == 1 and deeds.refunded("1001") == Decimal("300.00")


# The same races where transactions do not queue by themselves


@pytest.fixture
def inside(database: Database) -> EmbeddedShop:
    load_demo(database, DEMO, NOW)
    return EmbeddedShop(database, lambda: NOW)


def test_at_once_with_one_key_each_deed_is_done_once(inside: EmbeddedShop) -> None:
    for ask in (
        lambda: inside.refund(refund("refund", "1001", "300.00")),
        lambda: inside.replace(again("replace", "1001")),
        lambda: inside.issue_voucher(voucher("voucher")),
        lambda: inside.add_points(points("points")),
    ):
        assert len(set(at_once(*[ask] * 4))) == 1
    customer, orders = inside.customer(NORA), inside.orders_of(NORA)
    assert customer is not None and customer.points == 2650 and len(orders) == 5


def test_at_once_with_one_key_for_two_things_one_is_refused(inside: EmbeddedShop) -> None:
    made = at_once(
        lambda: inside.refund(refund("k", "1001", "1.00")), lambda: inside.refund(refund("k", "1002", "1.00"))
    )
    assert made.count("not_possible") == 1


def test_refunds_at_once_do_not_exceed_what_was_paid(inside: EmbeddedShop) -> None:
    made = at_once(*[lambda n=n: inside.refund(refund(f"k{n}", "1001", "150.00")) for n in range(4)])  # type: ignore[misc]
    assert made.count("exceeds_paid") == 2
    order = inside.order(OrderNumber("1001"))
    assert order is not None and order.refund is not None and order.refund.amount == Decimal("300.00")


def test_replacements_at_once_get_numbers_of_their_own_and_the_stock_there_is(inside: EmbeddedShop) -> None:
    """Four pairs of shoes are there, five are wanted."""
    made = at_once(*[lambda n=n: inside.replace(again(f"k{n}", "1017")) for n in range(5)])  # type: ignore[misc]
    orders = {each if isinstance(each, str) else str(each.order) for each in made}
    assert orders == {"out_of_stock", "1019", "1020", "1021", "1022"}


def test_points_added_at_once_are_all_there(inside: EmbeddedShop) -> None:
    at_once(*[lambda n=n: inside.add_points(points(f"k{n}", 10)) for n in range(6)])  # type: ignore[misc]
    customer = inside.customer(NORA)
    assert customer is not None and customer.points == 2510


def test_of_two_orders_at_once_one_gets_the_voucher(inside: EmbeddedShop) -> None:
    code = inside.issue_voucher(voucher("k")).code
    made = at_once(*[lambda n=n: inside.redeem_voucher(code, OrderNumber(str(n))) for n in range(4)])  # type: ignore[misc]
    assert made.count("not_possible") == 3


def test_a_shop_without_records_cannot_do_anything(database: Database) -> None:
    shop = EmbeddedShop(database)
    with pytest.raises(ShopUnavailable):
        shop.issue_voucher(voucher("k"))
    with pytest.raises(ShopUnavailable):
        shop.replace(again("k", "1001"))
    assert refusal(lambda: shop.refund(refund("k", "1001", "1.00"))) == "unknown"


def test_a_locked_database_is_unavailable_and_keeps_nothing_of_the_request(tmp_path: Path) -> None:
    demo_database(tmp_path)
    shop = EmbeddedShop(Database(f"sqlite:///{tmp_path / 'shop.db'}", busy_ms=50), lambda: NOW)
    with Database(f"sqlite:///{tmp_path / 'shop.db'}").write(), pytest.raises(ShopUnavailable):
        shop.add_points(points("k"))
    assert shop.add_points(points("k")) == 2650


def edit(folder: Path, key: str, **fields: Any) -> None:
    """Change a record from outside."""
    with Database(f"sqlite:///{folder / 'shop.db'}").write() as connection:
        where = shop_records.c.key == key
        body = connection.execute(sa.select(shop_records.c.body).where(where)).scalar()
        connection.execute(sa.update(shop_records).where(where).values(body={**body, **fields}))


# Loading the embedded shop


def _rows(database: Database) -> list[tuple[Any, ...]]:
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(sa.select(shop_records).order_by("kind", "key"))]


def test_loading_at_once_from_many_threads_loads_once(tmp_path: Path) -> None:
    databases = [Database(f"sqlite:///{tmp_path / 'shop.db'}") for _ in range(8)]
    metadata.create_all(databases[0].engine)
    barrier = threading.Barrier(8)

    def load(database: Database) -> bool:
        barrier.wait()
        return load_demo(database, DEMO, NOW)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(load, databases)) == 1
    assert len(_rows(databases[0])) == 1 + 8 + 8 + 18


def test_loading_again_on_another_day_changes_nothing(tmp_path: Path) -> None:
    database = demo_database(tmp_path)
    before = _rows(database)
    assert load_demo(database, DEMO, NOW + timedelta(days=3)) is False
    assert _rows(database) == before


def test_a_reset_removes_what_was_there_and_counts_days_anew(tmp_path: Path) -> None:
    database = demo_database(tmp_path)
    with database.write() as connection:
        connection.execute(sa.update(shop_records).where(shop_records.c.key == "1001").values(key="77"))
    reset_demo(database, DEMO, NOW + timedelta(days=3))
    shop = EmbeddedShop(database)
    assert shop.order(OrderNumber("77")) is None
    order = shop.order(OrderNumber("1012"))
    assert order is not None and order.placed_on == TODAY + timedelta(days=3)


def test_day_zero_is_today_where_the_shop_is(tmp_path: Path) -> None:
    """23:30 UTC is the next day in Riyadh, and 20:30 UTC is not."""
    database = demo_database(tmp_path)
    for hour, day in ((23, 6), (20, 5)):
        reset_demo(database, DEMO, datetime(2026, 3, 5, hour, 30, tzinfo=timezone.utc))
        order = EmbeddedShop(database).order(OrderNumber("1012"))
        assert order is not None and order.placed_on == date(2026, 3, day)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "not a demo shop"),
        ('{"store": {}}', "timezone"),
        (json.dumps({**DOCUMENT, "customers": []}), "c1"),
        (json.dumps({**DOCUMENT, "orders": DOCUMENT["orders"][:1] * 2}), "share a key"),
        (json.dumps({**DOCUMENT, "policies": {**DOCUMENT["policies"], "return_days": "14"}}), "policies.return_days"),
    ],
)
def test_a_broken_demo_file_is_named_with_its_fault_and_loads_nothing(tmp_path: Path, text: str, says: str) -> None:
    database = demo_database(tmp_path)
    before = _rows(database)
    (tmp_path / "shop.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"shop\.json") as error:
        reset_demo(database, tmp_path / "shop.json", NOW)
    assert says in str(error.value)
    assert _rows(database) == before


def test_a_missing_demo_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_demo(Database(f"sqlite:///{tmp_path / 'shop.db'}"), tmp_path / "none.json", NOW)


def test_an_embedded_shop_without_records_or_tables_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(ShopUnavailable):
        EmbeddedShop(database).order(OrderNumber("1001"))
    metadata.create_all(database.engine)
    assert EmbeddedShop(database).order(OrderNumber("1001")) is None
    with pytest.raises(ShopUnavailable):
        EmbeddedShop(database).policies()


def test_an_embedded_record_that_is_damaged_is_garbled(tmp_path: Path) -> None:
    database = demo_database(tmp_path)
    with database.write() as connection:
        connection.execute(sa.text("UPDATE shop_records SET body = '{' WHERE key = '1001'"))
        connection.execute(sa.text("UPDATE shop_records SET body = '{}' WHERE key = '1002'"))
    for number in ("1001", "1002"):
        with pytest.raises(ShopGarbled):
            EmbeddedShop(database).order(OrderNumber(number))


def test_a_number_with_a_slash_is_found_over_http(tmp_path: Path) -> None:
    """Path parts are quoted on the way out and not split on the way in."""
    embedded = demo_shop(tmp_path)
    order = embedded.order(OrderNumber("1001"))
    assert order is not None
    odd = replace(order, number=OrderNumber("2026/11 #7?"))

    class OneOrder(EmbeddedShop):
        def order(self, number: OrderNumber) -> Order | None:
            return odd if number == odd.number else None

    with serve_app(create_demo_shop_app(OneOrder(demo_database(tmp_path)), TOKEN)) as url:
        assert RestShop(url, TOKEN).order(odd.number) == odd
