"""The shop, as Thiqa needs it. Implementations: `bot/shops`; docs/add-a-shop.md says how to add one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bot.orders.model import Customer, CustomerId, Order, OrderNumber, Policies, Product, Store


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
