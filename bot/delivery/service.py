"""Takes messages out of the outbox and hands them to the sender of their channel.

A row is written in the transaction that decided it and leaves at least once; senders pass `Outgoing.id` on as the key
by which a receiver can tell a repeat.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from bot.conversations.model import OutboxId
from bot.conversations.ports import Clock
from bot.delivery.model import TOO_LATE, Outgoing, next_attempt
from bot.errors import ThiqaError

log = structlog.get_logger()

HOLD = timedelta(seconds=60)
LONGEST_SEND = timedelta(seconds=30)  # what a sender may take for one message
BATCH = 20


class Undeliverable(ThiqaError):
    """The receiver will never take it; `reason` holds no message text."""


class TryAgain(ThiqaError):
    """Not now. `retry_after` in seconds where the receiver said so."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class NotYet(ThiqaError):
    """No failure: the receiver takes the next one in `seconds`. `body` is what is left of a message of several parts."""

    def __init__(self, seconds: float, body: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"in {seconds:g} s")
        self.seconds, self.body = seconds, body


class Sender(Protocol):
    def send(self, outgoing: Outgoing) -> None:
        """Deliver within LONGEST_SEND, or raise NotYet, TryAgain or Undeliverable. Anything else raised counts as
        TryAgain."""


class OutboxStore(Protocol):
    def take_due(
        self, channels: Sequence[str], now: datetime, hold_until: datetime, limit: int
    ) -> Sequence[Outgoing]: ...
    def sent(self, row: OutboxId, now: datetime) -> None: ...
    def put_off(self, row: OutboxId, at: datetime, body: Mapping[str, Any] | None = None) -> None: ...
    def retry(self, row: OutboxId, at: datetime, error: str) -> None: ...
    def failed(self, row: OutboxId, now: datetime, error: str) -> None: ...


class OneByOne:
    """Lets dispatchers of this process deliver one after the other, so that a kill catches one delivery at most before it
    is recorded. Who takes longer than `patience` seconds keeps the others waiting no longer."""

    def __init__(self, patience: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._monotonic = patience, monotonic
        self._changed = threading.Condition()
        self._holder: object | None = None
        self._since = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        me = object()
        with self._changed:
            while self._holder is not None and (left := self._since + self._patience - self._monotonic()) > 0:
                self._changed.wait(left)
            self._holder, self._since = me, self._monotonic()
        try:
            yield
        finally:
            with self._changed:
                if self._holder is me:
                    self._holder = None
                    self._changed.notify()


class Dispatcher:
    """Delivers what is due. Any number may run, in any number of processes.

    It takes up to `batch` rows in hand for `hold`; a sender may take `longest_send` for one of them.
    """

    def __init__(
        self,
        outbox: OutboxStore,
        senders: Mapping[str, Sender],
        clock: Clock,
        *,
        hold: timedelta = HOLD,
        longest_send: timedelta = LONGEST_SEND,
        batch: int = BATCH,
        one_by_one: OneByOne | None = None,
    ) -> None:
        self._outbox, self._senders, self._clock, self._one_by_one = outbox, senders, clock, one_by_one
        self._hold, self._longest_send, self._batch = hold, longest_send, batch

    def run_once(self) -> int:
        """Deliver one batch; returns how many rows were taken. Raises StorageUnavailable."""
        if not self._senders:
            return 0
        now = self._clock()
        rows = self._outbox.take_due(list(self._senders), now, now + self._hold, self._batch)
        for row in rows:
            if self._clock() > now + self._hold - self._longest_send:
                self._outbox.put_off(row.id, self._clock())  # slow receivers ate the time
                continue
            with self._one_by_one.turn() if self._one_by_one else nullcontext():
                self._deliver(row)
        return len(rows)

    def _deliver(self, row: Outgoing) -> None:
        now = self._clock()
        if now - row.created_at > TOO_LATE:
            self._outbox.failed(row.id, now, "too late")
            log.warning("outbox.too_late", row=row.id, channel=row.channel)
            return
        if row.interrupted:
            # Killed between the receiver's answer and our record, it is delivered twice; nothing can tell.
            log.warning("outbox.perhaps_again", row=row.id, channel=row.channel)
        try:
            self._senders[row.channel].send(row)
        except NotYet as later:
            self._outbox.put_off(row.id, self._clock() + timedelta(seconds=later.seconds), later.body)
        except Undeliverable as error:
            self._outbox.failed(row.id, self._clock(), str(error))
            log.warning("outbox.undeliverable", row=row.id, channel=row.channel, reason=str(error))
        except Exception as error:
            wait = error.retry_after if isinstance(error, TryAgain) else None
            reason = str(error) if isinstance(error, TryAgain) else type(error).__name__
            self._outbox.retry(row.id, next_attempt(row.attempts + 1, self._clock(), wait), reason)
            log.info("outbox.retry", row=row.id, channel=row.channel, attempts=row.attempts + 1, reason=reason)
        else:
            self._outbox.sent(row.id, self._clock())
