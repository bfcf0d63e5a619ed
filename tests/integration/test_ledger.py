"""The ledger: nothing is granted twice, no cap is broken and no balance is negative, whatever is retried, raced or killed.

Each test runs on every kind of database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from bot.bootstrap import DEMO_SHOP
from bot.compensation.content import PolicyFile
from bot.compensation.model import (
    GOODWILL,
    REMEDIES,
    Caps,
    Entry,
    EntryKind,
    Given,
    Grant,
    GrantFulfilled,
    Offer,
    Option,
)
from bot.compensation.policy import balance
from bot.compensation.service import CompensationService, Ledger
from bot.complaints.model import CaseId, CaseNumber
from bot.conversations.model import (
    AssistantState,
    Author,
    Conversation,
    ConversationId,
    Message,
    MessageId,
    Owner,
    Turn,
)
from bot.errors import CapReached, ShopRefused, ShopUnavailable
from bot.orders.model import CustomerId, Money, OrderNumber, Sku
from bot.orders.remedies import (
    PointsRequest,
    RefundMade,
    RefundRequest,
    ReplacementMade,
    ReplacementRequest,
    Voucher,
    VoucherRequest,
    VoucherState,
)
from bot.shops.embedded import EmbeddedShop, load_demo
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.effects import apply
from bot.storage.ledger import SqlLedger
from tests.unit.orders import STORE

ZONE = ZoneInfo("Asia/Riyadh")
START = datetime(2026, 11, 22, 9, 0, tzinfo=timezone.utc)
TODAY = date(2026, 11, 22)
CAPS = Caps(Decimal(100), Decimal(200), 90, Decimal(250))
CONVERSATION = ConversationId("conversation")


def add_conversation(database: Database) -> None:
    with database.write() as c:
        c.execute(
            t.conversations.insert().values(
                id=CONVERSATION,
                channel="rest",
                address=CONVERSATION,
                owner="bot",
                language="ar",
                last_number=0,
                opted_out=False,
                created_at=START,
                active_at=START,
            )
        )


def add_cases(database: Database, names: Iterable[str], order: str = "1001", customer: str = "c1") -> None:
    rows = [
        {
            "id": name,
            "number": f"C{name}",
            "conversation_id": CONVERSATION,
            "customer": customer,
            "order_number": order,
            "kind": "damaged",
            "state": "open",
            "severity": 2,
            "about": name,
            "details": "",
            "emotion": "neutral",
            "step": 0,
            "offered": [],
            "opened_at": START,
            "updated_at": START,
        }
        for name in names
    ]
    with database.write() as c:
        c.execute(t.cases.insert(), rows)


def offer(option: Option, amount: str = "30", limit: str | None = None) -> Offer:
    money = Money(Decimal(amount), "SAR")
    if option in REMEDIES:
        return Offer(option, money, limit=Decimal(limit or amount))
    points = int(Decimal(amount) * 100) if option is Option.POINTS else None
    return Offer(option, money, points, 30 if option is Option.VOUCHER else None)


def wanted(
    case: str, what: Offer, order: str = "1001", customer: str = "c1", item: str | None = None, quantity: int = 1
) -> Grant:
    return Grant(
        CaseId(case),
        CaseNumber(f"C{case}"),
        CONVERSATION,
        CustomerId(customer),
        OrderNumber(order),
        what,
        Sku(item) if item else None,
        quantity,
    )


@pytest.fixture
def book(database: Database) -> Database:
    """A database with one conversation and cases "1" to "9" about order 1001, and "a", "b" about order 2001 of c2."""
    add_conversation(database)
    add_cases(database, "123456789")
    add_cases(database, "ab", "2001", "c2")
    return database


@pytest.fixture
def ledger(book: Database) -> SqlLedger:
    return SqlLedger(book)


def grant(ledger: Ledger, what: Grant, now: datetime = START, caps: Caps = CAPS) -> Entry:
    return ledger.grant(what, caps, now, ZONE)


def entries_in(database: Database) -> list[Any]:
    with database.read() as c:
        return list(c.execute(sa.select(t.ledger_entries).order_by(t.ledger_entries.c.id)).all())


# -- one grant a case and option ---------------------------------------------------------------------------------------


def test_a_second_call_returns_the_first_entry_whatever_changed(ledger: SqlLedger, book: Database) -> None:
    first = grant(ledger, wanted("1", offer(Option.VOUCHER, "30")))
    assert first.valid_until == TODAY + timedelta(days=30) and first.reason == "damaged"
    later = wanted("1", offer(Option.VOUCHER, "80"), item="A", quantity=3)
    assert grant(ledger, later, START + timedelta(days=5), replace(CAPS, per_order=Decimal(0))) == first
    assert len(entries_in(book)) == 1


def test_the_day_of_a_grant_is_the_shops(ledger: SqlLedger, book: Database) -> None:
    grant(ledger, wanted("1", offer(Option.POINTS)), datetime(2026, 11, 22, 22, 0, tzinfo=timezone.utc))
    assert entries_in(book)[0].day == date(2026, 11, 23)


def test_a_case_has_one_remedy_and_one_goodwill(ledger: SqlLedger) -> None:
    grant(ledger, wanted("1", offer(Option.REFUND, "100", "500")))
    grant(ledger, wanted("1", offer(Option.VOUCHER)))
    for more in (Option.RESEND, Option.POINTS):
        with pytest.raises(CapReached) as error:
            grant(ledger, wanted("1", offer(more, "10", "500")))
        assert error.value.cap == "case"
    usage = ledger.usage(CustomerId("c1"), OrderNumber("1001"), CaseId("1"), START, ZONE, 90, currency="SAR")
    assert usage.has_remedy and usage.has_goodwill and usage.tried == {Option.REFUND, Option.VOUCHER}


def test_remedies_for_the_same_thing_stay_within_the_price(ledger: SqlLedger) -> None:
    grant(ledger, wanted("1", offer(Option.REFUND, "100", "100"), item="A"))
    with pytest.raises(CapReached) as error:
        grant(ledger, wanted("2", offer(Option.EXCHANGE, "100", "100"), item="A"))
    assert error.value.cap == "price"
    grant(ledger, wanted("3", offer(Option.REFUND, "50", "50"), item="B"))  # another item of the order
    with pytest.raises(CapReached):
        grant(ledger, wanted("4", offer(Option.REFUND, "150", "150")))  # all of the order
    of_item = ledger.usage(
        CustomerId("c1"), OrderNumber("1001"), CaseId("5"), START, ZONE, 90, currency="SAR", item=Sku("B")
    )
    of_all = ledger.usage(CustomerId("c1"), OrderNumber("1001"), CaseId("5"), START, ZONE, 90, currency="SAR")
    assert (of_item.remedies_on_order, of_all.remedies_on_order) == (50, 150)


def test_a_shipping_fee_is_given_back_once_an_order(ledger: SqlLedger) -> None:
    grant(ledger, wanted("1", offer(Option.SHIPPING_REFUND, "20")))
    with pytest.raises(CapReached) as error:
        grant(ledger, wanted("2", offer(Option.SHIPPING_REFUND, "20")))
    assert error.value.cap == "shipping"


def test_goodwill_stays_within_each_cap(ledger: SqlLedger, book: Database) -> None:
    grant(ledger, wanted("1", offer(Option.VOUCHER, "80")))
    with pytest.raises(CapReached) as error:
        grant(ledger, wanted("2", offer(Option.VOUCHER, "20.01")))
    assert error.value.cap == "order"
    grant(ledger, wanted("2", offer(Option.VOUCHER, "20")))

    add_cases(book, ["other"], "1002")
    with pytest.raises(CapReached) as error:
        grant(
            ledger, wanted("other", offer(Option.POINTS, "100.01"), "1002"), caps=replace(CAPS, per_order=Decimal(500))
        )
    assert error.value.cap == "customer"
    grant(ledger, wanted("other", offer(Option.POINTS, "100"), "1002"))

    with pytest.raises(CapReached) as error:
        grant(ledger, wanted("a", offer(Option.VOUCHER, "60"), "2001", "c2"))
    assert error.value.cap == "shop"
    grant(ledger, wanted("a", offer(Option.VOUCHER, "60"), "2001", "c2"), START + timedelta(days=1))


def test_a_customers_cap_is_for_its_period_and_an_orders_for_ever(ledger: SqlLedger, book: Database) -> None:
    add_cases(book, ["other"], "1002")
    caps = replace(CAPS, per_customer=Decimal(100))
    grant(ledger, wanted("1", offer(Option.VOUCHER, "100")), caps=caps)
    with pytest.raises(CapReached):
        grant(ledger, wanted("other", offer(Option.VOUCHER, "1"), "1002"), START + timedelta(days=89), caps)
    after = START + timedelta(days=90)
    grant(ledger, wanted("other", offer(Option.VOUCHER, "100"), "1002"), after, caps)
    with pytest.raises(CapReached) as error:
        grant(ledger, wanted("2", offer(Option.VOUCHER, "1")), START + timedelta(days=365), caps)
    assert error.value.cap == "order"


def test_what_was_given_while_the_clock_was_ahead_counts_when_it_is_set_right(
    ledger: SqlLedger, book: Database
) -> None:
    add_cases(book, ["other"], "1002")
    grant(ledger, wanted("1", offer(Option.VOUCHER, "100")), START + timedelta(days=400))
    grant(ledger, wanted("other", offer(Option.VOUCHER, "100"), "1002"), START)
    add_cases(book, ["third"], "1003")
    with pytest.raises(CapReached) as error:
        grant(ledger, wanted("third", offer(Option.VOUCHER, "1"), "1003"), START + timedelta(days=1))
    assert error.value.cap == "customer"


@pytest.mark.parametrize("amount", ["-1", "NaN", "Infinity"])
def test_what_is_no_amount_is_never_granted(ledger: SqlLedger, book: Database, amount: str) -> None:
    with pytest.raises(ValueError, match="cannot be granted"):
        grant(ledger, wanted("1", Offer(Option.VOUCHER, Money(Decimal(amount), "SAR"), valid_days=3)))
    assert entries_in(book) == []


# -- what becomes of a grant -------------------------------------------------------------------------------------------


def test_what_was_taken_back_counts_no_more_and_is_not_given_again(ledger: SqlLedger) -> None:
    first = grant(ledger, wanted("1", offer(Option.VOUCHER, "100")))
    assert ledger.reverse(CaseId("1"), Option.VOUCHER, START)
    assert not ledger.reverse(CaseId("1"), Option.VOUCHER, START)
    usage = ledger.usage(CustomerId("c1"), OrderNumber("1001"), CaseId("1"), START, ZONE, 90, currency="SAR")
    assert usage.goodwill_on_order == usage.goodwill_of_customer == usage.goodwill_of_shop_today == 0
    assert not usage.has_goodwill and usage.tried == {Option.VOUCHER}
    assert grant(ledger, wanted("1", offer(Option.VOUCHER, "100"))) == first
    grant(ledger, wanted("1", offer(Option.POINTS, "100")))
    assert balance(ledger.entries(CaseId("1"))) == {"SAR": 100}


def test_what_the_shop_has_done_is_not_taken_back(ledger: SqlLedger) -> None:
    what = wanted("1", offer(Option.VOUCHER))
    grant(ledger, what)
    assert ledger.fulfilled(Given(what, "CODE"), START) and not ledger.fulfilled(Given(what, "OTHER"), START)
    assert not ledger.reverse(CaseId("1"), Option.VOUCHER, START)
    assert [entry.reference for entry in ledger.entries(CaseId("1"))] == [None, "CODE"]


def test_what_was_taken_back_and_done_all_the_same_counts(ledger: SqlLedger) -> None:
    what = wanted("1", offer(Option.VOUCHER))
    grant(ledger, what)
    assert ledger.reverse(CaseId("1"), Option.VOUCHER, START) and ledger.fulfilled(Given(what, "CODE"), START)
    usage = ledger.usage(CustomerId("c1"), OrderNumber("1001"), CaseId("1"), START, ZONE, 90, currency="SAR")
    assert usage.goodwill_on_order == 30 and usage.has_goodwill
    assert not ledger.redeem(CaseId("1"), Option.VOUCHER, START)
    assert balance(ledger.entries(CaseId("1"))) == {"SAR": 0}


def test_a_voucher_is_used_once_and_then_neither_used_nor_over_again(ledger: SqlLedger) -> None:
    what = wanted("1", offer(Option.VOUCHER))
    assert not ledger.redeem(CaseId("1"), Option.VOUCHER, START)
    grant(ledger, what)
    assert not ledger.redeem(CaseId("1"), Option.VOUCHER, START)  # the customer has no code yet
    ledger.fulfilled(Given(what, "CODE"), START)
    assert [entry.reference for entry in ledger.standing_vouchers()] == ["CODE"]
    assert ledger.redeem(CaseId("1"), Option.VOUCHER, START)
    assert not ledger.redeem(CaseId("1"), Option.VOUCHER, START)
    assert not ledger.expire(CaseId("1"), Option.VOUCHER, START)
    assert ledger.standing_vouchers() == []
    assert balance(ledger.entries_of(CustomerId("c1"))) == {"SAR": 0}
    usage = ledger.usage(CustomerId("c1"), OrderNumber("1001"), CaseId("2"), START, ZONE, 90, currency="SAR")
    assert usage.goodwill_on_order == 30  # used or not, it was given


def test_a_turns_commit_writes_what_was_done_as_it_was_granted(ledger: SqlLedger, book: Database) -> None:
    grant(ledger, wanted("1", offer(Option.VOUCHER), item="A", quantity=2))
    given = Given(
        wanted("1", offer(Option.VOUCHER, "99")), "CODE", due_on=TODAY, valid_until=TODAY + timedelta(days=30)
    )
    conversation = Conversation(CONVERSATION, "rest", "conversation", Owner.BOT, "ar", None, START)
    message = Message(MessageId("m"), CONVERSATION, 1, Author.CUSTOMER, "", START)
    turn = Turn(conversation, message, None, AssistantState(None, 0), START + timedelta(days=1))
    for _ in range(2):
        with book.write() as c:
            apply(GrantFulfilled(given), c, turn)
    granted, done = entries_in(book)
    assert (done.kind, done.reference, done.due_on) == ("fulfil", "CODE", TODAY)
    assert done.valid_until == TODAY + timedelta(days=30) and done.at == turn.now
    for column in (
        "case_id",
        "conversation_id",
        "customer",
        "order_number",
        "amount",
        "item",
        "quantity",
        "day",
        "reason",
    ):
        assert getattr(done, column) == getattr(granted, column), column


def test_what_is_left_to_do_is_told_until_it_is_done_or_taken_back(ledger: SqlLedger) -> None:
    wants = [
        wanted("1", offer(Option.VOUCHER)),
        wanted("2", offer(Option.REFUND, "80"), item="A", quantity=2),
        wanted("a", offer(Option.POINTS, "20"), "2001", "c2"),
    ]
    for what in wants:
        grant(ledger, what)
    assert ledger.unfulfilled(START) == []
    soon = START + timedelta(minutes=5)
    left = ledger.unfulfilled(soon)
    assert left == [replace(what, offer=replace(what.offer, limit=None)) for what in wants]
    ledger.fulfilled(Given(wants[0], "CODE"), START)
    ledger.reverse(CaseId("2"), Option.REFUND, START)
    assert [what.case for what in ledger.unfulfilled(soon)] == ["a"]


# -- at once -----------------------------------------------------------------------------------------------------------


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """All results and errors, of calls that start together."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return call()
        except CapReached as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_two_channels_that_accept_at_once_get_one_grant(ledger: SqlLedger, book: Database) -> None:
    what = wanted("1", offer(Option.REFUND, "100"))
    results = at_once([lambda: grant(ledger, what)] * 4)
    assert len({entry.id for entry in results}) == 1 and len(entries_in(book)) == 1


def test_two_remedies_of_a_case_accepted_at_once_are_one(ledger: SqlLedger, book: Database) -> None:
    options = (Option.REFUND, Option.RESEND, Option.EXCHANGE)
    results = at_once([lambda o=option: grant(ledger, wanted("1", offer(o, "100"))) for option in options])
    assert sum(isinstance(result, CapReached) for result in results) == 2 and len(entries_in(book)) == 1


def test_goodwill_accepted_at_once_stays_within_the_caps(ledger: SqlLedger, book: Database) -> None:
    calls = [lambda n=name: grant(ledger, wanted(n, offer(Option.VOUCHER, "40"))) for name in "123456"]
    calls += [lambda n=name: grant(ledger, wanted(n, offer(Option.VOUCHER, "40"), "2001", "c2")) for name in "ab"]
    results = at_once(calls)
    assert sum(isinstance(result, Entry) for result in results[:6]) == 2
    assert sum(isinstance(result, Entry) for result in results[6:]) == 2
    assert sum(row.amount for row in entries_in(book)) == 160


def test_a_voucher_used_and_run_out_at_once_is_one_of_the_two(ledger: SqlLedger) -> None:
    what = wanted("1", offer(Option.VOUCHER))
    grant(ledger, what)
    ledger.fulfilled(Given(what, "CODE"), START)
    ends = (ledger.redeem, ledger.expire) * 2
    assert sorted(at_once([lambda e=end: e(CaseId("1"), Option.VOUCHER, START) for end in ends])) == [0, 0, 0, 1]


# -- with the shop -----------------------------------------------------------------------------------------------------


class KeyedShop:
    """A shop that does a request once a key, refuses a key that comes with another request, and fails when told."""

    def __init__(self) -> None:
        self.done: dict[str, tuple[Any, Any]] = {}
        self.before: list[Exception] = []
        self.after: list[Exception] = []
        self.away = False
        self.states: dict[str, VoucherState] = {}

    def store(self) -> Any:
        if self.away:
            raise ShopUnavailable("away")
        return STORE

    def refund(self, request: RefundRequest) -> RefundMade:
        return self._once(request, lambda n: RefundMade(f"RF-{n}", request.amount, "card", TODAY + timedelta(days=7)))

    def replace(self, request: ReplacementRequest) -> ReplacementMade:
        return self._once(request, lambda n: ReplacementMade(OrderNumber(f"90{n}"), TODAY + timedelta(days=3)))

    def issue_voucher(self, request: VoucherRequest) -> Voucher:
        return self._once(
            request,
            lambda n: Voucher(f"V-{n}", request.customer, request.amount, VoucherState.ACTIVE, request.valid_until),
        )

    def voucher(self, code: str) -> Voucher | None:
        state = self.states.get(code)
        return Voucher(code, None, Money(Decimal(1), "SAR"), state, TODAY) if state else None

    def add_points(self, request: PointsRequest) -> int:
        return self._once(request, lambda n: 1000 + request.points)

    def _once(self, request: Any, act: Callable[[int], Any]) -> Any:
        if self.before:
            raise self.before.pop()
        if request.key not in self.done:
            self.done[request.key] = (request, act(len(self.done)))
        asked, answer = self.done[request.key]
        if asked != request:
            raise ShopRefused("not_possible")
        if self.after:
            raise self.after.pop()
        return answer


@pytest.fixture
def shop() -> KeyedShop:
    return KeyedShop()


@pytest.fixture
def service(shop: KeyedShop, ledger: SqlLedger) -> CompensationService:
    backend: Any = shop
    return CompensationService(backend, ledger, PolicyFile())


class Killed(BaseException):
    """The process ends here."""


def test_killed_between_grant_and_answer_it_is_finished_once_with_the_same_voucher(
    service: CompensationService, shop: KeyedShop, ledger: SqlLedger
) -> None:
    killed: Any = Killed()
    shop.after.append(killed)
    with pytest.raises(Killed):
        service.give(wanted("1", offer(Option.VOUCHER)), START)
    tomorrow = START + timedelta(days=1)
    (left,) = ledger.unfulfilled(tomorrow)
    given = service.give(left, tomorrow)
    assert given.reference == "V-0" and given.valid_until == TODAY + timedelta(days=30)
    assert ledger.fulfilled(given, tomorrow) and not ledger.unfulfilled(tomorrow) and len(shop.done) == 1


def test_killed_before_the_shop_was_asked_it_is_finished_too(
    service: CompensationService, shop: KeyedShop, ledger: SqlLedger
) -> None:
    grant(ledger, wanted("1", offer(Option.REFUND, "100"), item="A"))
    (left,) = ledger.unfulfilled(START + timedelta(hours=1))
    assert service.give(left, START).due_on == TODAY + timedelta(days=7)
    assert shop.done["1:refund"][0] == RefundRequest(
        "1:refund", OrderNumber("1001"), Money(Decimal(100), "SAR"), "damaged"
    )


def test_a_refusal_takes_the_reservation_back_and_is_final(
    service: CompensationService, shop: KeyedShop, ledger: SqlLedger
) -> None:
    shop.before.append(ShopRefused("exceeds_paid"))
    what = wanted("1", offer(Option.REFUND, "100"))
    with pytest.raises(ShopRefused) as error:
        service.give(what, START)
    assert error.value.code == "exceeds_paid"
    assert [entry.kind for entry in ledger.entries(CaseId("1"))] == [EntryKind.GRANT, EntryKind.REVERSE]
    with pytest.raises(ShopRefused):
        service.give(what, START)
    assert not shop.done and not ledger.unfulfilled(START + timedelta(days=9))
    assert service.give(wanted("1", offer(Option.RESEND, "100")), START).reference == "900"


def test_a_shop_that_is_away_leaves_the_reservation(
    service: CompensationService, shop: KeyedShop, ledger: SqlLedger
) -> None:
    shop.away = True
    shop.before.append(ShopUnavailable("timeout"))
    what = wanted("1", offer(Option.VOUCHER))
    with pytest.raises(ShopUnavailable):
        service.give(what, START)
    assert [left.case for left in ledger.unfulfilled(START + timedelta(minutes=9))] == ["1"]
    shop.away = False
    changed = replace(what, offer=offer(Option.VOUCHER, "77"))
    given = service.give(changed, START + timedelta(days=2))
    assert given.grant.offer.amount.amount == 30 and given.valid_until == TODAY + timedelta(days=30)


def test_two_channels_at_once_are_given_the_same(service: CompensationService, shop: KeyedShop) -> None:
    what = wanted("1", offer(Option.VOUCHER))
    codes = {given.reference for given in at_once([lambda: service.give(what, START)] * 3)}
    assert codes == {"V-0"}


def test_each_option_is_done_by_the_shop_as_it_was_accepted(service: CompensationService, shop: KeyedShop) -> None:
    options = (Option.EXCHANGE, Option.RESEND, Option.MISSING_PART, Option.SHIPPING_REFUND, Option.POINTS)
    for case, option in zip("12345", options, strict=True):
        service.give(wanted(case, offer(option, "20", "500"), item="A", quantity=2), START)
    asked = {key: asdict(request) for key, (request, _) in shop.done.items()}
    for case, option in zip("123", options[:3], strict=True):
        request = asked[f"{case}:{option.value}"]
        assert (request["kind"].value, request["item"], request["quantity"]) == (option.value, "A", 2)
    assert asked["4:shipping_refund"]["reason"] == "shipping"
    assert (asked["5:points"]["points"], asked["5:points"]["reason"]) == (2000, "damaged")


def test_vouchers_are_settled_as_the_shop_tells(
    service: CompensationService, shop: KeyedShop, ledger: SqlLedger
) -> None:
    states = (VoucherState.USED, VoucherState.EXPIRED, VoucherState.CANCELLED, VoucherState.ACTIVE, None)
    for case, state in zip("12345", states, strict=True):
        given = service.give(wanted(case, offer(Option.VOUCHER, "10")), START)
        ledger.fulfilled(given, START)
        if state:
            shop.states[str(given.reference)] = state
    assert service.settle_vouchers(START) == 3 and service.settle_vouchers(START) == 0
    last = [ledger.entries(CaseId(case))[-1].kind.value for case in "12345"]
    assert last == ["redeem", "expire", "expire", "fulfil", "fulfil"]
    assert balance(ledger.entries_of(CustomerId("c1"))) == {"SAR": 20}


def test_the_demo_shop_gives_every_option(book: Database, ledger: SqlLedger) -> None:
    load_demo(book, DEMO_SHOP, START)
    demo = EmbeddedShop(book, lambda: START)
    service = CompensationService(demo, ledger, PolicyFile())
    add_cases(book, "xy", "1002")
    order = demo.order(OrderNumber("1002"))
    assert order is not None
    item = order.items[0]
    refund = service.give(
        wanted("x", offer(Option.REFUND, str(item.unit_price * item.quantity)), "1002", item=item.sku), START
    )
    shipping = service.give(wanted("x", offer(Option.SHIPPING_REFUND, "20.00"), "1002"), START)
    voucher = service.give(wanted("y", offer(Option.VOUCHER, "50.00"), "1002"), START)
    other = order.items[1]
    sent = service.give(wanted("y", offer(Option.RESEND, str(other.unit_price)), "1002", item=other.sku), START)
    points = service.give(wanted("3", offer(Option.POINTS, "5")), START)
    again = demo.voucher(str(voucher.reference))
    assert refund.due_on and shipping.due_on and again and again.amount.amount == 50
    assert demo.order(OrderNumber(str(sent.reference))) is not None and points.points == 2450 + 500


# -- any sequence ------------------------------------------------------------------------------------------------------

PRICE = Decimal(300)  # of each order
ORDERS = {"1001": "c1", "1002": "c1", "2001": "c2"}
CASES = {f"{order}{letter}": order for order in ORDERS for letter in "ab"}
SMALL = Caps(Decimal(60), Decimal(70), 30, Decimal(90))
any_case, any_number = st.sampled_from(sorted(CASES)), st.integers(0, 20)
any_option = st.sampled_from([Option.VOUCHER, Option.POINTS, Option.SHIPPING_REFUND, Option.REFUND, Option.RESEND])


class LedgerMachine(RuleBasedStateMachine):
    """Anything may happen to any case in any order, while the clock jumps. A plain record says what has to be there."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database, self.ledger, self.now = database, SqlLedger(database), START
        self.known: dict[tuple[str, Option], dict[EntryKind, Entry]] = {}
        with database.write() as c:
            for table in (t.ledger_entries, t.cases, t.conversations):
                c.execute(table.delete())
        add_conversation(database)
        for order, customer in ORDERS.items():
            add_cases(database, [case for case in CASES if CASES[case] == order], order, customer)

    @rule(case=any_case, option=any_option, amount=st.sampled_from(["0.01", "20", "40", "50", "60", "70"]))
    def grant(self, case: str, option: Option, amount: str) -> None:
        order = CASES[case]
        worth = Decimal(amount) * (4 if option in REMEDIES else 1)
        what = wanted(case, offer(option, str(worth), str(PRICE)), order, ORDERS[order])
        before = self.known.get((case, option))
        try:
            entry = self.ledger.grant(what, SMALL, self.now, ZONE)
        except CapReached:
            assert before is None
            return
        if before:
            assert entry == before[EntryKind.GRANT]
        else:
            assert entry.amount.amount == worth
            self.known[case, option] = {EntryKind.GRANT: entry}

    @precondition(lambda self: self.known)
    @rule(which=any_number)
    def fulfil(self, which: int) -> None:
        case, option, known = self._some(which)
        if EntryKind.REVERSE not in known:  # the shop refuses a key or does it
            what = wanted(case, offer(option), CASES[case], ORDERS[CASES[case]])
            written = self.ledger.fulfilled(Given(what, "R"), self.now)
            assert written == (EntryKind.FULFIL not in known)
            known.setdefault(EntryKind.FULFIL, known[EntryKind.GRANT])

    @precondition(lambda self: self.known)
    @rule(which=any_number, kind=st.sampled_from([EntryKind.REVERSE, EntryKind.REDEEM, EntryKind.EXPIRE]))
    def end(self, which: int, kind: EntryKind) -> None:
        case, option, known = self._some(which)
        write = {
            EntryKind.REVERSE: self.ledger.reverse,
            EntryKind.REDEEM: self.ledger.redeem,
            EntryKind.EXPIRE: self.ledger.expire,
        }[kind]
        only_after = {EntryKind.GRANT} if kind is EntryKind.REVERSE else {EntryKind.GRANT, EntryKind.FULFIL}
        written = write(CaseId(case), option, self.now)
        assert written == (set(known) == only_after)
        if written:
            known[kind] = known[EntryKind.GRANT]

    @rule(case=any_case, option=any_option)
    def end_what_was_never_granted(self, case: str, option: Option) -> None:
        if (case, option) not in self.known:
            for write in (self.ledger.reverse, self.ledger.redeem, self.ledger.expire):
                assert not write(CaseId(case), option, self.now)

    def _some(self, which: int) -> tuple[str, Option, dict[EntryKind, Entry]]:
        case, option = sorted(self.known)[which % len(self.known)]
        return case, option, self.known[case, option]

    @rule(hours=st.sampled_from([-40 * 24, -24, 1, 13, 24, 29 * 24, 31 * 24]))
    def jump(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @invariant()
    def the_ledger_is_sound(self) -> None:
        rows = entries_in(self.database)
        found: dict[tuple[str, Option], set[EntryKind]] = {}
        for row in rows:
            kinds = found.setdefault((row.case_id, Option(row.option)), set())
            assert EntryKind(row.kind) not in kinds
            kinds.add(EntryKind(row.kind))
        assert found == {key: set(kinds) for key, kinds in self.known.items()}

        standing = [
            row
            for row in rows
            if row.kind == "grant"
            and (
                EntryKind.REVERSE not in (kinds := found[row.case_id, Option(row.option)]) or EntryKind.FULFIL in kinds
            )
        ]
        goodwill = [row for row in standing if Option(row.option) in GOODWILL]
        for case in CASES:
            of_case = [Option(row.option) in GOODWILL for row in standing if row.case_id == case]
            assert of_case.count(True) <= 1 and of_case.count(False) <= 1
            assert all(left >= 0 for left in balance(self.ledger.entries(CaseId(case))).values())
        for order in ORDERS:
            of_order = [row for row in standing if row.order_number == order]
            assert total(row for row in of_order if row in goodwill) <= SMALL.per_order
            assert total(row for row in of_order if row not in goodwill) <= PRICE
            assert [row.option for row in of_order].count("shipping_refund") <= 1
        for row in goodwill:
            end = row.at + timedelta(days=SMALL.customer_days)
            assert (
                total(r for r in goodwill if r.customer == row.customer and row.at <= r.at < end) <= SMALL.per_customer
            )
            assert total(r for r in goodwill if r.day == row.day) <= SMALL.shop_per_day


def total(rows: Any) -> Decimal:
    return sum((row.amount for row in rows), Decimal())


def test_no_sequence_of_events_and_no_clock_breaks_a_cap_doubles_a_grant_or_makes_a_balance_negative(
    database: Database,
) -> None:
    run_state_machine_as_test(
        lambda: LedgerMachine(database),
        settings=settings(max_examples=15, stateful_step_count=30, deadline=None),
    )
