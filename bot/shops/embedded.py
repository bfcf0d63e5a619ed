"""The shop inside: records in Thiqa's own database, in the documents of the shop contract."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from bot.errors import ConfigurationError, ShopGarbled, ShopUnavailable, StorageUnavailable
from bot.orders.model import Customer, CustomerId, Order, OrderNumber, Policies, Product, Store
from bot.orders.ports import OrderBackend
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


class EmbeddedShop(OrderBackend):
    """Reads `shop_records`. Where nothing was loaded yet, `store` and `policies` raise ShopUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
