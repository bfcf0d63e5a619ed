"""The wire parsers: every field is checked, an error names the field and never the value."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import ShopGarbled
from bot.orders.model import Customer, CustomerId, Money, Order, OrderNumber, Product, Sku
from bot.orders.remedies import (
    PointsRequest,
    RefundMade,
    RefundRequest,
    ReplacementKind,
    ReplacementMade,
    ReplacementRequest,
    Voucher,
    VoucherRequest,
    VoucherState,
)
from bot.shops import wire
from bot.shops.demo import resolve

DEMO = Path(__file__).parents[2] / "bot" / "content" / "demo_shop.json"
RECORDS = resolve(json.loads(DEMO.read_text(encoding="utf-8")), date(2026, 11, 21))
for _record in RECORDS:  # the days of support hours are a set; they are written in the week's order
    if _record.kind == "store":
        _record.body["store"]["support_hours"]["days"].sort(key=wire.WEEKDAYS.index)
BODIES = {(record.kind, record.key): record.body for record in RECORDS}
PARSE: dict[str, Callable[[object], Any]] = {
    "store": wire.parse_store,
    "customer": wire.parse_customer,
    "product": wire.parse_product,
    "order": wire.parse_order,
}
SECRET = "SECRET-VALUE-551234567"


def document(parsed: Any) -> dict[str, Any]:
    if isinstance(parsed, Order):
        return wire.order_document(parsed)
    if isinstance(parsed, Customer):
        return wire.customer_document(parsed)
    return wire.product_document(parsed) if isinstance(parsed, Product) else wire.store_document(*parsed)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record.kind}-{record.key}")
def test_every_demo_record_survives_parsing_and_writing(record: Any) -> None:
    assert document(PARSE[record.kind](record.body)) == record.body


def test_days_and_lists_resolve_as_told() -> None:
    order = BODIES["order", "1001"]
    assert order["placed_on"] == "2026-11-16" and order["promised_on"] == "2026-11-22"
    assert BODIES["product", "PB-20K"]["restock_on"] == "2026-11-27"
    assert set(order["address"]) == {"city"}, "the street and the recipient stay behind"


def change(body: dict[str, Any], path: list[str | int], value: object) -> dict[str, Any]:
    body = copy.deepcopy(body)
    at: Any = body
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return body


@pytest.mark.parametrize(
    ("kind", "key", "path", "value", "named"),
    [
        ("order", "1001", ["items", 0, "unit_price"], 349.0, "order.items[0].unit_price"),
        ("order", "1001", ["items", 0, "unit_price"], "-1.00", "order.items[0].unit_price"),
        ("order", "1001", ["items", 0, "unit_price"], "NaN", "order.items[0].unit_price"),
        ("order", "1001", ["items", 0, "unit_price"], "1e9", "order.items[0].unit_price"),
        ("order", "1001", ["items", 0, "unit_price"], "٣٤٩", "order.items[0].unit_price"),
        ("order", "1001", ["items", 0, "unit_price"], "349.00\n", "order.items[0].unit_price"),
        ("order", "1001", ["items", 0, "quantity"], True, "order.items[0].quantity"),
        ("order", "1001", ["items", 0, "quantity"], 0, "order.items[0].quantity"),
        ("order", "1001", ["items", 0, "quantity"], 1.0, "order.items[0].quantity"),
        ("order", "1001", ["items", 0, "quantity"], 10**30, "order.items[0].quantity"),
        ("order", "1001", ["items", 0, "name"], "text", "order.items[0].name"),
        ("order", "1001", ["items", 0, "name", "ar"], " ", "order.items[0].name.ar"),
        ("order", "1001", ["items", 0, "name", "en"], "two\nlines", "order.items[0].name.en"),
        ("order", "1001", ["items", 0, "name", "en"], "\ud800", "order.items[0].name.en"),
        ("order", "1001", ["items"], [], "order.items"),
        ("order", "1001", ["items"], {}, "order.items"),
        ("order", "1001", ["items"], [None], "order.items[0]"),
        ("order", "1001", ["number"], 1001, "order.number"),
        ("order", "1001", ["number"], "9" * 33, "order.number"),
        ("order", "1001", ["number"], "..", "order.number"),
        ("order", "1001", ["status"], "lost", "order.status"),
        ("order", "1001", ["status"], ["shipped"], "order.status"),
        ("order", "1001", ["contact"], None, "order.contact"),
        ("order", "1001", ["contact", "phone"], "0551234567", "order.contact.phone"),
        ("order", "1001", ["contact", "email"], "no email", "order.contact.email"),
        ("order", "1001", ["currency"], "sar", "order.currency"),
        ("order", "1001", ["placed_on"], "2026-13-01", "order.placed_on"),
        ("order", "1001", ["placed_on"], "20261116", "order.placed_on"),
        ("order", "1001", ["placed_on"], "2026-11-16T00:00:00Z", "order.placed_on"),
        ("order", "1001", ["placed_on"], 1763251200, "order.placed_on"),
        ("order", "1001", ["placed_on"], None, "order.placed_on"),
        ("order", "1001", ["promised_on"], "", "order.promised_on"),
        ("order", "1001", ["address"], "Riyadh", "order.address"),
        ("order", "1001", ["shipment", "carrier"], None, "order.shipment.carrier"),
        ("order", "1001", ["shipment", "tracking_url"], "javascript:alert(1)", "order.shipment.tracking_url"),
        ("order", "1001", ["shipment", "tracking_url"], "https://", "order.shipment.tracking_url"),
        ("order", "1001", ["shipment", "tracking_url"], "https://[", "order.shipment.tracking_url"),
        ("order", "1001", ["shipment", "tracking_url"], 'https://h/"x', "order.shipment.tracking_url"),
        ("order", "1001", ["shipment", "failed_attempts"], "2", "order.shipment.failed_attempts"),
        ("order", "1007", ["refund", "amount"], None, "order.refund.amount"),
        ("order", "1007", ["refund", "paid_on"], False, "order.refund.paid_on"),
        ("customer", "c1", ["id"], "", "customer.id"),
        ("customer", "c1", ["points"], -1, "customer.points"),
        ("customer", "c1", ["language"], "Arabic", "customer.language"),
        ("product", "RN-SH", ["stock"], "4", "product.stock"),
        ("product", "RN-SH", ["options"], [], "product.options"),
        ("product", "RN-SH", ["options", SECRET], "white", "product.options.*"),
        ("product", "RN-SH", ["options", "size"], [41], "product.options.*[0]"),
        ("product", "RN-SH", ["options", ""], [], "product.options.*"),
        ("store", "store", ["store"], None, "store"),
        ("store", "store", ["store", "timezone"], "Mars/Olympus", "store.timezone"),
        ("store", "store", ["store", "timezone"], "America", "store.timezone"),
        ("store", "store", ["store", "timezone"], "../../etc/passwd", "store.timezone"),
        ("store", "store", ["store", "vat_rate"], "15", "store.vat_rate"),
        ("store", "store", ["store", "support_hours", "days", 0], "sunday", "store.support_hours.days[0]"),
        ("store", "store", ["store", "support_hours", "to"], "08:00", "store.support_hours.to"),
        ("store", "store", ["store", "support_hours", "from"], "24:00", "store.support_hours.from"),
        ("store", "store", ["store", "carriers"], {}, "store.carriers"),
        ("store", "store", ["tiers", 1, "from_points"], None, "tiers[1].from_points"),
        ("store", "store", ["policies", "delivery_days", SECRET], [3, 1], "policies.delivery_days.*"),
        ("store", "store", ["policies", "delivery_days", SECRET], [1], "policies.delivery_days.*"),
        ("store", "store", ["policies", "delivery_days", SECRET], [1, "3"], "policies.delivery_days.*[1]"),
        ("store", "store", ["policies", "cancel_until"], None, "policies.cancel_until"),
        ("store", "store", ["policies", "cod_countries", 0], "Saudi", "policies.cod_countries[0]"),
        ("store", "store", ["policies", "installments", "parts"], 0, "policies.installments.parts"),
    ],
)
def test_a_wrong_field_is_named(kind: str, key: str, path: list[str | int], value: object, named: str) -> None:
    with pytest.raises(ShopGarbled) as error:
        PARSE[kind](change(BODIES[kind, key], path, value))
    assert error.value.detail == named


@pytest.mark.parametrize("parse", [*PARSE.values(), wire.parse_orders, wire.parse_products])
@pytest.mark.parametrize("value", [None, True, 0, 1.5, "", "x", [None], [[]], {}, {"number": {}}])
def test_what_is_no_document_at_all_is_garbled(parse: Callable[[object], Any], value: object) -> None:
    with pytest.raises(ShopGarbled):
        parse(value)


def test_in_a_list_the_element_is_named() -> None:
    orders = [BODIES["order", "1001"], change(BODIES["order", "1002"], ["items", 1, "sku"], None)]
    with pytest.raises(ShopGarbled) as error:
        wire.parse_orders(orders)
    assert error.value.detail == "orders[1].items[1].sku"


def test_unknown_fields_are_ignored_and_null_is_as_good_as_absent() -> None:
    body = BODIES["order", "1005"]
    bare = {name: value for name, value in body.items() if value is not None}
    assert wire.parse_order({**bare, "gift_wrap": {"deep": [1]}}) == wire.parse_order(body)


def test_a_day_may_end_at_midnight() -> None:
    body = change(BODIES["store", "store"], ["store", "support_hours", "to"], "24:00")
    assert document(wire.parse_store(body)) == body


def test_amounts_keep_their_decimals() -> None:
    body = change(BODIES["product", "RN-SH"], ["price"], "0.3000")
    assert str(wire.parse_product(body).price) == "0.3000"
    assert wire.parse_product(body).price + Decimal("0.1") == Decimal("0.4")


@pytest.mark.parametrize(
    ("key", "fit"),
    [("1001", True), ("A-1/2 b", True), ("طلب١", True), ("", False), (" 1", False), (".", False), ("\x00", False)],
)
def test_askable_says_which_keys_a_shop_could_have(key: str, fit: bool) -> None:
    assert wire.askable(key, 10) is fit
    assert not wire.askable("1" * 11, 10)


# What the shop does

ORDER, CUSTOMER, SAR = OrderNumber("1001"), CustomerId("c1"), Money(Decimal("30.00"), "SAR")
UNTIL = date(2027, 2, 19)
REFUND = RefundRequest("k", ORDER, SAR, "delay")
REPLACEMENT = ReplacementRequest("k", ORDER, ReplacementKind.MISSING_PART, Sku("HP-210"), 2)
VOUCHER = VoucherRequest("k", CUSTOMER, SAR, UNTIL)
POINTS = PointsRequest("k", CUSTOMER, 200, "delay")
DEEDS: dict[str, tuple[dict[str, Any], Callable[[object], Any], Any]] = {
    "refund asked": (
        wire.refund_request_document(REFUND),
        lambda document: wire.parse_refund_request(document, "k", ORDER),
        REFUND,
    ),
    "refund made": (
        wire.refund_made_document(RefundMade("RF-1", SAR, "card", UNTIL), ORDER),
        lambda document: wire.parse_refund_made(document, REFUND),
        RefundMade("RF-1", SAR, "card", UNTIL),
    ),
    "replacement asked": (
        wire.replacement_request_document(REPLACEMENT),
        lambda document: wire.parse_replacement_request(document, "k", ORDER),
        REPLACEMENT,
    ),
    "replacement made": (
        wire.replacement_made_document(ReplacementMade(OrderNumber("1019"), UNTIL), ORDER),
        lambda document: wire.parse_replacement_made(document, REPLACEMENT),
        ReplacementMade(OrderNumber("1019"), UNTIL),
    ),
    "voucher asked": (
        wire.voucher_request_document(VOUCHER),
        lambda document: wire.parse_voucher_request(document, "k"),
        VOUCHER,
    ),
    "voucher made": (
        wire.voucher_document(Voucher("TH-2", CUSTOMER, SAR, VoucherState.ACTIVE, UNTIL)),
        lambda document: wire.parse_voucher_made(document, VOUCHER),
        Voucher("TH-2", CUSTOMER, SAR, VoucherState.ACTIVE, UNTIL),
    ),
    "voucher": (
        wire.voucher_document(Voucher("TH-2", None, SAR, VoucherState.USED, UNTIL, Decimal("99.50"), ORDER)),
        wire.parse_voucher,
        Voucher("TH-2", None, SAR, VoucherState.USED, UNTIL, Decimal("99.50"), ORDER),
    ),
    "points asked": (
        wire.points_request_document(POINTS),
        lambda document: wire.parse_points_request(document, "k", CUSTOMER),
        POINTS,
    ),
    "points made": (
        wire.points_document(CUSTOMER, 2650),
        lambda document: wire.parse_points(document, POINTS),
        2650,
    ),
    "refusal": ({"code": "out_of_stock"}, wire.parse_refusal, "out_of_stock"),
}


@pytest.mark.parametrize("name", DEEDS)
def test_what_is_asked_and_done_survives_writing_and_parsing(name: str) -> None:
    written, parse, value = DEEDS[name]
    assert parse(json.loads(json.dumps(written))) == value
    assert parse({**written, "more": [1]}) == value


@pytest.mark.parametrize(
    ("amount", "fit"),
    [
        ("0.01", True),
        ("1E+2", True),
        ("999999999999.9999", True),
        ("0", False),
        ("0.0000", False),
        ("-1", False),
        ("0.00001", False),
        ("1e12", False),
        ("NaN", False),
        ("sNaN", False),
        ("-Infinity", False),
    ],
)
def test_payable_says_which_amounts_a_shop_can_be_asked_for(amount: str, fit: bool) -> None:
    assert wire.payable(Decimal(amount)) is fit


@pytest.mark.parametrize("code", ["TH-7KMB-X2QD", "th7kmbx2qd", " Th 7kmb\u00a0x2qd\n", "TH–7KMB—X2QD", "th_7kmb−x2qd"])
def test_a_code_is_the_same_however_it_is_written(code: str) -> None:
    assert wire.bare_code(code) == "TH7KMBX2QD"


def paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner: list[tuple[str | int, ...]] = [path] if path else []
    if isinstance(value, dict):
        return inner + [found for name, child in value.items() for found in paths(child, (*path, name))]
    if isinstance(value, list):
        return inner + [found for index, child in enumerate(value) for found in paths(child, (*path, index))]
    return inner


PLACES = [(record, path) for record in RECORDS for path in paths(record.body)]
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet=st.characters(exclude_categories=()))
    | st.sampled_from(["-1", "1e5", "2026-02-30", "0000-01-01", "24:00", "//", "+0", "@", "delivered", "Asia", "\x00"])
    | st.from_regex(r"\d{4}-\d{2}-\d{2}|\d+\.\d+|https?://\S*", fullmatch=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PLACES), ANYTHING)
def test_a_document_with_anything_anywhere_parses_or_is_garbled(place: Any, value: object) -> None:
    """Nothing else is raised, and what parses can be written and read again."""
    record, path = place
    body = change(record.body, list(path), value)
    try:
        parsed = PARSE[record.kind](body)
    except ShopGarbled:
        return
    assert PARSE[record.kind](document(parsed)) == parsed


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PLACES), st.sampled_from([SECRET + "\n", [SECRET], {SECRET: SECRET}, {SECRET: [SECRET]}]))
def test_no_value_and_no_key_of_the_shop_appears_in_an_error(place: Any, value: object) -> None:
    record, path = place
    try:
        PARSE[record.kind](change(record.body, list(path), value))
    except ShopGarbled as error:
        assert SECRET not in str(error) and error.__cause__ is None
        assert error.__suppress_context__ or error.__context__ is None


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([(name, field) for name in DEEDS for field in DEEDS[name][0]]), ANYTHING)
def test_a_deed_with_anything_anywhere_parses_or_is_garbled_without_the_value(place: Any, value: object) -> None:
    name, field = place
    written, parse, _ = DEEDS[name]
    try:
        parse({**written, field: value})
    except ShopGarbled as error:
        assert error.detail.rpartition(".")[2].partition("[")[0] == field


@settings(max_examples=200, deadline=None)
@given(ANYTHING)
def test_anything_at_all_parses_or_is_garbled(value: object) -> None:
    for parse in (*PARSE.values(), wire.parse_orders, wire.parse_products, *(parse for _, parse, _ in DEEDS.values())):
        try:
            parse(value)
        except ShopGarbled:
            pass


def test_holidays_and_special_hours_are_optional_and_survive_writing() -> None:
    ramadan = {"first": "2026-02-18", "last": "2026-03-19", "days": ["sat", "sun"], "from": "20:00", "to": "24:00"}
    ramadan["days"].sort(key=wire.WEEKDAYS.index)  # type: ignore[attr-defined]
    body = change(BODIES["store", "store"], ["store", "holidays"], ["2026-09-23"])
    body = change(body, ["store", "special_hours"], [ramadan])
    store, policies = wire.parse_store(body)
    assert store.holidays == {date(2026, 9, 23)} and store.special_hours[0].hours.closes == time.max
    assert wire.store_document(store, policies)["store"]["special_hours"] == [ramadan]
    for bad in ({**ramadan, "last": "2026-02-17"}, {**ramadan, "from": "9"}, {}):
        with pytest.raises(ShopGarbled):
            wire.parse_store(change(body, ["store", "special_hours"], [bad]))
