"""What the bot may offer for a complaint: the merchant's rules, the price that was paid, and the caps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.compensation.content import PolicyFile, load_policy
from bot.compensation.model import (
    GOODWILL,
    REMEDIES,
    Caps,
    Decision,
    Entry,
    EntryId,
    EntryKind,
    Facts,
    Offer,
    Option,
    PersonReason,
    Usage,
    offer_from,
)
from bot.compensation.policy import Extra, Rule, Rules, Terms, balance, decide
from bot.compensation.service import CompensationService
from bot.complaints.facts import paid
from bot.complaints.model import CaseId, Kind, Severity
from bot.complaints.policy import severity
from bot.orders.model import Contact, Customer, CustomerId, Money, Order, OrderNumber, OrderStatus
from bot.orders.policy import days_late, tier_of
from tests.unit.orders import POLICIES, STORE, TODAY, day, order

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=timezone.utc)
RULES = load_policy()
POLICY = PolicyFile()
NOTHING = Usage(Decimal(0), Decimal(0), Decimal(0), Decimal(0))
FACTS = Facts(
    kind=Kind.LATE,
    severity=Severity.MODERATE,
    tier="basic",
    price=Money(Decimal(349), "SAR"),
    shipping_fee=Decimal(20),
    days_late=0,
    paid=True,
    in_stock=True,
    claims=0,
    orders=4,
    points_value=Decimal("0.01"),
)


def of(kind: Kind, **changes: Any) -> Facts:
    return replace(FACTS, kind=kind, **changes)


def shown(decision: Decision) -> list[list[str]]:
    """ "voucher 35", by rounds."""
    return [[f"{o.option.value} {o.amount.amount.normalize():f}" for o in step] for step in decision.steps]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (of(Kind.LATE, days_late=1), [["shipping_refund 20"], ["points 25"]]),
        (of(Kind.LATE, days_late=2), [["shipping_refund 20"], ["points 25"]]),
        (of(Kind.LATE, days_late=2, shipping_fee=Decimal(0)), [["points 25"]]),
        (of(Kind.LATE, days_late=2, paid=False), [["points 25"]]),
        (of(Kind.LATE, days_late=3), [["voucher 34.9"], ["shipping_refund 20", "points 30"]]),
        (
            of(Kind.LATE, days_late=40, price=Money(Decimal(899), "SAR")),
            [["voucher 50"], ["shipping_refund 20", "points 30"]],
        ),
        (of(Kind.NOT_RECEIVED, price=Money(Decimal(150), "SAR")), [["resend 150", "refund 150"], ["voucher 15"]]),
        (of(Kind.DAMAGED), [["resend 349", "refund 349"], ["voucher 34.9"]]),
        (of(Kind.DAMAGED, severity=Severity.SERIOUS), [["resend 349", "refund 349"], ["voucher 52.35"]]),
        (of(Kind.DAMAGED, in_stock=False), [["refund 349"], ["voucher 34.9"]]),
        (of(Kind.WRONG_ITEM), [["exchange 349", "refund 349"], ["voucher 34.9"]]),
        (of(Kind.MISSING_ITEM), [["missing_part 349", "refund 349"], ["voucher 34.9"]]),
        (of(Kind.QUALITY), [["exchange 349", "refund 349"], ["voucher 34.9"]]),
        (of(Kind.SERVICE, severity=Severity.MINOR), [["points 5"], ["voucher 10"]]),
        (of(Kind.SERVICE), [["points 15"], ["voucher 20"]]),
        (of(Kind.SERVICE, severity=Severity.SERIOUS), [["voucher 30"]]),
        (of(Kind.REFUND_DELAY, days_late=2), [["points 10"]]),
        (of(Kind.REFUND_DELAY, days_late=4), [["voucher 34.9"], ["points 30"]]),
    ],
)
def test_what_the_demo_shop_offers(facts: Facts, expected: list[list[str]]) -> None:
    assert shown(decide(facts, NOTHING, RULES)) == expected


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (of(Kind.BILLING), PersonReason.NO_RULE),
        (of(Kind.OTHER), PersonReason.NO_RULE),
        (of(Kind.LATE, days_late=0), PersonReason.NO_RULE),
        (of(Kind.NOT_RECEIVED, price=Money(Decimal("150.01"), "SAR")), PersonReason.NO_RULE),
        (of(Kind.DAMAGED, price=Money(Decimal(10), "USD")), PersonReason.NO_RULE),
        (of(Kind.DAMAGED, claims=4, orders=4), PersonReason.MANY_CLAIMS),
        (of(Kind.DAMAGED, claims=3, orders=0), PersonReason.MANY_CLAIMS),
        (of(Kind.NOT_RECEIVED, paid=False, price=Money(Decimal(0), "SAR")), PersonReason.NO_RULE),
    ],
)
def test_who_is_served_by_a_person(facts: Facts, reason: PersonReason) -> None:
    assert decide(facts, NOTHING, RULES) == Decision((), reason)


@pytest.mark.parametrize(("claims", "orders"), [(2, 2), (3, 4), (4, 5)])
def test_some_claims_are_no_reason_for_doubt(claims: int, orders: int) -> None:
    assert decide(of(Kind.DAMAGED, claims=claims, orders=orders), NOTHING, RULES).steps


def test_a_high_tier_gets_more_points() -> None:
    offers = [
        decide(of(Kind.SERVICE, tier=tier), NOTHING, RULES).steps[0][0] for tier in ("basic", "gold", "vip", "new")
    ]
    assert [offer.points for offer in offers] == [1500, 2000, 2500, 1500]


def test_a_tier_raises_a_voucher_in_percent_and_its_bound_and_never_above_the_price() -> None:
    terms = Terms(Option.VOUCHER, percent=Decimal(90), at_most=Decimal(50), valid_days=30)
    rules = replace(
        RULES,
        kinds={Kind.LATE: (Rule(((terms,),)),)},
        extras={"vip": Extra(percent=Decimal(20), at_most=Decimal(25))},
    )
    facts = of(Kind.LATE, price=Money(Decimal(60), "SAR"))
    assert shown(decide(facts, NOTHING, rules)) == [["voucher 50"]]
    assert shown(decide(replace(facts, tier="vip"), NOTHING, rules)) == [["voucher 60"]]


@pytest.mark.parametrize(
    ("price", "currency", "worth"),
    [("100.05", "SAR", "10.01"), ("100.04", "SAR", "10.00"), ("10.005", "KWD", "1.001"), ("1005", "JPY", "101")],
)
def test_a_voucher_is_in_whole_cents_of_its_currency_with_halves_rounded_up(
    price: str, currency: str, worth: str
) -> None:
    rules = replace(RULES, currency=None, caps=replace(RULES.caps, per_order=Decimal(500), per_customer=Decimal(500)))
    rules = replace(
        rules, kinds={Kind.LATE: (Rule(((Terms(Option.VOUCHER, Decimal(10), Decimal(200), valid_days=9),),)),)}
    )
    offer = decide(of(Kind.LATE, price=Money(Decimal(price), currency)), NOTHING, rules).steps[0][0]
    assert offer == Offer(Option.VOUCHER, Money(Decimal(worth), currency), valid_days=9)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (replace(NOTHING, remedies_on_order=Decimal(100)), [["refund 249"], ["voucher 34.9"]]),
        (replace(NOTHING, remedies_on_order=Decimal(349)), [["voucher 34.9"]]),
        (replace(NOTHING, remedies_on_order=Decimal(400)), [["voucher 34.9"]]),
        (replace(NOTHING, has_remedy=True), [["voucher 34.9"]]),
        (replace(NOTHING, tried=frozenset({Option.RESEND})), [["refund 349"], ["voucher 34.9"]]),
        (replace(NOTHING, has_goodwill=True), [["resend 349", "refund 349"]]),
        (replace(NOTHING, goodwill_on_order=Decimal("65.10")), [["resend 349", "refund 349"], ["voucher 34.9"]]),
        (replace(NOTHING, goodwill_on_order=Decimal("65.11")), [["resend 349", "refund 349"]]),
        (replace(NOTHING, goodwill_of_customer=Decimal("165.11")), [["resend 349", "refund 349"]]),
        (replace(NOTHING, goodwill_of_shop_today=Decimal("1965.11")), [["resend 349", "refund 349"]]),
    ],
)
def test_what_was_given_before_bounds_what_is_offered_and_nothing_is_shrunk(
    usage: Usage, expected: list[list[str]]
) -> None:
    assert shown(decide(of(Kind.DAMAGED), usage, RULES)) == expected


@pytest.mark.parametrize(
    ("usage", "reason"),
    [
        (replace(NOTHING, goodwill_on_order=Decimal(100)), PersonReason.OVER_CAP),
        (replace(NOTHING, goodwill_of_customer=Decimal(200)), PersonReason.OVER_CAP),
        (replace(NOTHING, goodwill_of_shop_today=Decimal(2000)), PersonReason.SHOP_CAP),
        (
            replace(NOTHING, goodwill_of_shop_today=Decimal(2000), goodwill_of_customer=Decimal(200)),
            PersonReason.OVER_CAP,
        ),
    ],
)
def test_where_caps_leave_nothing_a_person_decides_and_hears_which(usage: Usage, reason: PersonReason) -> None:
    assert decide(of(Kind.SERVICE), usage, RULES) == Decision((), reason)


def test_a_shipping_fee_goes_back_once() -> None:
    usage = replace(NOTHING, shipping_on_order=Decimal(20), goodwill_on_order=Decimal(20))
    assert shown(decide(of(Kind.LATE, days_late=1), usage, RULES)) == [["points 25"]]


def test_a_high_refund_needs_a_person_while_sending_again_does_not() -> None:
    facts = of(Kind.DAMAGED, price=Money(Decimal("500.01"), "SAR"))
    assert shown(decide(facts, NOTHING, RULES))[0] == ["resend 500.01"]
    no_more = replace(NOTHING, has_goodwill=True)
    assert decide(replace(facts, in_stock=False), no_more, RULES) == Decision((), PersonReason.OVER_CAP)


def test_nothing_is_owed_for_what_was_not_paid() -> None:
    assert shown(decide(of(Kind.DAMAGED, paid=False), NOTHING, RULES)) == [["voucher 34.9"]]


def test_an_offer_survives_being_stored() -> None:
    for step in decide(of(Kind.DAMAGED), NOTHING, RULES).steps:
        for offer in step:
            assert offer_from(offer.document()) == offer


# -- whatever the rules and facts --------------------------------------------------------------------------------------

amounts = st.decimals(0, 400, places=2)
some_terms = st.one_of(
    st.sampled_from([Option.RESEND, Option.EXCHANGE, Option.MISSING_PART, Option.REFUND, Option.SHIPPING_REFUND]).map(
        Terms
    ),
    st.builds(
        Terms, st.just(Option.VOUCHER), st.decimals("0.1", 100, places=1), amounts, valid_days=st.integers(1, 90)
    ),
    st.builds(Terms, st.just(Option.VOUCHER), amount=amounts, valid_days=st.integers(1, 90)),
    st.builds(Terms, st.just(Option.POINTS), points=st.integers(1, 30_000)),
)
some_rules = st.builds(
    Rules,
    kinds=st.fixed_dictionaries(
        {Kind.LATE: st.lists(st.lists(some_terms, max_size=4), max_size=4).map(lambda steps: [Rule(steps)])}
    ),
    caps=st.builds(Caps, amounts, amounts, st.integers(1, 90), amounts),
    refund_needs_person_above=amounts,
    extras=st.fixed_dictionaries(
        {"vip": st.builds(Extra, st.integers(0, 5000), st.decimals(0, 100, places=1), amounts)}
    ),
)
some_facts = st.builds(
    replace,
    st.just(FACTS),
    severity=st.sampled_from(Severity),
    tier=st.sampled_from(["basic", "vip"]),
    price=st.builds(Money, st.decimals(0, 1000, places=2), st.just("SAR")),
    shipping_fee=amounts,
    paid=st.booleans(),
    in_stock=st.booleans(),
)
some_usage = st.builds(
    Usage,
    amounts,
    amounts,
    amounts,
    amounts,
    amounts,
    st.frozensets(st.sampled_from(Option)),
    st.booleans(),
    st.booleans(),
)


@settings(max_examples=150)
@given(some_facts, some_usage, some_rules)
def test_no_offer_breaks_price_or_cap_and_none_is_made_twice(facts: Facts, usage: Usage, rules: Rules) -> None:
    decision = decide(facts, usage, rules)
    offers = [offer for step in decision.steps for offer in step]
    assert all(decision.steps) and (decision.person is None) == bool(offers)
    assert len({offer.option for offer in offers}) == len(offers)
    for offer in offers:
        worth = offer.amount.amount
        assert worth >= 0 and worth == worth.quantize(Decimal("0.01")) and offer.option not in usage.tried
        if offer.option in REMEDIES:
            assert facts.paid and not usage.has_remedy and worth > 0
            assert usage.remedies_on_order + worth <= facts.price.amount
            assert offer.option is Option.REFUND or facts.in_stock
            assert offer.option is not Option.REFUND or worth <= rules.refund_needs_person_above
        else:
            assert offer.option in GOODWILL and not usage.has_goodwill
            assert usage.goodwill_on_order + worth <= rules.caps.per_order
            assert usage.goodwill_of_customer + worth <= rules.caps.per_customer
            assert usage.goodwill_of_shop_today + worth <= rules.caps.shop_per_day


@settings(max_examples=60)
@given(st.lists(st.tuples(some_facts, st.integers(0, 2), st.integers(0, 3)), max_size=12), some_rules)
def test_no_sequence_of_complaints_and_choices_breaks_a_cap(
    complaints: Sequence[tuple[Facts, int, int]], rules: Rules
) -> None:
    remedies = goodwill = Decimal(0)
    price = Money(Decimal(300), "SAR")
    for facts, step, choice in complaints:
        usage = Usage(remedies, goodwill, goodwill, goodwill)
        steps = decide(replace(facts, price=price), usage, rules).steps
        if not steps:
            continue
        chosen = steps[step % len(steps)]
        offer = chosen[choice % len(chosen)]
        if offer.option in REMEDIES:
            remedies += offer.amount.amount
        else:
            goodwill += offer.amount.amount
        assert remedies <= price.amount
        assert goodwill <= min(rules.caps.per_order, rules.caps.per_customer, rules.caps.shop_per_day)


# -- who the customer is -----------------------------------------------------------------------------------------------


class OneOrderShop:
    """A shop with one customer and one order."""

    def __init__(self, customer: Customer, order: Order) -> None:
        self._customer, self._order = customer, order

    def store(self) -> Any:
        return STORE

    def policies(self) -> Any:
        return POLICIES

    def order(self, number: OrderNumber) -> Order | None:
        return self._order

    def customer(self, customer: CustomerId) -> Customer | None:
        return self._customer


class EmptyLedger:
    """Nothing was given yet, to anyone."""

    def usage(self, *args: Any, **kwargs: Any) -> Usage:
        return NOTHING


people = st.tuples(
    st.sampled_from(["نورة القحطاني", "أحمد حسن", "Fatima Zahra", "John Smith"]),
    st.sampled_from(["ar", "en", None]),
    st.sampled_from(["+966551234567", "+201001239046", None]),
    st.sampled_from(["الرياض", "Cairo", "Casablanca", None]),
    st.sampled_from([CustomerId("c1"), CustomerId("c2")]),
)


def outcome(person: tuple[Any, ...], kind: Kind, status: OrderStatus, points: int, late: int) -> Decision:
    """What somebody is offered, with the facts read from the shop."""
    name, language, phone, city, customer_id = person
    customer = Customer(customer_id, {"ar": name, "en": name}, phone, None, points, language)
    bought = order(
        status,
        number=OrderNumber("1"),
        customer=customer_id,
        contact=Contact(phone, None),
        city=city,
        promised_on=day(-late),
        delivered_on=day(0) if status is OrderStatus.DELIVERED else None,
    )
    shop: Any = OneOrderShop(customer, bought)
    ledger: Any = EmptyLedger()
    tier = tier_of(customer.points, POLICIES)
    assert tier is not None
    facts = Facts(
        kind=kind,
        severity=severity(kind, bought.total.amount, days_late(bought, TODAY), "neutral", False, tier.id),
        tier=tier.id,
        price=Money(bought.total.amount - bought.shipping_fee, bought.currency),
        shipping_fee=bought.shipping_fee,
        days_late=days_late(bought, TODAY),
        paid=paid(bought),
        in_stock=True,
        claims=0,
        orders=1,
    )
    service = CompensationService(shop, ledger, POLICY)
    return service.decide(facts, customer_id, bought.number, CaseId("1"), NOW)


@settings(max_examples=40, deadline=None)
@given(
    people,
    people,
    st.sampled_from(Kind),
    st.sampled_from([OrderStatus.SHIPPED, OrderStatus.DELIVERED]),
    st.integers(0, 3000),
    st.integers(0, 9),
)
def test_name_gender_variety_and_city_never_change_the_outcome(
    one: tuple[Any, ...], other: tuple[Any, ...], kind: Kind, status: OrderStatus, points: int, late: int
) -> None:
    assert outcome(one, kind, status, points, late) == outcome(other, kind, status, points, late)


def test_the_policy_has_no_place_for_who_the_customer_is() -> None:
    seen = {field.name for field in fields(Facts)} | {field.name for field in fields(Usage)}
    told = {"name", "customer", "gender", "variety", "dialect", "language", "city", "country", "phone", "email"}
    assert not seen & told


def test_the_service_counts_points_at_the_shops_own_value() -> None:
    facts = of(Kind.SERVICE, points_value=Decimal(0))
    shop: Any = OneOrderShop(Customer(CustomerId("c"), {}, None, None, 0, None), order(OrderStatus.SHIPPED))
    ledger: Any = EmptyLedger()
    decision = CompensationService(shop, ledger, POLICY).decide(
        facts, CustomerId("c"), OrderNumber("1"), CaseId("1"), NOW
    )
    assert shown(decision)[0] == ["points 75"]  # 1500 at 0.05


def test_an_order_in_another_currency_than_the_shops_goes_to_a_person() -> None:
    shop: Any = OneOrderShop(Customer(CustomerId("c"), {}, None, None, 0, None), order(OrderStatus.SHIPPED))
    ledger: Any = EmptyLedger()
    facts = of(Kind.DAMAGED, price=Money(Decimal(10), "AED"))
    service = CompensationService(shop, ledger, POLICY)
    decision = service.decide(facts, CustomerId("c"), OrderNumber("1"), CaseId("1"), NOW)
    assert decision == Decision((), PersonReason.NO_RULE)
    assert service.claims_period == timedelta(days=180)


def test_a_balance_is_what_was_granted_and_not_used_taken_back_or_run_out() -> None:
    def entry(kind: EntryKind, amount: int, currency: str = "SAR") -> Entry:
        money = Money(Decimal(amount), currency)
        return Entry(
            EntryId(1),
            CaseId("1"),
            CustomerId("c"),
            OrderNumber("1"),
            Option.VOUCHER,
            kind,
            money,
            None,
            None,
            None,
            NOW,
        )

    kinds = EntryKind
    entries = [entry(kinds.GRANT, 50), entry(kinds.FULFIL, 50), entry(kinds.GRANT, 30), entry(kinds.REVERSE, 30)]
    assert balance([]) == {}
    assert balance([*entries, entry(kinds.GRANT, 5, "AED")]) == {"SAR": 50, "AED": 5}
    assert balance([*entries, entry(kinds.REDEEM, 50)]) == balance([*entries, entry(kinds.EXPIRE, 50)]) == {"SAR": 0}
