"""What was decided leaves once, in order for each address, also past receivers that fail."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import sqlalchemy as sa

from bot.conversations.model import OutboxId
from bot.delivery import alerts
from bot.delivery.alerts import EmailAlert, WebhookAlert
from bot.delivery.model import TOO_LATE, Outgoing
from bot.delivery.service import HOLD, Dispatcher, TryAgain, Undeliverable
from bot.storage.database import Database
from bot.storage.outbox import SqlOutbox
from bot.storage.tables import outbox
from tests.integration.conversations import START, Core, SetClock

BODY = {"event": "handoff.asked", "reason": "asked", "asked_at": START.isoformat()}


class Notebook:
    """Implements `delivery.service.Sender`: notes what it is given; `fail` may raise first."""

    def __init__(self, fail: Callable[[Outgoing], None] = lambda outgoing: None) -> None:
        self.fail = fail
        self.got: list[tuple[str, int]] = []

    def send(self, outgoing: Outgoing) -> None:
        self.fail(outgoing)
        self.got.append((outgoing.address, outgoing.id))


def put(database: Database, address: str = "merchant", channel: str = "alert") -> int:
    with database.write() as c:
        made = c.execute(
            outbox.insert().values(
                channel=channel, address=address, body=BODY, attempts=0, next_at=START, created_at=START
            )
        )
        return int(made.inserted_primary_key[0])


def row(database: Database, number: int) -> Any:
    with database.read() as c:
        return c.execute(sa.select(outbox).where(outbox.c.id == number)).one()


def drain(dispatcher: Dispatcher) -> None:
    while dispatcher.run_once():
        pass


def test_messages_to_one_address_leave_in_order_and_a_failing_one_holds_up_no_other_address(database: Database) -> None:
    rows = [(address, put(database, address)) for address in ("a", "b", "a", "b", "a")]
    clock, broken = SetClock(), True

    def fail(outgoing: Outgoing) -> None:
        if outgoing.id == rows[0][1] and broken:
            raise TryAgain("HTTP 500")

    sender = Notebook(fail)
    dispatcher = Dispatcher(SqlOutbox(database), {"alert": sender}, clock)
    drain(dispatcher)
    assert sender.got == [rows[1], rows[3]], "nothing overtakes the message that failed"
    broken = False
    drain(dispatcher)
    assert len(sender.got) == 2, "not before its pause is over"
    clock.move(timedelta(seconds=2))
    drain(dispatcher)
    assert sender.got[2:] == [rows[0], rows[2], rows[4]]
    assert row(database, rows[0][1]).attempts == 2


def test_a_message_is_never_held_by_two(database: Database) -> None:
    rows = [(str(n % 5), put(database, str(n % 5))) for n in range(30)]
    sender = Notebook()
    boxes = [Dispatcher(SqlOutbox(database), {"alert": sender}, SetClock()) for _ in range(4)]
    deadline = time.monotonic() + 30

    def work(dispatcher: Dispatcher) -> None:
        while len(sender.got) < len(rows) and time.monotonic() < deadline:
            dispatcher.run_once()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, boxes))
    assert sorted(sender.got) == sorted(rows)
    for address in "01234":
        assert [r for r in sender.got if r[0] == address] == [r for r in rows if r[0] == address]


def test_a_message_whose_holder_died_is_due_again_when_the_hold_ends(database: Database) -> None:
    number = put(database)
    box = SqlOutbox(database)
    [held] = box.take_due(["alert"], START, START + HOLD, 10)
    assert held.id == number and box.take_due(["alert"], START, START + HOLD, 10) == []
    assert [o.id for o in box.take_due(["alert"], START + HOLD, START + 2 * HOLD, 10)] == [number]


def test_pauses_grow_with_every_failure_and_the_receiver_may_ask_for_more(database: Database) -> None:
    number, clock = put(database), SetClock()
    failures = [TryAgain("HTTP 500"), TryAgain("HTTP 500"), TryAgain("HTTP 429", 1e12)]

    def fail(outgoing: Outgoing) -> None:
        raise failures[outgoing.attempts]

    dispatcher = Dispatcher(SqlOutbox(database), {"alert": Notebook(fail)}, clock)
    for pause in (timedelta(seconds=2), timedelta(seconds=4), TOO_LATE):
        assert dispatcher.run_once() == 1
        assert row(database, number).next_at == clock() + pause
        clock.move(pause)
    assert row(database, number).error == "HTTP 429"


def test_what_never_works_is_given_up_and_the_next_message_leaves(database: Database) -> None:
    first, second = put(database), put(database)

    def fail(outgoing: Outgoing) -> None:
        if outgoing.id == first:
            raise Undeliverable("x" * 500)

    sender = Notebook(fail)
    box = SqlOutbox(database)
    drain(Dispatcher(box, {"alert": sender}, SetClock()))
    assert sender.got == [("merchant", second)]
    given_up = row(database, first)
    assert given_up.failed_at == START and given_up.error == "x" * 200
    assert (box.depth(["alert"]).waiting, box.depth(["alert"]).failed) == (0, 1)


def test_what_could_not_leave_within_a_day_is_given_up(database: Database) -> None:
    number, clock, sender = put(database), SetClock(START + TOO_LATE + timedelta(seconds=1)), Notebook()
    drain(Dispatcher(SqlOutbox(database), {"alert": sender}, clock))
    assert sender.got == [] and row(database, number).error == "too late"


def test_only_channels_with_a_sender_are_touched_and_collected_messages_are_done(database: Database) -> None:
    core = Core(database)
    received = core.receive("hello")
    core.run_all()
    sender = Notebook()
    Dispatcher(core.outbox, {"alert": sender}, core.clock).run_once()
    assert sender.got == [] and core.outbox.depth(["rest"]).waiting == 1
    assert core.outbox.depth(["rest"]).oldest == START
    core.outbox.collected([], START)
    core.outbox.collected([m.id for m in core.inbox.replies(received.message) or []], START)
    assert core.outbox.depth(["rest"]).waiting == 0
    assert core.outbox_rows()[0].sent_at == START


def test_a_late_report_does_not_undo_an_earlier_one(database: Database) -> None:
    number, box = OutboxId(put(database)), SqlOutbox(database)
    box.sent(number, START)
    box.retry(number, START, "late")
    box.failed(number, START, "later")
    done = row(database, number)
    assert (done.sent_at, done.failed_at, done.error, done.attempts) == (START, None, None, 1)


# -- webhook -----------------------------------------------------------------------------------------------------------


def outgoing(number: int = 7) -> Outgoing:
    return Outgoing(OutboxId(number), "alert_webhook", "merchant", BODY, 0, START)


@contextmanager
def receiver(*answers: tuple[int, dict[str, str]], pause: float = 0.0) -> Iterator[tuple[str, list[bytes]]]:
    """A web server that gives one answer after another, the last one for ever; gives its address and what it got."""
    left, got = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            time.sleep(pause)
            status, headers = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(b"thanks" * 1000)
            except OSError:
                pass

        do_GET = do_POST

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", got
    finally:
        server.shutdown()
        server.server_close()


def test_a_webhook_gets_the_event_with_the_key_by_which_to_tell_a_repeat(database: Database) -> None:
    number, clock = put(database, channel="alert_webhook"), SetClock()
    with receiver((500, {}), (200, {})) as (url, got):
        dispatcher = Dispatcher(SqlOutbox(database), {"alert_webhook": WebhookAlert(url)}, clock)
        assert dispatcher.run_once() == 1
        assert (row(database, number).error, row(database, number).sent_at) == ("HTTP 500", None)
        clock.move(timedelta(seconds=2))
        assert dispatcher.run_once() == 1
    assert row(database, number).sent_at == clock()
    assert got[0] == got[1]
    assert b'"id": %d' % number in got[0] and b'"event": "handoff.asked"' in got[0]


@pytest.mark.parametrize(
    ("header", "retry_after"),
    [("120", 120.0), ("", None), ("soon", None), ("-1", None), ("²", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)],
)
def test_a_busy_webhook_says_when_to_come_again(header: str, retry_after: float | None) -> None:
    with receiver((429, {"Retry-After": header})) as (url, _), pytest.raises(TryAgain) as later:
        WebhookAlert(url).send(outgoing())
    assert later.value.retry_after == retry_after


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_a_webhook_that_refuses_is_final(status: int) -> None:
    with receiver((status, {})) as (url, _), pytest.raises(Undeliverable) as refused:
        WebhookAlert(url).send(outgoing())
    assert str(refused.value) == f"HTTP {status}"


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_not_followed(status: int) -> None:
    with receiver((200, {})) as (inner, got), receiver((status, {"Location": inner})) as (url, _):
        with pytest.raises(Undeliverable):
            WebhookAlert(url).send(outgoing())
        assert got == []


def test_a_webhook_that_does_not_answer_in_time_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "_TIMEOUT", (0.3, 0.3))
    with receiver((200, {}), pause=3.0) as (url, _):
        started = time.monotonic()
        with pytest.raises(TryAgain) as later:
            WebhookAlert(url).send(outgoing())
        assert time.monotonic() - started < 2.5
    assert str(later.value) == "ReadTimeout"


def test_a_webhook_that_is_not_there_is_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(TryAgain) as later:
            WebhookAlert(f"http://127.0.0.1:{unused.getsockname()[1]}/").send(outgoing())
    assert str(later.value) == "ConnectionError"


# -- e-mail ------------------------------------------------------------------------------------------------------------


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks as much SMTP as smtplib needs. `refuse` maps a command to the line it is refused with."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, refuse: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _MailSession)
        self.refuse, self.mails = refuse, list[bytes]()


class _MailSession(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 test")
        while line := self.rfile.readline():
            verb = line.split()[0].decode().upper()
            if verb in self.server.refuse:
                self._say(self.server.refuse[verb])
            elif verb == "DATA":
                self._say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append(b"".join(lines))
                self._say("250 taken")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")


@contextmanager
def mail_server(**refuse: str) -> Iterator[tuple[str, MailServer]]:
    with MailServer(refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"smtp://127.0.0.1:{server.server_address[1]}", server
        server.shutdown()


def test_a_mail_tells_that_someone_waits_in_both_languages_and_without_their_words() -> None:
    with mail_server() as (url, server):
        EmailAlert(url, "owner@shop.example").send(outgoing())
        EmailAlert(url, "owner@shop.example").send(outgoing())
    [first, second] = [message_from_bytes(mail) for mail in server.mails]
    subject = str(make_header(decode_header(first["Subject"])))
    assert "عميل بانتظار موظف" in subject and "waiting" in subject
    assert first["To"] == "owner@shop.example"
    assert first["Message-ID"] == second["Message-ID"] == "<thiqa-7@shop.example>", "a repeat can be told"
    assert "reason: asked" in str(first.get_payload()) and "thiqa queue" in str(first.get_payload())


@pytest.mark.parametrize(
    ("refuse", "error"),
    [
        ({"RCPT": "550 no such user"}, Undeliverable),
        ({"RCPT": "450 greylisted, come again"}, TryAgain),
        ({"MAIL": "451 busy"}, TryAgain),
        ({"DATA": "452 no room"}, TryAgain),
        ({"EHLO": "421 closing", "HELO": "421 closing"}, TryAgain),
    ],
)
def test_a_mail_is_given_up_only_where_the_address_is_wrong_for_good(
    refuse: dict[str, str], error: type[Exception]
) -> None:
    with mail_server(**refuse) as (url, server):
        with pytest.raises(error):
            EmailAlert(url, "owner@shop.example").send(outgoing())
        assert server.mails == []


def test_a_mail_server_that_is_not_there_is_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(TryAgain):
            EmailAlert(f"smtp://127.0.0.1:{unused.getsockname()[1]}", "owner@shop.example").send(outgoing())
