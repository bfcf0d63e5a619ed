"""The demo shop's file, whose days count from the moment of loading, as documents of the shop contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

_ORDER_DAYS = ("placed", "promised", "delivered", "cancelled", "returned")


@dataclass(frozen=True)
class Record:
    """One row of the embedded shop.

    `kind` is `store`, `customer`, `product` or `order`; `key` is "store", an id, an SKU or a number; `customer` is set
    on orders; `body` is the document of the shop contract.
    """

    kind: str
    key: str
    customer: str | None
    body: dict[str, Any]


def resolve(document: Mapping[str, Any], today: date) -> list[Record]:
    """The records that `document`, shaped like bot/content/demo_shop.json, means on `today`, the shop's day 0.

    Raises KeyError, TypeError, ValueError or AttributeError where the document has another shape. Whether each body
    follows the contract is the wire parsers' to say.
    """
    resolver = _Resolver(document, today)
    return [
        Record("store", "store", None, resolver.store()),
        *(Record("customer", customer["id"], None, _customer(customer)) for customer in document["customers"]),
        *(Record("product", product["sku"], None, resolver.product(product)) for product in document["products"]),
        *(Record("order", order["number"], order["customer"], resolver.order(order)) for order in document["orders"]),
    ]


class _Resolver:
    def __init__(self, document: Mapping[str, Any], today: date) -> None:
        self._document, self._today = document, today
        self._carriers: Mapping[str, Any] = document["store"]["carriers"]
        self._names = {product["sku"]: product["name"] for product in document["products"]}
        self._customers = {customer["id"]: customer for customer in document["customers"]}

    def _day(self, source: Mapping[str, Any], name: str) -> str | None:
        """`<name>_day`, relative, as an ISO date."""
        days = source.get(f"{name}_day")
        return None if days is None else (self._today + timedelta(days=days)).isoformat()

    def store(self) -> dict[str, Any]:
        carriers = [{"name": carrier["name"]} for carrier in self._carriers.values()]
        return {
            "store": {**self._document["store"], "carriers": carriers},
            "tiers": self._document["tiers"],
            "policies": {name: value for name, value in self._document["policies"].items() if name != "about"},
        }

    def product(self, product: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **{name: product[name] for name in ("sku", "name", "price", "stock", "category")},
            "restock_on": self._day(product, "restock"),
            "warranty_months": product.get("warranty_months"),
            "options": product.get("options"),
        }

    def order(self, order: Mapping[str, Any]) -> dict[str, Any]:
        customer = self._customers[order["customer"]]
        return {
            **{name: order[name] for name in ("number", "customer", "status", "shipping_fee", "payment")},
            "contact": {"phone": customer.get("phone"), "email": customer.get("email")},
            "currency": self._document["store"]["currency"],
            "items": [
                {
                    **{name: item[name] for name in ("sku", "quantity", "unit_price")},
                    "name": self._names[item["sku"]],
                    "option": item.get("option"),
                }
                for item in order["items"]
            ],
            # The street and the recipient stay behind: no answer needs them.
            "address": {"city": order["address"]["city"]} if order.get("address") else None,
            **{f"{day}_on": self._day(order, day) for day in _ORDER_DAYS},
            "shipment": self._shipment(order) if order.get("carrier") else None,
            "refund": self._refund(order["refund"]) if order.get("refund") else None,
        }

    def _shipment(self, order: Mapping[str, Any]) -> dict[str, Any]:
        carrier = self._carriers[order["carrier"]]
        template: str | None = carrier.get("tracking_url")
        number: str = order["tracking_number"]
        return {
            "carrier": carrier["name"],
            "tracking_number": number,
            "tracking_url": template and template.replace("{tracking_number}", quote(number, safe="")),
            "shipped_on": self._day(order, "shipped"),
            "last_scan_on": self._day(order, "last_scan"),
            "failed_attempts": order.get("failed_attempts", 0),
        }

    def _refund(self, refund: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "amount": refund["amount"],
            "method": refund["method"],
            **{f"{day}_on": self._day(refund, day) for day in ("started", "due", "paid")},
        }


def _customer(customer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: customer.get(name) for name in ("id", "name", "phone", "email", "points", "language")}
