"""RestShop against a server on a real socket that misbehaves in every way a shop can."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from structlog.testing import capture_logs

from bot.errors import ConfigurationError, ShopError, ShopGarbled, ShopRefused, ShopUnavailable
from bot.orders.model import CustomerId, Money, OrderNumber
from bot.orders.ports import OrderBackend
from bot.orders.remedies import (
    PointsRequest,
    RefundMade,
    RefundRequest,
    ReplacementKind,
    ReplacementRequest,
    VoucherRequest,
)
from bot.shops import wire
from bot.shops.demo_server import create_demo_shop_app
from bot.shops.embedded import EmbeddedShop
from bot.shops.rest import RestShop
from tests.integration.shop_servers import NOW, TOKEN, Handler, ScriptedServer, demo_database, demo_shop, serve_app

Behaviour = Callable[[Handler], None]
NUMBER = OrderNumber("1001")
SECRET = "s3cret-token"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> OrderBackend:
    return demo_shop(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def order(demo: OrderBackend) -> dict[str, Any]:
    found = demo.order(NUMBER)
    assert found is not None
    return wire.order_document(found)


class Time:
    """A clock that moves when somebody sleeps, so that no test waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


Play = Callable[..., tuple[RestShop, ScriptedServer, Time]]


@pytest.fixture
def play() -> Iterator[Play]:
    """Start a scripted server and a RestShop towards it, with a clock of its own."""
    with ExitStack() as stack:

        def start(*script: Behaviour, **options: Any) -> tuple[RestShop, ScriptedServer, Time]:
            server = stack.enter_context(ScriptedServer(*script))
            clock = Time()
            options = {"timeout": 2.0, "clock": clock, "sleep": clock.sleep, "jitter": lambda: 0.0, **options}
            shop = RestShop(server.url, SECRET, **options)
            stack.callback(shop.close)
            return shop, server, clock

        yield start


def says(document: Any, status: int = 200, **headers: str) -> Behaviour:
    return lambda handler: handler.answer(status, json.dumps(document).encode(), **headers)


def status(code: int, **headers: str) -> Behaviour:
    return says({"detail": "no"}, code, **headers)


def hangs(handler: Handler) -> None:
    time.sleep(2)


def drops(handler: Handler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def drips_headers(handler: Handler) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 200:
        handler.connection.sendall(bytes([byte]))
        time.sleep(0.02)


def drips_body(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b" ")
        time.sleep(0.02)


def breaks_off(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")


def test_a_request_carries_the_token_and_asks_once(play: Play, order: dict[str, Any]) -> None:
    shop, server, _ = play(says(order))
    assert shop.order(NUMBER) is not None
    assert server.requests == [("/orders/1001", f"Bearer {SECRET}")]


def test_a_netrc_entry_does_not_replace_the_token(
    play: Play, order: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    shop, server, _ = play(says(order))
    shop.order(NUMBER)
    assert server.requests[0][1] == f"Bearer {SECRET}"


@pytest.mark.parametrize("behaviour", [hangs, drips_headers, drips_body], ids=lambda b: b.__name__)
def test_a_shop_that_keeps_one_waiting_is_left_in_time(play: Play, behaviour: Behaviour) -> None:
    """Three tries of 0.2 s each, also where a byte comes now and then."""
    shop, server, _ = play(behaviour, timeout=0.2)
    began = time.monotonic()
    with pytest.raises(ShopUnavailable, match="timeout"):
        shop.order(NUMBER)
    assert time.monotonic() - began < 4
    assert len(server.requests) == 3


def test_the_total_bound_ends_the_retries(play: Play) -> None:
    shop, server, clock = play(status(503), total=0.5)
    with pytest.raises(ShopUnavailable):
        shop.order(NUMBER)
    assert clock.slept == [0.2] and len(server.requests) == 2


def test_a_port_where_nobody_listens_is_unavailable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        shop = RestShop(f"http://127.0.0.1:{unused.getsockname()[1]}", SECRET, sleep=lambda _: None)
        with pytest.raises(ShopUnavailable, match="connection"):
            shop.order(NUMBER)


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_a_shop_in_passing_trouble_is_asked_again(play: Play, order: dict[str, Any], code: int) -> None:
    """Twice, after a growing pause; the customer notices nothing."""
    shop, server, clock = play(status(code), status(code), says(order))
    assert shop.order(NUMBER) is not None
    assert clock.slept == [0.2, 0.4] and len(server.requests) == 3


@pytest.mark.parametrize("behaviour", [drops, breaks_off], ids=lambda b: b.__name__)
def test_a_broken_connection_is_tried_again(play: Play, order: dict[str, Any], behaviour: Behaviour) -> None:
    shop, server, _ = play(behaviour, says(order))
    assert shop.order(NUMBER) is not None
    assert len(server.requests) == 2


def test_retries_end_after_the_third_try(play: Play) -> None:
    shop, server, _ = play(status(503))
    with pytest.raises(ShopUnavailable, match="503"):
        shop.order(NUMBER)
    assert len(server.requests) == 3


def test_an_internal_error_is_not_asked_for_again_and_later_calls_recover(play: Play, order: dict[str, Any]) -> None:
    shop, server, _ = play(status(500), says(order))
    with pytest.raises(ShopUnavailable, match="500"):
        shop.order(NUMBER)
    assert len(server.requests) == 1
    assert shop.order(NUMBER) is not None


def test_jitter_shortens_the_pause_by_up_to_half(play: Play, order: dict[str, Any]) -> None:
    shop, _, clock = play(status(503), says(order), jitter=lambda: 1.0)
    shop.order(NUMBER)
    assert clock.slept == [0.1]


def test_a_short_retry_after_is_waited_for(play: Play, order: dict[str, Any]) -> None:
    shop, _, clock = play(status(429, Retry_After="2"), says(order))
    assert shop.order(NUMBER) is not None
    assert clock.slept == [2.0]


@pytest.mark.parametrize("value", ["3", "86400", "9" * 400, "Wed, 21 Oct 2026 07:28:00 GMT", "-1", "١", "soon"])
def test_a_long_or_unreadable_retry_after_ends_the_tries(play: Play, value: str) -> None:
    """Asking earlier than the shop allows would be rude, waiting longer than a customer does is useless."""
    shop, server, clock = play(lambda handler: status(429, Retry_After=value.encode().decode("latin-1"))(handler))
    with pytest.raises(ShopUnavailable):
        shop.order(NUMBER)
    assert clock.slept == [] and len(server.requests) == 1


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_token_is_logged_without_the_token(play: Play, code: int) -> None:
    shop, server, _ = play(status(code))
    with capture_logs() as logs, pytest.raises(ShopUnavailable):
        shop.order(NUMBER)
    assert [entry["event"] for entry in logs] == ["shop.token_refused"]
    assert SECRET not in repr(logs) and len(server.requests) == 1


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(play: Play, code: int) -> None:
    """The other address would be handed the token."""
    with ScriptedServer(status(200)) as other:
        shop, _, _ = play(status(code, Location=f"{other.url}/orders/1001"))
        with pytest.raises(ShopGarbled, match=str(code)):
            shop.order(NUMBER)
        assert other.requests == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<!doctype html><h1>Welcome</h1>", "text/html"),
        (b"{}", "text/html; charset=utf-8"),
        (b"{}", ""),
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"null", "application/json"),
        (b"\xff\xfe\xfa", "application/json"),
        (b'{"number": NaN}', "application/json"),
        (b"[" * 1_000_000, "application/json"),
        (b"9" * 10_000, "application/json; charset=utf-8"),
        (b'"1001"', "application/json"),
    ],
)
def test_an_answer_that_is_no_json_of_the_contract_is_garbled(play: Play, body: bytes, content_type: str) -> None:
    shop, server, _ = play(lambda handler: handler.answer(200, body, content_type))
    with pytest.raises(ShopGarbled):
        shop.order(NUMBER)
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [201, 204, 400, 405, 410, 418])
def test_a_status_outside_the_contract_is_garbled(play: Play, code: int) -> None:
    shop, _, _ = play(lambda handler: handler.answer(code, b"" if code == 204 else b"{}"))
    with pytest.raises(ShopGarbled):
        shop.order(NUMBER)


def test_a_huge_answer_is_not_read_to_its_end(play: Play) -> None:
    sent = 0

    def floods(handler: Handler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        for _ in range(200):
            handler.wfile.write(b" " * 1_000_000)
            sent += 1

    shop, _, _ = play(floods, timeout=10.0)
    with pytest.raises(ShopGarbled, match="too_large"):
        shop.order(NUMBER)
    assert sent < 100


def test_a_small_answer_that_unpacks_to_a_huge_one_is_garbled(play: Play) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    shop, _, _ = play(lambda handler: handler.answer(200, bomb, Content_Encoding="gzip"))
    with pytest.raises(ShopGarbled, match="too_large"):
        shop.order(NUMBER)


def test_a_packed_answer_is_read_and_a_badly_packed_one_is_garbled(play: Play, order: dict[str, Any]) -> None:
    def packed(body: bytes) -> Behaviour:
        return lambda handler: handler.answer(200, body, Content_Encoding="gzip")

    shop, _, _ = play(packed(gzip.compress(json.dumps(order).encode())), packed(b"no gzip"))
    assert shop.order(NUMBER) is not None
    with pytest.raises(ShopGarbled, match="encoding"):
        shop.order(NUMBER)


def test_not_found_in_json_is_none_and_a_not_found_page_is_garbled(play: Play) -> None:
    """A proxy's page does not say that there is no such order, so no customer is told so."""
    shop, _, _ = play(status(404), status(404), status(404), lambda h: h.answer(404, b"<h1>404</h1>", "text/html"))
    assert shop.order(NUMBER) is None
    assert shop.customer(CustomerId("c1")) is None
    assert shop.orders_of(CustomerId("c1")) == []
    with pytest.raises(ShopGarbled):
        shop.order(NUMBER)


def test_a_missing_store_or_catalogue_is_garbled(play: Play) -> None:
    shop, _, _ = play(status(404))
    for ask in (shop.store, shop.policies, shop.products):
        with pytest.raises(ShopGarbled):
            ask()


def test_somebody_elses_records_are_refused(play: Play, demo: OrderBackend, order: dict[str, Any]) -> None:
    """An answer about another order or customer than was asked for goes to nobody."""
    customer = demo.customer(CustomerId("c1"))
    assert customer is not None
    shop, _, _ = play(says(order), says([order]), says(wire.customer_document(customer)))
    with pytest.raises(ShopGarbled, match=r"order\.number"):
        shop.order(OrderNumber("1002"))
    with pytest.raises(ShopGarbled, match=r"orders\[0\]\.customer"):
        shop.orders_of(CustomerId("c2"))
    with pytest.raises(ShopGarbled, match=r"customer\.id"):
        shop.customer(CustomerId("c2"))


def test_logs_and_errors_name_fields_and_no_customer(play: Play, order: dict[str, Any]) -> None:
    broken = {**order, "contact": {"phone": "+966 55 123 4567", "email": "noura@example.com"}}
    shop, _, _ = play(says(broken), status(503), hangs, status(500), timeout=0.3)
    with capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(ShopError) as error:
                shop.order(NUMBER)
            logs.append({"event": repr(error.value), "log_level": "error"})
    assert "order.contact.phone" in repr(logs)
    assert {entry["event"] for entry in logs} >= {"shop.answer_garbled", "shop.request_failed"}
    for private in ("551234567", "123 4567", "noura", "1001", SECRET):
        assert private not in repr(logs)


def test_the_circuit_spares_a_failing_shop_and_one_probe_closes_it(play: Play, order: dict[str, Any]) -> None:
    """Five failures open it; for 15 seconds nobody is asked; then one request finds the shop well again."""
    shop, server, clock = play(*[status(503)] * 5, says(order))
    for _ in range(4):
        with pytest.raises(ShopUnavailable):
            shop.order(NUMBER)
    assert len(server.requests) == 5
    clock.now += 14.9
    with pytest.raises(ShopUnavailable, match="circuit"):
        shop.order(NUMBER)
    assert len(server.requests) == 5
    clock.now += 0.2
    assert shop.order(NUMBER) is not None and shop.order(NUMBER) is not None
    assert len(server.requests) == 7


def test_a_failed_probe_keeps_the_circuit_open_and_is_not_retried(play: Play) -> None:
    shop, server, clock = play(status(503))
    for _ in range(2):
        with pytest.raises(ShopUnavailable):
            shop.order(NUMBER)
    clock.now += 15
    for _ in range(3):
        with pytest.raises(ShopUnavailable):
            shop.order(NUMBER)
    assert len(server.requests) == 6


def test_refusals_and_garbage_do_not_open_the_circuit(play: Play, order: dict[str, Any]) -> None:
    """They come at once: nobody needs to be spared."""
    garbage = [status(401), lambda h: h.answer(200, b"<html>", "text/html"), status(404)]
    shop, server, _ = play(*garbage * 3, says(order))
    for _ in range(9):
        try:
            shop.order(NUMBER)
        except ShopError:
            pass
    assert shop.order(NUMBER) is not None and len(server.requests) == 10


def test_store_policies_and_products_are_asked_for_once_a_minute(play: Play, demo: OrderBackend) -> None:
    store = wire.store_document(demo.store(), demo.policies())
    products = [wire.product_document(product) for product in demo.products()]
    shop, server, clock = play(says(store), says(products), says(store), says([]))
    for _ in range(3):
        assert (shop.store(), shop.policies(), list(shop.products())) == (
            demo.store(),
            demo.policies(),
            list(demo.products()),
        )
    assert len(server.requests) == 2
    clock.now += 61
    shop.policies()
    assert list(shop.products()) == []
    assert len(server.requests) == 4


def test_a_stale_copy_serves_while_the_shop_is_away(play: Play, demo: OrderBackend) -> None:
    """The store for as long as it takes, stock and prices for an hour."""
    store = wire.store_document(demo.store(), demo.policies())
    products = [wire.product_document(product) for product in demo.products()]
    shop, _, clock = play(says(store), says(products), status(500))
    shop.store(), shop.products()
    clock.now += 3599
    with capture_logs() as logs:
        assert shop.store() == demo.store() and list(shop.products()) == list(demo.products())
    assert [entry["request"] for entry in logs if entry["event"] == "shop.stale_served"] == ["store", "products"]
    clock.now += 1_000_000
    assert shop.policies() == demo.policies()
    with pytest.raises(ShopUnavailable):
        shop.products()


def test_without_a_copy_the_failure_is_told(play: Play) -> None:
    shop, _, _ = play(status(500))
    with pytest.raises(ShopUnavailable):
        shop.store()


# What the shop does

MONEY = Money(Decimal("30.00"), "SAR")
REFUND = RefundRequest("case-7-refund", NUMBER, MONEY, "delay")
REPLACEMENT = ReplacementRequest("case-7-resend", NUMBER, ReplacementKind.RESEND, None, 1)
VOUCHER = VoucherRequest("case-7-voucher", CustomerId("c1"), MONEY, date(2027, 2, 19))
POINTS = PointsRequest("case-7-points", CustomerId("c1"), 200, "delay")
CODE = "TH-7KMB-X2QD-94WF"
ANSWERS: dict[str, dict[str, Any]] = {
    "refund": {
        "order": "1001",
        "reference": "RF-1",
        "amount": "30.00",
        "currency": "SAR",
        "method": "card",
        "due_on": "2026-11-28",
    },
    "replace": {"order": "1019", "replaces": "1001", "promised_on": "2026-11-24"},
    "issue_voucher": {
        "code": CODE,
        "customer": "c1",
        "amount": "30",
        "currency": "SAR",
        "state": "active",
        "valid_until": "2027-02-19",
    },
    "add_points": {"customer": "c1", "points": 2650},
}
ASKED: dict[str, Callable[[RestShop], Any]] = {
    "refund": lambda shop: shop.refund(REFUND),
    "replace": lambda shop: shop.replace(REPLACEMENT),
    "issue_voucher": lambda shop: shop.issue_voucher(VOUCHER),
    "add_points": lambda shop: shop.add_points(POINTS),
}


@pytest.mark.parametrize(
    ("deed", "path", "key", "document"),
    [
        ("refund", "/orders/1001/refunds", REFUND.key, {"amount": "30.00", "currency": "SAR", "reason": "delay"}),
        (
            "replace",
            "/orders/1001/replacements",
            REPLACEMENT.key,
            {"kind": "resend", "item": None, "quantity": 1},
        ),
        (
            "issue_voucher",
            "/vouchers",
            VOUCHER.key,
            {"customer": "c1", "amount": "30.00", "currency": "SAR", "valid_until": "2027-02-19"},
        ),
        ("add_points", "/customers/c1/points", POINTS.key, {"points": 200, "reason": "delay"}),
    ],
)
@pytest.mark.parametrize("code", [200, 201])
def test_a_deed_is_posted_with_its_key_and_the_token(
    play: Play, deed: str, path: str, key: str, document: dict[str, Any], code: int
) -> None:
    shop, server, _ = play(says(ANSWERS[deed], code))
    assert ASKED[deed](shop)
    assert server.posts == [(path, key, document)]
    assert server.requests == [(path, f"Bearer {SECRET}")]


@pytest.mark.parametrize("deed", ASKED)
def test_a_shop_in_passing_trouble_is_asked_again_with_the_same_key(play: Play, deed: str) -> None:
    shop, server, clock = play(status(503), drops, says(ANSWERS[deed], 201))
    assert ASKED[deed](shop)
    assert clock.slept == [0.2, 0.4]
    assert len(server.posts) == 3 and server.posts[0] == server.posts[1] == server.posts[2]


def test_after_an_internal_error_the_same_key_is_asked_later(play: Play) -> None:
    shop, server, _ = play(status(500), says(ANSWERS["refund"], 201))
    with pytest.raises(ShopUnavailable, match="500"):
        shop.refund(REFUND)
    assert shop.refund(REFUND).amount == MONEY
    assert [key for _, key, _ in server.posts] == [REFUND.key] * 2


def test_what_was_done_although_its_answer_came_too_late_is_not_done_again(tmp_path: Path) -> None:
    """The retry carries the same key and gets the answer of the first time."""
    answers: list[RefundMade] = []

    class SlowOnce(EmbeddedShop):
        def refund(self, request: RefundRequest) -> RefundMade:
            answers.append(super().refund(request))
            if len(answers) == 1:
                time.sleep(0.8)
            return answers[-1]

    inside = SlowOnce(demo_database(tmp_path), lambda: NOW)
    with serve_app(create_demo_shop_app(inside, TOKEN)) as url:
        made = RestShop(url, TOKEN, timeout=0.4).refund(REFUND)
    assert answers == [made, made]
    order = inside.order(NUMBER)
    assert order is not None and order.refund is not None and order.refund.amount == MONEY.amount


@pytest.mark.parametrize("code", sorted(wire.REFUSALS))
@pytest.mark.parametrize("http", [409, 422])
def test_a_refusal_says_why_and_is_not_asked_again(play: Play, code: str, http: int) -> None:
    shop, server, _ = play(says({"code": code}, http))
    for ask in ASKED.values():
        with pytest.raises(ShopRefused) as error:
            ask(shop)
        assert error.value.code == code
    assert len(server.posts) == 4


def test_a_refusal_of_a_code_of_the_shops_own_is_not_possible(play: Play) -> None:
    shop, _, _ = play(says({"code": "E-4711", "detail": "budget"}, 422))
    with pytest.raises(ShopRefused, match="not_possible"):
        shop.refund(REFUND)


@pytest.mark.parametrize("deed", ASKED)
def test_an_order_or_customer_that_is_not_there_is_unknown_and_a_not_found_page_is_garbled(
    play: Play, deed: str
) -> None:
    shop, _, _ = play(status(404), lambda h: h.answer(404, b"<h1>404</h1>", "text/html"))
    with pytest.raises(ShopRefused, match="unknown"):
        ASKED[deed](shop)
    with pytest.raises(ShopGarbled):
        ASKED[deed](shop)


@pytest.mark.parametrize(
    "behaviour",
    [
        status(409),
        says({"code": ["out_of_stock"]}, 422),
        says([], 422),
        lambda handler: handler.answer(422, b"<h1>no</h1>", "text/html"),
        lambda handler: handler.answer(409, b"{", "application/json"),
        lambda handler: handler.answer(204, b""),
        lambda handler: handler.answer(201, b"", "application/json"),
        status(202),
        status(302, Location="http://127.0.0.1:1/"),
        status(400),
        status(405),
        says(None, 201),
    ],
)
def test_an_answer_that_neither_does_nor_refuses_is_garbled(play: Play, behaviour: Behaviour) -> None:
    """It may have been done: nobody is told that it was not."""
    shop, server, _ = play(behaviour)
    with pytest.raises(ShopGarbled):
        shop.refund(REFUND)
    assert len(server.posts) == 1


@pytest.mark.parametrize(
    ("deed", "field", "value", "named"),
    [
        ("refund", "order", "1002", "refund.order"),
        ("refund", "amount", "29.99", "refund.amount"),
        ("refund", "amount", "-30.00", "refund.amount"),
        ("refund", "amount", 30, "refund.amount"),
        ("refund", "currency", "USD", "refund.currency"),
        ("refund", "due_on", "soon", "refund.due_on"),
        ("refund", "reference", "", "refund.reference"),
        ("replace", "replaces", "1002", "replacement.replaces"),
        ("replace", "order", "1001", "replacement.order"),
        ("replace", "order", None, "replacement.order"),
        ("issue_voucher", "customer", "c2", "voucher.customer"),
        ("issue_voucher", "customer", None, "voucher.customer"),
        ("issue_voucher", "amount", "300.00", "voucher.amount"),
        ("issue_voucher", "amount", "0.00", "voucher.amount"),
        ("issue_voucher", "currency", "EUR", "voucher.currency"),
        ("issue_voucher", "valid_until", "2027-02-18", "voucher.valid_until"),
        ("issue_voucher", "state", "lost", "voucher.state"),
        ("issue_voucher", "code", "a\nb", "voucher.code"),
        ("add_points", "customer", "c2", "points.customer"),
        ("add_points", "points", 199, "points.points"),
        ("add_points", "points", -1, "points.points"),
    ],
)
def test_an_answer_about_something_else_than_was_asked_is_garbled(
    play: Play, deed: str, field: str, value: object, named: str
) -> None:
    shop, _, _ = play(says({**ANSWERS[deed], field: value}, 201))
    with pytest.raises(ShopGarbled) as error:
        ASKED[deed](shop)
    assert error.value.detail == named


def test_what_no_shop_could_do_is_refused_without_asking(play: Play) -> None:
    shop, server, _ = play(status(500))
    for code, request in (
        ("unknown", RefundRequest("k", OrderNumber(".."), MONEY, "delay")),
        ("not_possible", RefundRequest("k", NUMBER, Money(Decimal("NaN"), "SAR"), "delay")),
        ("not_possible", RefundRequest("line\nbreak", NUMBER, MONEY, "delay")),
        ("not_possible", RefundRequest("مفتاح", NUMBER, MONEY, "delay")),
    ):
        with pytest.raises(ShopRefused, match=code):
            shop.refund(request)
    assert server.requests == []


def test_a_voucher_is_looked_up_by_its_code_and_another_one_is_refused(play: Play) -> None:
    shop, server, _ = play(says(ANSWERS["issue_voucher"]))
    found = shop.voucher(" th 7kmb x2qd 94wf ")
    assert found is not None and (found.code, found.minimum, found.used_on) == (CODE, 0, None)
    assert server.requests[0][0] == "/vouchers/th%207kmb%20x2qd%2094wf"
    with pytest.raises(ShopGarbled, match=r"voucher\.code"):
        shop.voucher("TH-7KMB-X2QD-94WG")


def test_logs_and_errors_of_deeds_name_no_code_no_key_and_no_order(play: Play) -> None:
    voucher = ANSWERS["issue_voucher"]
    answers: list[tuple[Callable[[RestShop], Any], Behaviour]] = [
        (lambda shop: shop.voucher(CODE), says({**voucher, "state": CODE})),
        (lambda shop: shop.voucher(CODE), status(500)),
        (ASKED["replace"], says({"code": CODE}, 422)),
        (ASKED["issue_voucher"], says({**voucher, "amount": "1.00"}, 201)),
        (ASKED["add_points"], status(500)),
    ]
    shop, _, _ = play(*[behaviour for _, behaviour in answers])
    with capture_logs() as logs:
        for ask, _ in answers:
            with pytest.raises(ShopError) as error:
                ask(shop)
            logs.append({"event": repr(error.value), "log_level": "error"})
    assert {"shop.answer_garbled", "shop.request_failed", "shop.refused"} <= {entry["event"] for entry in logs}
    for private in ("7KMB", "case-7", "1001", SECRET):
        assert private not in repr(logs)


def test_refused_deeds_do_not_open_the_circuit_and_failed_ones_do(play: Play) -> None:
    shop, server, _ = play(*[says({"code": "not_possible"}, 422)] * 9, status(503))
    for _ in range(9):
        with pytest.raises(ShopRefused):
            shop.refund(REFUND)
    for _ in range(2):
        with pytest.raises(ShopUnavailable):
            shop.refund(REFUND)
    with pytest.raises(ShopUnavailable, match="circuit"):
        shop.order(NUMBER)
    assert len(server.posts) == 9 + 5


@pytest.mark.parametrize(
    "path", ["/orders/1001/refunds", "/orders/1001/replacements", "/vouchers", "/customers/c1/points"]
)
def test_the_demo_server_does_nothing_without_token_key_or_a_document(demo_url: str, path: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "k"}

    def post(body: bytes, leave_out: str = "") -> requests.Response:
        sent = {name: value for name, value in headers.items() if name != leave_out}
        return requests.post(demo_url + path, body, headers=sent, timeout=5)

    assert post(b"{}", "Authorization").status_code == 401
    for answer in (post(b"{}", "Idempotency-Key"), *map(post, (b"", b"{", b"[]", b"{}", b"[" * 100_000, b"\xff"))):
        assert answer.status_code == 422 and answer.json()["code"] == "not_possible"


def test_the_demo_server_says_with_the_status_what_a_refusal_is_about(demo_url: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "k"}
    body = {"amount": "1000.00", "currency": "SAR", "reason": "delay"}
    for number, code, says_ in (("1001", 409, "exceeds_paid"), ("9999", 404, "unknown"), ("1012", 409, "not_paid")):
        answer = requests.post(f"{demo_url}/orders/{number}/refunds", json=body, headers=headers, timeout=5)
        assert (answer.status_code, answer.json()["code"]) == (code, says_)


@pytest.mark.parametrize(
    "url",
    ["", "shop.example.com", "ftp://shop.example.com", "http://", "http://u:p@host", "http://h/?q=1", "http://h:x"],
)
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError, match="THIQA_SHOP_URL"):
        RestShop(url, SECRET)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "رمز"])
def test_a_token_that_is_none_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ConfigurationError, match="THIQA_SHOP_TOKEN") as error:
        RestShop("http://127.0.0.1", token)
    assert token not in str(error.value)


def test_a_base_path_is_kept(play: Play, order: dict[str, Any]) -> None:
    _, server, _ = play(says(order))
    assert RestShop(server.url + "/api/v1/", SECRET).order(NUMBER) is not None
    assert server.requests[0][0] == "/api/v1/orders/1001"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer \u00ff"])
@pytest.mark.parametrize(
    "path", ["/store", "/products", "/orders/1001", "/orders?customer=c1", "/customers/c1", "/vouchers/TH-2222"]
)
def test_the_demo_server_shows_nothing_without_its_token(demo_url: str, path: str, header: str | None) -> None:
    headers: dict[str, bytes] = {} if header is None else {"Authorization": header.encode("latin-1")}
    answer = requests.get(demo_url + path, headers=headers, timeout=5)
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    assert list(answer.json()) == ["detail"]


@pytest.mark.parametrize(
    "path", ["/orders/9999", "/customers/nobody", "/vouchers/TH-2222", "/nowhere", "/orders/1001/", "/docs"]
)
def test_the_demo_server_says_not_found_in_json(demo_url: str, path: str) -> None:
    answer = requests.get(demo_url + path, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5)
    assert answer.status_code == 404 and list(answer.json()) == ["detail"]


def test_the_demo_server_says_when_its_records_cannot_be_read(tmp_path: Path) -> None:
    class Away(RestShop):
        def products(self) -> Any:
            raise ShopUnavailable("away")

    with serve_app(create_demo_shop_app(Away("http://127.0.0.1:1", ""), TOKEN)) as url:
        answer = requests.get(url + "/products", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5)
    assert answer.status_code == 503 and list(answer.json()) == ["detail"]


def test_a_demo_server_without_a_token_is_not_made(demo: OrderBackend) -> None:
    with pytest.raises(ConfigurationError):
        create_demo_shop_app(demo, "")


@pytest.fixture(scope="module")
def demo_url(demo: OrderBackend) -> Iterator[str]:
    with serve_app(create_demo_shop_app(demo, TOKEN)) as url:
        yield url
