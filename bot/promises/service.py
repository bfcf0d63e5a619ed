"""Looks after what was promised: reminds whoever owns it, finds out whether it was kept, and tells the customer openly
when it was not. Any number may run, in any number of processes: each promise is reminded of and settled once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from bot.complaints.model import CaseId, CaseState
from bot.conversations.model import Effect
from bot.conversations.ports import Clock
from bot.errors import StorageUnavailable
from bot.orders.model import Store
from bot.outreach.model import OutreachKind, OutreachPlanned
from bot.outreach.shop import LastKnownStore
from bot.promises.model import Promise, PromiseId, PromiseKind, PromiseMade, PromiseState
from bot.promises.policy import LOOK_AGAIN, NEVER_SAID, REMIND_BEFORE, renewed, renewed_due

log = structlog.get_logger()

Check = Callable[[Promise], bool | None]
"""Whether a promise was kept; None where that cannot be said now."""

KEPT_WORTH_SAYING = timedelta(days=3)
# Kept by something arriving, where nobody else says so: then the customer is asked whether it is right again.
_TOLD_WHEN_KEPT = (PromiseKind.PARCEL_ARRIVES, PromiseKind.REFUND_ARRIVES)


@dataclass(frozen=True)
class KeptRate:
    """`rate` from 0 to 1; None where nothing was settled."""

    kept: int
    broken: int

    @property
    def rate(self) -> float | None:
        settled = self.kept + self.broken
        return self.kept / settled if settled else None


class PromiseRecords(Protocol):
    """Each raises StorageUnavailable."""

    def to_remind(self, now: datetime, until: datetime) -> Sequence[Promise]:
        """Open promises of agents, not reminded of yet, that fall due between `now` and `until`."""

    def remind(self, promise: Promise, alerts: Sequence[str], alert: Mapping[str, Any], now: datetime) -> bool:
        """Tell people over the `alerts` channels, once; returns whether it was this call that did."""

    def due(self, now: datetime) -> Sequence[Promise]:
        """Open promises that are due, oldest first, and not endlessly many."""

    def settle(
        self,
        promise: Promise,
        state: PromiseState,
        now: datetime,
        follows: Sequence[Effect] = (),
        alerts: Sequence[str] = (),
        alert: Mapping[str, Any] | None = None,
    ) -> bool:
        """End an open promise, with the messages and promises that follow from it, the alert, and a line in its case
        where it was broken, in one transaction. Returns False where it was not open any more; then nothing is written.
        """

    def case_state(self, case: CaseId) -> CaseState | None:
        """The state of that case, or None."""

    def kept_rate(self, since: datetime) -> KeptRate:
        """Of the promises settled since then."""


class PromiseService:
    """`store` is the shop's; `alerts` the channels over which people hear (see delivery.alerts)."""

    def __init__(
        self,
        records: PromiseRecords,
        checks: Mapping[PromiseKind, Check],
        store: Callable[[], Store],
        clock: Clock,
        alerts: Sequence[str] = (),
    ) -> None:
        self._records, self._checks, self._clock, self._alerts = records, checks, clock, tuple(alerts)
        self._store = LastKnownStore(store, clock)
        self._not_before: dict[PromiseId, datetime] = {}  # only saves looks: a restart looks at once

    def run_once(self) -> bool:
        """Remind and settle what is due; returns whether there was any. Raises StorageUnavailable."""
        now = self._clock()
        worked = False
        for promise in self._records.to_remind(now, now + REMIND_BEFORE):
            worked |= self._remind(promise, now)
        for promise in self._records.due(now):
            worked |= self._settle(promise, now)
        return worked

    def kept_rate(self, since: datetime) -> KeptRate:
        return self._records.kept_rate(since)

    def _remind(self, promise: Promise, now: datetime) -> bool:
        if self._kept(promise, now) is True:
            return self._keep(promise, now)
        if not self._records.remind(promise, self._alerts, _alert("promise.due", promise), now):
            return False
        log.info("promise.reminded", promise=promise.id, kind=promise.kind.value)
        return True

    def _settle(self, promise: Promise, now: datetime) -> bool:
        kept = self._kept(promise, now)
        if kept is None:
            return False
        return self._keep(promise, now) if kept else self._break(promise, now)

    def _kept(self, promise: Promise, now: datetime) -> bool | None:
        """None for now; an answer that does not come for a day is no."""
        waits = self._not_before.get(promise.id)
        if waits is not None and timedelta() <= waits - now <= LOOK_AGAIN:
            return None
        self._not_before.pop(promise.id, None)
        try:
            kept = self._checks[promise.kind](promise) if promise.kind in self._checks else None
        except StorageUnavailable:
            raise
        except Exception:
            log.exception("promise.check_failed", promise=promise.id, kind=promise.kind.value)
            kept = None
        if kept is None and now - promise.due_at > NEVER_SAID:
            return False
        if kept is None and now >= promise.due_at:
            self._not_before[promise.id] = now + LOOK_AGAIN
        return kept

    def _keep(self, promise: Promise, now: datetime) -> bool:
        follows = []
        if promise.kind in _TOLD_WHEN_KEPT:
            follows.append(_told(promise, OutreachKind.PROMISE_KEPT, promise.what, now, now + KEPT_WORTH_SAYING))
        kept = self._records.settle(promise, PromiseState.KEPT, now, follows)
        if kept:
            log.info("promise.kept", promise=promise.id, kind=promise.kind.value)
        return kept

    def _break(self, promise: Promise, now: datetime) -> bool:
        store = self._store()
        if store is None:  # without its hours no honest new time can be told
            self._not_before[promise.id] = now + LOOK_AGAIN
            return False
        what = renewed(promise.kind, promise.what, promise.due_at, now, store)
        again = PromiseMade(
            f"again:{promise.id}",
            promise.kind,
            promise.owner,
            renewed_due(what, store),
            what,
            promise.case,
            promise.customer,
        )
        follows = [again, _told(promise, OutreachKind.PROMISE_BROKEN, what, now, again.due_at)]
        alert = _alert("promise.broken", promise)
        broken = self._records.settle(promise, PromiseState.BROKEN, now, follows, self._alerts, alert)
        if broken:
            log.warning("promise.broken", promise=promise.id, kind=promise.kind.value)
        return broken


def _told(
    promise: Promise, kind: OutreachKind, what: Mapping[str, Any], now: datetime, until: datetime
) -> OutreachPlanned:
    values = {**what, "promise": promise.kind.value}
    return OutreachPlanned(f"{kind.value}:{promise.id}", kind, now, until, values, promise.case)


def _alert(event: str, promise: Promise) -> dict[str, Any]:
    """Ids and times alone."""
    return {
        "event": event,
        "promise": promise.id,
        "kind": promise.kind.value,
        "case": promise.what.get("case_number"),
        "due_at": promise.due_at.isoformat(),
    }
