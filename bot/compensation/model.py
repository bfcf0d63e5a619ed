"""What can be given for something that went wrong. Plain data; money is Decimal with its currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NewType

from bot.complaints.model import CaseId, CaseNumber, Kind, Severity
from bot.conversations.model import ConversationId, Effect
from bot.orders.model import CustomerId, Money, OrderNumber, Sku

EntryId = NewType("EntryId", int)


class Option(str, Enum):
    # remedies: what the customer is owed, up to the price paid
    RESEND = "resend"
    EXCHANGE = "exchange"
    MISSING_PART = "missing_part"
    REFUND = "refund"
    # goodwill: what is given beyond, under caps
    SHIPPING_REFUND = "shipping_refund"
    VOUCHER = "voucher"
    POINTS = "points"


REMEDIES = frozenset({Option.RESEND, Option.EXCHANGE, Option.MISSING_PART, Option.REFUND})
GOODWILL = frozenset({Option.SHIPPING_REFUND, Option.VOUCHER, Option.POINTS})


@dataclass(frozen=True)
class Facts:
    """All that the policy may know of a complaint. Never who the customer is: no name, gender, variety or city.

    `price`: what was paid for what the complaint is about (the item with its quantity, or all items). `days_late` of the
    delivery, or of the refund. `claims` of `orders` within the policy's period count this customer's cases and orders.
    `points_value`: what one loyalty point is worth; `CompensationService` fills it in from the shop's policies.
    """

    kind: Kind
    severity: Severity
    tier: str
    price: Money
    shipping_fee: Decimal
    days_late: int
    paid: bool
    in_stock: bool
    claims: int
    orders: int
    points_value: Decimal = Decimal(0)


@dataclass(frozen=True)
class Caps:
    """What the bot may give as goodwill, in the shop's currency: on an order, to a customer in `customer_days`, and by
    the whole shop on one of its days."""

    per_order: Decimal
    per_customer: Decimal
    customer_days: int
    shop_per_day: Decimal


@dataclass(frozen=True)
class Usage:
    """What the ledger holds already, in the shop's currency: sums of grants that were not reversed.

    `remedies_on_order`: those for the same item or for the whole order, where the complaint is about one item; else all.
    Of the case itself: the options `tried` (a reversed one is not given again) and whether it has its one remedy and its
    one goodwill.
    """

    remedies_on_order: Decimal
    goodwill_on_order: Decimal
    goodwill_of_customer: Decimal
    goodwill_of_shop_today: Decimal
    shipping_on_order: Decimal = Decimal(0)
    tried: frozenset[Option] = frozenset()
    has_remedy: bool = False
    has_goodwill: bool = False


@dataclass(frozen=True)
class Offer:
    """One thing that can be given. `amount` is its worth, counted against price or caps; `points` and `valid_days`
    where the option has them. `limit`: what all remedies for the same thing may come to, the price that was paid; kept
    with the offer, so that it can be reserved while the shop is away."""

    option: Option
    amount: Money
    points: int | None = None
    valid_days: int | None = None
    limit: Decimal | None = None

    def document(self) -> dict[str, Any]:
        """As JSON, the inverse of `offer_from`."""
        return {
            "option": self.option.value,
            "amount": str(self.amount.amount),
            "currency": self.amount.currency,
            "points": self.points,
            "valid_days": self.valid_days,
            "limit": None if self.limit is None else str(self.limit),
        }


def offer_from(document: Mapping[str, Any]) -> Offer:
    """The offer that `Offer.document` wrote."""
    return Offer(
        Option(document["option"]),
        Money(Decimal(document["amount"]), document["currency"]),
        document.get("points"),
        document.get("valid_days"),
        None if document.get("limit") is None else Decimal(document["limit"]),
    )


class PersonReason(str, Enum):
    """Why a person decides instead of the bot."""

    NO_RULE = "no_rule"  # the policy gives nothing for this
    OVER_CAP = "over_cap"  # what it gives would break a cap
    MANY_CLAIMS = "many_claims"  # claims on nearly every order
    MADE_GOOD = "made_good"  # it was made good lately, and is complained about in another way
    SHOP_CAP = "shop_cap"  # the shop's cap of the day is reached


@dataclass(frozen=True)
class Decision:
    """`steps`: rounds of offers; "not enough" leads to the next, after the last to a person. Empty: a person decides,
    for the reason in `person`."""

    steps: Sequence[Sequence[Offer]]
    person: PersonReason | None = None


@dataclass(frozen=True)
class Grant:
    """What the customer accepted, about to be given. `item` and `quantity`: what is sent again or exchanged."""

    case: CaseId
    number: CaseNumber
    conversation: ConversationId
    customer: CustomerId
    order: OrderNumber
    offer: Offer
    item: Sku | None = None
    quantity: int = 1

    @property
    def key(self) -> str:
        """The idempotency key: one grant a case and option, whatever is retried or clicked twice."""
        return f"{self.case}:{self.offer.option.value}"


class EntryKind(str, Enum):
    """What an entry of the ledger says. `GRANT` reserves, `FULFIL` says that the shop has done it."""

    GRANT = "grant"
    FULFIL = "fulfil"
    REDEEM = "redeem"
    REVERSE = "reverse"
    EXPIRE = "expire"


@dataclass(frozen=True)
class Entry:
    """A line of the append-only ledger. `amount` is not negative; GRANT adds to a balance, REDEEM, REVERSE and EXPIRE
    take from it, FULFIL changes none. `reference`: the voucher's code, or the shop's number of what it did. `reason`:
    the case's kind when it was granted, which is what the shop is told."""

    id: EntryId
    case: CaseId
    customer: CustomerId
    order: OrderNumber
    option: Option
    kind: EntryKind
    amount: Money
    points: int | None
    reference: str | None
    valid_until: date | None
    at: datetime
    item: Sku | None = None
    quantity: int = 1
    reason: str = Kind.OTHER.value


@dataclass(frozen=True)
class Given:
    """What the shop has done for a grant. `reference`: a voucher's code, a replacement's order number; `due_on`: when
    money or parcel arrives, `valid_until`: a voucher's last day; `points`: the new balance."""

    grant: Grant
    reference: str | None
    due_on: date | None = None
    valid_until: date | None = None
    points: int | None = None


@dataclass(frozen=True)
class GrantFulfilled(Effect):
    """The shop has done what was granted: written to the ledger in this turn's commit (once, whoever comes first)."""

    given: Given
