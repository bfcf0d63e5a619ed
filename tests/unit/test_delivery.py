"""What the dispatcher does with what senders report, and when it tries again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from bot.conversations.model import OutboxId
from bot.delivery.model import TOO_LATE, Outgoing, next_attempt
from bot.delivery.service import HOLD, LONGEST_SEND, Dispatcher, NotYet, OneByOne, TryAgain, Undeliverable

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("attempts", "retry_after", "seconds"),
    [
        (1, None, 2),
        (2, None, 4),
        (5, None, 32),
        (9, None, 512),
        (10, None, 600),
        (10_000, None, 600),
        (1, 30.0, 30),
        (10, 30.0, 600),
        (1, 0.0, 2),
        (1, -5.0, 2),
        (1, 7200.0, 7200),
        (1, 1e30, 86_400),
    ],
)
def test_pauses_double_to_ten_minutes_and_a_receiver_may_ask_for_up_to_a_day(
    attempts: int, retry_after: float | None, seconds: int
) -> None:
    assert next_attempt(attempts, NOW, retry_after) == NOW + timedelta(seconds=seconds)


@dataclass
class FakeOutbox:
    """Implements `delivery.service.OutboxStore` and notes what is reported."""

    rows: list[Outgoing]
    noted: list[tuple[str, int, object]] = field(default_factory=list)

    def take_due(self, channels: Sequence[str], now: datetime, hold_until: datetime, limit: int) -> Sequence[Outgoing]:
        taken, self.rows = self.rows[:limit], self.rows[limit:]
        return [row for row in taken if row.channel in channels]

    def sent(self, row: OutboxId, now: datetime) -> None:
        self.noted.append(("sent", row, now))

    def put_off(self, row: OutboxId, at: datetime, body: Mapping[str, Any] | None = None) -> None:
        self.noted.append(("put off", row, at))

    def retry(self, row: OutboxId, at: datetime, error: str) -> None:
        self.noted.append((f"retry {error}", row, at))

    def failed(self, row: OutboxId, now: datetime, error: str) -> None:
        self.noted.append((f"failed {error}", row, now))


class CallingSender:
    """Implements `delivery.service.Sender`."""

    def __init__(self, send: Callable[[Outgoing], None]) -> None:
        self.send = send


def row(number: int = 1, age: timedelta = timedelta(0), attempts: int = 0) -> Outgoing:
    return Outgoing(OutboxId(number), "alert", "merchant", {}, attempts, NOW - age)


def dispatch(send: Callable[[Outgoing], None], *rows: Outgoing) -> list[tuple[str, int, object]]:
    outbox = FakeOutbox(list(rows))
    Dispatcher(outbox, {"alert": CallingSender(send)}, lambda: NOW).run_once()
    return outbox.noted


def raising(error: Exception) -> Callable[[Outgoing], None]:
    def send(outgoing: Outgoing) -> None:
        raise error

    return send


def test_what_was_delivered_is_noted_as_sent() -> None:
    assert dispatch(lambda outgoing: None, row()) == [("sent", 1, NOW)]


def test_what_may_work_later_is_tried_again_after_the_pause_of_its_tries() -> None:
    assert dispatch(raising(TryAgain("HTTP 500")), row(attempts=2)) == [
        ("retry HTTP 500", 1, NOW + timedelta(seconds=8))
    ]
    assert dispatch(raising(TryAgain("HTTP 429", 90.0)), row()) == [("retry HTTP 429", 1, NOW + timedelta(seconds=90))]


def test_a_bug_in_a_sender_is_tried_again_and_its_words_are_not_stored() -> None:
    assert dispatch(raising(KeyError("customer's words")), row()) == [("retry KeyError", 1, NOW + timedelta(seconds=2))]


def test_what_never_works_is_given_up() -> None:
    assert dispatch(raising(Undeliverable("HTTP 404")), row()) == [("failed HTTP 404", 1, NOW)]


def test_what_is_a_day_old_is_not_sent_any_more() -> None:
    sent: list[Outgoing] = []
    noted = dispatch(sent.append, row(1, TOO_LATE), row(2, TOO_LATE + timedelta(seconds=1)))
    assert [o.id for o in sent] == [1]
    assert noted == [("sent", 1, NOW), ("failed too late", 2, NOW)]


def test_a_failure_does_not_stop_the_messages_behind_it() -> None:
    def send(outgoing: Outgoing) -> None:
        if outgoing.id == 1:
            raise TryAgain("HTTP 500")

    assert [entry[:2] for entry in dispatch(send, row(1), row(2))] == [("retry HTTP 500", 1), ("sent", 2)]


def test_slow_receivers_never_make_a_message_leave_after_its_hold_ended() -> None:
    at = NOW
    sent_at: list[datetime] = []

    def send(outgoing: Outgoing) -> None:
        nonlocal at
        sent_at.append(at)
        at += timedelta(seconds=13)

    outbox = FakeOutbox([row(number) for number in range(20)])
    dispatcher = Dispatcher(outbox, {"alert": CallingSender(send)}, lambda: at)
    assert dispatcher.run_once() == 20
    assert 1 <= len(sent_at) < 20
    assert max(sent_at) + LONGEST_SEND <= NOW + HOLD


def test_without_senders_nothing_is_taken() -> None:
    outbox = FakeOutbox([row()])
    assert Dispatcher(outbox, {}, lambda: NOW).run_once() == 0
    assert len(outbox.rows) == 1


def test_what_has_to_wait_its_turn_is_put_off_and_counts_as_no_failure() -> None:
    assert dispatch(raising(NotYet(1.5)), row(attempts=2)) == [("put off", 1, NOW + timedelta(seconds=1.5))]


def test_deliveries_of_one_process_follow_each_other_unless_one_is_slow() -> None:
    """Between a delivery and its record a kill catches one message at most; a slow receiver is not waited for."""
    one_by_one = OneByOne(0.3)
    under_way: list[int] = []
    most: list[int] = []

    def send(outgoing: Outgoing) -> None:
        under_way.append(outgoing.id)
        most.append(len(under_way))
        time.sleep(2.0 if outgoing.id == 100 else 0.02)
        under_way.remove(outgoing.id)

    def run(rows: list[Outgoing]) -> None:
        outbox = FakeOutbox(rows)
        Dispatcher(outbox, {"alert": CallingSender(send)}, lambda: NOW, one_by_one=one_by_one).run_once()

    def run_all(*batches: list[Outgoing]) -> float:
        began = time.monotonic()
        threads = [threading.Thread(target=run, args=(batch,)) for batch in batches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        return time.monotonic() - began

    run_all(*[[row(number * 10 + place) for place in range(3)] for number in range(1, 4)])
    assert max(most) == 1 and len(most) == 9
    most.clear()
    assert run_all([row(100)], [row(1), row(2)], [row(3)]) < 4
    assert max(most) == 2 and len(most) == 4
