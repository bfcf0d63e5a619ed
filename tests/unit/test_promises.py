"""Whether a promise was kept, what is said when it was not, and who hears of it before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.complaints.model import CaseId, CaseState
from bot.conversations.model import ConversationId, Effect
from bot.errors import ShopGarbled, ShopUnavailable, StorageUnavailable
from bot.orders.model import Order, OrderNumber, OrderStatus, Refund, Store
from bot.outreach.model import OutreachKind, OutreachPlanned
from bot.promises.checks import promise_checks
from bot.promises.model import Promise, PromiseId, PromiseKind, PromiseMade, PromiseOwner, PromiseState
from bot.promises.policy import LOOK_AGAIN, NEVER_SAID, REMIND_BEFORE, renewed, renewed_due
from bot.promises.service import Check, KeptRate, PromiseService
from tests.unit.orders import STORE, order

DUE = datetime(2026, 11, 22, 14, 0, tzinfo=timezone.utc)  # Sunday, when the shop closes: 17:00 in Riyadh
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def promise(kind: PromiseKind, **changes: Any) -> Promise:
    values: dict[str, Any] = {
        "id": PromiseId("p"),
        "key": "key",
        "conversation": ConversationId("c"),
        "case": CaseId("case"),
        "customer": None,
        "kind": kind,
        "what": {"case_number": "C204817", "order_number": "1004", "replacement": "1004-R", "due_on": "2026-11-22"},
        "owner": PromiseOwner.SHOP,
        "state": PromiseState.OPEN,
        "made_at": DUE - 3 * DAY,
        "due_at": DUE,
    }
    return Promise(**{**values, **changes})


# -- checks ------------------------------------------------------------------------------------------------------------


@dataclass
class FakeShop:
    """What of `OrderBackend` the checks ask for."""

    orders: Mapping[str, Order] = field(default_factory=dict)
    fails: Exception | None = None

    def order(self, number: OrderNumber) -> Order | None:
        if self.fails:
            raise self.fails
        return self.orders.get(number)

    def store(self) -> Store:
        if self.fails:
            raise self.fails
        return STORE


def kept(
    what: Promise, now: datetime = DUE, shop: FakeShop | None = None, case: CaseState | None = CaseState.WITH_PERSON
) -> bool | None:
    checks = promise_checks(shop or FakeShop(), lambda _: case, lambda: now)  # type: ignore[arg-type]
    return checks[what.kind](what)


PARCEL, REFUND = promise(PromiseKind.PARCEL_ARRIVES), promise(PromiseKind.REFUND_ARRIVES)
NEXT_DAY = DUE + 8 * HOUR  # 01:00 in Riyadh


@pytest.mark.parametrize(
    ("status", "now", "expected"),
    [
        (OrderStatus.DELIVERED, DUE, True),
        (OrderStatus.RETURNED, DUE, True),  # it arrived, and went back
        (OrderStatus.SHIPPED, DUE, None),  # the day is not over
        (OrderStatus.SHIPPED, NEXT_DAY, False),
        (OrderStatus.CANCELLED, DUE, False),
    ],
)
def test_a_parcel_has_arrived_when_the_shop_says_delivered_and_has_not_when_its_day_is_over(
    status: OrderStatus, now: datetime, expected: bool | None
) -> None:
    assert kept(PARCEL, now, FakeShop({"1004-R": order(status)})) is expected


def test_a_parcel_without_a_number_can_only_become_late() -> None:
    unknown = replace(PARCEL, what={"replacement": None})
    assert kept(unknown) is None and kept(unknown, NEXT_DAY) is False
    assert kept(PARCEL, shop=FakeShop()) is None, "the shop does not know the number"


def refunded(paid_on: date | None) -> FakeShop:
    refund = Refund(Decimal(20), "card", date(2026, 11, 19), date(2026, 11, 22), paid_on)
    return FakeShop({"1004": order(OrderStatus.DELIVERED, refund=refund)})


def test_money_is_back_when_the_shop_says_paid_and_late_when_it_has_not_by_the_end_of_the_day() -> None:
    assert kept(REFUND, shop=refunded(date(2026, 11, 22))) is True
    assert kept(REFUND, shop=refunded(None)) is None
    assert kept(REFUND, NEXT_DAY, refunded(None)) is False
    assert kept(REFUND, NEXT_DAY, FakeShop({"1004": order(OrderStatus.DELIVERED)})) is False


def test_money_paid_before_it_was_promised_is_other_money() -> None:
    assert kept(REFUND, shop=refunded(date(2026, 11, 18))) is None


@pytest.mark.parametrize("error", [ShopUnavailable(), ShopGarbled("order")])
@pytest.mark.parametrize("what", [PARCEL, REFUND])
def test_a_shop_that_does_not_answer_says_neither(what: Promise, error: Exception) -> None:
    assert kept(what, NEXT_DAY, FakeShop(fails=error)) is None


def test_a_person_has_decided_when_the_case_is_no_longer_with_them() -> None:
    decides = promise(PromiseKind.PERSON_DECIDES)
    assert kept(decides, DUE - HOUR) is None
    assert kept(decides, DUE) is False
    for state in (CaseState.OPEN, CaseState.RESOLVED, CaseState.CLOSED):
        assert kept(decides, DUE - HOUR, case=state) is True
    assert kept(decides, case=None) is None
    assert kept(replace(decides, case=None)) is None


def test_a_remedy_that_nobody_settled_by_its_hour_was_not_done() -> None:
    done = promise(PromiseKind.REMEDY_DONE)
    assert kept(done, DUE - HOUR) is None and kept(done, DUE) is False


# -- the new time ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (PromiseKind.PARCEL_ARRIVES, {"due_on": "2026-11-25", "was_due_on": "2026-11-22"}),
        (PromiseKind.REFUND_ARRIVES, {"due_on": "2026-11-26", "was_due_on": "2026-11-22"}),
        # Monday from nine, four hours of support, by the shop's clock
        (PromiseKind.PERSON_DECIDES, {"due_at": "2026-11-23T10:00:00+00:00", "was_due_at": DUE.isoformat()}),
        (PromiseKind.REMEDY_DONE, {"due_at": "2026-11-23T22:00:00+00:00", "was_due_at": DUE.isoformat()}),
    ],
)
def test_what_was_not_kept_is_promised_anew_for_a_time_that_can_be_held(
    kind: PromiseKind, expected: dict[str, str]
) -> None:
    what = renewed(kind, {"case_number": "C204817", "due_on": "2026-11-22"}, DUE, NEXT_DAY, STORE)
    assert what == {"case_number": "C204817", "broken": 1, **expected}


@given(st.sampled_from(PromiseKind), st.integers(0, 30), st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))
def test_each_time_more_time_is_asked_for_but_never_without_end(kind: PromiseKind, times: int, when: datetime) -> None:
    now = when.replace(tzinfo=timezone.utc)
    what: Mapping[str, Any] = {}
    for _ in range(times):
        what = renewed(kind, what, now - HOUR, now, STORE)
    again = renewed(kind, what, now - HOUR, now, STORE)
    due = renewed_due(again, STORE)
    assert now < due <= now + 15 * DAY
    if times and kind is not PromiseKind.PERSON_DECIDES:
        assert due >= renewed_due(what, STORE)
    assert again["broken"] == times + 1


# -- the step ----------------------------------------------------------------------------------------------------------


@dataclass
class FakeRecords:
    """Implements `promises.service.PromiseRecords`."""

    promises: list[Promise] = field(default_factory=list)
    settled: list[tuple[PromiseState, Sequence[Effect], Mapping[str, Any] | None]] = field(default_factory=list)
    reminded: list[Mapping[str, Any]] = field(default_factory=list)

    def to_remind(self, now: datetime, until: datetime) -> Sequence[Promise]:
        return [p for p in self.promises if p.owner is PromiseOwner.AGENT and now < p.due_at <= until]

    def remind(self, promise: Promise, alerts: Sequence[str], alert: Mapping[str, Any], now: datetime) -> bool:
        self.reminded.append(alert)
        return True

    def due(self, now: datetime) -> Sequence[Promise]:
        return [p for p in self.promises if p.due_at <= now]

    def settle(
        self,
        promise: Promise,
        state: PromiseState,
        now: datetime,
        follows: Sequence[Effect] = (),
        alerts: Sequence[str] = (),
        alert: Mapping[str, Any] | None = None,
    ) -> bool:
        self.promises = [p for p in self.promises if p.id != promise.id]
        self.settled.append((state, follows, alert))
        return True

    def case_state(self, case: CaseId) -> CaseState | None:
        return None

    def kept_rate(self, since: datetime) -> KeptRate:
        return KeptRate(3, 1)


@dataclass
class Answers:
    """A check that gives what it is told, and counts how often it was asked."""

    says: bool | None | Exception
    asked: int = 0

    def __call__(self, promise: Promise) -> bool | None:
        self.asked += 1
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


class Step:
    def __init__(self, check: Check, *promises: Promise, now: datetime = DUE) -> None:
        self.now, self.records = now, FakeRecords(list(promises))
        checks = {kind: check for kind in PromiseKind}
        self.service = PromiseService(self.records, checks, lambda: STORE, lambda: self.now, ("alert",))


def test_a_parcel_that_arrived_is_kept_and_its_customer_is_asked_whether_it_is_right_again() -> None:
    step = Step(Answers(True), PARCEL)
    assert step.service.run_once() and not step.service.run_once()
    [(state, [told], alert)] = step.records.settled
    assert state is PromiseState.KEPT and alert is None
    assert isinstance(told, OutreachPlanned)
    assert (told.kind, told.key, told.case) == (OutreachKind.PROMISE_KEPT, "promise_kept:p", "case")
    assert told.what == {**PARCEL.what, "promise": "parcel_arrives"} and told.due_at == DUE < told.until


@pytest.mark.parametrize("kind", [PromiseKind.PERSON_DECIDES, PromiseKind.REMEDY_DONE])
def test_what_somebody_has_said_already_is_not_told_again(kind: PromiseKind) -> None:
    step = Step(Answers(True), promise(kind))
    step.service.run_once()
    assert [(state, list(follows)) for state, follows, _ in step.records.settled] == [(PromiseState.KEPT, [])]


@pytest.mark.parametrize("kind", list(PromiseKind))
def test_what_was_not_kept_is_told_with_a_new_time_that_is_a_promise_itself(kind: PromiseKind) -> None:
    step = Step(Answers(False), promise(kind))
    assert step.service.run_once()
    [(state, [again, told], alert)] = step.records.settled
    assert state is PromiseState.BROKEN
    assert isinstance(again, PromiseMade) and isinstance(told, OutreachPlanned)
    assert (again.key, again.kind, again.case) == ("again:p", kind, "case") and again.due_at > step.now
    assert told.what == {**again.what, "promise": kind.value} and told.until == again.due_at
    assert alert == {
        "event": "promise.broken",
        "promise": "p",
        "kind": kind.value,
        "case": "C204817",
        "due_at": DUE.isoformat(),
    }


@pytest.mark.parametrize("answer", [None, RuntimeError("a bug"), KeyError("order")])
def test_what_cannot_be_found_out_is_looked_at_again_and_after_a_day_counts_as_broken(
    answer: None | Exception,
) -> None:
    check = Answers(answer)
    step = Step(check, PARCEL)
    assert not step.service.run_once() and not step.service.run_once()
    assert check.asked == 1
    step.now += LOOK_AGAIN + timedelta(seconds=1)
    assert not step.service.run_once() and check.asked == 2
    step.now = DUE + NEVER_SAID
    step.service.run_once()
    assert step.records.settled == []
    step.now += LOOK_AGAIN + timedelta(seconds=1)
    assert step.service.run_once()
    assert step.records.settled[0][0] is PromiseState.BROKEN


def test_a_clock_that_was_set_back_does_not_stop_the_looks() -> None:
    check = Answers(None)
    step = Step(check, replace(PARCEL, due_at=DUE - 400 * DAY), now=DUE - 400 * DAY + HOUR)
    wrong = step.now
    step.now += 10 * HOUR
    assert not step.service.run_once()
    step.now, check.says = wrong, True
    assert step.service.run_once(), "it was to be looked at again in ten hours, by the new clock"


def test_one_that_cannot_be_checked_holds_up_no_other() -> None:
    step = Step(lambda p: True if p.id == "q" else None, PARCEL, replace(PARCEL, id=PromiseId("q")))
    assert step.service.run_once()
    assert [p.id for p in step.records.promises] == ["p"]


def test_a_database_that_is_away_is_not_a_bug_of_the_check() -> None:
    with pytest.raises(StorageUnavailable):
        Step(Answers(StorageUnavailable("locked")), PARCEL).service.run_once()


def test_while_the_shops_hours_are_unknown_no_new_time_is_made_up() -> None:
    step = Step(Answers(False), PARCEL)

    def away() -> Store:
        raise ShopUnavailable()

    service = PromiseService(step.records, {PromiseKind.PARCEL_ARRIVES: Answers(False)}, away, lambda: step.now)
    assert not service.run_once() and step.records.settled == []


def test_whoever_owns_it_is_reminded_half_an_hour_before() -> None:
    agents = promise(PromiseKind.PERSON_DECIDES, owner=PromiseOwner.AGENT)
    step = Step(Answers(None), agents, replace(PARCEL, id=PromiseId("q")), now=DUE - REMIND_BEFORE)
    assert step.service.run_once()
    assert step.records.reminded == [
        {"event": "promise.due", "promise": "p", "kind": "person_decides", "case": "C204817", "due_at": DUE.isoformat()}
    ]
    early = Step(Answers(None), agents, now=DUE - REMIND_BEFORE - timedelta(seconds=1))
    assert not early.service.run_once() and early.records.reminded == []


def test_nobody_is_reminded_of_what_they_have_done() -> None:
    agents = promise(PromiseKind.PERSON_DECIDES, owner=PromiseOwner.AGENT)
    step = Step(Answers(True), agents, now=DUE - HOUR / 4)
    step.service.run_once()
    assert step.records.reminded == [] and step.records.settled[0][0] is PromiseState.KEPT


def test_the_kept_rate_is_a_share_of_what_was_settled() -> None:
    assert Step(Answers(None)).service.kept_rate(DUE) == KeptRate(3, 1)
    assert (KeptRate(3, 1).rate, KeptRate(0, 0).rate) == (0.75, None)
