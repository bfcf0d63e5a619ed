"""docs/shop-openapi.yaml says what the demo server serves and what the parsers ask for, no more and no less."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
import yaml
from fastapi.routing import APIRoute

from bot.errors import ShopGarbled
from bot.orders.model import CustomerId, Money, OrderNumber, OrderStatus, Sku
from bot.orders.remedies import (
    PointsRequest,
    RefundRequest,
    ReplacementKind,
    ReplacementRequest,
    VoucherRequest,
    VoucherState,
)
from bot.shops import wire
from bot.shops.demo_server import create_demo_shop_app
from tests.integration.shop_servers import TOKEN, demo_shop, serve_app

SPEC: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "docs" / "shop-openapi.yaml").read_text(encoding="utf-8")
)
SCHEMAS: dict[str, Any] = SPEC["components"]["schemas"]
ORDER, CUSTOMER, SAR = OrderNumber("1001"), CustomerId("c1"), "SAR"
REFUND = RefundRequest("k1", ORDER, Money(Decimal("34.90"), SAR), "delay")
REPLACEMENT = ReplacementRequest("k2", ORDER, ReplacementKind.EXCHANGE, Sku("HP-210"), 1)
VOUCHER = VoucherRequest("k3", CUSTOMER, Money(Decimal("50.00"), SAR), date(2027, 2, 19))
POINTS = PointsRequest("k4", CUSTOMER, 200, "delay")
PARSE: dict[str, Callable[[object], Any]] = {
    "StoreDocument": wire.parse_store,
    "Order": wire.parse_order,
    "Customer": wire.parse_customer,
    "Product": wire.parse_product,
    "RefundRequest": lambda document: wire.parse_refund_request(document, "k1", ORDER),
    "RefundMade": lambda document: wire.parse_refund_made(document, REFUND),
    "ReplacementRequest": lambda document: wire.parse_replacement_request(document, "k2", ORDER),
    "ReplacementMade": lambda document: wire.parse_replacement_made(document, REPLACEMENT),
    "VoucherRequest": lambda document: wire.parse_voucher_request(document, "k3"),
    "Voucher": wire.parse_voucher,
    "PointsRequest": lambda document: wire.parse_points_request(document, "k4", CUSTOMER),
    "PointsMade": lambda document: wire.parse_points(document, POINTS),
    "Refusal": wire.parse_refusal,
}
Served = dict[str, list[dict[str, Any]]]

OPTIONAL = {"holidays", "special_hours"}  # of the store: served where there are some


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Every document of the demo server, by the name of its schema."""
    shop = demo_shop(tmp_path_factory.mktemp("openapi"))
    with serve_app(create_demo_shop_app(shop, TOKEN)) as url, requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {TOKEN}"

        def get(path: str) -> Any:
            return session.get(url + path, timeout=5).json()

        def post(path: str, document: dict[str, Any], key: str = "k") -> Any:
            return session.post(url + path, json=document, headers={"Idempotency-Key": key}, timeout=5).json()

        asked = {
            "RefundRequest": wire.refund_request_document(REFUND),
            "ReplacementRequest": wire.replacement_request_document(REPLACEMENT),
            "VoucherRequest": wire.voucher_request_document(VOUCHER),
            "PointsRequest": wire.points_request_document(POINTS),
        }
        voucher = post("/vouchers", asked["VoucherRequest"], "k3")
        yield {
            **{name: [document] for name, document in asked.items()},
            "RefundMade": [post(f"/orders/{ORDER}/refunds", asked["RefundRequest"], "k1")],
            "ReplacementMade": [post(f"/orders/{ORDER}/replacements", asked["ReplacementRequest"], "k2")],
            "Voucher": [voucher, get("/vouchers/" + voucher["code"])],
            "PointsMade": [post(f"/customers/{CUSTOMER}/points", asked["PointsRequest"], "k4")],
            "Refusal": [
                post("/vouchers", {}),
                post("/orders/1012/refunds", asked["RefundRequest"]),
                post("/orders/9999/refunds", asked["RefundRequest"]),
            ],
            "StoreDocument": [get("/store")],
            "Customer": [get(f"/customers/c{number}") for number in range(1, 9)],
            "Product": get("/products"),
            "Order": [get(f"/orders/{number}") for number in range(1001, 1019)] + get("/orders?customer=c1"),
        }


def deref(schema: Any) -> Any:
    """The schema with its references followed and OpenAPI's `nullable` said in JSON Schema."""
    if isinstance(schema, list):
        return [deref(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return deref(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    plain = {name: deref(part) for name, part in schema.items() if name not in {"nullable", "example"}}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") else plain


def shape(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema itself under `nullable` and `allOf`."""
    for wrapper in ("anyOf", "allOf"):
        if wrapper in schema:
            return shape(schema[wrapper][0])
    return schema


def objects(value: Any, schema: dict[str, Any], path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Each object in a document with fixed fields: its path, its value and its schema."""
    schema = shape(schema)
    if isinstance(value, dict) and "properties" in schema:
        yield path, value, schema
        for name, child in value.items():
            yield from objects(child, schema["properties"].get(name, {}), (*path, name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from objects(child, schema.get("items", {}), (*path, index))


def test_the_paths_are_those_of_the_demo_server(tmp_path: Path) -> None:
    app = create_demo_shop_app(demo_shop(tmp_path), TOKEN)
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    served = {(route.path.replace(":path", ""), method.lower()) for route in routes for method in route.methods}
    assert served == {(path, method) for path, operations in SPEC["paths"].items() for method in operations}


def test_every_reference_leads_somewhere() -> None:
    def follow(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                at: Any = SPEC
                for step in value["$ref"].removeprefix("#/").split("/"):
                    at = at[step]
            value = list(value.values())
        if isinstance(value, list):
            for part in value:
                follow(part)

    follow(SPEC)


def test_every_post_asks_for_a_key_and_tells_every_refusal() -> None:
    for operations in SPEC["paths"].values():
        if "post" in operations:
            references = [parameter.get("$ref") for parameter in operations["post"]["parameters"]]
            assert "#/components/parameters/IdempotencyKey" in references
            assert {"201", "404", "409", "422"} <= set(operations["post"]["responses"])


@pytest.mark.parametrize("name", PARSE)
def test_every_served_document_follows_its_schema(served: Served, name: str) -> None:
    validator = jsonschema.Draft7Validator(deref(SCHEMAS[name]))
    for document in served[name]:
        validator.validate(document)


@pytest.mark.parametrize("name", PARSE)
def test_every_served_field_is_described_and_every_described_field_is_served(served: Served, name: str) -> None:
    for document in served[name]:
        for path, value, schema in objects(document, deref(SCHEMAS[name])):
            assert set(value) | (OPTIONAL & set(schema["properties"])) == set(schema["properties"]), path


@pytest.mark.parametrize("name", PARSE)
def test_required_is_exactly_what_the_parsers_ask_for(served: Served, name: str) -> None:
    """Without a required field a document is garbled; without any other it parses."""
    for document in served[name]:
        for path, value, schema in objects(document, deref(SCHEMAS[name])):
            for field in value:
                cut = copy.deepcopy(document)
                inner: Any = cut
                for step in path:
                    inner = inner[step]
                del inner[field]
                if field in schema.get("required", ()):
                    with pytest.raises(ShopGarbled):
                        PARSE[name](cut)
                else:
                    PARSE[name](cut)


@pytest.mark.parametrize("name", PARSE)
def test_the_examples_parse(name: str) -> None:
    PARSE[name](SCHEMAS[name]["example"])


def test_the_statuses_are_those_of_the_model() -> None:
    assert SCHEMAS["OrderStatus"]["enum"] == [status.value for status in OrderStatus]
    assert SCHEMAS["Voucher"]["properties"]["state"]["enum"] == [state.value for state in VoucherState]
    assert SCHEMAS["ReplacementRequest"]["properties"]["kind"]["enum"] == [kind.value for kind in ReplacementKind]
    assert set(SCHEMAS["Refusal"]["properties"]["code"]["enum"]) == wire.REFUSALS
