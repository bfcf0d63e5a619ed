"""The contract of OrderBackend, held by every implementation. docs/add-a-shop.md says how to run it on another one.

The first part holds for any shop, the second for one that holds the demo shop's records. A shop of your own joins the
first part over HTTP when CONTRACT_SHOP_URL, CONTRACT_SHOP_TOKEN and CONTRACT_SHOP_ORDER (a number it has) are set.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from bot.errors import ConfigurationError, ShopGarbled, ShopUnavailable
from bot.orders.model import CustomerId, Order, OrderNumber, OrderStatus
from bot.orders.ports import OrderBackend
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
