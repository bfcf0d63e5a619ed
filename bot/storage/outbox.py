"""The outbox table: what is due, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.conversations.model import MessageId, OutboxId
from bot.delivery.model import Outgoing
from bot.storage import tables as t
from bot.storage.database import Database

_OPEN = (t.outbox.c.sent_at.is_(None), t.outbox.c.failed_at.is_(None))


@dataclass(frozen=True)
class OutboxDepth:
    """`oldest`: when the oldest waiting row was made; None when nothing waits."""

    waiting: int
    oldest: datetime | None
    failed: int


class SqlOutbox:
    """Implements `delivery.service.OutboxStore`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def take_due(self, channels: Sequence[str], now: datetime, hold_until: datetime, limit: int) -> Sequence[Outgoing]:
        """The first waiting row of each address that is due, held by pushing its next attempt to `hold_until`.

        Only the first: a later message never overtakes an earlier one to the same address. A row whose holder dies is
        due again at `hold_until`.
        """
        first = (
            sa.select(sa.func.min(t.outbox.c.id))
            .where(*_OPEN, t.outbox.c.channel.in_(channels))
            .group_by(t.outbox.c.channel, t.outbox.c.address)
        )
        due = (
            sa.select(t.outbox)
            .where(t.outbox.c.id.in_(first), t.outbox.c.next_at <= now)
            .order_by(t.outbox.c.id)
            .limit(limit)
        )
        with self._db.read() as c:
            if c.execute(due.limit(1)).first() is None:
                return []
        with self._db.write() as c:
            rows = c.execute(due.with_for_update(skip_locked=True)).all()
            taken = []
            for row in rows:
                held = c.execute(
                    t.outbox.update()
                    .where(t.outbox.c.id == row.id, t.outbox.c.next_at == row.next_at, *_OPEN)
                    .values(next_at=hold_until, taken_at=now)
                )
                if held.rowcount == 1:
                    taken.append(
                        Outgoing(
                            OutboxId(row.id),
                            row.channel,
                            row.address,
                            row.body,
                            row.attempts,
                            row.created_at,
                            interrupted=row.taken_at is not None,
                        )
                    )
            return taken

    def sent(self, row: OutboxId, now: datetime) -> None:
        """Delivered; never to be sent again."""
        with self._db.write() as c:
            c.execute(
                t.outbox.update()
                .where(t.outbox.c.id == row, *_OPEN)
                .values(sent_at=now, taken_at=None, attempts=t.outbox.c.attempts + 1)
            )

    def put_off(self, row: OutboxId, at: datetime, body: Mapping[str, Any] | None = None) -> None:
        """Not now, and no failure: again at `at`, with `body` where a part of it is delivered already."""
        changed = {} if body is None else {"body": dict(body)}
        with self._db.write() as c:
            c.execute(
                t.outbox.update().where(t.outbox.c.id == row, *_OPEN).values(next_at=at, taken_at=None, **changed)
            )

    def retry(self, row: OutboxId, at: datetime, error: str) -> None:
        """Not delivered; again at `at`. `error` is a short reason without message text."""
        with self._db.write() as c:
            c.execute(
                t.outbox.update()
                .where(t.outbox.c.id == row, *_OPEN)
                .values(next_at=at, taken_at=None, attempts=t.outbox.c.attempts + 1, error=error[:200])
            )

    def failed(self, row: OutboxId, now: datetime, error: str) -> None:
        """Given up."""
        with self._db.write() as c:
            c.execute(
                t.outbox.update()
                .where(t.outbox.c.id == row, *_OPEN)
                .values(failed_at=now, taken_at=None, attempts=t.outbox.c.attempts + 1, error=error[:200])
            )

    def collected(self, messages: Sequence[MessageId], now: datetime) -> None:
        """The other side has fetched these messages itself (REST, terminal)."""
        if not messages:
            return
        with self._db.write() as c:
            c.execute(
                t.outbox.update()
                .where(t.outbox.c.message_id.in_(list(messages)), *_OPEN)
                .values(sent_at=now, attempts=1)
            )

    def depth(self, channels: Sequence[str]) -> OutboxDepth:
        """Of the channels that are sent to; what others have not fetched yet waits for nobody here."""
        of_channels = t.outbox.c.channel.in_(channels)
        with self._db.read() as c:
            waiting, oldest = c.execute(
                sa.select(sa.func.count(), sa.func.min(t.outbox.c.created_at)).where(*_OPEN, of_channels)
            ).one()
            failed = c.execute(
                sa.select(sa.func.count()).where(t.outbox.c.failed_at.is_not(None), of_channels)
            ).scalar_one()
        return OutboxDepth(waiting, oldest, failed)
