"""Takes messages out of the outbox and hands them to the sender of their channel.

A row is written in the transaction that decided it and leaves at least once; senders pass `Outgoing.id` on as the key
by which a receiver can tell a repeat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

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


class Sender(Protocol):
    def send(self, outgoing: Outgoing) -> None:
        """Deliver within LONGEST_SEND, or raise TryAgain or Undeliverable. Anything else raised counts as TryAgain."""


class OutboxStore(Protocol):
    def take_due(
        self, channels: Sequence[str], now: datetime, hold_until: datetime, limit: int
    ) -> Sequence[Outgoing]: ...
    def sent(self, row: OutboxId, now: datetime) -> None: ...
    def retry(self, row: OutboxId, at: datetime, error: str) -> None: ...
    def failed(self, row: OutboxId, now: datetime, error: str) -> None: ...


class Dispatcher:
    """Delivers what is due. Any number may run, in any number of processes."""

    def __init__(self, outbox: OutboxStore, senders: Mapping[str, Sender], clock: Clock) -> None:
        self._outbox, self._senders, self._clock = outbox, senders, clock

    def run_once(self) -> int:
        """Deliver one batch; returns how many rows were taken. Raises StorageUnavailable."""
        if not self._senders:
            return 0
        now = self._clock()
        rows = self._outbox.take_due(list(self._senders), now, now + HOLD, BATCH)
        for row in rows:
            if self._clock() > now + HOLD - LONGEST_SEND:
                break  # slow receivers ate the time; the rest is due again when our hold ends
            self._deliver(row)
        return len(rows)

    def _deliver(self, row: Outgoing) -> None:
        now = self._clock()
        if now - row.created_at > TOO_LATE:
            self._outbox.failed(row.id, now, "too late")
            log.warning("outbox.too_late", row=row.id, channel=row.channel)
            return
        try:
            self._senders[row.channel].send(row)
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
