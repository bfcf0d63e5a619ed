"""docs/shop-openapi.yaml says what the demo server serves and what the parsers ask for, no more and no less."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
import yaml
from fastapi.routing import APIRoute

from bot.errors import ShopGarbled
from bot.orders.model import OrderStatus
from bot.shops import wire
from bot.shops.demo_server import create_demo_shop_app
from tests.integration.shop_servers import TOKEN, demo_shop, serve_app

SPEC: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "docs" / "shop-openapi.yaml").read_text(encoding="utf-8")
)
SCHEMAS: dict[str, Any] = SPEC["components"]["schemas"]
PARSE: dict[str, Callable[[object], Any]] = {
    "StoreDocument": wire.parse_store,
    "Order": wire.parse_order,
    "Customer": wire.parse_customer,
    "Product": wire.parse_product,
}
Served = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Every document of the demo server, by the name of its schema."""
    shop = demo_shop(tmp_path_factory.mktemp("openapi"))
    with serve_app(create_demo_shop_app(shop, TOKEN)) as url, requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {TOKEN}"

        def get(path: str) -> Any:
            return session.get(url + path, timeout=5).json()

        yield {
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
    routes = {route.path.replace(":path", "") for route in app.routes if isinstance(route, APIRoute)}
    assert routes == set(SPEC["paths"])
    assert all(set(operations) == {"get"} for operations in SPEC["paths"].values())


@pytest.mark.parametrize("name", PARSE)
def test_every_served_document_follows_its_schema(served: Served, name: str) -> None:
    validator = jsonschema.Draft7Validator(deref(SCHEMAS[name]))
    for document in served[name]:
        validator.validate(document)


@pytest.mark.parametrize("name", PARSE)
def test_every_served_field_is_described_and_every_described_field_is_served(served: Served, name: str) -> None:
    for document in served[name]:
        for path, value, schema in objects(document, deref(SCHEMAS[name])):
            assert set(value) == set(schema["properties"]), path


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
