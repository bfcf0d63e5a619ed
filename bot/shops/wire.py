"""The shop contract's JSON (docs/shop-openapi.yaml) to models, and back.

`parse_*` take what `json.loads` gave and raise ShopGarbled, and nothing else, where a field is missing or wrong; the
error names the field (`order.items[0].unit_price`) and never its value, because values are customers' data. Fields that
the contract does not know are ignored. A field that may be empty may be null or absent. `*_document` are the inverse.

Money is a decimal string ("349.00"; a JSON number would pass through binary floats), a day is "2026-11-16".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.errors import ShopGarbled
from bot.orders.model import (
    Contact,
    Customer,
    CustomerId,
    Item,
    Localized,
    Money,
    Order,
    OrderNumber,
    OrderStatus,
    Policies,
    Product,
    Refund,
    Shipment,
    Sku,
    SpecialHours,
    Store,
    SupportHours,
    Tier,
)
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

ORDER_NUMBER_LENGTH = 32
CUSTOMER_ID_LENGTH = 64
VOUCHER_CODE_LENGTH = 40
REFUSALS = frozenset({"exceeds_paid", "not_paid", "out_of_stock", "not_possible", "unknown"})
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_T = TypeVar("_T")
_E = TypeVar("_E", bound=Enum)
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,4})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_MIDNIGHT_AFTER = "24:00"  # the end of the day; `time` has no such value, its last instant stands for it
_CURRENCY = re.compile(r"[A-Z]{3}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,189}")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")
_REQUEST_KEY = re.compile(r"[!-~]{1,255}")
_CODE_GAPS = re.compile(r"[\s\-\u2010-\u2015\u2212_]")
# Controls break a line out of its place; lone surrogates cannot be stored or sent.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LARGEST = 1_000_000_000


def askable(key: str, longest: int) -> bool:
    """Whether any shop could have a record of that number or id. A shop need not be asked for one that is not."""
    # "." and ".." are steps in a URL's path, however they are quoted.
    return 0 < len(key) <= longest and key.isprintable() and key == key.strip() and key not in {".", ".."}


def fit_key(key: str) -> bool:
    """Whether that can be a request's idempotency key: it travels in a header."""
    return _REQUEST_KEY.fullmatch(key) is not None


def bare_code(code: str) -> str:
    """A voucher's code without what people write it with: small letters, spaces, dashes."""
    return _CODE_GAPS.sub("", code).upper()


def payable(amount: Decimal) -> bool:
    """Whether a shop can be asked to pay that much: more than nothing, and as the contract writes amounts."""
    return amount.is_finite() and amount > 0 and _AMOUNT.fullmatch(_text(amount)) is not None


def newest_first(orders: Iterable[Order]) -> list[Order]:
    """By the day they were placed, then by number, latest first."""
    return sorted(orders, key=lambda order: (order.placed_on, order.number), reverse=True)


class _Node:
    """A value inside a document, and the path to it."""

    __slots__ = ("path", "value")

    def __init__(self, value: object, path: str) -> None:
        self.value, self.path = value, path

    def garbled(self) -> ShopGarbled:
        return ShopGarbled(self.path)

    def __getitem__(self, name: str) -> _Node:
        if not isinstance(self.value, dict):
            raise self.garbled()
        return _Node(self.value.get(name), f"{self.path}.{name}")

    def each(self) -> Iterator[_Node]:
        """The elements of a list."""
        if not isinstance(self.value, list):
            raise self.garbled()
        return (_Node(value, f"{self.path}[{index}]") for index, value in enumerate(self.value))

    def entries(self) -> Iterator[tuple[str, _Node]]:
        """The entries of an object whose keys are the shop's own words; those stay out of the path."""
        if not isinstance(self.value, dict):
            raise self.garbled()
        for key, value in self.value.items():
            child = _Node(value, f"{self.path}.*")
            yield _Node(key, child.path).text(), child

    def maybe(self, read: Callable[[_Node], _T]) -> _T | None:
        """None where the value is null or absent."""
        return None if self.value is None else read(self)

    def text(self, longest: int = 500) -> str:
        """One line that says something."""
        value = self.value
        if not isinstance(value, str) or len(value) > longest or not value.strip() or _UNFIT.search(value):
            raise self.garbled()
        return value

    def matching(self, pattern: re.Pattern[str]) -> str:
        if not isinstance(self.value, str) or not pattern.fullmatch(self.value):
            raise self.garbled()
        return self.value

    def key(self, longest: int) -> str:
        if not isinstance(self.value, str) or not askable(self.value, longest):
            raise self.garbled()
        return self.value

    def whole(self, least: int = 0) -> int:
        # In Python `True` is an int; in the contract it is not.
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not least <= self.value <= _LARGEST:
            raise self.garbled()
        return self.value

    def amount(self) -> Decimal:
        return Decimal(self.matching(_AMOUNT))

    def day(self) -> date:
        try:
            return date.fromisoformat(self.matching(_DAY))
        except ValueError:
            raise self.garbled() from None

    def url(self) -> str:
        """A complete web address. Customers get it as a link, so no other scheme passes."""
        value = self.text(2000)
        try:
            parts = urlsplit(value)
            fit = parts.scheme in {"http", "https"} and bool(parts.hostname) and not re.search(r"[\s<>\"'\\]", value)
        except ValueError:
            fit = False
        if not fit:
            raise self.garbled()
        return value

    def payable(self) -> Decimal:
        if not payable(self.amount()):
            raise self.garbled()
        return self.amount()

    def one_of(self, kinds: type[_E]) -> _E:
        try:
            return kinds(self.text())
        except ValueError:
            raise self.garbled() from None

    def status(self) -> OrderStatus:
        return self.one_of(OrderStatus)

    def zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.matching(_ZONE))
        except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: "America" is a folder of zones
            raise self.garbled() from None

    def localized(self) -> Localized:
        return {"ar": self["ar"].text(), "en": self["en"].text()}


def parse_order(document: object) -> Order:
    """One order."""
    return _order(_Node(document, "order"))


def parse_orders(document: object) -> list[Order]:
    """A list of orders, as `GET /orders` gives it, in the order given."""
    return [_order(node) for node in _Node(document, "orders").each()]


def parse_customer(document: object) -> Customer:
    """One customer."""
    node = _Node(document, "customer")
    return Customer(
        id=CustomerId(node["id"].key(CUSTOMER_ID_LENGTH)),
        name=node["name"].localized(),
        phone=node["phone"].maybe(lambda n: n.matching(_PHONE)),
        email=node["email"].maybe(lambda n: n.matching(_EMAIL)),
        points=node["points"].whole(),
        language=node["language"].maybe(lambda n: n.matching(_LANGUAGE)),
    )


def parse_product(document: object) -> Product:
    """One product."""
    return _product(_Node(document, "product"))


def parse_products(document: object) -> list[Product]:
    """The catalogue, as `GET /products` gives it."""
    return [_product(node) for node in _Node(document, "products").each()]


def parse_store(document: object) -> tuple[Store, Policies]:
    """What `GET /store` gives: the shop itself, its loyalty tiers and its policies."""
    root = _Node(document, "")
    # Each part has a path of its own, "store.currency" rather than ".store.currency".
    parts = {name: _Node(root[name].value, name) for name in ("store", "tiers", "policies")}
    return _store(parts["store"]), _policies(parts["policies"], parts["tiers"])


def parse_refund_made(document: object, request: RefundRequest) -> RefundMade:
    """What a refund gives. Garbled where it is about another order or currency, or another amount than was asked."""
    node = _Node(document, "refund")
    made = RefundMade(
        reference=node["reference"].text(64),
        amount=Money(node["amount"].payable(), node["currency"].matching(_CURRENCY)),
        method=node["method"].text(),
        due_on=node["due_on"].day(),
    )
    _same_order(node["order"], request.order)
    _same_money(node, made.amount, request.amount)
    return made


def parse_replacement_made(document: object, request: ReplacementRequest) -> ReplacementMade:
    """What a replacement gives. Garbled where it replaces another order, or an order by itself."""
    node = _Node(document, "replacement")
    made = ReplacementMade(
        order=OrderNumber(node["order"].key(ORDER_NUMBER_LENGTH)),
        promised_on=node["promised_on"].day(),
    )
    _same_order(node["replaces"], request.order)
    if made.order.casefold() == request.order.casefold():
        raise node["order"].garbled()
    return made


def parse_voucher(document: object) -> Voucher:
    """One voucher."""
    node = _Node(document, "voucher")
    return Voucher(
        code=node["code"].key(VOUCHER_CODE_LENGTH),
        customer=node["customer"].maybe(lambda n: CustomerId(n.key(CUSTOMER_ID_LENGTH))),
        amount=Money(node["amount"].payable(), node["currency"].matching(_CURRENCY)),
        state=node["state"].one_of(VoucherState),
        valid_until=node["valid_until"].day(),
        minimum=node["minimum"].maybe(_Node.amount) or Decimal(0),
        used_on=node["used_on"].maybe(lambda n: OrderNumber(n.key(ORDER_NUMBER_LENGTH))),
    )


def parse_voucher_made(document: object, request: VoucherRequest) -> Voucher:
    """What issuing a voucher gives. Garbled where it is another customer's, or worth or valid other than was asked."""
    node, voucher = _Node(document, "voucher"), parse_voucher(document)
    if voucher.customer != request.customer:
        raise node["customer"].garbled()
    _same_money(node, voucher.amount, request.amount)
    if voucher.valid_until != request.valid_until:
        raise node["valid_until"].garbled()
    return voucher


def parse_points(document: object, request: PointsRequest) -> int:
    """The balance after points were added. Garbled where it is another customer's, or less than was added."""
    node = _Node(document, "points")
    if node["customer"].key(CUSTOMER_ID_LENGTH) != request.customer:
        raise node["customer"].garbled()
    return node["points"].whole(least=request.points)


def parse_refusal(document: object) -> str:
    """The code of a refusal; `not_possible` for one that Thiqa does not know."""
    code = _Node(document, "refusal")["code"].text(64)
    return code if code in REFUSALS else "not_possible"


def parse_refund_request(document: object, key: str, order: OrderNumber) -> RefundRequest:
    """What a refund is asked with."""
    node = _Node(document, "refund")
    amount = Money(node["amount"].payable(), node["currency"].matching(_CURRENCY))
    return RefundRequest(key, order, amount, node["reason"].text(64))


def parse_replacement_request(document: object, key: str, order: OrderNumber) -> ReplacementRequest:
    """What a replacement is asked with."""
    node = _Node(document, "replacement")
    item = node["item"].maybe(lambda n: Sku(n.key(64)))
    return ReplacementRequest(key, order, node["kind"].one_of(ReplacementKind), item, node["quantity"].whole(least=1))


def parse_voucher_request(document: object, key: str) -> VoucherRequest:
    """What a voucher is asked with."""
    node = _Node(document, "voucher")
    return VoucherRequest(
        key=key,
        customer=CustomerId(node["customer"].key(CUSTOMER_ID_LENGTH)),
        amount=Money(node["amount"].payable(), node["currency"].matching(_CURRENCY)),
        valid_until=node["valid_until"].day(),
    )


def parse_points_request(document: object, key: str, customer: CustomerId) -> PointsRequest:
    """What points are asked with."""
    node = _Node(document, "points")
    return PointsRequest(key, customer, node["points"].whole(least=1), node["reason"].text(64))


def _same_order(node: _Node, asked: OrderNumber) -> None:
    if node.key(ORDER_NUMBER_LENGTH).casefold() != asked.casefold():
        raise node.garbled()


def _same_money(node: _Node, given: Money, asked: Money) -> None:
    if given.currency != asked.currency:
        raise node["currency"].garbled()
    if given.amount != asked.amount:
        raise node["amount"].garbled()


def _order(node: _Node) -> Order:
    items = tuple(_item(item) for item in node["items"].each())
    if not items:
        raise node["items"].garbled()
    return Order(
        number=OrderNumber(node["number"].key(ORDER_NUMBER_LENGTH)),
        customer=CustomerId(node["customer"].key(CUSTOMER_ID_LENGTH)),
        contact=Contact(
            phone=node["contact"]["phone"].maybe(lambda n: n.matching(_PHONE)),
            email=node["contact"]["email"].maybe(lambda n: n.matching(_EMAIL)),
        ),
        status=node["status"].status(),
        items=items,
        shipping_fee=node["shipping_fee"].amount(),
        currency=node["currency"].matching(_CURRENCY),
        payment=node["payment"].text(),
        city=node["address"].maybe(lambda address: address["city"].maybe(_Node.text)),
        placed_on=node["placed_on"].day(),
        promised_on=node["promised_on"].maybe(_Node.day),
        delivered_on=node["delivered_on"].maybe(_Node.day),
        cancelled_on=node["cancelled_on"].maybe(_Node.day),
        returned_on=node["returned_on"].maybe(_Node.day),
        shipment=node["shipment"].maybe(_shipment),
        refund=node["refund"].maybe(_refund),
    )


def _item(node: _Node) -> Item:
    return Item(
        sku=Sku(node["sku"].key(64)),
        name=node["name"].localized(),
        quantity=node["quantity"].whole(least=1),
        unit_price=node["unit_price"].amount(),
        option=node["option"].maybe(_Node.text),
    )


def _shipment(node: _Node) -> Shipment:
    attempts = node["failed_attempts"].maybe(_Node.whole)
    return Shipment(
        carrier=node["carrier"].localized(),
        tracking_number=node["tracking_number"].text(100),
        tracking_url=node["tracking_url"].maybe(_Node.url),
        shipped_on=node["shipped_on"].maybe(_Node.day),
        last_scan_on=node["last_scan_on"].maybe(_Node.day),
        failed_attempts=attempts or 0,
    )


def _refund(node: _Node) -> Refund:
    return Refund(
        amount=node["amount"].amount(),
        method=node["method"].text(),
        started_on=node["started_on"].maybe(_Node.day),
        due_on=node["due_on"].maybe(_Node.day),
        paid_on=node["paid_on"].maybe(_Node.day),
    )


def _product(node: _Node) -> Product:
    return Product(
        sku=Sku(node["sku"].key(64)),
        name=node["name"].localized(),
        price=node["price"].amount(),
        stock=node["stock"].whole(),
        category=node["category"].text(),
        restock_on=node["restock_on"].maybe(_Node.day),
        warranty_months=node["warranty_months"].maybe(_Node.whole),
        options=node["options"].maybe(_options),
    )


def _options(node: _Node) -> Mapping[str, tuple[str, ...]]:
    return {name: tuple(value.text() for value in values.each()) for name, values in node.entries()}


def _store(node: _Node) -> Store:
    rate = node["vat_rate"]
    if rate.amount() > 1:
        raise rate.garbled()
    return Store(
        name=node["name"].localized(),
        currency=node["currency"].matching(_CURRENCY),
        timezone=node["timezone"].zone(),
        support_hours=_support_hours(node["support_hours"]),
        support_phone=node["support_phone"].matching(_PHONE),
        support_email=node["support_email"].matching(_EMAIL),
        vat_rate=rate.amount(),
        vat_number=node["vat_number"].text(),
        address=node["address"].localized(),
        carriers=tuple(carrier["name"].localized() for carrier in node["carriers"].each()),
        holidays=frozenset(node["holidays"].maybe(lambda days: [day.day() for day in days.each()]) or ()),
        special_hours=node["special_hours"].maybe(_special_hours) or (),
    )


def _special_hours(node: _Node) -> tuple[SpecialHours, ...]:
    found = []
    for special in node.each():
        first, last = special["first"].day(), special["last"].day()
        if last < first:
            raise special["last"].garbled()
        found.append(SpecialHours(first, last, _support_hours(special)))
    return tuple(found)


def _support_hours(node: _Node) -> SupportHours:
    days = set()
    for day in node["days"].each():
        if day.text() not in WEEKDAYS:
            raise day.garbled()
        days.add(WEEKDAYS.index(day.text()))
    opens = time.fromisoformat(node["from"].matching(_TIME))
    closes = node["to"]
    end = time.max if closes.value == _MIDNIGHT_AFTER else time.fromisoformat(closes.matching(_TIME))
    if end <= opens:
        raise closes.garbled()
    return SupportHours(days=frozenset(days), opens=opens, closes=end)


def _policies(node: _Node, tiers: _Node) -> Policies:
    installments = node["installments"]
    return Policies(
        shipping_fee=node["shipping_fee"].amount(),
        free_shipping_from=node["free_shipping_from"].amount(),
        cod_fee=node["cod_fee"].amount(),
        delivery_days={area: _span(days) for area, days in node["delivery_days"].entries()},
        return_days=node["return_days"].whole(),
        exchange_days=node["exchange_days"].whole(),
        refund_days=node["refund_days"].whole(),
        cancel_until=node["cancel_until"].status(),
        change_address_until=node["change_address_until"].status(),
        damage_report_days=node["damage_report_days"].whole(),
        payment_methods=tuple(method.text() for method in node["payment_methods"].each()),
        cod_countries=tuple(country.matching(_COUNTRY) for country in node["cod_countries"].each()),
        installment_providers=tuple(provider.text() for provider in installments["providers"].each()),
        installment_from=installments["from_amount"].amount(),
        installment_parts=installments["parts"].whole(least=1),
        points_per_unit=node["points_per_unit"].whole(),
        points_value=node["points_value"].amount(),
        min_redeem_points=node["min_redeem_points"].whole(),
        tiers=tuple(Tier(id=tier["id"].text(), from_points=tier["from_points"].whole()) for tier in tiers.each()),
    )


def _span(node: _Node) -> tuple[int, int]:
    days = [day.whole() for day in node.each()]
    if len(days) != 2 or days[0] > days[1]:
        raise node.garbled()
    return days[0], days[1]


def order_document(order: Order) -> dict[str, Any]:
    """The JSON of one order."""
    return {
        "number": order.number,
        "customer": order.customer,
        "contact": {"phone": order.contact.phone, "email": order.contact.email},
        "status": order.status.value,
        "items": [
            {
                "sku": item.sku,
                "name": dict(item.name),
                "quantity": item.quantity,
                "unit_price": _text(item.unit_price),
                "option": item.option,
            }
            for item in order.items
        ],
        "shipping_fee": _text(order.shipping_fee),
        "currency": order.currency,
        "payment": order.payment,
        "address": None if order.city is None else {"city": order.city},
        "placed_on": _iso(order.placed_on),
        "promised_on": _iso(order.promised_on),
        "delivered_on": _iso(order.delivered_on),
        "cancelled_on": _iso(order.cancelled_on),
        "returned_on": _iso(order.returned_on),
        "shipment": None
        if order.shipment is None
        else {
            "carrier": dict(order.shipment.carrier),
            "tracking_number": order.shipment.tracking_number,
            "tracking_url": order.shipment.tracking_url,
            "shipped_on": _iso(order.shipment.shipped_on),
            "last_scan_on": _iso(order.shipment.last_scan_on),
            "failed_attempts": order.shipment.failed_attempts,
        },
        "refund": None
        if order.refund is None
        else {
            "amount": _text(order.refund.amount),
            "method": order.refund.method,
            "started_on": _iso(order.refund.started_on),
            "due_on": _iso(order.refund.due_on),
            "paid_on": _iso(order.refund.paid_on),
        },
    }


def customer_document(customer: Customer) -> dict[str, Any]:
    """The JSON of one customer."""
    return {
        "id": customer.id,
        "name": dict(customer.name),
        "phone": customer.phone,
        "email": customer.email,
        "points": customer.points,
        "language": customer.language,
    }


def product_document(product: Product) -> dict[str, Any]:
    """The JSON of one product."""
    options = product.options
    return {
        "sku": product.sku,
        "name": dict(product.name),
        "price": _text(product.price),
        "stock": product.stock,
        "category": product.category,
        "restock_on": _iso(product.restock_on),
        "warranty_months": product.warranty_months,
        "options": None if options is None else {name: list(values) for name, values in options.items()},
    }


def _hours_document(hours: SupportHours) -> dict[str, Any]:
    return {
        "days": [WEEKDAYS[day] for day in sorted(hours.days)],
        "from": hours.opens.strftime("%H:%M"),
        "to": _MIDNIGHT_AFTER if hours.closes == time.max else hours.closes.strftime("%H:%M"),
    }


def store_document(store: Store, policies: Policies) -> dict[str, Any]:
    """The JSON of `GET /store`."""
    optional: dict[str, Any] = {}
    if store.holidays:
        optional["holidays"] = [day.isoformat() for day in sorted(store.holidays)]
    if store.special_hours:
        optional["special_hours"] = [
            {"first": special.first.isoformat(), "last": special.last.isoformat(), **_hours_document(special.hours)}
            for special in store.special_hours
        ]
    return {
        "store": {
            "name": dict(store.name),
            "currency": store.currency,
            "timezone": store.timezone.key,
            "support_hours": _hours_document(store.support_hours),
            "support_phone": store.support_phone,
            "support_email": store.support_email,
            "vat_rate": _text(store.vat_rate),
            "vat_number": store.vat_number,
            "address": dict(store.address),
            "carriers": [{"name": dict(carrier)} for carrier in store.carriers],
            **optional,
        },
        "tiers": [{"id": tier.id, "from_points": tier.from_points} for tier in policies.tiers],
        "policies": {
            "shipping_fee": _text(policies.shipping_fee),
            "free_shipping_from": _text(policies.free_shipping_from),
            "cod_fee": _text(policies.cod_fee),
            "delivery_days": {area: list(days) for area, days in policies.delivery_days.items()},
            "return_days": policies.return_days,
            "exchange_days": policies.exchange_days,
            "refund_days": policies.refund_days,
            "cancel_until": policies.cancel_until.value,
            "change_address_until": policies.change_address_until.value,
            "damage_report_days": policies.damage_report_days,
            "payment_methods": list(policies.payment_methods),
            "cod_countries": list(policies.cod_countries),
            "installments": {
                "providers": list(policies.installment_providers),
                "from_amount": _text(policies.installment_from),
                "parts": policies.installment_parts,
            },
            "points_per_unit": policies.points_per_unit,
            "points_value": _text(policies.points_value),
            "min_redeem_points": policies.min_redeem_points,
        },
    }


def refund_request_document(request: RefundRequest) -> dict[str, Any]:
    """The JSON of a refund asked for; its order is in the path, its key in a header."""
    return {**_money(request.amount), "reason": request.reason}


def refund_made_document(made: RefundMade, order: OrderNumber) -> dict[str, Any]:
    """The JSON of a refund of that order."""
    return {
        "order": order,
        "reference": made.reference,
        **_money(made.amount),
        "method": made.method,
        "due_on": _iso(made.due_on),
    }


def replacement_request_document(request: ReplacementRequest) -> dict[str, Any]:
    """The JSON of a replacement asked for; its order is in the path, its key in a header."""
    return {"kind": request.kind.value, "item": request.item, "quantity": request.quantity}


def replacement_made_document(made: ReplacementMade, replaces: OrderNumber) -> dict[str, Any]:
    """The JSON of a replacement for the order `replaces`."""
    return {"order": made.order, "replaces": replaces, "promised_on": _iso(made.promised_on)}


def voucher_request_document(request: VoucherRequest) -> dict[str, Any]:
    """The JSON of a voucher asked for; its key is in a header."""
    valid_until = _iso(request.valid_until)
    return {"customer": request.customer, **_money(request.amount), "valid_until": valid_until}


def voucher_document(voucher: Voucher) -> dict[str, Any]:
    """The JSON of one voucher."""
    return {
        "code": voucher.code,
        "customer": voucher.customer,
        **_money(voucher.amount),
        "state": voucher.state.value,
        "valid_until": _iso(voucher.valid_until),
        "minimum": _text(voucher.minimum),
        "used_on": voucher.used_on,
    }


def points_request_document(request: PointsRequest) -> dict[str, Any]:
    """The JSON of points asked for; their customer is in the path, their key in a header."""
    return {"points": request.points, "reason": request.reason}


def points_document(customer: CustomerId, points: int) -> dict[str, Any]:
    """The JSON of a customer's balance."""
    return {"customer": customer, "points": points}


def _money(money: Money) -> dict[str, str]:
    return {"amount": _text(money.amount), "currency": money.currency}


def _text(amount: Decimal) -> str:
    return format(amount, "f")


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
