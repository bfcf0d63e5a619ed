"""Complaints in trouble: raced from two channels, refused or unanswered by the shop, killed half-way, and left lying.

Nothing is given twice, nothing is promised and forgotten, and no case is told to a stranger. Each test runs on every kind
of database; the shop is the demo shop, which may be away, refuse, or do what it is asked and lose the answer.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from bot.bootstrap import DEMO_SHOP
from bot.compensation.content import PolicyFile, policy_path
from bot.compensation.model import GOODWILL, EntryKind, Given, Offer, Option, PersonReason
from bot.compensation.service import CompensationService
from bot.complaints.fulfilment import GRACE, Fulfilment
from bot.complaints.model import Case, CaseNumber, CaseState, Kind
from bot.complaints.service import CHECK_AFTER, OFFERS_LAST, REOPEN_WITHIN, SHOP_TIME, ComplaintService, concerned
from bot.conversations.model import ConversationId, Inbound, Reply, Turn
from bot.conversations.ports import Claimed
from bot.conversations.turns import LEASE
from bot.errors import CapReached, CaseMoved, LeaseLost, ShopRefused, ShopUnavailable
from bot.orders.model import CustomerId, Item, Order, OrderNumber
from bot.outreach.service import OutreachService
from bot.promises.checks import promise_checks
from bot.promises.service import PromiseService
from bot.shops.embedded import EmbeddedShop, load_demo
from bot.storage import tables as t
from bot.storage.aside import SqlEffects
from bot.storage.cases import SqlCases
from bot.storage.database import Database
from bot.storage.identities import SqlIdentities
from bot.storage.ledger import SqlLedger
from bot.storage.outreach import SqlOutreach
from bot.storage.promises import SqlPromises
from tests.integration.conversations import Core, KeyWording, SetClock

NOON = datetime(2026, 11, 22, 9, 0, tzinfo=timezone.utc)  # in Riyadh, on a Sunday
HOUR, DAY, A_WHILE = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
DONE = frozenset({"refund", "replace", "issue_voucher", "add_points"})
AHMED, LAYLA, FAISAL = CustomerId("c2"), CustomerId("c3"), CustomerId("c4")
LATE = OrderNumber("1004")  # Ahmed's, four days late: a voucher of 50, then points or the shipping fee
FRYER = OrderNumber("1006")  # Layla's, one air fryer of 399, delivered: resend or refund, then a voucher
THREE_BOTTLES = OrderNumber("1009")  # Faisal's, three bottles of 420 each, delivered
_T = TypeVar("_T")


class Killed(BaseException):
    """The process is gone here."""


@dataclass
class Shop:
    """The demo shop, of which each method may be in trouble: `away` does not answer, `refuses` says no with that code,
    `loses` does what it is asked and the answer is lost, `kills` takes the process with it. `before` hears every call."""

    behind: EmbeddedShop
    away: frozenset[str] = frozenset()
    refuses: dict[str, str] = field(default_factory=dict)
    loses: frozenset[str] = frozenset()
    kills: frozenset[str] = frozenset()
    before: Callable[[str], None] = lambda name: None
    keys: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.behind, name)

        def called(*args: Any) -> Any:
            self.before(name)
            if name in DONE:
                self.keys.append(args[0].key)
            if name in self.away or "everything" in self.away:
                raise ShopUnavailable(name)
            if name in self.refuses:
                raise ShopRefused(self.refuses[name])
            if name in self.kills:
                raise Killed
            answer = method(*args)
            if name in self.loses:
                raise ShopUnavailable(f"{name}: no answer in time")
            return answer

        return called


class World:
    """Customers who complain on several channels, and what finishes what they were given."""

    def __init__(self, database: Database, policy: PolicyFile | None = None) -> None:
        self.database = database
        self.clock = SetClock(NOON)
        self.core = Core(database, clock=self.clock)
        load_demo(database, DEMO_SHOP, NOON)
        self.shop = Shop(EmbeddedShop(database, self.clock))
        self.ledger, self.cases, wording = SqlLedger(database), SqlCases(database), KeyWording()
        compensation = CompensationService(self.shop, self.ledger, policy or PolicyFile())  # type: ignore[arg-type]
        self.service = ComplaintService(self.cases, self.shop, compensation, wording)  # type: ignore[arg-type]
        self.fulfilment = Fulfilment(
            self.ledger, compensation, self.service, self.cases, SqlEffects(database), wording, self.clock
        )
        records = SqlPromises(database)
        checks = promise_checks(self.shop, records.case_state, self.clock)  # type: ignore[arg-type]
        self.promises = PromiseService(records, checks, self.shop.store, self.clock)

    # -- turns ---------------------------------------------------------------------------------------------------------

    def begin(self, address: str, channel: str = "webchat") -> Claimed:
        """A turn of a customer's new message, read and not yet committed."""
        self.core.inbox.receive(Inbound(channel, address, "a word"))
        return self.again(address)

    def again(self, address: str) -> Claimed:
        """The turn that is to be thought now; it must be that of `address`."""
        claimed = self.core.store.claim(f"worker-{address}", self.clock(), self.clock() + LEASE)
        assert claimed is not None and claimed.turn.conversation.address == address
        return claimed

    def end(self, claimed: Claimed) -> None:
        worker = f"worker-{claimed.turn.conversation.address}"
        self.core.store.commit(worker, claimed, [Reply("an answer")], self.clock())

    def let_go(self, claimed: Claimed) -> None:
        """As the runner does with a turn that is void."""
        self.core.store.release(f"worker-{claimed.turn.conversation.address}", claimed, counted=False)

    def turn(self, address: str, think: Callable[[Turn], _T], channel: str = "webchat") -> _T:
        claimed = self.begin(address, channel)
        result = think(claimed.turn)
        self.end(claimed)
        return result

    # -- complaining ---------------------------------------------------------------------------------------------------

    def order(self, number: OrderNumber) -> Order:
        order = self.shop.behind.order(number)
        assert order is not None
        return order

    def complain(self, turn: Turn, kind: Kind = Kind.LATE, number: OrderNumber = LATE) -> Case:
        """As the action does it: the case that is known, or a new one."""
        order = self.order(number)
        item: Item | None = order.items[0] if kind is Kind.DAMAGED else None
        known = self.service.known(turn, kind, order.customer, order, item)
        if known is not None:
            self.service.repeated(turn, known, "again")
            return known
        case, reason = self.service.open(turn, kind, order.customer, order, item, "it is late", "neutral")
        assert reason is None
        return case

    def opened(self, address: str = "tab", kind: Kind = Kind.LATE, number: OrderNumber = LATE) -> Case:
        return self.turn(address, lambda turn: self.complain(turn, kind, number))

    def accept(self, turn: Turn, case: Case, option: Option) -> Given:
        """What this turn does with an accepted offer."""
        return self.give(turn, self.now(case), self.offer(self.now(case), option))

    def give(self, turn: Turn, case: Case, offer: Offer) -> Given:
        """With the case as the turn has read it."""
        assert case.order_number is not None
        return self.service.give(turn, case, offer, self.order(case.order_number))[0]

    def offer(self, case: Case, option: Option) -> Offer:
        return next(offer for offer in self.service.offers(case) if offer.option is option)

    def accept_while_away(self, case: Case, address: str = "tab", option: Option = Option.VOUCHER) -> datetime:
        """Accepted, and the shop does not answer: the time until which it is promised."""

        def think(turn: Turn) -> datetime:
            now = self.now(case)
            with pytest.raises(ShopUnavailable):
                self.give(turn, now, self.offer(now, option))
            return self.service.give_later(turn, now, self.offer(now, option))

        return self.turn(address, think)

    # -- what is written -----------------------------------------------------------------------------------------------

    def now(self, case: Case) -> Case:
        found = self.cases.by_number(case.number)
        assert found is not None
        return found

    def rows(self, table: Any, *where: Any) -> Sequence[Any]:
        with self.database.read() as c:
            return list(c.execute(sa.select(table).where(*where).order_by(*table.primary_key)).all())

    def entries(self) -> list[str]:
        rows = self.rows(t.ledger_entries)
        return [f"{row.kind} {row.option}" for row in sorted(rows, key=lambda row: row.id)]

    def of_shop(self, kind: str) -> list[Any]:
        return [row.body for row in self.rows(t.shop_records, t.shop_records.c.kind == kind)]

    def vouchers(self) -> list[str]:
        return [body["code"] for body in self.of_shop("voucher")]

    def promised(self) -> dict[str, str]:
        return {row.kind: row.state for row in self.rows(t.promises)}

    def planned(self) -> list[str]:
        return sorted(row.kind for row in self.rows(t.outreach))

    def events(self, case: Case) -> list[str]:
        rows = self.rows(t.case_events, t.case_events.c.case_id == case.id)
        return [row.what for row in sorted(rows, key=lambda row: row.id)]

    def finish(self, after: timedelta = GRACE + A_WHILE) -> None:
        self.clock.move(after)
        assert self.fulfilment.run_once() is False


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each of them gave, or the exception it ended with."""

    def outcome(work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(outcome, works))


# -- one thing, one case -----------------------------------------------------------------------------------------------


def test_one_item_complained_of_in_two_conversations_at_once_is_one_case(world: World) -> None:
    here, there = world.begin("phone"), world.begin("laptop")
    first = world.complain(here.turn, Kind.DAMAGED, FRYER)
    second = world.complain(there.turn, Kind.DAMAGED, FRYER)
    assert first.number != second.number
    world.end(here)
    with pytest.raises(CaseMoved):
        world.end(there)
    assert [row.number for row in world.rows(t.cases)] == [first.number]
    world.let_go(there)
    anew = world.again("laptop")
    assert world.complain(anew.turn, Kind.DAMAGED, FRYER).number == first.number
    world.end(anew)
    assert len(world.rows(t.cases)) == 1
    assert world.events(first) == ["opened", "repeated"]


def test_the_same_fault_in_other_words_is_the_same_case(world: World) -> None:
    case = world.opened(kind=Kind.DAMAGED, number=FRYER)
    order = world.order(FRYER)
    for kind, item in ((Kind.QUALITY, order.items[0]), (Kind.WRONG_ITEM, order.items[0])):
        known = world.turn("other", lambda turn, k=kind, i=item: world.service.known(turn, k, LAYLA, order, i))  # type: ignore[misc]
        assert known is not None and known.id == case.id
    other = world.turn("other", lambda turn: world.service.known(turn, Kind.LATE, LAYLA, order, None))
    assert other is None


def test_many_conversations_at_once_end_with_one_case_and_all_know_it(world: World) -> None:
    places = [f"tab-{number}" for number in range(6)]
    claims = {place: world.begin(place) for place in places}
    ready = threading.Barrier(len(places))

    def complain(place: str) -> Case:
        claimed = claims[place]
        case = world.complain(claimed.turn)
        ready.wait(20)
        world.end(claimed)
        return case

    outcomes = at_once(*(lambda place=place: complain(place) for place in places))  # type: ignore[misc]
    won = [outcome for outcome in outcomes if isinstance(outcome, Case)]
    assert len(won) == 1 and all(isinstance(outcome, CaseMoved) for outcome in outcomes if outcome is not won[0])
    for place, outcome in zip(places, outcomes, strict=True):
        if outcome is won[0]:
            continue
        world.let_go(claims[place])
        anew = world.again(place)
        assert world.complain(anew.turn).id == won[0].id
        world.end(anew)
    assert len(world.rows(t.cases)) == 1


# -- one offer, given once ---------------------------------------------------------------------------------------------


def test_the_same_offer_accepted_on_two_channels_at_once_is_given_once(world: World) -> None:
    case = world.opened()
    claims = [world.begin("phone"), world.begin("laptop")]
    ready = threading.Barrier(2)

    def accept(claimed: Claimed) -> Given:
        ready.wait(20)
        given = world.accept(claimed.turn, case, Option.VOUCHER)
        ready.wait(20)
        world.end(claimed)
        return given

    outcomes = at_once(*(lambda claimed=claimed: accept(claimed) for claimed in claims))  # type: ignore[misc]
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["CaseMoved", "Given"]
    assert world.entries() == ["grant voucher", "fulfil voucher"]
    assert len(world.vouchers()) == 1
    assert world.now(case).state is CaseState.RESOLVED
    late = claims[[isinstance(outcome, CaseMoved) for outcome in outcomes].index(True)]
    world.let_go(late)
    anew = world.again(late.turn.conversation.address)
    found = world.service.find(anew.turn, AHMED, case.number)
    assert found is not None and found.accepted and found.accepted["option"] == "voucher" and not found.offered


def test_two_options_of_one_round_accepted_at_once_are_one_grant(world: World) -> None:
    case = world.opened(kind=Kind.DAMAGED, number=FRYER)
    claims = {Option.RESEND: world.begin("phone"), Option.REFUND: world.begin("laptop")}
    ready = threading.Barrier(2)

    def accept(option: Option) -> Given:
        ready.wait(20)
        given = world.accept(claims[option].turn, case, option)
        world.end(claims[option])
        return given

    outcomes = at_once(*(lambda option=option: accept(option) for option in claims))  # type: ignore[misc]
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["CapReached", "Given"]
    given = next(outcome for outcome in outcomes if isinstance(outcome, Given))
    option = given.grant.offer.option.value
    assert world.entries() == [f"grant {option}", f"fulfil {option}"]
    assert len(world.shop.keys) == 1


def test_of_three_pieces_only_those_that_are_wrong_are_paid_back_and_sent(world: World) -> None:
    """What is offered, reserved and asked of the shop is for the pieces of the case, whatever was ordered."""
    order = world.order(THREE_BOTTLES)
    bottle = replace(order.items[0], quantity=2)
    assert (order.items[0].quantity, order.items[0].unit_price) == (3, Decimal(420))

    def open_case(turn: Turn) -> Case:
        case, reason = world.service.open(turn, Kind.QUALITY, order.customer, order, bottle, "it is fake", "neutral")
        assert reason is None
        return case

    case = world.turn("tab", open_case)
    exchange = world.offer(world.now(case), Option.EXCHANGE)
    assert (exchange.amount.amount, exchange.limit) == (Decimal(840), Decimal(840))
    given = world.turn("tab", lambda turn: world.accept(turn, case, Option.EXCHANGE))
    (grant, done) = world.ledger.entries(case.id)
    assert (grant.quantity, grant.amount.amount, done.reference) == (2, Decimal(840), given.reference)
    (sent,) = world.order(OrderNumber(str(given.reference))).items
    assert (sent.sku, sent.quantity, sent.unit_price) == (bottle.sku, 2, 0)
    assert world.now(case).pieces == 2


def test_a_case_from_before_pieces_were_asked_is_about_all_of_them(world: World) -> None:
    order = world.order(THREE_BOTTLES)
    case = world.opened(kind=Kind.DAMAGED, number=THREE_BOTTLES)
    with world.database.write() as c:
        c.execute(t.cases.update().values(pieces=None))
    assert concerned(world.now(case), order) == order.items[0]


def test_a_case_that_people_have_has_nothing_to_accept(world: World) -> None:
    case = world.opened()
    world.turn("tab", lambda turn: world.service.to_person(turn, case, "not_enough"))
    now = world.now(case)
    assert now.state is CaseState.WITH_PERSON and world.service.offers(now) == []
    assert world.turn("tab", lambda turn: world.service.waiting(turn)) is None


def test_a_stale_click_does_not_close_a_case_that_people_have(world: World) -> None:
    """A button pressed on one device while the other hands the case over: the person's promise stands."""
    case = world.opened()
    click = world.begin("phone")
    offer = world.offer(case, Option.VOUCHER)  # read before, as the turn has it
    world.turn("laptop", lambda turn: world.service.to_person(turn, case, "not_enough"))
    world.give(click.turn, case, offer)
    with pytest.raises(CaseMoved):
        world.end(click)
    assert world.now(case).state is CaseState.WITH_PERSON
    assert world.promised() == {"person_decides": "open"}
    # What the shop has done by then is not lost: it is written down, told with its code, and the case stays with people.
    world.finish()
    assert world.entries() == ["grant voucher", "fulfil voucher"]
    assert world.now(case).state is CaseState.WITH_PERSON
    [told] = world.rows(t.outreach)
    assert (told.kind, told.what["code"]) == ("remedy_done", world.vouchers()[0])


# -- the shop refuses --------------------------------------------------------------------------------------------------


def test_what_the_shop_refuses_is_taken_back_and_the_rest_is_offered(world: World) -> None:
    case = world.opened(kind=Kind.DAMAGED, number=FRYER)
    assert [offer.option for offer in world.service.offers(case)] == [Option.RESEND, Option.REFUND]
    with world.database.write() as c:  # sold out since it was offered
        body = next(body for body in world.of_shop("product") if body["sku"] == "AF-55")
        where = (t.shop_records.c.kind == "product", t.shop_records.c.key == "AF-55")
        c.execute(t.shop_records.update().where(*where).values(body={**body, "stock": 0}))

    def refused(turn: Turn) -> Case | None:
        with pytest.raises(ShopRefused) as error:
            world.accept(turn, case, Option.RESEND)
        assert error.value.code == "out_of_stock"
        return world.service.offer_again(turn, case, case.step, "refused", [Option.RESEND])

    left = world.turn("tab", refused)
    assert left is not None and [offer.option for offer in world.service.offers(left)] == [Option.REFUND]
    assert world.entries() == ["grant resend", "reverse resend"]
    given = world.turn("tab", lambda turn: world.accept(turn, case, Option.REFUND))
    assert given.grant.offer.amount.amount == Decimal(399) and given.due_on is not None
    assert world.entries()[2:] == ["grant refund", "fulfil refund"]
    assert world.promised() == {"refund_arrives": "open"} and world.planned() == ["case_check"]
    # The fryer is there again: what was refused once is not tried with the spent key.
    with pytest.raises(ShopRefused):
        world.turn("tab", lambda turn: world.give(turn, case, world.offer(case, Option.RESEND)))


def test_refused_by_a_shop_that_was_away_it_goes_to_a_person_and_the_customer_hears_it(world: World) -> None:
    case = world.opened()
    world.shop.away = DONE
    world.accept_while_away(case)
    world.shop.away, world.shop.refuses = frozenset(), {"issue_voucher": "not_possible"}
    world.finish()
    assert world.entries() == ["grant voucher", "reverse voucher"]
    now = world.now(case)
    assert (now.state, now.accepted, now.offered) == (CaseState.WITH_PERSON, None, [])
    assert world.promised() == {"remedy_done": "broken", "person_decides": "open"}
    assert world.planned() == ["remedy_refused"]
    world.shop.refuses = {}
    world.finish(DAY)
    assert world.vouchers() == [] and world.planned() == ["remedy_refused"]


# -- the shop is away --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("away", ["that one request", "everything"])
def test_accepted_while_the_shop_is_away_it_is_promised_and_given_once(world: World, away: str) -> None:
    case = world.opened()
    world.shop.away = DONE if away != "everything" else frozenset({"order", "customer", "products", *DONE})
    due = world.accept_while_away(case)
    assert due == NOON + SHOP_TIME
    [promise] = world.rows(t.promises)
    assert (promise.kind, promise.owner, promise.state, promise.due_at) == ("remedy_done", "bot", "open", due)
    now = world.now(case)
    assert now.accepted and now.accepted["option"] == "voucher" and not now.offered
    assert world.entries() == ["grant voucher"], "what is promised is reserved"

    world.finish()  # it is still away
    assert world.entries() == ["grant voucher"] and world.promised() == {"remedy_done": "open"}
    world.shop.away = frozenset()
    world.finish(A_WHILE)
    assert world.entries() == ["grant voucher", "fulfil voucher"]
    [code] = world.vouchers()
    assert len(set(world.shop.keys)) == 1
    assert world.now(case).state is CaseState.RESOLVED
    assert world.promised() == {"remedy_done": "kept"}
    assert world.planned() == ["case_check", "remedy_done"]
    told = next(row for row in world.rows(t.outreach) if row.kind == "remedy_done")
    assert told.what["code"] == code and told.what["case_number"] == case.number
    check = next(row for row in world.rows(t.outreach) if row.kind == "case_check")
    assert check.due_at == world.clock() + CHECK_AFTER

    for _ in range(2):
        world.finish(HOUR)
    assert world.vouchers() == [code] and world.entries() == ["grant voucher", "fulfil voucher"]
    assert world.planned() == ["case_check", "remedy_done"]


def test_an_answer_that_was_lost_is_asked_for_again_and_nothing_is_given_twice(world: World) -> None:
    case = world.opened()
    world.shop.loses = frozenset({"issue_voucher"})
    world.accept_while_away(case)
    [code] = world.vouchers()
    world.shop.loses = frozenset()
    world.clock.move(2 * DAY)  # a voucher that is valid for days from today would be another request
    world.finish()
    assert world.vouchers() == [code]
    told = next(row for row in world.rows(t.outreach) if row.kind == "remedy_done")
    assert told.what["code"] == code


def test_a_refund_finished_later_is_promised_with_its_day(world: World) -> None:
    case = world.opened(kind=Kind.DAMAGED, number=FRYER)
    world.shop.away = DONE
    world.accept_while_away(case, option=Option.REFUND)
    world.shop.away = frozenset()
    world.finish()
    assert world.promised() == {"remedy_done": "kept", "refund_arrives": "open"}
    told = next(row for row in world.rows(t.outreach) if row.kind == "remedy_done")
    assert told.what["code"] is None


def test_several_left_lying_are_finished_though_one_of_them_is_refused(world: World) -> None:
    first = world.opened("ahmed")
    second = world.opened("layla", Kind.DAMAGED, FRYER)
    world.shop.away = DONE
    world.accept_while_away(first, "ahmed")
    world.accept_while_away(second, "layla", Option.RESEND)
    world.shop.away, world.shop.refuses = frozenset(), {"issue_voucher": "not_possible"}
    world.finish()
    assert world.now(first).state is CaseState.WITH_PERSON
    assert world.now(second).state is CaseState.RESOLVED


def test_a_promise_that_slips_is_told_and_still_kept_once(world: World) -> None:
    case = world.opened()
    world.shop.away = DONE
    world.accept_while_away(case)
    world.clock.move(SHOP_TIME)
    world.promises.run_once()
    states = sorted(row.state for row in world.rows(t.promises))
    assert states == ["broken", "open"] and world.planned() == ["promise_broken"]
    world.shop.away = frozenset()
    world.finish()
    assert sorted(row.state for row in world.rows(t.promises)) == ["broken", "kept"]
    assert len(world.vouchers()) == 1


# -- killed ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["before the shop", "after the shop"])
def test_killed_between_the_grant_and_the_commit_the_turn_again_gives_exactly_one(world: World, where: str) -> None:
    case = world.opened()
    world.begin("tab")
    killed = world.again("tab")  # the same worker, the same message
    if where == "before the shop":
        world.shop.kills = frozenset({"issue_voucher"})
        with pytest.raises(Killed):
            world.accept(killed.turn, case, Option.VOUCHER)
        world.shop.kills = frozenset()
    else:
        world.accept(killed.turn, case, Option.VOUCHER)
    assert world.entries() == ["grant voucher"]
    assert world.now(case).state is CaseState.OPEN
    world.clock.move(LEASE + A_WHILE)
    anew = world.again("tab")
    assert anew.turn.message.id == killed.turn.message.id
    given = world.accept(anew.turn, case, Option.VOUCHER)
    world.end(anew)
    assert world.vouchers() == [given.reference]
    assert world.entries() == ["grant voucher", "fulfil voucher"]
    assert len(set(world.shop.keys)) == 1
    world.finish()
    assert len(world.vouchers()) == 1 and world.planned() == ["case_check"]


def test_what_nobody_tried_again_is_finished_after_a_while_and_the_turn_that_comes_late_is_void(world: World) -> None:
    case = world.opened()
    killed = world.begin("tab")
    world.accept(killed.turn, case, Option.VOUCHER)
    world.finish(GRACE)
    assert world.entries() == ["grant voucher"], "a turn may still be at it"
    world.finish(A_WHILE)
    assert world.entries() == ["grant voucher", "fulfil voucher"]
    assert world.planned() == ["case_check", "remedy_done"]
    late = world.again("tab")
    world.give(late.turn, case, world.offer(case, Option.VOUCHER))
    with pytest.raises(CaseMoved):
        world.end(late)
    assert len(world.vouchers()) == 1 and world.planned() == ["case_check", "remedy_done"]


def test_two_that_finish_at_once_give_one_and_tell_it_once(world: World) -> None:
    case = world.opened()
    world.shop.away = DONE
    world.accept_while_away(case)
    world.shop.away = frozenset()
    world.clock.move(GRACE + A_WHILE)
    ready = threading.Barrier(2)

    def meet(name: str) -> None:
        if name == "issue_voucher":
            ready.wait(20)

    world.shop.before = meet
    assert at_once(*[world.fulfilment.run_once] * 2) == [False, False]
    assert len(world.vouchers()) == 1
    assert world.entries() == ["grant voucher", "fulfil voucher"]
    assert world.planned() == ["case_check", "remedy_done"]


# -- time passes -------------------------------------------------------------------------------------------------------


def test_offers_expire_and_are_made_anew_as_things_stand(world: World) -> None:
    case = world.opened(kind=Kind.DAMAGED, number=FRYER)
    assert not world.service.expired(case, NOON + OFFERS_LAST)
    world.clock.move(OFFERS_LAST + A_WHILE)
    assert world.service.expired(world.now(case), world.clock())
    with world.database.write() as c:
        body = next(body for body in world.of_shop("product") if body["sku"] == "AF-55")
        where = (t.shop_records.c.kind == "product", t.shop_records.c.key == "AF-55")
        c.execute(t.shop_records.update().where(*where).values(body={**body, "stock": 0}))
    fresh = world.turn("tab", lambda turn: world.service.offer_again(turn, world.now(case), 0, "offered"))
    assert fresh is not None and [offer.option for offer in world.service.offers(fresh)] == [Option.REFUND]
    now = world.now(case)
    assert not world.service.expired(now, world.clock()) and now.offered == fresh.offered


def test_who_comes_back_within_two_weeks_gets_a_person_and_not_a_second_grant(world: World) -> None:
    case = world.opened(kind=Kind.DAMAGED, number=FRYER)
    world.turn("tab", lambda turn: world.accept(turn, case, Option.REFUND))
    world.clock.move(REOPEN_WITHIN)

    def again(turn: Turn) -> Case | None:
        order = world.order(FRYER)
        known = world.service.known(turn, Kind.DAMAGED, LAYLA, order, order.items[0])
        assert known is not None and known.state is CaseState.RESOLVED
        world.service.to_person(turn, known, "again")
        return known

    known = world.turn("another day", again)
    assert known is not None and known.id == case.id
    now = world.now(case)
    assert now.state is CaseState.WITH_PERSON and not now.offered and now.closed_at is None
    assert world.promised()["person_decides"] == "open"
    assert world.entries() == ["grant refund", "fulfil refund"]
    # A person has it: said once more it is the same case, and the same hour is promised.
    first = world.cases.person_due(case.id)
    due = world.turn("tab", lambda turn: world.service.to_person(turn, world.now(case), "again"))
    assert due == first and [row.kind for row in world.rows(t.promises)].count("person_decides") == 1


def test_later_it_is_a_new_case_and_what_was_paid_is_not_paid_twice(world: World) -> None:
    case = world.opened(kind=Kind.DAMAGED, number=FRYER)
    world.turn("tab", lambda turn: world.accept(turn, case, Option.REFUND))
    world.clock.move(REOPEN_WITHIN + A_WHILE)
    anew = world.opened(kind=Kind.DAMAGED, number=FRYER)
    assert anew.id != case.id
    assert [offer.option for offer in world.service.offers(anew)] == [Option.VOUCHER]


def test_a_declined_case_gives_nothing_and_withdraws_what_was_promised(world: World) -> None:
    case = world.opened()
    world.turn("tab", lambda turn: world.service.to_person(turn, case, "asked"))
    assert world.promised() == {"person_decides": "open"}
    world.turn("tab", lambda turn: world.service.decline(turn, world.now(case)))
    now = world.now(case)
    assert now.state is CaseState.CLOSED and now.closed_at == NOON and not now.offered
    assert world.promised() == {"person_decides": "withdrawn"}
    world.finish(DAY)
    assert world.entries() == [] and world.vouchers() == [] and world.planned() == []
    with pytest.raises(CaseMoved):  # a button from before
        world.turn("tab", lambda turn: world.give(turn, case, world.offer(case, Option.VOUCHER)))
    # It is over: the next complaint is a new one.
    assert world.opened("other").id != case.id


@pytest.mark.parametrize("then", ["declined", "handed over"])
def test_what_was_reserved_is_given_and_looked_after_though_the_customer_says_more(world: World, then: str) -> None:
    """Accepted while the shop was away, then "nothing more" or "not enough": the refund is still made once and told, and
    that the money arrives is promised as always. People keep the case that they have."""
    case = world.opened(kind=Kind.DAMAGED, number=FRYER)
    world.shop.away = DONE
    world.accept_while_away(case, option=Option.REFUND)
    if then == "declined":
        world.turn("tab", lambda turn: world.service.decline(turn, world.now(case)))
        assert world.promised()["remedy_done"] == "open", "it is done all the same"
    else:
        world.turn("tab", lambda turn: world.service.to_person(turn, world.now(case), "not_enough"))
    world.shop.away = frozenset()
    world.finish()
    assert world.entries() == ["grant refund", "fulfil refund"]
    assert "remedy_done" in world.planned() and world.promised()["remedy_done"] == "kept"
    assert world.promised()["refund_arrives"] == "open"
    now = world.now(case)
    assert now.accepted and now.accepted["option"] == "refund"
    if then == "declined":
        assert now.state is CaseState.RESOLVED and "case_check" in world.planned()
    else:
        assert now.state is CaseState.WITH_PERSON and world.promised()["person_decides"] == "open"


def test_who_leaves_after_the_first_of_two_is_asked_all_the_same(world: World) -> None:
    """The refund came after "not enough", and a voucher is still on the table: nobody has to answer that to be asked,
    a day later, whether it is right again."""
    case = world.opened(kind=Kind.DAMAGED, number=FRYER)
    world.turn("tab", lambda turn: world.service.offer_again(turn, case, 1, "not_enough"))
    world.turn("tab", lambda turn: world.accept(turn, case, Option.REFUND))
    assert [offer.option for offer in world.service.offers(world.now(case))] == [Option.VOUCHER]
    world.clock.move(CHECK_AFTER)
    words = KeyWording()
    outreach = OutreachService(SqlOutreach(world.database), words, world.shop.store, world.clock, world.core.live)
    assert outreach.run_once()
    [check] = [row for row in world.rows(t.outreach) if row.kind == "case_check"]
    assert (check.reason, check.sent_at) == (None, world.clock())


# -- whose it is -------------------------------------------------------------------------------------------------------


def test_nobody_finds_another_customers_case(world: World) -> None:
    case = world.opened("layla", Kind.DAMAGED, FRYER)
    nobody = world.opened("ahmed")

    def find(address: str, customer: CustomerId | None, number: CaseNumber | None = None) -> str | None:
        found = world.turn(address, lambda turn: world.service.find(turn, customer, number))
        return found.number if found else None

    unknown = CaseNumber("C999999")
    for customer in (None, AHMED, FAISAL):
        assert find("stranger", customer, case.number) is None
        assert find("stranger", customer, unknown) is None
        assert find("ahmed", customer, case.number) is None
    assert find("stranger", None) is None and find("stranger", FAISAL) is None
    assert find("stranger", AHMED) == nobody.number
    assert find("elsewhere", LAYLA) == find("elsewhere", LAYLA, case.number) == case.number
    assert find("layla", None, case.number) == case.number, "told here before"


def test_a_case_without_a_customer_stays_in_its_conversation(world: World) -> None:
    def complain(turn: Turn) -> Case:
        case, reason = world.service.open(turn, Kind.SERVICE, None, None, None, "rude", "angry")
        assert reason is PersonReason.NO_RULE
        return case

    here = world.turn("here", complain)
    there = world.turn("there", complain)
    assert here.about != there.about
    assert world.turn("there", lambda turn: world.service.find(turn, None, here.number)) is None
    assert world.turn("there", lambda turn: world.service.known(turn, Kind.SERVICE, None, None, None)) == world.now(
        there
    )


# -- the policy changes ------------------------------------------------------------------------------------------------


def edited(path: Path, before: str, after: str) -> None:
    text = path.read_text("utf-8")
    assert before in text
    path.with_suffix(".new").write_text(text.replace(before, after), "utf-8")
    path.with_suffix(".new").replace(path)


def test_what_was_offered_stands_though_the_policy_has_changed(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "compensation.yml"
    shutil.copy(policy_path(), path)
    world = World(database, PolicyFile(path))
    case = world.opened()
    edited(path, "percent: 10, at_most: 50", "percent: 5, at_most: 20")
    assert world.offer(world.now(case), Option.VOUCHER).amount.amount == Decimal(50)
    given = world.turn("tab", lambda turn: world.accept(turn, case, Option.VOUCHER))
    assert given.grant.offer.amount.amount == Decimal(50)
    assert [body["amount"] for body in world.of_shop("voucher")] == ["50.00"]
    # What is offered from now on follows the new rules.
    other = world.opened("layla", Kind.DAMAGED, FRYER)
    more = world.turn("layla", lambda turn: world.service.offer_again(turn, other, 1, "not_enough"))
    assert more is not None and world.offer(more, Option.VOUCHER).amount.amount == Decimal("19.95")


def test_new_caps_hold_also_for_what_was_offered_before(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "compensation.yml"
    shutil.copy(policy_path(), path)
    world = World(database, PolicyFile(path))
    case = world.opened()
    edited(path, "per_order: 100", "per_order: 40")
    edited(path, "voucher: {amount: 30", "voucher: {amount: 25")
    with pytest.raises(CapReached):
        world.give(world.begin("tab").turn, case, world.offer(case, Option.VOUCHER))
    assert world.entries() == [] and world.vouchers() == []


@pytest.mark.parametrize("harm", ["broken", "empty", "gone"])
def test_a_policy_that_is_spoilt_while_a_case_is_open_changes_nothing(
    database: Database, tmp_path: Path, harm: str
) -> None:
    path = tmp_path / "compensation.yml"
    shutil.copy(policy_path(), path)
    world = World(database, PolicyFile(path))
    case = world.opened()
    if harm == "gone":
        path.unlink()
    else:
        path.write_text("kinds: [" if harm == "broken" else "", "utf-8")
    given = world.turn("tab", lambda turn: world.accept(turn, case, Option.VOUCHER))
    assert given.grant.offer.amount.amount == Decimal(50)
    other = world.opened("layla", Kind.DAMAGED, FRYER)
    assert [offer.option for offer in world.service.offers(other)] == [Option.RESEND, Option.REFUND]


# -- a clock that jumps ------------------------------------------------------------------------------------------------


def test_a_clock_set_back_gives_nothing_twice_and_breaks_no_cap(world: World) -> None:
    world.clock.move(2 * DAY)
    case = world.opened()
    world.turn("tab", lambda turn: world.accept(turn, case, Option.VOUCHER))
    world.clock.move(-2 * DAY)
    order = world.order(LATE)
    known = world.turn("other", lambda turn: world.service.known(turn, Kind.LATE, AHMED, order, None))
    assert known is not None and known.id == case.id and known.state is CaseState.RESOLVED
    assert not world.service.expired(known, world.clock())
    usage = world.ledger.usage(AHMED, LATE, case.id, world.clock(), world.shop.store().timezone, 90, currency="SAR")
    assert usage.goodwill_of_customer == usage.goodwill_on_order == Decimal(50)
    world.finish()
    assert len(world.vouchers()) == 1 and world.entries() == ["grant voucher", "fulfil voucher"]


def test_what_was_reserved_by_a_clock_that_was_ahead_is_finished(world: World) -> None:
    world.clock.move(2 * HOUR)
    case = world.opened()
    world.shop.away = DONE
    due = world.accept_while_away(case)
    world.shop.away = frozenset()
    world.clock.move(-2 * HOUR)
    for _ in range(30):
        world.finish(10 * timedelta(minutes=1))
        if world.vouchers():
            break
    assert world.clock() <= due, "before it was promised"
    assert world.promised() == {"remedy_done": "kept"} and len(world.vouchers()) == 1


def test_an_open_case_is_found_though_a_closed_one_bears_a_later_time(world: World) -> None:
    """The clock was two days ahead when the first case was declined; the one that is open now was opened "before" it."""
    world.clock.move(2 * DAY)
    over = world.opened()
    world.turn("tab", lambda turn: world.service.decline(turn, over))
    world.clock.move(-2 * DAY)
    present = world.opened()
    assert present.id != over.id
    again = world.turn("tab", lambda turn: world.complain(turn))
    assert again.id == present.id
    assert len(world.rows(t.cases)) == 2


# -- a visitor turns out to be a customer ------------------------------------------------------------------------------


def test_cases_ledger_promises_and_outreach_move_with_the_conversation(world: World) -> None:
    guest = world.opened("guest")
    identities = SqlIdentities(world.database)
    world.turn("home", lambda turn: turn.effects.clear())
    assert identities.identify("webchat", "home", AHMED, "ar", world.clock()) == "home"
    world.shop.away = DONE
    world.accept_while_away(guest, "guest")
    given = world.opened("guest", Kind.DAMAGED, FRYER)
    world.shop.away = frozenset()
    world.turn("guest", lambda turn: world.accept(turn, given, Option.REFUND))

    under_way = world.begin("guest")
    world.service.repeated(under_way.turn, guest, "once more")
    assert identities.identify("webchat", "guest", AHMED, "ar", world.clock()) == "home"
    home = world.core.store.find("webchat", "home")
    assert home is not None and world.core.store.find("webchat", "guest") is None
    for table in (t.cases, t.ledger_entries, t.promises, t.outreach):
        assert {row.conversation_id for row in world.rows(table)} == {home.id}, table.name
    with pytest.raises(LeaseLost):
        world.end(under_way)

    found = world.turn("home", lambda turn: world.service.find(turn, AHMED, guest.number))
    assert found is not None and found.id == guest.id
    world.finish()
    assert world.now(guest).state is CaseState.RESOLVED and len(world.vouchers()) == 1
    told = next(row for row in world.rows(t.outreach) if row.kind == "remedy_done")
    assert told.conversation_id == home.id


def test_a_conversation_that_is_joined_while_its_remedy_is_finished_is_told_in_its_new_place(world: World) -> None:
    case = world.opened("guest")
    other = world.opened("layla", Kind.DAMAGED, FRYER)
    identities = SqlIdentities(world.database)
    world.turn("home", lambda turn: None)
    identities.identify("webchat", "home", AHMED, "ar", world.clock())
    world.shop.away = DONE
    world.accept_while_away(case, "guest")
    world.accept_while_away(other, "layla", Option.REFUND)
    world.shop.away = frozenset()

    def join(name: str) -> None:
        if name == "issue_voucher":
            world.shop.before = lambda name: None
            identities.identify("webchat", "guest", AHMED, "ar", world.clock())

    world.shop.before = join
    world.finish()  # does not raise, and goes on with the next
    assert "fulfil refund" in world.entries()
    world.finish(A_WHILE)
    assert len(world.vouchers()) == 1 and world.now(case).state is CaseState.RESOLVED
    home = world.core.store.find("webchat", "home")
    told = next(row for row in world.rows(t.outreach, t.outreach.c.case_id == case.id) if row.kind == "remedy_done")
    assert home is not None and told.conversation_id == ConversationId(home.id)


def test_the_shops_own_cap_of_the_day_holds_whoever_races(database: Database, tmp_path: Path) -> None:
    """Two customers on two channels, and room for one of them."""
    path = tmp_path / "compensation.yml"
    shutil.copy(policy_path(), path)
    edited(path, "shop_per_day: 2000", "shop_per_day: 75")
    world = World(database, PolicyFile(path))
    cases = {"ahmed": world.opened("ahmed"), "layla": world.opened("layla", Kind.DAMAGED, FRYER)}
    world.turn("layla", lambda turn: world.service.offer_again(turn, cases["layla"], 1, "not_enough"))
    claims = {name: world.begin(name) for name in cases}
    ready = threading.Barrier(2)

    def accept(name: str) -> Given:
        ready.wait(20)
        given = world.accept(claims[name].turn, cases[name], Option.VOUCHER)
        world.end(claims[name])
        return given

    outcomes = at_once(*(lambda name=name: accept(name) for name in cases))  # type: ignore[misc]
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["CapReached", "Given"]
    goodwill = [row for row in world.rows(t.ledger_entries) if Option(row.option) in GOODWILL]
    assert sum(row.amount for row in goodwill if row.kind == EntryKind.GRANT.value) <= Decimal(75)
    assert len(world.vouchers()) == 1
