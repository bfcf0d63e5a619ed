"""Orders, customers, products and policies as every shop gives them. Plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import NewType
from zoneinfo import ZoneInfo

OrderNumber = NewType("OrderNumber", str)
CustomerId = NewType("CustomerId", str)
Sku = NewType("Sku", str)

Localized = Mapping[str, str]  # "ar" and "en" to text


@dataclass(frozen=True)
class Money:
    """An amount in a currency (ISO 4217)."""

    amount: Decimal
    currency: str


class OrderStatus(str, Enum):
    PENDING_PAYMENT = "pending_payment"
    PROCESSING = "processing"
    PACKED = "packed"
    SHIPPED = "shipped"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERY_FAILED = "delivery_failed"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    RETURNED = "returned"
    REFUND_PENDING = "refund_pending"
    REFUNDED = "refunded"


# On the way to the customer, in order; a promised day counts while an order is in one of these.
UNDER_WAY = (
    OrderStatus.PENDING_PAYMENT,
    OrderStatus.PROCESSING,
    OrderStatus.PACKED,
    OrderStatus.SHIPPED,
    OrderStatus.OUT_FOR_DELIVERY,
    OrderStatus.DELIVERY_FAILED,
)


@dataclass(frozen=True)
class Item:
    sku: Sku
    name: Localized
    quantity: int
    unit_price: Decimal
    option: str | None = None


@dataclass(frozen=True)
class Shipment:
    """`tracking_url` is complete. `last_scan_on`: the last day the carrier saw the parcel, where it is known."""

    carrier: Localized
    tracking_number: str
    tracking_url: str | None
    shipped_on: date | None
    last_scan_on: date | None = None
    failed_attempts: int = 0


@dataclass(frozen=True)
class Refund:
    """Money going back. Paid when `paid_on` is set; `due_on` is the day promised, where one was."""

    amount: Decimal
    method: str
    started_on: date | None
    due_on: date | None = None
    paid_on: date | None = None


@dataclass(frozen=True)
class Contact:
    """What proves that an order is one's own. `phone` in E.164."""

    phone: str | None
    email: str | None


@dataclass(frozen=True)
class Order:
    """Days are days in the shop's time zone."""

    number: OrderNumber
    customer: CustomerId
    contact: Contact
    status: OrderStatus
    items: Sequence[Item]
    shipping_fee: Decimal
    currency: str
    payment: str
    city: str | None
    placed_on: date
    promised_on: date | None
    delivered_on: date | None = None
    cancelled_on: date | None = None
    returned_on: date | None = None
    shipment: Shipment | None = None
    refund: Refund | None = None

    @property
    def total(self) -> Money:
        """Items and shipping."""
        return Money(sum((i.unit_price * i.quantity for i in self.items), Decimal()) + self.shipping_fee, self.currency)


@dataclass(frozen=True)
class Customer:
    id: CustomerId
    name: Localized
    phone: str | None
    email: str | None
    points: int
    language: str | None


@dataclass(frozen=True)
class Product:
    """`options`: option name ("size", "colour") to its values. `restock_on`: when it is back, where the shop knows."""

    sku: Sku
    name: Localized
    price: Decimal
    stock: int
    category: str
    restock_on: date | None = None
    warranty_months: int | None = None
    options: Mapping[str, Sequence[str]] | None = None


@dataclass(frozen=True)
class SupportHours:
    """`days`: Monday is 0. `opens` and `closes` in the shop's time zone."""

    days: frozenset[int]
    opens: time
    closes: time

    def open_at(self, moment: datetime, zone: ZoneInfo) -> bool:
        local = moment.astimezone(zone)
        return local.weekday() in self.days and self.opens <= local.time() < self.closes


@dataclass(frozen=True)
class SpecialHours:
    """Other hours from `first` to `last` (both included), in place of the usual ones: Ramadan, a sale. Several for one
    day add up: mornings and nights."""

    first: date
    last: date
    hours: SupportHours


@dataclass(frozen=True)
class Store:
    """`holidays`: days without support. When people answer on a day is told by `handoff.hours`."""

    name: Localized
    currency: str
    timezone: ZoneInfo
    support_hours: SupportHours
    support_phone: str
    support_email: str
    vat_rate: Decimal
    vat_number: str
    address: Localized
    carriers: Sequence[Localized]
    holidays: frozenset[date] = frozenset()
    special_hours: Sequence[SpecialHours] = ()


@dataclass(frozen=True)
class Tier:
    id: str
    from_points: int


@dataclass(frozen=True)
class Policies:
    """The one source of every figure that rules use and answers tell. Days are calendar days."""

    shipping_fee: Decimal
    free_shipping_from: Decimal
    cod_fee: Decimal
    delivery_days: Mapping[str, tuple[int, int]]  # area to shortest and longest
    return_days: int
    exchange_days: int
    refund_days: int
    cancel_until: OrderStatus  # possible before and in this status
    change_address_until: OrderStatus
    damage_report_days: int
    payment_methods: Sequence[str]
    cod_countries: Sequence[str]  # ISO 3166 codes
    installment_providers: Sequence[str]
    installment_from: Decimal
    installment_parts: int
    points_per_unit: int
    points_value: Decimal
    min_redeem_points: int
    tiers: Sequence[Tier]
