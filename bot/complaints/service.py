"""Complaints: a case for each thing that went wrong, what can be offered for it, and what was given.

Reads and decides; every change is an effect of the turn. Only a grant is reserved in the ledger before the shop is asked
(`compensation.service`), so that whatever is killed in between is finished once and not twice.
"""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from bot.compensation.model import (
    REMEDIES,
    Decision,
    Facts,
    Given,
    Grant,
    GrantFulfilled,
    Offer,
    Option,
    PersonReason,
    offer_from,
)
from bot.compensation.service import CompensationService
from bot.complaints.facts import paid
from bot.complaints.model import (
    UNDER_WAY,
    Case,
    CaseChanged,
    CaseId,
    CaseNumber,
    CaseOpened,
    CaseState,
    EvidenceAdded,
    Kind,
)
from bot.complaints.policy import severity
from bot.complaints.words import about_in_each, offer_in_each
from bot.conversations.model import ConversationId, Effect, FileId, Turn
from bot.conversations.ports import Wording
from bot.errors import ShopError
from bot.handoff.hours import after_support_hours
from bot.orders.model import CustomerId, Item, Money, Order, OrderNumber, Sku
from bot.orders.policy import days_late, refund_days_late, tier_of
from bot.orders.ports import OrderBackend
from bot.outreach.model import OutreachKind, OutreachPlanned
from bot.promises.model import PromiseKind, PromiseMade, PromiseOwner, PromisesSettled, PromiseState
from bot.text import western_digits

OFFERS_LAST = timedelta(days=7)
CHECK_AFTER = timedelta(days=1)
CHECK_UNTIL = timedelta(days=4)
REOPEN_WITHIN = timedelta(days=14)
PERSON_TIME = timedelta(hours=4)  # of support hours
SHOP_TIME = timedelta(hours=2)  # in which a shop that does not answer is asked again
_LONGEST_DETAILS = 2000
_NUMBER = re.compile(r"(?<![A-Za-z0-9])[Cc][\s\-]?(\d{6})(?!\d)")
_NAMED = re.compile(
    r"(?:شكو[ىي]|بلاغ|تذكر[ةه]|case|complaint|ticket|chakwa|shakwa)\D{0,15}(\d{6})(?!\d)", re.IGNORECASE
)


class CaseRecords(Protocol):
    def by_number(self, number: CaseNumber) -> Case | None:
        """The case of that number, or None."""

    def latest_about(self, about: str) -> Case | None:
        """The latest case about that thing, whatever became of it, or None."""

    def of_conversation(self, conversation: ConversationId) -> Sequence[Case]:
        """Its cases, latest first."""

    def of_customer(self, customer: CustomerId) -> Sequence[Case]:
        """The customer's cases on every channel, latest first."""

    def person_due(self, case: CaseId) -> datetime | None:
        """When a person has promised to decide; None where that promise is not open."""


def case_number_in(text: str) -> CaseNumber | None:
    """The number of a case in what a customer wrote ("C204817", "شكوى رقم 204817"), or None."""
    text = western_digits(text)
    found = _NUMBER.search(text) or _NAMED.search(text)
    return CaseNumber(f"C{found.group(1)}") if found else None


def about(kind: Kind, customer: CustomerId | None, order: OrderNumber | None, item: str | None, place: str) -> str:
    """What a complaint is about: the same for complaints that are told twice, in other words or on another channel.

    A delivery is late or lost once; an item is damaged, wrong or poor once. `place` stands in where no order is known.
    """
    family = {Kind.NOT_RECEIVED: Kind.LATE, Kind.WRONG_ITEM: Kind.DAMAGED, Kind.QUALITY: Kind.DAMAGED}.get(kind, kind)
    return ":".join((family.value, str(customer or place), str(order or ""), item or ""))[:200]


def new_case() -> tuple[CaseId, CaseNumber]:
    """An id, and a number that tells nothing of how many cases there are; one that is taken makes the turn void."""
    return CaseId(str(uuid.uuid4())), CaseNumber(f"C{secrets.randbelow(900_000) + 100_000}")


class ComplaintService:
    def __init__(
        self,
        records: CaseRecords,
        shop: OrderBackend,
        compensation: CompensationService,
        wording: Wording,
        identify: Callable[[], tuple[CaseId, CaseNumber]] = new_case,
    ) -> None:
        self._records, self._shop, self._compensation, self._wording = records, shop, compensation, wording
        self._identify = identify

    # -- which case ----------------------------------------------------------------------------------------------------

    def find(self, turn: Turn, customer: CustomerId | None, number: CaseNumber | None = None) -> Case | None:
        """The case of that number, or the one spoken of last, if this conversation or its proven customer may hear of
        it; someone else's is as unknown as one that does not exist."""
        mine = self.of(turn, customer)
        if number is not None:
            return next((case for case in mine if case.number == number), None)
        return next((case for case in mine if case.state in UNDER_WAY), mine[0] if mine else None)

    def of(self, turn: Turn, customer: CustomerId | None) -> list[Case]:
        """The cases that may be told here, latest first."""
        found = {case.id: case for case in self._records.of_conversation(turn.conversation.id)}
        if customer is not None:
            # A conversation may have been another's before this customer was proven in it.
            found = {id_: case for id_, case in found.items() if case.customer in (None, customer)}
            found.update({case.id: case for case in self._records.of_customer(customer)})
        cases = sorted(found.values(), key=lambda case: case.opened_at, reverse=True)
        return [self._as_of(turn, case) for case in cases]

    def waiting(self, turn: Turn) -> Case | None:
        """The case of this conversation whose offers wait for the customer's choice, or None."""
        cases = [self._as_of(turn, case) for case in self._records.of_conversation(turn.conversation.id)]
        return next((case for case in cases if case.offered), None)

    @staticmethod
    def _as_of(turn: Turn, case: Case) -> Case:
        """The case with what this turn has already decided."""
        for effect in turn.effects:
            if isinstance(effect, CaseChanged) and effect.case == case.id:
                case = replace(case, **effect.values)
        return case

    # -- opening -------------------------------------------------------------------------------------------------------

    def known(
        self, turn: Turn, kind: Kind, customer: CustomerId | None, order: Order | None, item: Item | None
    ) -> Case | None:
        """The case about the same thing that is under way or was resolved lately, wherever it was told: who comes back
        about what was made good is not given it twice."""
        for sku in (item.sku, None) if item else (None,):
            key = about(kind, customer, order.number if order else None, sku, turn.conversation.id)
            found = self._records.latest_about(key)
            if found is None:
                continue
            lately = found.closed_at is not None and turn.now - found.closed_at <= REOPEN_WITHIN
            if found.state in UNDER_WAY or (found.state is CaseState.RESOLVED and lately):
                return self._as_of(turn, found)
        return None

    def open(
        self,
        turn: Turn,
        kind: Kind,
        customer: CustomerId | None,
        order: Order | None,
        item: Item | None,
        details: str,
        emotion: str,
        *,
        to_person: bool = False,
    ) -> tuple[Case, PersonReason | None]:
        """A new case with what can be offered for it now; the reason where a person has to decide.

        `item`: with as many pieces as the complaint is about. `to_person`: nothing is offered, whatever the policy says. Raises ShopError.
        """
        earlier = self._records.of_customer(customer) if customer else []
        case_id, number = self._identify()
        facts = self._facts(turn, kind, customer, order, item, emotion, earlier)
        decision = (
            self._decide(turn, facts, customer, order, case_id, item.sku if item else None)
            if not to_person
            else Decision(())
        )
        if self.made_good(turn, customer, order, item):
            decision = Decision((), PersonReason.MADE_GOOD)
        first = decision.steps[0] if decision.steps else ()
        case = Case(
            id=case_id,
            number=number,
            conversation=turn.conversation.id,
            customer=customer,
            order_number=order.number if order else None,
            kind=kind,
            state=CaseState.OPEN,
            severity=facts.severity,
            about=about(
                kind, customer, order.number if order else None, item.sku if item else None, turn.conversation.id
            ),
            item=item.sku if item else None,
            details=details[:_LONGEST_DETAILS],
            emotion=emotion,
            step=0,
            offered=[offer.document() for offer in first],
            accepted=None,
            opened_at=turn.now,
            updated_at=turn.now,
            pieces=item.quantity if item else None,
        )
        turn.effects.append(CaseOpened(case))
        self.keep_picture(turn, case)
        return case, None if first else (decision.person or PersonReason.NO_RULE)

    def made_good(self, turn: Turn, customer: CustomerId | None, order: Order | None, item: Item | None) -> bool:
        """Whether the customer lately got what is owed for the same thing: money back, or the thing again. Another kind of
        complaint about it is for people."""
        if customer is None or order is None:
            return False
        for case in self._records.of_customer(customer):
            lately = case.closed_at is not None and turn.now - case.closed_at <= REOPEN_WITHIN
            same = case.order_number == order.number and (item is None or case.item in (None, item.sku))
            if same and lately and any(offer.option in REMEDIES for offer in accepted_in(case)):
                return True
        return False

    def repeated(self, turn: Turn, case: Case, details: str) -> None:
        """The same complaint again: kept with the case, whose offers stay on the table."""
        turn.effects.append(CaseChanged(case.id, "repeated", note={"details": details[:_LONGEST_DETAILS]}))
        self.keep_picture(turn, case)

    def keep_picture(self, turn: Turn, case: Case) -> bool:
        """Put the picture of this message, if it has one, with the case."""
        picture = turn.message.meta.get("image") or {}
        if not picture.get("id"):
            return False
        turn.effects.append(EvidenceAdded(case.id, FileId(picture["id"])))
        return True

    # -- offers --------------------------------------------------------------------------------------------------------

    def offers(self, case: Case) -> list[Offer]:
        return [offer_from(document) for document in case.offered]

    def expired(self, case: Case, now: datetime) -> bool:
        """Whether what was offered no longer stands."""
        return now - case.updated_at > OFFERS_LAST

    @staticmethod
    def offers_until(case: Case) -> datetime:
        """Until when what was offered stands."""
        return case.updated_at + OFFERS_LAST

    def reopen(self, turn: Turn, case: Case) -> Case | None:
        """A case that was declined, with what can be offered now; None where nothing can be, or another case about the
        same thing is under way. Raises ShopError."""
        latest = self._records.latest_about(case.about)
        if case.state is not CaseState.CLOSED or latest is None or latest.id != case.id:
            return None
        order = self._shop.order(case.order_number) if case.order_number else None
        steps = self._steps(turn, case, order)
        if not steps:
            return None
        values = {"state": CaseState.OPEN, "step": 0, "offered": [o.document() for o in steps[0]], "closed_at": None}
        turn.effects.append(CaseChanged(case.id, "reopened", values, before=(CaseState.CLOSED,)))
        return replace(case, state=CaseState.OPEN, step=0, offered=[o.document() for o in steps[0]], closed_at=None)

    def offer_again(self, turn: Turn, case: Case, step: int, what: str, without: Sequence[Option] = ()) -> Case | None:
        """The case with the offers of round `step` and those before it, as the policy decides them now, but for the
        options `without`; None where the round brings nothing. Raises ShopError."""
        order = self._shop.order(case.order_number) if case.order_number else None
        steps = self._steps(turn, case, order)
        for number in range(step, len(steps)):
            if any(offer.option not in without for offer in steps[number]):
                until_now = [offer for offers in steps[: number + 1] for offer in offers]
                offered = [offer.document() for offer in until_now if offer.option not in without]
                turn.effects.append(
                    CaseChanged(case.id, what, {"step": number, "offered": offered}, before=(CaseState.OPEN,))
                )
                return replace(case, step=number, offered=offered)
        return None

    def round_of(self, turn: Turn, case: Case, option: str) -> int | None:
        """The round after the present one that brings an option; None where none does. Raises ShopError."""
        order = self._shop.order(case.order_number) if case.order_number else None
        rounds = enumerate(self._steps(turn, case, order))
        later = (n for n, offers in rounds if n > case.step and any(offer.option.value == option for offer in offers))
        return next(later, None)

    def _steps(self, turn: Turn, case: Case, order: Order | None) -> Sequence[Sequence[Offer]]:
        item = concerned(case, order) if order else None
        earlier = [c for c in self._records.of_customer(case.customer) if c.id != case.id] if case.customer else []
        facts = self._facts(turn, case.kind, case.customer, order, item, case.emotion, earlier)
        return self._decide(turn, facts, case.customer, order, case.id, case.item).steps

    def decline(self, turn: Turn, case: Case) -> None:
        """The customer wants nothing, or nothing more."""
        state = CaseState.RESOLVED if case.accepted else CaseState.CLOSED
        values = {"state": state, "closed_at": turn.now, "offered": []}
        turn.effects.append(CaseChanged(case.id, "declined", values, before=(case.state,)))
        if not case.accepted:
            turn.effects.append(PromisesSettled(case.id, PromiseState.WITHDRAWN))

    # -- giving --------------------------------------------------------------------------------------------------------

    def give(self, turn: Turn, case: Case, offer: Offer, order: Order) -> tuple[Given, Case | None]:
        """Do what the customer accepted; the case is resolved with it.

        Who found the first round not enough may have both a remedy and goodwill: then the case is returned with what can
        still be chosen. Raises ShopRefused (nothing was done), CapReached (nothing was done), or another ShopError: it is
        reserved, and is done as soon as the shop answers; then say so with `give_later`.
        """
        assert case.customer is not None and case.order_number == order.number
        item = concerned(case, order)
        grant = Grant(
            case.id,
            case.number,
            turn.conversation.id,
            case.customer,
            case.order_number,
            offer,
            item.sku if item else None,
            item.quantity if item else 1,
        )
        given = self._compensation.give(grant, turn.now)
        turn.effects += [GrantFulfilled(given), *self.consequences(given, case, turn.now)]
        if case.step == 0:
            return given, None
        remedy = offer.option in REMEDIES
        left = [o for step in self._left(turn, case, order) for o in step if (o.option in REMEDIES) is not remedy]
        if not left:
            return given, None
        offered = [o.document() for o in left]
        turn.effects.append(CaseChanged(case.id, "offered", {"offered": offered}, before=(CaseState.RESOLVED,)))
        return given, replace(case, offered=offered)

    def _left(self, turn: Turn, case: Case, order: Order) -> Sequence[Sequence[Offer]]:
        """What the policy still gives after a grant; nothing where the shop cannot be asked any more."""
        try:
            return self._steps(turn, case, order)
        except ShopError:
            return ()

    def consequences(self, given: Given, of: Case, now: datetime, before: Sequence[CaseState] = ()) -> list[Effect]:
        """What follows from something given: the case is resolved, what is to come is promised, and a day later the
        customer is asked whether it is right again. People keep a case that they have. `before`: the states in which the
        case may be by now, if not only the one it was read in."""
        grant = given.grant
        offer, case, kind = grant.offer, grant.case, of.kind
        accepted = offer.document()
        if of.accepted and of.accepted["option"] != accepted["option"]:
            accepted["before"] = of.accepted
        elif of.accepted and of.accepted.get("before"):
            accepted["before"] = of.accepted["before"]
        with_people = of.state is CaseState.WITH_PERSON
        effects: list[Effect] = [
            CaseChanged(case, "given", {"accepted": accepted}, before=(CaseState.WITH_PERSON,))
            if with_people
            else CaseChanged(
                case,
                "resolved",
                {"state": CaseState.RESOLVED, "accepted": accepted, "offered": [], "closed_at": now},
                before=before or (of.state,),
            )
        ]
        values = {
            "case_number": grant.number,
            "order_number": grant.order,
            "amount": str(offer.amount.amount),
            "currency": offer.amount.currency,
        }
        if given.due_on is not None:
            money = offer.option in (Option.REFUND, Option.SHIPPING_REFUND)
            due = datetime.combine(given.due_on, self._shop.store().support_hours.closes, self._shop.store().timezone)
            what = {**values, "due_on": given.due_on.isoformat(), "replacement": given.reference if not money else None}
            effects.append(
                PromiseMade(
                    key=f"{grant.key}:arrives",
                    kind=PromiseKind.REFUND_ARRIVES if money else PromiseKind.PARCEL_ARRIVES,
                    owner=PromiseOwner.SHOP,
                    due_at=max(due.astimezone(now.tzinfo), now),
                    what=what,
                    case=case,
                    customer=grant.customer,
                )
            )
        if with_people:
            return effects
        effects.append(
            OutreachPlanned(
                key=f"{case}:check:{offer.option.value}",
                kind=OutreachKind.CASE_CHECK,
                due_at=now + CHECK_AFTER,
                until=now + CHECK_UNTIL,
                what={**values, "about": about_in_each(self._wording, kind, grant.order)},
                case=case,
            )
        )
        return effects

    def give_later(self, turn: Turn, case: Case, offer: Offer) -> datetime:
        """The shop did not answer: what is reserved is promised until the returned time."""
        due = turn.now + SHOP_TIME
        turn.effects += [
            CaseChanged(case.id, "accepted", {"accepted": offer.document(), "offered": []}),
            PromiseMade(
                key=f"{case.id}:{offer.option.value}:done",
                kind=PromiseKind.REMEDY_DONE,
                owner=PromiseOwner.BOT,
                due_at=due,
                what={"case_number": case.number, "offer": offer_in_each(self._wording, offer)},
                case=case.id,
                customer=case.customer,
            ),
        ]
        return due

    # -- people --------------------------------------------------------------------------------------------------------

    def to_person(self, turn: Turn, case: Case, why: str) -> datetime:
        """A person decides; returns by when. Raises ShopError."""
        promised = self._records.person_due(case.id) if case.state is CaseState.WITH_PERSON else None
        if promised is not None and promised > turn.now:
            due = promised
        else:
            due = self.person_by(turn.now)
        before = (*UNDER_WAY, CaseState.RESOLVED, CaseState.CLOSED)
        values: dict[str, Any] = {"state": CaseState.WITH_PERSON, "offered": [], "closed_at": None}
        turn.effects += [
            CaseChanged(case.id, "handed_over", values, {"why": why}, before),
            person_promise(case.id, case.number, case.customer, due),
        ]
        return due

    def person_by(self, now: datetime) -> datetime:
        """By when a person answers whose turn it is now. Raises ShopError."""
        return after_support_hours(now, PERSON_TIME, self._shop.store())

    def person_due(self, case: Case) -> datetime | None:
        return self._records.person_due(case.id)

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _decide(
        self,
        turn: Turn,
        facts: Facts,
        customer: CustomerId | None,
        order: Order | None,
        case: CaseId,
        item: Sku | None,
    ) -> Decision:
        if customer is None or order is None:
            return Decision((), PersonReason.NO_RULE)  # nobody to give it to
        return self._compensation.decide(facts, customer, order.number, case, turn.now, item)

    def _facts(
        self,
        turn: Turn,
        kind: Kind,
        customer: CustomerId | None,
        order: Order | None,
        item: Item | None,
        emotion: str,
        earlier: Sequence[Case],
    ) -> Facts:
        store, policies = self._shop.store(), self._shop.policies()
        today = turn.now.astimezone(store.timezone).date()
        person = self._shop.customer(customer) if customer else None
        tier = tier_of(person.points, policies) if person else None
        items = [item] if item else list(order.items) if order else []
        price = sum((i.unit_price * i.quantity for i in items), start=Money(0 * store.vat_rate, store.currency).amount)
        late = 0
        if order is not None:
            refund = order.refund
            late = refund_days_late(refund, today) if kind is Kind.REFUND_DELAY and refund else days_late(order, today)
        stock = {product.sku: product.stock for product in self._shop.products()} if items else {}
        repeat = any(order and case.order_number == order.number for case in earlier)
        tier_id = tier.id if tier else "basic"
        since = turn.now - self._compensation.claims_period
        return Facts(
            kind=kind,
            severity=severity(kind, price, late, emotion, repeat, tier_id),
            tier=tier_id,
            price=Money(price, order.currency if order else store.currency),
            shipping_fee=order.shipping_fee if order else 0 * price,
            days_late=late,
            paid=paid(order) if order else False,
            in_stock=bool(items) and all(stock.get(i.sku, 0) >= i.quantity for i in items),
            claims=sum(case.opened_at >= since for case in earlier),
            orders=sum(o.placed_on >= since.astimezone(store.timezone).date() for o in self._shop.orders_of(customer))
            if customer
            else 0,
        )


def concerned(case: Case, order: Order) -> Item | None:
    """The item that a case is about, with as many pieces; None where it is about the whole order."""
    item = next((item for item in order.items if item.sku == case.item), None) if case.item else None
    return replace(item, quantity=min(case.pieces or item.quantity, item.quantity)) if item else None


def accepted_in(case: Case) -> list[Offer]:
    """What was accepted for a case, first to last."""
    found: list[Offer] = []
    document = case.accepted
    while document is not None:
        found.insert(0, offer_from(document))
        document = document.get("before")
    return found


def person_promise(case: CaseId, number: CaseNumber, customer: CustomerId | None, due: datetime) -> PromiseMade:
    """A person decides by `due`; the same promise is made once."""
    return PromiseMade(
        key=f"{case}:person:{due.isoformat()}",
        kind=PromiseKind.PERSON_DECIDES,
        owner=PromiseOwner.AGENT,
        due_at=due,
        what={"case_number": number},
        case=case,
        customer=customer,
    )
