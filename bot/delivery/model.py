"""Messages on their way out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.conversations.model import OutboxId

# A row that cannot be delivered is given up when it is this old; what it says is no longer true or useful.
TOO_LATE = timedelta(hours=24)


@dataclass(frozen=True)
class Outgoing:
    """A row of the outbox. `body` is what the channel's sender needs; `attempts` counts the tries before this one.

    `interrupted`: whoever had it before ended without a word, perhaps between the delivery and its record.
    """

    id: OutboxId
    channel: str
    address: str
    body: Mapping[str, Any]
    attempts: int
    created_at: datetime
    interrupted: bool = False


def next_attempt(attempts: int, now: datetime, retry_after: float | None = None) -> datetime:
    """When to try again after `attempts` failures: 2 s, doubling to 10 minutes, or as asked, at most a day."""
    asked = min(retry_after or 0.0, TOO_LATE.total_seconds())
    return now + timedelta(seconds=max(asked, min(600.0, 2.0 * 2 ** min(attempts - 1, 10))))
