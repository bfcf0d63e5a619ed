"""Orders as a conversation needs them: found by any writing of their number, and only told under proof."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime

from bot.formatting import Formatter
from bot.orders.answers import OrderAnswers
from bot.orders.model import Customer, CustomerId, Order, OrderNumber
from bot.orders.ports import OrderBackend
from bot.text import normalize, western_digits

_NUMBER = re.compile(r"\d{3,12}")
OFFERED_ORDERS = 5


def order_number_in(text: str) -> OrderNumber | None:
    """The order number in what a customer typed (`#1042`, `ORD-1042`, `طلب رقم ١٠٤٢`), digits only; None without one."""
    found = _NUMBER.search(western_digits(text))
    return OrderNumber(found.group()) if found else None


_DIGIT_WORDS = {
    word: str(digit)
    for digit, words in enumerate(
        (
            "صفر zero sifr", "واحد one wa7ed wahed", "اثنين اتنين ثنين tnen two etnen", "ثلاثه تلاته ثلاث three talata",
            "اربعه اربع four arba3a", "خمسه خمس five khamsa 5amsa", "سته ست six setta", "سبعه سبع seven sab3a",
            "ثمانيه تمانيه ثمان eight tamanya", "تسعه تسع nine tes3a",
        )
    )
    for word in words.split()
}  # fmt: skip


def spelled_digits(text: str) -> str:
    """A text in which four or more digits that are spelled out one after the other ("four five six seven") are digits."""
    words = normalize(text).split()
    said, run = [], ""
    for word in [*words, ""]:
        digit = _DIGIT_WORDS.get(word.strip("،,.-")) if word else None
        if digit is not None:
            run += digit
            continue
        if run:
            said.append(run)
            run = ""
        said.append(word)
    found = " ".join(said).strip()
    return found if any(word.isdigit() and len(word) >= 4 and word not in text for word in said) else text


class OrderService:
    """Every method that asks the shop raises ShopError."""

    def __init__(self, shop: OrderBackend) -> None:
        self._shop = shop

    def order(self, number: OrderNumber) -> Order | None:
        return self._shop.order(number)

    def choices(self, customer: CustomerId) -> Sequence[Order]:
        """A customer's latest orders, newest first, few enough for buttons."""
        return self._shop.orders_of(customer)[:OFFERED_ORDERS]

    def customer(self, customer: CustomerId) -> Customer | None:
        return self._shop.customer(customer)

    def today(self, now: datetime) -> date:
        """The shop's own day."""
        return now.astimezone(self._shop.store().timezone).date()

    def answers(self, now: datetime, language: str) -> OrderAnswers:
        return OrderAnswers(self._shop.store(), self._shop.policies(), self.today(now), Formatter(language))
