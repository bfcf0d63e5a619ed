"""The shop, as Thiqa needs it. Implementations: `bot/shops`; docs/add-a-shop.md says how to add one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bot.orders.model import Customer, CustomerId, Order, OrderNumber, Policies, Product, Store
from bot.orders.remedies import (
    PointsRequest,
    RefundMade,
    RefundRequest,
    ReplacementMade,
    ReplacementRequest,
    Voucher,
    VoucherRequest,
)


class OrderBackend(Protocol):
    """Every method may be called from several threads at once and either answers within a bounded time or raises
    ShopUnavailable (no answer) or ShopGarbled (an answer outside the contract)."""

    def store(self) -> Store:
        """The shop itself."""

    def policies(self) -> Policies:
        """The figures that rules use and answers tell."""

    def order(self, number: OrderNumber) -> Order | None:
        """The order of that number, or None where there is none."""

    def orders_of(self, customer: CustomerId) -> Sequence[Order]:
        """That customer's orders, newest first; empty for an unknown customer."""

    def customer(self, customer: CustomerId) -> Customer | None:
        """The customer, or None."""

    def products(self) -> Sequence[Product]:
        """The whole catalogue."""

    # What the shop does. Each may also raise ShopRefused: the shop understood and will not. Nothing was done then; after
    # ShopUnavailable or ShopGarbled it may have been, and is asked again with the same key.

    def refund(self, request: RefundRequest) -> RefundMade:
        """Give money back; never more in all than was paid for the order."""

    def replace(self, request: ReplacementRequest) -> ReplacementMade:
        """Send something again at no cost."""

    def issue_voucher(self, request: VoucherRequest) -> Voucher:
        """Make a voucher."""

    def voucher(self, code: str) -> Voucher | None:
        """The voucher of that code, or None."""

    def add_points(self, request: PointsRequest) -> int:
        """Add points; returns the new balance."""
