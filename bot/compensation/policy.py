"""What can be given for something that went wrong, by the merchant's rules. Pure.

It sees facts, what was given already and the rules: never who the customer is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from pathlib import Path

from babel.numbers import get_currency_precision

from bot.compensation.model import (
    GOODWILL,
    REMEDIES,
    Caps,
    Decision,
    Entry,
    EntryKind,
    Facts,
    Offer,
    Option,
    PersonReason,
    Usage,
)
from bot.complaints.model import Kind, Severity
from bot.orders.model import Money

__all__ = ["Extra", "Rule", "Rules", "Terms", "balance", "decide"]

_TAKES = frozenset({EntryKind.REDEEM, EntryKind.REVERSE, EntryKind.EXPIRE})


@dataclass(frozen=True)
class Terms:
    """How a rule gives an option. A voucher has `percent` of the price with `at_most`, or an `amount`, and `valid_days`;
    points have `points`; the rest need nothing more."""

    option: Option
    percent: Decimal | None = None
    at_most: Decimal | None = None
    amount: Decimal | None = None
    points: int | None = None
    valid_days: int | None = None


@dataclass(frozen=True)
class Rule:
    """When it fits, and its rounds. `days_to`, `tiers` and `price_up_to` are None where they set no bound."""

    steps: Sequence[Sequence[Terms]]
    days_from: int = 0
    days_to: int | None = None
    severities: frozenset[Severity] = frozenset(Severity)
    tiers: frozenset[str] | None = None
    price_up_to: Decimal | None = None

    def fits(self, facts: Facts) -> bool:
        return (
            self.days_from <= facts.days_late
            and (self.days_to is None or facts.days_late <= self.days_to)
            and facts.severity in self.severities
            and (self.tiers is None or facts.tier in self.tiers)
            and (self.price_up_to is None or facts.price.amount <= self.price_up_to)
        )


@dataclass(frozen=True)
class Extra:
    """What customers of a tier get on top of a rule's points and vouchers in percent."""

    points: int = 0
    percent: Decimal = Decimal(0)
    at_most: Decimal = Decimal(0)


@dataclass(frozen=True)
class Rules:
    """A policy file. For a kind without rules a person decides. Of a kind's rules the first that fits counts.

    `claims_share` in percent; `claims_from` None: claims are not counted. `currency` None: the shop's, whichever it is.
    `path` and `lines` ("currency", "tier vip") say where things stand, for messages to the merchant.
    """

    kinds: Mapping[Kind, Sequence[Rule]]
    caps: Caps
    refund_needs_person_above: Decimal
    extras: Mapping[str, Extra] = field(default_factory=dict)
    claims_from: int | None = None
    claims_days: int = 0
    claims_share: Decimal = Decimal(100)
    currency: str | None = None
    path: Path | None = field(default=None, compare=False)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)


def decide(facts: Facts, usage: Usage, rules: Rules) -> Decision:
    """The rounds of offers, or why a person decides.

    An offer that does not fit whole under the price or a cap is left out; a round without offers is dropped; no option
    is offered twice.
    """
    if rules.currency not in (None, facts.price.currency):
        return Decision((), PersonReason.NO_RULE)
    if _many_claims(facts, rules):
        return Decision((), PersonReason.MANY_CLAIMS)
    rule = next((rule for rule in rules.kinds.get(facts.kind, ()) if rule.fits(facts)), None)
    if rule is None:
        return Decision((), PersonReason.NO_RULE)
    offered, left_out = set(usage.tried), set()
    steps = []
    for step in rule.steps:
        offers = []
        for terms in step:
            if terms.option in offered or (offer := _offer(terms, facts, usage, rules)) is None:
                continue
            reason = _beyond(offer, facts, usage, rules)
            if reason is not None:
                left_out.add(reason)
                continue
            offered.add(terms.option)
            offers.append(offer)
        if offers:
            steps.append(tuple(offers))
    if steps:
        return Decision(tuple(steps))
    # The shop's cap is told where nothing else is in the way: tomorrow it is free again.
    for reason in (PersonReason.SHOP_CAP, PersonReason.OVER_CAP):
        if reason in left_out:
            return Decision((), reason)
    return Decision((), PersonReason.NO_RULE)


def balance(entries: Iterable[Entry]) -> dict[str, Decimal]:
    """What still stands of what was given, by currency: granted, and not redeemed, reversed or expired."""
    sums: dict[str, Decimal] = {}
    for entry in entries:
        sign = 1 if entry.kind is EntryKind.GRANT else -1 if entry.kind in _TAKES else 0
        sums[entry.amount.currency] = sums.get(entry.amount.currency, Decimal()) + sign * entry.amount.amount
    return sums


def _many_claims(facts: Facts, rules: Rules) -> bool:
    """Claims on nearly every order."""
    if rules.claims_from is None or facts.claims < rules.claims_from:
        return False
    return facts.claims * 100 > rules.claims_share * facts.orders


def _offer(terms: Terms, facts: Facts, usage: Usage, rules: Rules) -> Offer | None:
    """The option with its worth here; None where it makes no sense, whatever the caps."""
    if terms.option in REMEDIES:
        return _remedy(terms.option, facts, usage)
    if usage.has_goodwill:
        return None
    extra, currency = rules.extras.get(facts.tier, Extra()), facts.price.currency
    if terms.option is Option.SHIPPING_REFUND:
        fee = _cents(facts.shipping_fee, currency, ROUND_DOWN)
        # Money goes back only where it came from, and once.
        if not facts.paid or fee <= 0 or usage.shipping_on_order > 0:
            return None
        return Offer(terms.option, Money(fee, currency))
    if terms.option is Option.POINTS:
        points = (terms.points or 0) + extra.points
        return Offer(terms.option, Money(_cents(points * facts.points_value, currency), currency), points=points)
    worth = _voucher(terms, extra, facts.price)
    return Offer(terms.option, Money(worth, currency), valid_days=terms.valid_days) if worth > 0 else None


def _remedy(option: Option, facts: Facts, usage: Usage) -> Offer | None:
    price, currency = facts.price.amount, facts.price.currency
    if not facts.paid or price <= 0 or usage.has_remedy:
        return None
    if option is Option.REFUND:
        # What is left of the price after earlier remedies.
        return Offer(
            option, Money(_cents(price - usage.remedies_on_order, currency, ROUND_DOWN), currency), limit=price
        )
    return Offer(option, Money(price, currency), limit=price) if facts.in_stock else None


def _voucher(terms: Terms, extra: Extra, price: Money) -> Decimal:
    if terms.percent is None or terms.at_most is None:
        return _cents(terms.amount or Decimal(), price.currency)
    percent = min(terms.percent + extra.percent, Decimal(100))
    most = _cents(terms.at_most + extra.at_most, price.currency, ROUND_DOWN)
    return min(_cents(price.amount * percent / 100, price.currency), most)


def _beyond(offer: Offer, facts: Facts, usage: Usage, rules: Rules) -> PersonReason | None:
    """Why the bot may not give it; None where it may."""
    worth, caps = offer.amount.amount, rules.caps
    if offer.option in REMEDIES:
        over = worth <= 0 or usage.remedies_on_order + worth > facts.price.amount
        if over or (offer.option is Option.REFUND and worth > rules.refund_needs_person_above):
            return PersonReason.OVER_CAP
        return None
    assert offer.option in GOODWILL
    if (
        usage.goodwill_on_order + worth > caps.per_order
        or usage.goodwill_of_customer + worth > caps.per_customer
        or worth > caps.shop_per_day
    ):
        return PersonReason.OVER_CAP
    return PersonReason.SHOP_CAP if usage.goodwill_of_shop_today + worth > caps.shop_per_day else None


def _cents(amount: Decimal, currency: str, rounding: str = ROUND_HALF_UP) -> Decimal:
    """In whole cents of the currency, of which some have three places and some none."""
    return amount.quantize(Decimal(1).scaleb(-get_currency_precision(currency)), rounding)
