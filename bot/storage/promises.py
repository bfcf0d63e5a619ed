"""Promises: what is due, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.complaints.model import CaseId, CaseState
from bot.conversations.model import ConversationId, Effect
from bot.outreach.model import OutreachPlanned
from bot.promises.model import Promise, PromiseId, PromiseKind, PromiseMade, PromiseOwner, PromiseState
from bot.promises.service import KeptRate
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.effects import count, make_promise, plan_outreach
from bot.storage.log import alert as write_alert

_OPEN = t.promises.c.state == PromiseState.OPEN.value
_MOST = 500  # looked at in one round; the rest is due again in the next


class SqlPromises:
    """Implements `promises.service.PromiseRecords`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def to_remind(self, now: datetime, until: datetime) -> Sequence[Promise]:
        return self._where(
            t.promises.c.owner == PromiseOwner.AGENT.value,
            t.promises.c.reminded_at.is_(None),
            t.promises.c.due_at > now,
            t.promises.c.due_at <= until,
        )

    def remind(self, promise: Promise, alerts: Sequence[str], alert: Mapping[str, Any], now: datetime) -> bool:
        with self._db.write() as c:
            if not _still_there(c, promise):
                return False
            reminded = c.execute(
                t.promises.update()
                .where(t.promises.c.id == promise.id, t.promises.c.reminded_at.is_(None), _OPEN)
                .values(reminded_at=now)
            )
            if reminded.rowcount != 1:
                return False
            write_alert(c, alerts, promise.conversation, dict(alert), now)
            return True

    def due(self, now: datetime) -> Sequence[Promise]:
        return self._where(t.promises.c.due_at <= now)

    def settle(
        self,
        promise: Promise,
        state: PromiseState,
        now: datetime,
        follows: Sequence[Effect] = (),
        alerts: Sequence[str] = (),
        alert: Mapping[str, Any] | None = None,
    ) -> bool:
        with self._db.write() as c:
            if not _still_there(c, promise):
                return False
            settled = c.execute(
                t.promises.update()
                .where(t.promises.c.id == promise.id, _OPEN)
                .values(state=state.value, settled_at=now)
            )
            if settled.rowcount != 1:
                return False
            for effect in follows:
                if isinstance(effect, PromiseMade):
                    make_promise(effect, c, promise.conversation, now)
                elif isinstance(effect, OutreachPlanned):
                    plan_outreach(effect, c, promise.conversation, now)
                else:
                    raise TypeError(f"{type(effect).__name__} does not follow from a promise")
            if alert is not None:
                write_alert(c, alerts, promise.conversation, dict(alert), now)
            if state is PromiseState.BROKEN and promise.case is not None:
                note = {"promise": promise.id, "kind": promise.kind.value, "due_at": promise.due_at.isoformat()}
                c.execute(t.case_events.insert().values(case_id=promise.case, what="promise_broken", note=note, at=now))
            return True

    def case_state(self, case: CaseId) -> CaseState | None:
        with self._db.read() as c:
            state = c.execute(sa.select(t.cases.c.state).where(t.cases.c.id == case)).scalar_one_or_none()
        return CaseState(state) if state else None

    def kept_rate(self, since: datetime) -> KeptRate:
        with self._db.read() as c:
            by_state = {
                state: count(c, t.promises, t.promises.c.state == state.value, t.promises.c.settled_at >= since)
                for state in (PromiseState.KEPT, PromiseState.BROKEN)
            }
        return KeptRate(by_state[PromiseState.KEPT], by_state[PromiseState.BROKEN])

    def open_promises(self) -> Sequence[Promise]:
        """The open ones, due first first."""
        return self._where()

    def by_state(self) -> dict[str, int]:
        """How many promises are in each state."""
        with self._db.read() as c:
            rows = c.execute(sa.select(t.promises.c.state, sa.func.count()).group_by(t.promises.c.state)).all()
        return {state: number for state, number in rows}

    def _where(self, *conditions: Any) -> list[Promise]:
        chosen = sa.select(t.promises).where(_OPEN, *conditions).order_by(t.promises.c.due_at).limit(_MOST)
        with self._db.read() as c:
            return [promise_of(row) for row in c.execute(chosen).all()]


def _still_there(c: Connection, promise: Promise) -> bool:
    """Lock the promise's conversation, as every turn does first; False where the promise has moved to another one."""
    c.execute(sa.select(t.conversations.c.id).where(t.conversations.c.id == promise.conversation).with_for_update())
    now_in = c.execute(
        sa.select(t.promises.c.conversation_id).where(t.promises.c.id == promise.id)
    ).scalar_one_or_none()
    return bool(now_in == promise.conversation)


def promise_of(row: Any) -> Promise:
    return Promise(
        PromiseId(row.id),
        row.key,
        ConversationId(row.conversation_id),
        row.case_id,
        row.customer,
        PromiseKind(row.kind),
        row.what,
        PromiseOwner(row.owner),
        PromiseState(row.state),
        row.made_at,
        row.due_at,
        row.reminded_at,
        row.settled_at,
    )
