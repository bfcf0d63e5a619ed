"""Finishes what was accepted and reserved while the shop did not answer, or while the process was killed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from bot.compensation.model import Given, Grant, GrantFulfilled, Option
from bot.compensation.service import CompensationService, Ledger
from bot.complaints.model import CaseChanged, CaseState
from bot.complaints.service import CaseRecords, ComplaintService, person_promise
from bot.complaints.words import offer_in_each
from bot.conversations.model import ConversationId, Effect
from bot.conversations.ports import Clock, Wording
from bot.errors import Conflict, ShopError, ShopRefused
from bot.outreach.model import OutreachKind, OutreachPlanned
from bot.promises.model import PromiseKind, PromisesSettled, PromiseState

log = structlog.get_logger()

# A turn that is killed or fails is tried again at once; what is older was left.
GRACE = timedelta(minutes=5)
TELL_UNTIL = timedelta(days=3)


class EffectWriter(Protocol):
    def write(self, conversation: ConversationId, effects: Sequence[Effect], now: datetime) -> None:
        """Write effects outside a turn, all or none. Raises Conflict."""


class Fulfilment:
    """One step of a loop; any number may run, the shop's idempotency key and the ledger keep it to one."""

    def __init__(
        self,
        ledger: Ledger,
        compensation: CompensationService,
        complaints: ComplaintService,
        cases: CaseRecords,
        effects: EffectWriter,
        wording: Wording,
        clock: Clock,
    ) -> None:
        self._ledger, self._compensation, self._complaints, self._cases = ledger, compensation, complaints, cases
        self._effects, self._wording, self._clock = effects, wording, clock

    def run_once(self) -> bool:
        """Try everything that was left once; never says that it wants to go on at once. Raises StorageUnavailable."""
        now = self._clock()
        for grant in self._ledger.unfulfilled(now - GRACE):
            try:
                person_by = self._complaints.person_by(now)
                given = self._compensation.give(grant, now)
            except ShopRefused as refused:
                log.warning("fulfilment.refused", case=grant.case, option=grant.offer.option.value, code=refused.code)
                self._refused(grant, now, person_by)
            except ShopError as error:
                log.info("fulfilment.shop_away", case=grant.case, error=type(error).__name__)
            except Conflict:
                log.info("fulfilment.conflict", case=grant.case)
            else:
                self._done(given, now)
        return False

    def _done(self, given: Given, now: datetime) -> None:
        grant = given.grant
        told = OutreachPlanned(
            key=f"{grant.key}:told",
            kind=OutreachKind.REMEDY_DONE,
            due_at=now,
            until=now + TELL_UNTIL,
            what={
                "case_number": grant.number,
                "offer": offer_in_each(self._wording, grant.offer),
                "code": given.reference if grant.offer.option is Option.VOUCHER else None,
            },
            case=grant.case,
        )
        settled = PromisesSettled(grant.case, PromiseState.KEPT, PromiseKind.REMEDY_DONE)
        case = self._cases.by_number(grant.number)
        if case is None:
            return
        over = (CaseState.OPEN, CaseState.RESOLVED, CaseState.CLOSED)
        effects = [GrantFulfilled(given), *self._complaints.consequences(given, case, now, over), settled, told]
        try:
            self._effects.write(grant.conversation, effects, now)
        except Conflict as conflict:  # it has moved since it was read: the next look finds it as it is then
            log.info("fulfilment.conflict", case=grant.case, reason=type(conflict).__name__)
            return
        log.info("fulfilment.done", case=grant.case, option=grant.offer.option.value)

    def _refused(self, grant: Grant, now: datetime, person_by: datetime) -> None:
        promise = person_promise(grant.case, grant.number, grant.customer, person_by)
        values: dict[str, Any] = {"state": CaseState.WITH_PERSON, "accepted": None, "offered": []}
        told = OutreachPlanned(
            key=f"{grant.key}:refused",
            kind=OutreachKind.REMEDY_REFUSED,
            due_at=now,
            until=now + TELL_UNTIL,
            what={"case_number": grant.number, "offer": offer_in_each(self._wording, grant.offer)},
            case=grant.case,
        )
        effects: list[Effect] = [
            PromisesSettled(grant.case, PromiseState.BROKEN, PromiseKind.REMEDY_DONE),
            CaseChanged(grant.case, "refused", values, {"option": grant.offer.option.value}),
            promise,
            told,
        ]
        try:
            self._effects.write(grant.conversation, effects, now)
        except Conflict:
            log.info("fulfilment.case_moved", case=grant.case)
