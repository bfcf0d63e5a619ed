"""The ledger of what was given. Append-only: a case has at most one entry of a kind for an option.

What checks and then writes does so under the locks of the order, and for goodwill of the customer and the shop: rows of
`ledger_locks` on PostgreSQL; SQLite lets one write at a time anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.compensation.model import (
    GOODWILL,
    REMEDIES,
    Caps,
    Entry,
    EntryId,
    EntryKind,
    Given,
    Grant,
    Offer,
    Option,
    Usage,
)
from bot.complaints.model import CaseId, CaseNumber
from bot.conversations.model import ConversationId
from bot.errors import CapReached
from bot.orders.model import CustomerId, Money, OrderNumber, Sku
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.effects import fulfil, insert_ignore

_MOST = 500  # finished in one round; the rest is there in the next
_ENTRIES = t.ledger_entries


class SqlLedger:
    """Implements `compensation.service.Ledger`."""

    def __init__(self, database: Database) -> None:
        self._db = database

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
        today, since = now.astimezone(zone).date(), now - timedelta(days=period_days)
        with self._db.read() as c:
            return _usage(c, customer, order, case, today, since, currency, item)

    def grant(self, grant: Grant, caps: Caps, now: datetime, zone: ZoneInfo) -> Entry:
        offer = grant.offer
        if not offer.amount.amount.is_finite() or offer.amount.amount < 0:
            raise ValueError(f"{offer.amount.amount} cannot be granted")
        today, since = now.astimezone(zone).date(), now - timedelta(days=caps.customer_days)
        keys = [f"order:{grant.order}"]
        if offer.option in GOODWILL:
            keys += [f"customer:{grant.customer}", "shop"]
        with self._db.write() as c:
            _lock(c, keys)
            first = _entry_of(c, grant.case, offer.option, EntryKind.GRANT)
            if first is not None:
                return first
            usage = _usage(c, grant.customer, grant.order, grant.case, today, since, offer.amount.currency, grant.item)
            _check(offer, usage, caps)
            kind_of_case = sa.select(t.cases.c.kind).where(t.cases.c.id == grant.case)
            c.execute(
                _ENTRIES.insert().values(
                    case_id=grant.case,
                    conversation_id=grant.conversation,
                    customer=grant.customer,
                    order_number=grant.order,
                    option=offer.option.value,
                    kind=EntryKind.GRANT.value,
                    amount=offer.amount.amount,
                    currency=offer.amount.currency,
                    points=offer.points,
                    item=grant.item,
                    quantity=grant.quantity,
                    reason=c.execute(kind_of_case).scalar_one(),
                    # From the day of the grant: whenever the shop is asked again, it is asked for the same.
                    valid_until=None if offer.valid_days is None else today + timedelta(days=offer.valid_days),
                    valid_days=offer.valid_days,
                    day=today,
                    at=now,
                )
            )
            made = _entry_of(c, grant.case, offer.option, EntryKind.GRANT)
            assert made is not None
            return made

    def reverse(self, case: CaseId, option: Option, now: datetime) -> bool:
        with self._db.write() as c:
            granted = _locked(c, case, option)
            if granted is None or _kinds(c, case, option) != {EntryKind.GRANT}:
                return False
            return _append(c, granted, EntryKind.REVERSE, now)

    def fulfilled(self, given: Given, now: datetime) -> bool:
        with self._db.write() as c:
            return fulfil(given, c, now)

    def redeem(self, case: CaseId, option: Option, now: datetime) -> bool:
        return self._end(case, option, EntryKind.REDEEM, now)

    def expire(self, case: CaseId, option: Option, now: datetime) -> bool:
        return self._end(case, option, EntryKind.EXPIRE, now)

    def entries(self, case: CaseId) -> Sequence[Entry]:
        return self._where(_ENTRIES.c.case_id == case)

    def entries_of(self, customer: CustomerId) -> Sequence[Entry]:
        return self._where(_ENTRIES.c.customer == customer)

    def unfulfilled(self, before: datetime) -> Sequence[Grant]:
        left = (
            sa.select(_ENTRIES, t.cases.c.number)
            .join(t.cases, t.cases.c.id == _ENTRIES.c.case_id)
            .where(
                _ENTRIES.c.kind == EntryKind.GRANT.value,
                _ENTRIES.c.at < before,
                ~_has(EntryKind.FULFIL, EntryKind.REVERSE),
            )
            .order_by(_ENTRIES.c.id)
            .limit(_MOST)
        )
        with self._db.read() as c:
            return [_grant(row) for row in c.execute(left).all()]

    def standing_vouchers(self) -> Sequence[Entry]:
        return self._where(
            _ENTRIES.c.kind == EntryKind.FULFIL.value,
            _ENTRIES.c.option == Option.VOUCHER.value,
            ~_has(EntryKind.REDEEM, EntryKind.EXPIRE, EntryKind.REVERSE),
        )

    def _end(self, case: CaseId, option: Option, kind: EntryKind, now: datetime) -> bool:
        with self._db.write() as c:
            granted = _locked(c, case, option)
            if granted is None or _kinds(c, case, option) != {EntryKind.GRANT, EntryKind.FULFIL}:
                return False
            return _append(c, granted, kind, now)

    def _where(self, *conditions: Any) -> list[Entry]:
        with self._db.read() as c:
            return _select(c, *conditions)


# -- caps --------------------------------------------------------------------------------------------------------------


def _check(offer: Offer, usage: Usage, caps: Caps) -> None:
    """Raises CapReached."""
    worth = offer.amount.amount
    if offer.option in REMEDIES:
        if usage.has_remedy:
            raise CapReached("case")
        if offer.limit is not None and usage.remedies_on_order + worth > offer.limit:
            raise CapReached("price")
        return
    if usage.has_goodwill:
        raise CapReached("case")
    if offer.option is Option.SHIPPING_REFUND and usage.shipping_on_order > 0:
        raise CapReached("shipping")
    for cap, given, most in (
        ("order", usage.goodwill_on_order, caps.per_order),
        ("customer", usage.goodwill_of_customer, caps.per_customer),
        ("shop", usage.goodwill_of_shop_today, caps.shop_per_day),
    ):
        if given + worth > most:
            raise CapReached(cap)


def _usage(
    c: Connection,
    customer: CustomerId,
    order: OrderNumber,
    case: CaseId,
    today: date,
    since: datetime,
    currency: str,
    item: Sku | None,
) -> Usage:
    # After `since`, without an end: a clock that was ahead has left entries that count all the same.
    of_customer = sa.and_(_ENTRIES.c.customer == customer, _ENTRIES.c.at > since)
    on_order, of_case = _ENTRIES.c.order_number == order, _ENTRIES.c.case_id == case
    grants = _ENTRIES.c.kind == EntryKind.GRANT.value
    # What was taken back does not count, unless the shop did it after all.
    counts = sa.or_(~_has(EntryKind.REVERSE), _has(EntryKind.FULFIL))
    near = _select(c, grants, counts, sa.or_(on_order, of_customer, of_case))
    shop = sa.select(_ENTRIES.c.amount).where(
        grants,
        counts,
        _ENTRIES.c.day == today,
        _ENTRIES.c.option.in_([option.value for option in GOODWILL]),
        _ENTRIES.c.currency == currency,
    )
    tried = sa.select(_ENTRIES.c.option).where(grants, of_case)
    goodwill = [entry for entry in near if entry.option in GOODWILL]
    remedies = [entry for entry in near if entry.option in REMEDIES]
    same_thing = [entry for entry in remedies if None in (item, entry.item) or entry.item == item]
    shipping = [entry for entry in goodwill if entry.option is Option.SHIPPING_REFUND]

    def sum_of(entries: Iterable[Entry]) -> Decimal:
        return sum((e.amount.amount for e in entries if e.amount.currency == currency), Decimal())

    return Usage(
        remedies_on_order=sum_of(e for e in same_thing if e.order == order),
        goodwill_on_order=sum_of(e for e in goodwill if e.order == order),
        goodwill_of_customer=sum_of(e for e in goodwill if e.customer == customer and e.at > since),
        goodwill_of_shop_today=sum(c.execute(shop).scalars(), Decimal()),
        shipping_on_order=sum_of(e for e in shipping if e.order == order),
        tried=frozenset(Option(option) for option in c.execute(tried).scalars()),
        has_remedy=any(e.case == case for e in remedies),
        has_goodwill=any(e.case == case for e in goodwill),
    )


def _lock(c: Connection, keys: Sequence[str]) -> None:
    """Held until the transaction ends; always in the same order, so that two never wait for each other."""
    if c.dialect.name != "postgresql":
        return
    for key in sorted(keys):
        insert_ignore(c, t.ledger_locks, key=key)
        c.execute(sa.select(t.ledger_locks.c.key).where(t.ledger_locks.c.key == key).with_for_update())


# -- rows --------------------------------------------------------------------------------------------------------------


def _has(*kinds: EntryKind) -> Any:
    """That the case and option of an entry have one of these kinds too."""
    other = _ENTRIES.alias()
    return (
        sa.select(other.c.id)
        .where(
            other.c.case_id == _ENTRIES.c.case_id,
            other.c.option == _ENTRIES.c.option,
            other.c.kind.in_([kind.value for kind in kinds]),
        )
        .correlate(_ENTRIES)
        .exists()
    )


def _locked(c: Connection, case: CaseId, option: Option) -> Entry | None:
    """The grant, with its order locked: what else has become of it is read after this. None where there is none."""
    granted = _entry_of(c, case, option, EntryKind.GRANT)
    if granted is not None:
        _lock(c, [f"order:{granted.order}"])
    return granted


def _kinds(c: Connection, case: CaseId, option: Option) -> set[EntryKind]:
    kinds = sa.select(_ENTRIES.c.kind).where(_ENTRIES.c.case_id == case, _ENTRIES.c.option == option.value)
    return {EntryKind(kind) for kind in c.execute(kinds).scalars()}


def _append(c: Connection, granted: Entry, kind: EntryKind, now: datetime) -> bool:
    """One more entry of a grant, like it but for its kind and time."""
    row = c.execute(sa.select(_ENTRIES).where(_ENTRIES.c.id == granted.id)).one()._mapping
    values = {name: value for name, value in row.items() if name != "id"}
    return bool(insert_ignore(c, _ENTRIES, **{**values, "kind": kind.value, "at": now}))


def _entry_of(c: Connection, case: CaseId, option: Option, kind: EntryKind) -> Entry | None:
    found = _select(c, _ENTRIES.c.case_id == case, _ENTRIES.c.option == option.value, _ENTRIES.c.kind == kind.value)
    return found[0] if found else None


def _select(c: Connection, *conditions: Any) -> list[Entry]:
    rows = c.execute(sa.select(_ENTRIES).where(*conditions).order_by(_ENTRIES.c.id)).all()
    return [_entry(row) for row in rows]


def _entry(row: Any) -> Entry:
    return Entry(
        id=EntryId(row.id),
        case=CaseId(row.case_id),
        customer=CustomerId(row.customer),
        order=OrderNumber(row.order_number),
        option=Option(row.option),
        kind=EntryKind(row.kind),
        amount=Money(row.amount, row.currency),
        points=row.points,
        reference=row.reference,
        valid_until=row.valid_until,
        at=row.at,
        item=row.item,
        quantity=row.quantity,
        reason=row.reason,
    )


def _grant(row: Any) -> Grant:
    return Grant(
        case=CaseId(row.case_id),
        number=CaseNumber(row.number),
        conversation=ConversationId(row.conversation_id),
        customer=CustomerId(row.customer),
        order=OrderNumber(row.order_number),
        offer=Offer(Option(row.option), Money(row.amount, row.currency), row.points, row.valid_days),
        item=row.item,
        quantity=row.quantity,
    )
