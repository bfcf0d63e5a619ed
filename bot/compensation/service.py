"""Compensation: what can be offered, and giving what was accepted.

What is given is reserved in the ledger first, then done by the shop, then written down in the turn's commit. Whatever is
killed or away in between, the reservation stands and is finished with the same key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog

from bot.compensation.content import PolicyFile
from bot.compensation.model import (
    Caps,
    Decision,
    Entry,
    EntryKind,
    Facts,
    Given,
    Grant,
    Option,
    PersonReason,
    Usage,
)
from bot.compensation.policy import decide
from bot.complaints.model import CaseId
from bot.errors import ShopError, ShopRefused
from bot.orders.model import CustomerId, OrderNumber, Sku
from bot.orders.ports import OrderBackend
from bot.orders.remedies import (
    PointsRequest,
    RefundRequest,
    ReplacementKind,
    ReplacementRequest,
    VoucherRequest,
    VoucherState,
)

__all__ = ["CompensationService", "Ledger"]

log = structlog.get_logger()

_SHIPPING = "shipping"  # the reason of a refund that gives the shipping fee back


class Ledger(Protocol):
    """The append-only record of what was given. Every method may raise StorageUnavailable; each that writes does so in a
    short transaction of its own, and returns False or the first entry where it was written before."""

    def usage(
        self,
        customer: CustomerId,
        order: OrderNumber,
        case: CaseId,
        now: datetime,
        zone: ZoneInfo,
        period_days: int,
        *,
        currency: str,
        item: Sku | None = None,
    ) -> Usage:
        """What counts against the caps, in that currency. `zone`: the shop's, for its day; `period_days`: the customer's
        cap; `item`: what the complaint is about, None for the whole order."""

    def grant(self, grant: Grant, caps: Caps, now: datetime, zone: ZoneInfo) -> Entry:
        """Reserve what was accepted. A second call for the case and option returns the first entry, whatever changed.

        Raises CapReached where it would now break a cap ("order", "customer", "shop"), the price paid ("price"), give
        the shipping fee twice ("shipping"), or be the case's second remedy or second goodwill ("case").
        """

    def reverse(self, case: CaseId, option: Option, now: datetime) -> bool:
        """Take a reservation back that the shop refused. False where there is none, or the shop has done it."""

    def fulfilled(self, given: Given, now: datetime) -> bool:
        """Write that the shop has done it."""

    def redeem(self, case: CaseId, option: Option, now: datetime) -> bool:
        """Write that what was given was used. False where it was not given, or is used or over already."""

    def expire(self, case: CaseId, option: Option, now: datetime) -> bool:
        """Write that what was given ran out unused. False where it was not given, or is used or over already."""

    def entries(self, case: CaseId) -> Sequence[Entry]:
        """A case's entries, in order."""

    def entries_of(self, customer: CustomerId) -> Sequence[Entry]:
        """A customer's entries, in order."""

    def unfulfilled(self, before: datetime) -> Sequence[Grant]:
        """What was granted before that time and neither done nor taken back, oldest first."""

    def standing_vouchers(self) -> Sequence[Entry]:
        """The FULFIL entries of vouchers that are neither used nor over, oldest first."""


class CompensationService:
    def __init__(self, shop: OrderBackend, ledger: Ledger, policy: PolicyFile) -> None:
        self._shop, self._ledger, self._policy = shop, ledger, policy
        self._zone = ZoneInfo("UTC")

    @property
    def claims_period(self) -> timedelta:
        """How far back a customer's claims and orders count."""
        return timedelta(days=self._policy.current().claims_days)

    def decide(
        self,
        facts: Facts,
        customer: CustomerId,
        order: OrderNumber,
        case: CaseId,
        now: datetime,
        item: Sku | None = None,
    ) -> Decision:
        """What can be offered now. `item`: what `facts.price` is the price of, None for the whole order. Raises
        ShopError and StorageUnavailable."""
        store, policies, rules = self._shop.store(), self._shop.policies(), self._policy.current()
        if facts.price.currency != store.currency:
            # The caps are in the shop's currency, and nobody here knows a rate.
            return Decision((), PersonReason.NO_RULE)
        usage = self._ledger.usage(
            customer,
            order,
            case,
            now,
            store.timezone,
            rules.caps.customer_days,
            currency=store.currency,
            item=item,
        )
        return decide(replace(facts, points_value=policies.points_value), usage, rules)

    def give(self, grant: Grant, now: datetime) -> Given:
        """Do what was accepted. The caller writes GrantFulfilled with the result in its turn's commit.

        Raises CapReached and ShopRefused: nothing was given, and nothing is reserved. After another ShopError it stays
        reserved; `give` is called again for what `Ledger.unfulfilled` tells.
        """
        option = grant.offer.option
        entry = self._ledger.grant(grant, self._policy.current().caps, now, self._shop_zone())
        # The first entry counts, not what this caller holds: the shop refuses a key that comes with another request.
        first = replace(
            grant,
            customer=entry.customer,
            order=entry.order,
            offer=replace(grant.offer, amount=entry.amount, points=entry.points),
            item=entry.item,
            quantity=entry.quantity,
        )
        if any(e.kind is EntryKind.REVERSE and e.option is option for e in self._ledger.entries(grant.case)):
            raise ShopRefused("not_possible")  # refused before, and the key is spent
        try:
            return self._done(first, entry)
        except ShopRefused as refused:
            log.info("compensation.refused", case=grant.case, option=option.value, code=refused.code)
            self._ledger.reverse(grant.case, option, now)
            raise

    def done_for(self, case: CaseId) -> list[Entry]:
        """What the shop has done for a case, in order. Raises StorageUnavailable."""
        return [entry for entry in self._ledger.entries(case) if entry.kind is EntryKind.FULFIL]

    def settle_vouchers(self, now: datetime) -> int:
        """Write down which vouchers were used or ran out, as the shop tells; returns how many. Meant for once a day.

        Raises ShopError, with what it knew until then written.
        """
        settled = 0
        for entry in self._ledger.standing_vouchers():
            voucher = self._shop.voucher(entry.reference or "")
            if voucher is None or voucher.state is VoucherState.ACTIVE:
                continue
            write = self._ledger.redeem if voucher.state is VoucherState.USED else self._ledger.expire
            settled += write(entry.case, entry.option, now)
        return settled

    def _done(self, grant: Grant, entry: Entry) -> Given:
        offer, key = grant.offer, grant.key
        if offer.option in (Option.REFUND, Option.SHIPPING_REFUND):
            reason = entry.reason if offer.option is Option.REFUND else _SHIPPING
            refund = self._shop.refund(RefundRequest(key, grant.order, offer.amount, reason))
            return Given(grant, refund.reference, due_on=refund.due_on)
        if offer.option is Option.VOUCHER:
            assert entry.valid_until is not None  # a grant of a voucher has it
            voucher = self._shop.issue_voucher(VoucherRequest(key, grant.customer, offer.amount, entry.valid_until))
            return Given(grant, voucher.code, valid_until=voucher.valid_until)
        if offer.option is Option.POINTS:
            points = self._shop.add_points(PointsRequest(key, grant.customer, offer.points or 0, entry.reason))
            return Given(grant, None, points=points)
        kind = ReplacementKind(offer.option.value)
        sent = self._shop.replace(ReplacementRequest(key, grant.order, kind, grant.item, grant.quantity))
        return Given(grant, sent.order, due_on=sent.promised_on)

    def _shop_zone(self) -> ZoneInfo:
        """The shop's zone; while the shop is away the one last known, for a reservation must not wait for it."""
        try:
            self._zone = self._shop.store().timezone
        except ShopError as error:
            log.info("compensation.zone_not_asked", error=type(error).__name__)
        return self._zone
