"""The shop inside: records in Thiqa's own database, in the documents of the shop contract.

Beside what the demo file brings there are records of kind `voucher` (by its code without dashes) and `request` (by the
hash of its idempotency key, with the answer it was given).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from bot.errors import ConfigurationError, ShopGarbled, ShopRefused, ShopUnavailable, StorageUnavailable
from bot.orders.model import Customer, CustomerId, Order, OrderNumber, OrderStatus, Policies, Product, Sku, Store
from bot.orders.ports import OrderBackend
from bot.orders.remedies import (
    PointsRequest,
    RefundMade,
    RefundRequest,
    ReplacementMade,
    ReplacementRequest,
    Voucher,
    VoucherRequest,
    VoucherState,
)
from bot.shops import wire
from bot.shops.demo import Record, resolve
from bot.storage.database import Database
from bot.storage.tables import shop_records

log = structlog.get_logger()

_PARSERS = {
    "store": wire.parse_store,
    "customer": wire.parse_customer,
    "product": wire.parse_product,
    "order": wire.parse_order,
}
_CASH = "cash_on_delivery"
_MONEY_BACK = (OrderStatus.CANCELLED, OrderStatus.RETURNED, OrderStatus.REFUND_PENDING, OrderStatus.REFUNDED)
_CODE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # none that is read as another; 5 bits each
_CODE_GROUPS = 3  # of 4 letters: 60 bits
_Body = dict[str, Any]


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class EmbeddedShop(OrderBackend):
    """`shop_records`, read and written. Where nothing was loaded yet, what needs the store raises ShopUnavailable.

    A request is done and remembered in one transaction; one that is refused leaves nothing behind, so that the same key
    may be tried again. `clock` gives an aware time.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime] = _utc_now) -> None:
        self._database, self._clock = database, clock

    def store(self) -> Store:
        return self._store()[0]

    def policies(self) -> Policies:
        return self._store()[1]

    def order(self, number: OrderNumber) -> Order | None:
        body = self._body("order", number, wire.ORDER_NUMBER_LENGTH)
        return None if body is None else wire.parse_order(body)

    def orders_of(self, customer: CustomerId) -> Sequence[Order]:
        if not wire.askable(customer, wire.CUSTOMER_ID_LENGTH):
            return []
        bodies = self._bodies(shop_records.c.kind == "order", shop_records.c.customer == customer)
        return wire.newest_first(wire.parse_orders(bodies))

    def customer(self, customer: CustomerId) -> Customer | None:
        body = self._body("customer", customer, wire.CUSTOMER_ID_LENGTH)
        return None if body is None else wire.parse_customer(body)

    def products(self) -> Sequence[Product]:
        return wire.parse_products(self._bodies(shop_records.c.kind == "product"))

    def refund(self, request: RefundRequest) -> RefundMade:
        def act(records: _Records) -> _Body:
            body = records.body("order", request.order, wire.ORDER_NUMBER_LENGTH)
            if body is None:
                raise ShopRefused("unknown")
            order, (store, policies) = wire.parse_order(body), records.store()
            if request.amount.currency != order.currency or not wire.payable(request.amount.amount):
                raise ShopRefused("not_possible")
            if not _paid(order):
                raise ShopRefused("not_paid")
            if _given_back(body) + request.amount.amount > order.total.amount:
                raise ShopRefused("exceeds_paid")
            today = self._today(store)
            made = RefundMade(
                reference=f"RF-{order.number}-{len(body.get('refunds', ())) + 1}",
                amount=request.amount,
                # What was paid at the door cannot go back the way it came.
                method="bank_transfer" if order.payment == _CASH else order.payment,
                due_on=today + timedelta(days=policies.refund_days),
            )
            document = wire.refund_made_document(made, order.number)
            started = {"reason": request.reason, "started_on": today.isoformat()}
            records.change("order", order.number, _with_refund(body, {**document, **started}))
            return document

        return wire.parse_refund_made(self._once(request, act), request)

    def replace(self, request: ReplacementRequest) -> ReplacementMade:
        def act(records: _Records) -> _Body:
            # The store's row is locked first: two replacements at once would take the same new number.
            store, policies = records.store(lock=True)
            body = records.body("order", request.order, wire.ORDER_NUMBER_LENGTH)
            if body is None:
                raise ShopRefused("unknown")
            order = wire.parse_order(body)
            if not _paid(order):
                raise ShopRefused("not_paid")
            if order.status in _MONEY_BACK:
                raise ShopRefused("not_possible")
            items = _replaced(body["items"], request)
            _take_from_stock(records, items)
            today = self._today(store)
            made = ReplacementMade(
                order=records.next_number(), promised_on=today + timedelta(days=_longest(policies, order.city))
            )
            new = {
                **{name: body.get(name) for name in ("customer", "contact", "address", "currency", "payment")},
                "number": made.order,
                "status": OrderStatus.PROCESSING.value,
                "items": items,
                "shipping_fee": "0.00",
                "placed_on": today.isoformat(),
                "promised_on": made.promised_on.isoformat(),
                "replaces": order.number,
            }
            records.add(Record("order", made.order, order.customer, new))
            return wire.replacement_made_document(made, order.number)

        return wire.parse_replacement_made(self._once(request, act), request)

    def issue_voucher(self, request: VoucherRequest) -> Voucher:
        def act(records: _Records) -> _Body:
            store, _ = records.store()
            if records.body("customer", request.customer, wire.CUSTOMER_ID_LENGTH) is None:
                raise ShopRefused("unknown")
            if (
                request.amount.currency != store.currency
                or not wire.payable(request.amount.amount)
                or request.valid_until < self._today(store)
            ):
                raise ShopRefused("not_possible")
            voucher = Voucher(_new_code(), request.customer, request.amount, VoucherState.ACTIVE, request.valid_until)
            document = wire.voucher_document(voucher)
            records.add(Record("voucher", wire.bare_code(voucher.code), request.customer, document))
            return document

        return wire.parse_voucher_made(self._once(request, act), request)

    def voucher(self, code: str) -> Voucher | None:
        """As in the port; the case of letters, spaces and dashes do not count."""
        body = self._body("voucher", wire.bare_code(code), wire.VOUCHER_CODE_LENGTH)
        return None if body is None else self._aged(wire.parse_voucher(body), self.store())

    def redeem_voucher(self, code: str, order: OrderNumber) -> Voucher:
        """Use a voucher for an order: what the shop's own checkout does. Raises ShopRefused("not_possible") where it is
        unknown, used, expired or cancelled; of two at once one is refused."""
        with self._write() as records:
            body = records.body("voucher", wire.bare_code(code), wire.VOUCHER_CODE_LENGTH)
            if body is None:
                raise ShopRefused("not_possible")
            voucher = self._aged(wire.parse_voucher(body), records.store()[0])
            if voucher.state is not VoucherState.ACTIVE:
                raise ShopRefused("not_possible")
            used = replace(voucher, state=VoucherState.USED, used_on=order)
            records.change("voucher", wire.bare_code(code), wire.voucher_document(used))
            return used

    def add_points(self, request: PointsRequest) -> int:
        def act(records: _Records) -> _Body:
            body = records.body("customer", request.customer, wire.CUSTOMER_ID_LENGTH)
            if body is None:
                raise ShopRefused("unknown")
            if request.points < 1:
                raise ShopRefused("not_possible")
            points = wire.parse_customer(body).points + request.points
            changed = {**body, "points": points}
            try:
                wire.parse_customer(changed)
            except ShopGarbled:  # more than a balance can hold
                raise ShopRefused("not_possible") from None
            records.change("customer", request.customer, changed)
            return wire.points_document(request.customer, points)

        return wire.parse_points(self._once(request, act), request)

    def _once(
        self,
        request: RefundRequest | ReplacementRequest | VoucherRequest | PointsRequest,
        act: Callable[[_Records], _Body],
    ) -> object:
        """What `act` gives, done and remembered in one transaction; what is remembered where it was done before."""
        if not wire.fit_key(request.key):
            raise ShopRefused("not_possible")
        key = hashlib.sha256(request.key.encode()).hexdigest()
        asked = json.dumps([type(request).__name__, asdict(request)], default=str)
        fingerprint = hashlib.sha256(asked.encode()).hexdigest()
        with self._write() as records:
            # The table's key lets one caller insert the claim; the same key elsewhere waits for its commit.
            if not records.claim(Record("request", key, None, {"request": fingerprint, "answer": None})):
                kept = records.body("request", key, len(key))
                if kept is None or kept["request"] != fingerprint:
                    raise ShopRefused("not_possible")
                return kept["answer"]
            answer = act(records)
            records.change("request", key, {"request": fingerprint, "answer": answer})
            return answer

    @contextmanager
    def _write(self) -> Iterator[_Records]:
        try:
            with self._database.write() as connection:
                yield _Records(connection)
        except StorageUnavailable:
            raise ShopUnavailable("the database did not answer") from None
        except ValueError:  # a body that is no JSON
            raise ShopGarbled("shop_records.body") from None

    def _today(self, store: Store) -> date:
        return self._clock().astimezone(store.timezone).date()

    def _aged(self, voucher: Voucher, store: Store) -> Voucher:
        over = voucher.state is VoucherState.ACTIVE and self._today(store) > voucher.valid_until
        return replace(voucher, state=VoucherState.EXPIRED) if over else voucher

    def _store(self) -> tuple[Store, Policies]:
        body = self._body("store", "store", len("store"))
        if body is None:
            raise ShopUnavailable("the embedded shop is empty")
        return wire.parse_store(body)

    def _body(self, kind: str, key: str, longest: int) -> object | None:
        # A key that cannot exist is not asked for: drivers raise on NUL and on lone surrogates.
        if not wire.askable(key, longest):
            return None
        bodies = self._bodies(shop_records.c.kind == kind, shop_records.c.key == key)
        return bodies[0] if bodies else None

    def _bodies(self, *where: Any) -> list[object]:
        query = sa.select(shop_records.c.body).where(*where).order_by(shop_records.c.key)
        try:
            with self._database.read() as connection:
                return list(connection.execute(query).scalars())
        except StorageUnavailable:
            raise ShopUnavailable("the database did not answer") from None
        except ValueError:  # a body that is no JSON
            raise ShopGarbled("shop_records.body") from None


class _Records:
    """The shop's records inside one write transaction. What is read is locked until its end; SQLite locks all anyway."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def body(self, kind: str, key: str, longest: int, lock: bool = True) -> Any:
        """The record's document, or None."""
        if not wire.askable(key, longest):
            return None
        query = sa.select(shop_records.c.body).where(shop_records.c.kind == kind, shop_records.c.key == key)
        return self._connection.execute(query.with_for_update() if lock else query).scalar()

    def store(self, lock: bool = False) -> tuple[Store, Policies]:
        body = self.body("store", "store", len("store"), lock)
        if body is None:
            raise ShopUnavailable("the embedded shop is empty")
        return wire.parse_store(body)

    def next_number(self) -> OrderNumber:
        """One above the highest number of an order. The store's row is locked, or two would get the same."""
        keys = self._connection.execute(sa.select(shop_records.c.key).where(shop_records.c.kind == "order")).scalars()
        return OrderNumber(str(max((int(key) for key in keys if key.isascii() and key.isdigit()), default=0) + 1))

    def claim(self, record: Record) -> bool:
        """Insert a record; False where there is one of its key."""
        insert = _insert(self._connection).values([_row(record)]).on_conflict_do_nothing()
        return bool(self._connection.execute(insert).rowcount == 1)

    def add(self, record: Record) -> None:
        self._connection.execute(_insert(self._connection), [_row(record)])

    def change(self, kind: str, key: str, body: _Body) -> None:
        where = (shop_records.c.kind == kind, shop_records.c.key == key)
        self._connection.execute(sa.update(shop_records).where(*where).values(body=body))


def _paid(order: Order) -> bool:
    """Whether the shop has the money: cash comes with the delivery."""
    if order.payment == _CASH:
        return order.status is OrderStatus.DELIVERED or order.delivered_on is not None
    return order.status is not OrderStatus.PENDING_PAYMENT


def _given_back(body: _Body) -> Decimal:
    """All refunds of an order, the shop's own for a return or a cancellation among them."""
    parts = sum((Decimal(part["amount"]) for part in body.get("refunds", ())), Decimal())
    own = body.get("refund")
    return parts if own is None or own.get("of_parts") else parts + Decimal(own["amount"])


def _with_refund(body: _Body, part: _Body) -> _Body:
    """The order with one more partial refund. `refund`, which tracking tells, sums them up, unless it is of a return or
    a cancellation: that stays as it is."""
    parts = [*body.get("refunds", ()), part]
    changed = {**body, "refunds": parts}
    if body.get("refund") is None or body["refund"].get("of_parts"):
        changed["refund"] = {
            "amount": format(_given_back({"refunds": parts}), "f"),
            "method": part["method"],
            "started_on": parts[0]["started_on"],
            "due_on": max(each["due_on"] for each in parts),
            "paid_on": None,
            "of_parts": True,
        }
    return changed


def _replaced(items: Sequence[_Body], request: ReplacementRequest) -> list[_Body]:
    """The new order's items, at no cost. Raises ShopRefused for more than was ordered."""
    free = [{**item, "unit_price": "0.00"} for item in items]
    if request.item is None:
        return free
    left, taken = request.quantity, []
    # One item may stand in several lines, in different options.
    for item in free:
        quantity = min(left, item["quantity"])
        if item["sku"] == request.item and quantity > 0:
            taken.append({**item, "quantity": quantity})
            left -= quantity
    if left or not taken:
        raise ShopRefused("not_possible")
    return taken


def _take_from_stock(records: _Records, items: Sequence[_Body]) -> None:
    """Raises ShopRefused where there is not enough of every item."""
    wanted: Counter[Sku] = Counter()
    for item in items:
        wanted[item["sku"]] += item["quantity"]
    for sku, quantity in sorted(wanted.items()):
        body = records.body("product", sku, 64)
        if body is None or wire.parse_product(body).stock < quantity:
            raise ShopRefused("out_of_stock")
        records.change("product", sku, {**body, "stock": body["stock"] - quantity})


def _longest(policies: Policies, city: str | None) -> int:
    """Days that a delivery takes at most. An area is a city or "other"; a shop that names neither gets its longest."""
    areas = {area.casefold(): days[1] for area, days in policies.delivery_days.items()}
    for area in ((city or "").casefold(), "other"):
        if area in areas:
            return areas[area]
    return max(areas.values(), default=0)


def _new_code() -> str:
    groups = ("".join(secrets.choice(_CODE_LETTERS) for _ in range(4)) for _ in range(_CODE_GROUPS))
    return "-".join(("TH", *groups))


def load_demo(database: Database, path: Path, now: datetime) -> bool:
    """Load the demo shop from `path` where no shop is loaded; day 0 is `now`'s day in the shop's time zone.

    True when this call loaded it. Any number of processes may call at once: one loads everything, the rest nothing.
    Raises ConfigurationError for a file that is not a demo shop, StorageUnavailable; then nothing is loaded.
    """
    records = _read(path, now)
    with database.write() as connection:
        # The store's row is the claim: the table's key lets one caller insert it, and the others wait for its commit.
        claim = _insert(connection).values([_row(records[0])]).on_conflict_do_nothing()
        if connection.execute(claim).rowcount != 1:
            return False
        connection.execute(_insert(connection), [_row(record) for record in records[1:]])
    log.info("shop.demo_loaded", records=len(records))
    return True


def reset_demo(database: Database, path: Path, now: datetime) -> None:
    """Replace everything in the embedded shop by the demo shop as `load_demo` would load it. All or nothing.

    Raises ConfigurationError, StorageUnavailable.
    """
    records = _read(path, now)
    with database.write() as connection:
        if database.is_postgresql:
            # Two resets at once would each keep the other's rows out of its DELETE. Readers go on.
            connection.execute(sa.text("LOCK TABLE shop_records IN EXCLUSIVE MODE"))
        connection.execute(sa.delete(shop_records))
        connection.execute(_insert(connection), [_row(record) for record in records])
    log.info("shop.demo_reset", records=len(records))


def _read(path: Path, now: datetime) -> list[Record]:
    with _file_errors(path):
        document = json.loads(path.read_text(encoding="utf-8"))
        records = resolve(document, _today(document, now))
        for record in records:
            _PARSERS[record.kind](record.body)
        keys = {(record.kind, record.key) for record in records}
        if len(keys) != len(records):
            raise ValueError("two records share a key")
        return records


def _today(document: Any, now: datetime) -> date:
    return now.astimezone(ZoneInfo(document["store"]["timezone"])).date()


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    remedy = "bot/content/demo_shop.json shows the shape."
    try:
        yield
    except OSError as error:
        raise ConfigurationError(str(path), f"the demo shop cannot be read ({error.strerror})", remedy) from None
    except ShopGarbled as error:
        raise ConfigurationError(str(path), f"wrong or missing: {error.detail}", remedy) from None
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(str(path), f"not a demo shop ({type(error).__name__}: {error})", remedy) from None


def _insert(connection: Connection) -> Any:
    """`INSERT` of the dialect at hand: only those know ON CONFLICT."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(shop_records)


def _row(record: Record) -> dict[str, Any]:
    return {"kind": record.kind, "key": record.key, "customer": record.customer, "body": record.body}
