"""What is true to say about an order, as keys of responses with their values. Pure: the words are in domain.yml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from bot.formatting import Formatter
from bot.orders import policy
from bot.orders.model import UNDER_WAY, Customer, Money, Order, OrderStatus, Policies, Shipment, Store
from bot.orders.policy import Verdict

Value = str  # a value whose text begins with "label_" is itself a response


@dataclass(frozen=True)
class Line:
    """One message. `person`: a person can do more here, so one is offered."""

    response: str
    values: Mapping[str, Value] = field(default_factory=dict)
    person: bool = False


class OrderAnswers:
    """Answers about one shop's orders on one day in one language."""

    def __init__(self, store: Store, policies: Policies, today: date, figures: Formatter) -> None:
        self._store, self._policies, self._today, self._f = store, policies, today, figures

    def for_goal(self, goal: str, order: Order, customer: Customer | None = None) -> list[Line]:
        """What the customer asked about an order that is proven theirs. `goal` is one of `GOALS`' values."""
        answer: Callable[[Order], list[Line]] = {
            "refund": self.refund,
            "cancel": self.cancel,
            "change": self.change,
            "return": self.give_back,
            "invoice": self.invoice,
        }.get(goal, self.status)
        return answer(order) if goal != "points" else self.points(customer)

    # -- status --------------------------------------------------------------------------------------------------------

    def status(self, order: Order) -> list[Line]:
        """Where the order is: what has happened, what comes next, and that it is late before the customer must say so."""
        late = policy.days_late(order, self._today)
        base = self._base(order)
        promised = self._promised(order)
        if order.status is OrderStatus.PENDING_PAYMENT:
            transfer = order.payment == "bank_transfer"
            key = "utter_order_pending_transfer" if transfer else "utter_order_pending_payment"
            return [Line(key, {**base, "total": self._money(order.total)})]
        if order.status is OrderStatus.DELIVERED and order.delivered_on:
            values = {**base, "delivered": self._date(order.delivered_on)}
            if late:
                return [
                    Line("utter_order_delivered_late", {**values, "days_late": self._f.days(late, nominative=True)})
                ]
            return [Line("utter_order_delivered", values)]
        if order.status is OrderStatus.CANCELLED and order.cancelled_on:
            return [
                Line("utter_order_cancelled", {**base, "cancelled": self._date(order.cancelled_on)}),
                *self._refund_lines(order),
            ]
        if (
            order.status in (OrderStatus.RETURNED, OrderStatus.REFUND_PENDING, OrderStatus.REFUNDED)
            and order.returned_on
        ):
            return [
                Line("utter_order_returned", {**base, "returned": self._date(order.returned_on)}),
                *self._refund_lines(order),
            ]
        if order.status is OrderStatus.DELIVERY_FAILED and order.shipment:
            attempts = self._f.counted(max(1, order.shipment.failed_attempts), "attempt", nominative=True)
            return [
                *([self._apology(order, late)] if late else []),
                Line(
                    "utter_order_delivery_failed",
                    {**base, **self._carrier(order.shipment), "attempts": attempts},
                    person=True,
                ),
            ]
        if late:
            return self._late(order, late)
        if promised and order.status in (OrderStatus.PROCESSING, OrderStatus.PACKED):
            return [Line(f"utter_order_{order.status.value}", {**base, **promised})]
        if order.shipment and order.status is OrderStatus.OUT_FOR_DELIVERY:
            return [Line("utter_order_out_for_delivery", {**base, **self._carrier(order.shipment)})]
        if order.shipment and order.shipment.shipped_on and promised and order.status is OrderStatus.SHIPPED:
            shipped = self._date(order.shipment.shipped_on)
            return [
                Line("utter_order_shipped", {**base, **promised, **self._carrier(order.shipment), "shipped": shipped})
            ]
        # The shop told less than usual: say what is known.
        known = Line("utter_order_status", {**base, "status_words": self._status_words(order)})
        return [known, *self._refund_lines(order)]

    def _late(self, order: Order, late: int) -> list[Line]:
        base, shipment, apology = self._base(order), order.shipment, self._apology(order, late)
        values = {**apology.values, **base}
        if order.status in (OrderStatus.PROCESSING, OrderStatus.PACKED):
            return [Line("utter_order_late_unshipped", values, person=True)]
        if shipment is None:
            known = {**base, "status_words": self._status_words(order)}
            return [apology, Line("utter_order_status", known, person=True)]
        if order.status is OrderStatus.OUT_FOR_DELIVERY:
            return [apology, Line("utter_order_out_for_delivery", {**base, **self._carrier(shipment)})]
        told = Line("utter_order_shipped_late", {**values, **self._carrier(shipment)}, person=True)
        if shipment.last_scan_on is None:
            return [told]
        return [told, Line("utter_last_scan", {"date": self._date(shipment.last_scan_on)})]

    def _apology(self, order: Order, late: int) -> Line:
        """Goes before the line that tells where a late order is."""
        assert order.promised_on  # or it could not be late
        values = {
            "order_number": order.number,
            "promised": self._date(order.promised_on),
            "days_late": self._f.days(late, nominative=True),
        }
        return Line("utter_order_late", values)

    # -- money back ----------------------------------------------------------------------------------------------------

    def refund(self, order: Order) -> list[Line]:
        """Where the money is; the truth about the order where there is no refund."""
        if order.refund is None:
            return [Line("utter_refund_none", {"order_number": order.number}, person=True)]
        return self._refund_lines(order)

    def _refund_lines(self, order: Order) -> list[Line]:
        refund = order.refund
        if refund is None:
            return []
        values = {"amount": self._money(Money(refund.amount, order.currency)), "method": method_label(refund.method)}
        if refund.paid_on:
            return [Line("utter_refund_paid", {**values, "paid": self._date(refund.paid_on)})]
        if refund.due_on is None:
            return [Line("utter_refund_no_date", values)]
        due = {**values, "due": self._date(refund.due_on)}
        late = policy.refund_days_late(refund, self._today)
        if late:
            return [
                Line(
                    "utter_refund_pending_late", {**due, "days_late": self._f.days(late, nominative=True)}, person=True
                )
            ]
        if refund.started_on is None:
            return [Line("utter_refund_due", due)]
        return [Line("utter_refund_pending", {**due, "started": self._date(refund.started_on)})]

    # -- wishes about one order -----------------------------------------------------------------------------------------

    def cancel(self, order: Order) -> list[Line]:
        verdict = policy.cancellation(order, self._policies)
        if verdict is Verdict.ALREADY:
            return [Line("utter_cancel_already", {"order_number": order.number}), *self._refund_lines(order)]
        if verdict is Verdict.POSSIBLE:
            return [Line("utter_cancel_possible", {"order_number": order.number}, person=True)]
        if order.status in UNDER_WAY:
            return [
                Line(
                    "utter_cancel_too_late",
                    {
                        "order_number": order.number,
                        "status_words": self._status_words(order),
                        "return_days": self._f.days(self._policies.return_days),
                    },
                    person=True,
                )
            ]
        return self.give_back(order)

    def change(self, order: Order) -> list[Line]:
        if policy.change(order, self._policies) is Verdict.POSSIBLE:
            return [Line("utter_change_possible", {"order_number": order.number}, person=True)]
        return [
            Line("utter_change_too_late", {"order_number": order.number, "status_words": self._status_words(order)}),
            Line("utter_offer_person", person=True),
        ]

    def give_back(self, order: Order) -> list[Line]:
        verdict = policy.returning(order, self._policies, self._today)
        if verdict is Verdict.ALREADY:
            return self.status(order)
        if verdict is Verdict.NOT_YET and order.status is OrderStatus.DELIVERED:
            # On a day that the shop does not tell: whether it is too late is for a person to see.
            return [*self.status(order), Line("utter_offer_person", person=True)]
        if verdict is Verdict.NOT_YET:
            values = {"order_number": order.number, "status_words": self._status_words(order)}
            return [Line("utter_return_not_delivered", values, person=True)]
        last, exchange = policy.last_return_day(order, self._policies), policy.last_exchange_day(order, self._policies)
        assert last and exchange  # both are set on a delivered order
        values = {"order_number": order.number, "until": self._date(last)}
        if verdict is Verdict.POSSIBLE:
            values["exchange_until"] = self._date(exchange)
            return [Line("utter_return_possible", values), Line("utter_offer_person", person=True)]
        return [Line("utter_return_too_late", values), Line("utter_offer_person", person=True)]

    def invoice(self, order: Order) -> list[Line]:
        return [Line("utter_invoice", {"order_number": order.number}, person=True)]

    def points(self, customer: Customer | None) -> list[Line]:
        if customer is None:
            return [Line("utter_offer_person", person=True)]
        tier = policy.tier_of(customer.points, self._policies)
        worth = Money(self._policies.points_value * customer.points, self._store.currency)
        return [
            Line(
                "utter_points",
                {
                    "points": self._f.counted(customer.points, "point", nominative=True),
                    "tier": _tier(tier.id if tier else "basic"),
                    "worth": self._money(worth),
                },
            )
        ]

    # -- parts ---------------------------------------------------------------------------------------------------------

    def items(self, order: Order) -> str:
        """The items in words: "طقم فناجين × 2 وعطر عود"."""
        names = [
            item.name[self._f.language] + (f" × {item.quantity}" if item.quantity > 1 else "") for item in order.items
        ]
        return self._f.list(names)

    def _base(self, order: Order) -> dict[str, str]:
        return {"order_number": order.number, "items": self.items(order)}

    def _promised(self, order: Order) -> dict[str, str]:
        if order.promised_on is None:
            return {}
        return {
            "promised": self._date(order.promised_on),
            "promised_words": self._f.relative_day(order.promised_on, self._today),
        }

    def _carrier(self, shipment: Shipment) -> dict[str, str]:
        return {
            "carrier": shipment.carrier[self._f.language],
            "tracking_number": shipment.tracking_number,
            "tracking_url": shipment.tracking_url or "",
        }

    def _date(self, day: date) -> str:
        return self._f.date(day, self._today)

    def _money(self, money: Money) -> str:
        return self._f.money(money.amount, money.currency)

    def _status_words(self, order: Order) -> Value:
        return f"label_status_{order.status.value}"


def _tier(tier: str) -> Value:
    """A shop may have tiers of its own; their names are said as they are."""
    return f"label_tier_{tier}" if tier in ("basic", "silver", "gold", "vip") else tier


def method_label(method: str) -> Value:
    """How money goes back, in words."""
    known = ("card", "bank_transfer", "cash_on_delivery", "wallet")
    return f"label_method_{method if method in known else 'other'}"
