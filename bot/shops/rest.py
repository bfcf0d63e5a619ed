"""Any shop that speaks the contract of docs/shop-openapi.yaml, over HTTP."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import structlog

from bot.errors import ConfigurationError, ShopError, ShopGarbled, ShopRefused, ShopUnavailable
from bot.orders.model import Customer, CustomerId, Order, OrderNumber, Policies, Product, Store
from bot.orders.ports import OrderBackend
from bot.orders.remedies import (
    PointsRequest,
    RefundMade,
    RefundRequest,
    ReplacementMade,
    ReplacementRequest,
    Voucher,
    VoucherRequest,
)
from bot.shops import wire
from bot.shops.circuit import Circuit
from bot.shops.transport import Answer, NoAnswer, Transport, UnfitAnswer

log = structlog.get_logger()

_T = TypeVar("_T")
_TRIES = 3
_RETRIED = frozenset({429, 502, 503, 504})
_BACK_OFF = 0.2  # seconds before the second try, doubled before the third, less up to half of it
_LONGEST_RETRY_AFTER = 2.0  # seconds; a customer waits meanwhile, so a shop that asks for more is given up on
_LARGEST = 5 * 1024 * 1024  # bytes of an answer
_FRESH = 60.0  # seconds
_PRODUCTS_STALE = 3600.0  # seconds; an older price or stock is rather not told
_READ, _DONE = frozenset({200}), frozenset({200, 201})
_REFUSED = frozenset({409, 422})  # statuses of a POST that say why


@dataclass(frozen=True)
class _Call:
    """A GET, or with a body a POST. `what` names it in logs and errors, where its path and its key may not stand."""

    what: str
    path: str
    body: bytes | None = None
    key: str = ""


class RestShop(OrderBackend):
    """The shop at `base_url`, asked with `token` as bearer.

    `timeout` bounds one exchange and `total` one method with its retries, both in seconds; a connection that cannot be
    made is given up after `connect_timeout` (for each address of the host). `clock` counts seconds and never goes back.
    Raises ConfigurationError for an address or a token that cannot be one. Opens no connection before it is used.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeout: float = 3.0,
        connect_timeout: float = 2.0,
        total: float = 8.0,
        circuit: Circuit | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._base = _base(base_url)
        if not token.isascii() or not token.isprintable() or " " in token:
            remedy = "Copy it again from the shop."
            raise ConfigurationError("THIQA_SHOP_TOKEN", "it holds characters that no token has", remedy)
        self._timeout, self._total = timeout, total
        self._clock, self._sleep, self._jitter = clock, sleep, jitter
        self._circuit = circuit or Circuit(clock=clock)
        self._transport = Transport(token, connect_timeout, _LARGEST)
        # The store's own data and figures change rarely: an old copy is good for as long as the shop is away.
        self._store_cache = _Cache(self._fetch_store, "store", float("inf"), clock)
        self._products_cache = _Cache(self._fetch_products, "products", _PRODUCTS_STALE, clock)

    def store(self) -> Store:
        return self._store_cache.get()[0]

    def policies(self) -> Policies:
        return self._store_cache.get()[1]

    def order(self, number: OrderNumber) -> Order | None:
        def parse(document: object) -> Order:
            order = wire.parse_order(document)
            # Another order than the one asked for would be told to the wrong customer.
            if order.number.casefold() != number.casefold():
                raise ShopGarbled("order.number")
            return order

        if not wire.askable(number, wire.ORDER_NUMBER_LENGTH):
            return None
        return self._ask("order", "/orders/" + quote(number, safe=""), parse)

    def orders_of(self, customer: CustomerId) -> Sequence[Order]:
        def parse(document: object) -> list[Order]:
            orders = wire.parse_orders(document)
            for index, order in enumerate(orders):
                if order.customer != customer:
                    raise ShopGarbled(f"orders[{index}].customer")
            return wire.newest_first(orders)

        if not wire.askable(customer, wire.CUSTOMER_ID_LENGTH):
            return []
        return self._ask("orders", "/orders?" + urlencode({"customer": customer}), parse) or []

    def customer(self, customer: CustomerId) -> Customer | None:
        def parse(document: object) -> Customer:
            found = wire.parse_customer(document)
            if found.id != customer:
                raise ShopGarbled("customer.id")
            return found

        if not wire.askable(customer, wire.CUSTOMER_ID_LENGTH):
            return None
        return self._ask("customer", "/customers/" + quote(customer, safe=""), parse)

    def products(self) -> Sequence[Product]:
        return self._products_cache.get()

    def refund(self, request: RefundRequest) -> RefundMade:
        if not wire.payable(request.amount.amount):
            raise ShopRefused("not_possible")
        path = _path(request.order, wire.ORDER_NUMBER_LENGTH, "/orders/{}/refunds")
        document = wire.refund_request_document(request)
        return self._do("refund", path, request.key, document, lambda answer: wire.parse_refund_made(answer, request))

    def replace(self, request: ReplacementRequest) -> ReplacementMade:
        path = _path(request.order, wire.ORDER_NUMBER_LENGTH, "/orders/{}/replacements")
        document = wire.replacement_request_document(request)
        return self._do(
            "replacement", path, request.key, document, lambda answer: wire.parse_replacement_made(answer, request)
        )

    def issue_voucher(self, request: VoucherRequest) -> Voucher:
        if not wire.payable(request.amount.amount):
            raise ShopRefused("not_possible")
        document = wire.voucher_request_document(request)
        return self._do(
            "voucher", "/vouchers", request.key, document, lambda answer: wire.parse_voucher_made(answer, request)
        )

    def voucher(self, code: str) -> Voucher | None:
        def parse(document: object) -> Voucher:
            voucher = wire.parse_voucher(document)
            # Shops may read codes more kindly than they print them.
            if wire.bare_code(voucher.code) != wire.bare_code(code):
                raise ShopGarbled("voucher.code")
            return voucher

        asked = code.strip()
        if not wire.askable(asked, wire.VOUCHER_CODE_LENGTH):
            return None
        return self._ask("voucher", "/vouchers/" + quote(asked, safe=""), parse)

    def add_points(self, request: PointsRequest) -> int:
        path = _path(request.customer, wire.CUSTOMER_ID_LENGTH, "/customers/{}/points")
        document = wire.points_request_document(request)
        return self._do("points", path, request.key, document, lambda answer: wire.parse_points(answer, request))

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()

    def _fetch_store(self) -> tuple[Store, Policies]:
        answer = self._ask("store", "/store", wire.parse_store)
        if answer is None:
            raise ShopGarbled("store: status 404")
        return answer

    def _fetch_products(self) -> Sequence[Product]:
        answer = self._ask("products", "/products", wire.parse_products)
        if answer is None:
            raise ShopGarbled("products: status 404")
        return tuple(answer)

    def _ask(self, what: str, path: str, parse: Callable[[object], _T]) -> _T | None:
        """What `parse` makes of the JSON at `path`, None for 404. `what` names it in logs and errors."""
        answer = self._answer(_Call(what, path))
        try:
            document = _document(what, answer, _READ)
            return None if document is None else parse(document)
        except ShopGarbled as error:
            log.warning("shop.answer_garbled", request=what, detail=error.detail)
            raise

    def _do(self, what: str, path: str, key: str, document: dict[str, Any], parse: Callable[[object], _T]) -> _T:
        """What `parse` makes of the answer to a POST of `document`. Tried again as a read is: the shop knows the key."""
        if not wire.fit_key(key):
            raise ShopRefused("not_possible")
        answer = self._answer(_Call(what, path, json.dumps(document).encode(), key))
        try:
            refused = answer.status in _REFUSED
            given = _document(what, answer, _REFUSED if refused else _DONE)
            if given is not None and not refused:
                return parse(given)
            code = "unknown" if given is None else wire.parse_refusal(given)
        except ShopGarbled as error:
            log.warning("shop.answer_garbled", request=what, detail=error.detail)
            raise
        log.info("shop.refused", request=what, code=code)
        raise ShopRefused(code)

    def _answer(self, call: _Call) -> Answer:
        """The shop's answer, after retries; its status is neither 5xx nor 429 nor a refusal of the token."""
        what = call.what
        deadline = self._clock() + self._total
        attempt = 0
        while True:
            attempt += 1
            answer, trouble = self._exchange(call, deadline, fresh=attempt > 1)
            if answer is not None and answer.status in {401, 403}:
                log.error("shop.token_refused", request=what, status=answer.status, setting="THIQA_SHOP_TOKEN")
                raise ShopUnavailable(f"{what}: the shop refused the token")
            if answer is not None and not _in_trouble(answer):
                return answer
            log.warning("shop.request_failed", request=what, reason=trouble, attempt=attempt)
            wait = self._wait(attempt, answer)
            if wait is None or attempt == _TRIES or self._circuit.is_open or self._clock() + wait >= deadline:
                raise ShopUnavailable(f"{what}: {trouble}")
            self._sleep(wait)

    def _exchange(self, call: _Call, deadline: float, fresh: bool) -> tuple[Answer | None, str]:
        """One request through the circuit: the answer, or None, and what there is to say of it."""
        what = call.what
        if not self._circuit.acquire():
            log.info("shop.request_spared", request=what)
            raise ShopUnavailable(f"{what}: the circuit is open")
        answered = False
        try:
            timeout = min(self._timeout, max(deadline - self._clock(), 0.01))
            url = self._base + call.path
            if call.body is None:
                answer = self._transport.get(url, timeout, fresh=fresh)
            else:
                answer = self._transport.post(url, call.body, call.key, timeout, fresh=fresh)
            # A refusal or a wrong answer comes without a wait; only a shop in trouble is worth sparing.
            answered = not _in_trouble(answer)
            return answer, f"status {answer.status}"
        except NoAnswer as error:
            return None, error.reason
        except UnfitAnswer as error:
            answered = True
            log.warning("shop.answer_garbled", request=what, detail=error.reason)
            raise ShopGarbled(f"{what}: {error.reason}") from None
        finally:
            if answered:
                self._circuit.succeeded()
            else:
                self._circuit.failed()

    def _wait(self, attempt: int, answer: Answer | None) -> float | None:
        """Seconds before the next try; None where there should be none."""
        if answer is not None and answer.status not in _RETRIED:
            return None
        back_off = _BACK_OFF * 2.0 ** (attempt - 1) * (1 - self._jitter() / 2)
        asked = answer.retry_after if answer else None
        if asked is None:
            return back_off
        # A date instead of seconds needs the shop's clock to be ours; taken as too long.
        seconds = float(asked) if re.fullmatch("[0-9]{1,9}", asked) else float("inf")
        return max(back_off, seconds) if seconds <= _LONGEST_RETRY_AFTER else None


def _in_trouble(answer: Answer) -> bool:
    return answer.status >= 500 or answer.status == 429


def _path(key: str, longest: int, template: str) -> str:
    """The path with that number or id in it. Raises ShopRefused for one that no shop could have."""
    if not wire.askable(key, longest):
        raise ShopRefused("unknown")
    return template.format(quote(key, safe=""))


def _document(what: str, answer: Answer, fit: frozenset[int]) -> object | None:
    """The JSON of an answer of a status in `fit`, None for 404. Raises ShopGarbled."""
    if answer.status not in {*fit, 404}:
        raise ShopGarbled(f"{what}: status {answer.status}")
    # Also for 404: a proxy's "not found" page does not say that there is no such order.
    if answer.content_type != "application/json":
        raise ShopGarbled(f"{what}: content type, status {answer.status}")
    if answer.status == 404:
        return None
    try:
        document: object = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise ShopGarbled(f"{what}: not JSON") from None
    if document is None:
        raise ShopGarbled(what)
    return document


class _Cache(Generic[_T]):
    """What `load` gave, for `_FRESH` seconds; up to `stale` seconds where `load` raises ShopError. Thread-safe."""

    def __init__(self, load: Callable[[], _T], name: str, stale: float, clock: Callable[[], float]) -> None:
        self._load, self._name, self._stale, self._clock = load, name, stale, clock
        self._refreshing = threading.Lock()
        self._copy: tuple[_T, float] | None = None  # replaced as a whole, so read without a lock

    def get(self) -> _T:
        copy = self._copy
        age = float("inf") if copy is None else self._clock() - copy[1]
        if copy is not None and age < _FRESH:
            return copy[0]
        if copy is None or age >= self._stale:
            # No lock: those who waited for one would wait again for the shop, one after the other.
            return self._refresh()
        if not self._refreshing.acquire(blocking=False):
            return copy[0]
        try:
            return self._refresh()
        except ShopError:
            log.warning("shop.stale_served", request=self._name, age=round(age))
            return copy[0]
        finally:
            self._refreshing.release()

    def _refresh(self) -> _T:
        value = self._load()
        self._copy = (value, self._clock())
        return value


def _base(url: str) -> str:
    try:
        parts = urlsplit(url)
        fit = (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and parts.port != 0
            and "@" not in parts.netloc
            and not (parts.query or parts.fragment)
            and url.isprintable()
            and " " not in url
        )
    except ValueError:
        fit = False
    if not fit:
        remedy = "Use https://host/path, without a query; the token goes into THIQA_SHOP_TOKEN."
        raise ConfigurationError("THIQA_SHOP_URL", "it is not the address of a shop", remedy)
    return url.rstrip("/")
