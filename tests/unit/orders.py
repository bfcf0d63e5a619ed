"""Orders made up for tests: a sound one of any status, and strategies for what any shop may send."""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from bot.orders.model import (
    Contact,
    CustomerId,
    Item,
    Order,
    OrderNumber,
    OrderStatus,
    Policies,
    Refund,
    Shipment,
    Sku,
    Store,
    SupportHours,
    Tier,
)

TODAY = date(2026, 11, 22)  # a Sunday

STORE = Store(
    name={"ar": "متجر", "en": "Shop"},
    currency="SAR",
    timezone=ZoneInfo("Asia/Riyadh"),
    support_hours=SupportHours(frozenset(range(5)), time(9), time(17)),
    support_phone="+966112000000",
    support_email="care@example.com",
    vat_rate=Decimal("0.15"),
    vat_number="3",
    address={"ar": "الرياض", "en": "Riyadh"},
    carriers=[{"ar": "أرامكس", "en": "Aramex"}],
)

POLICIES = Policies(
    shipping_fee=Decimal(20),
    free_shipping_from=Decimal(200),
    cod_fee=Decimal(15),
    delivery_days={"Riyadh": (1, 3)},
    return_days=15,
    exchange_days=20,
    refund_days=10,
    cancel_until=OrderStatus.PACKED,
    change_address_until=OrderStatus.PROCESSING,
    damage_report_days=3,
    payment_methods=["card"],
    cod_countries=["SA"],
    installment_providers=["tabby"],
    installment_from=Decimal(100),
    installment_parts=4,
    points_per_unit=1,
    points_value=Decimal("0.05"),
    min_redeem_points=100,
    tiers=[Tier("silver", 1000), Tier("basic", 0), Tier("gold", 2000)],
)


def day(offset: int) -> date:
    return TODAY + timedelta(days=offset)


def shipment(**changes: Any) -> Shipment:
    values: dict[str, Any] = {
        "carrier": {"ar": "أرامكس", "en": "Aramex"},
        "tracking_number": "AX1",
        "tracking_url": "https://example.com/AX1",
        "shipped_on": day(-3),
    }
    return Shipment(**{**values, **changes})


def order(status: OrderStatus, **changes: Any) -> Order:
    """An order of that status in time for the day after tomorrow, with what a whole record of it has."""
    left = status not in (
        OrderStatus.PENDING_PAYMENT,
        OrderStatus.PROCESSING,
        OrderStatus.PACKED,
        OrderStatus.CANCELLED,
    )
    back = status in (OrderStatus.RETURNED, OrderStatus.REFUND_PENDING, OrderStatus.REFUNDED)
    reached = back or status is OrderStatus.DELIVERED
    values: dict[str, Any] = {
        "number": OrderNumber("1001"),
        "customer": CustomerId("c1"),
        "contact": Contact("+966500000001", "a@example.com"),
        "status": status,
        "items": [Item(Sku("A"), {"ar": "ساعة", "en": "Watch"}, 2, Decimal("99.50"))],
        "shipping_fee": Decimal(20),
        "currency": "SAR",
        "payment": "card",
        "city": "Riyadh",
        "placed_on": day(-6),
        "promised_on": day(2),
        "delivered_on": day(-1) if reached else None,
        "cancelled_on": day(-2) if status is OrderStatus.CANCELLED else None,
        "returned_on": day(0) if back else None,
        "shipment": shipment() if left else None,
    }
    return Order(**{**values, **changes})


_days = st.dates(date(2024, 1, 1), date(2028, 12, 31))
_money = st.decimals(0, 100_000, places=2)
_names = st.fixed_dictionaries({"ar": st.sampled_from(["ساعة", "عطر عود"]), "en": st.sampled_from(["Watch", "Oud"])})


@st.composite
def any_order(draw: st.DrawFn) -> Order:
    """Whatever the shop contract lets through, however little sense its days make together."""
    sent = st.builds(
        Shipment, _names, st.just("AX1"), st.none() | st.just("https://e.com/1"), st.none() | _days, st.none() | _days,
        st.integers(0, 9),
    )  # fmt: skip
    back = st.builds(
        Refund, _money, st.sampled_from(["card", "wallet", "bitcoin"]), st.none() | _days, st.none() | _days,
        st.none() | _days,
    )  # fmt: skip
    items = st.lists(st.builds(Item, st.just(Sku("A")), _names, st.integers(1, 200), _money), min_size=1, max_size=4)
    return Order(
        OrderNumber("1001"), CustomerId("c1"), Contact(None, None), draw(st.sampled_from(OrderStatus)), draw(items),
        draw(_money), draw(st.sampled_from(["SAR", "KWD", "XYZ"])), draw(st.sampled_from(["card", "bank_transfer"])),
        None, draw(_days), draw(st.none() | _days), draw(st.none() | _days), draw(st.none() | _days),
        draw(st.none() | _days), draw(st.none() | sent), draw(st.none() | back),
    )  # fmt: skip
