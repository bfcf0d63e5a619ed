"""What is true to say about a complaint, as keys of responses with their values. Pure: the words are in domain.yml."""

from __future__ import annotations

from datetime import date

from bot.complaints.facts import ABOUT_ITEMS, Finding
from bot.complaints.model import Kind
from bot.formatting import Formatter
from bot.orders.answers import Line, method_label
from bot.orders.model import Item, Order, OrderStatus, Store
from bot.orders.policy import days_late, refund_days_late


class CaseAnswers:
    """Answers about complaints at one shop on one day in one language."""

    def __init__(self, store: Store, today: date, figures: Formatter) -> None:
        self._store, self._today, self._f = store, today, figures

    def facts(self, kind: Kind, order: Order, item: Item | None) -> Line | None:
        """What the records say that confirms the complaint; None where there is nothing to tell."""
        if kind in ABOUT_ITEMS:
            return self._item_facts(order, item)
        if kind is Kind.BILLING:
            total, payment = self._f.money(order.total.amount, order.currency), self._f.payment_method(order.payment)
            return Line("utter_case_facts_billing", {"order_number": order.number, "total": total, "payment": payment})
        if kind is Kind.REFUND_DELAY:
            return self._refund_facts(order)
        if kind is Kind.NOT_RECEIVED and order.shipment and order.delivered_on:
            values = {
                **self._base(order),
                "delivered": self._f.date(order.delivered_on, self._today),
                "carrier": order.shipment.carrier[self._f.language],
                "tracking_number": order.shipment.tracking_number,
            }
            return Line("utter_case_facts_not_received", values)
        return self._late_facts(order) if kind is Kind.LATE else None

    def _item_facts(self, order: Order, item: Item | None) -> Line:
        named = item.name[self._f.language] if item else self._items(order)
        values = {"order_number": order.number, "item": named}
        ordered = next((i.quantity for i in order.items if item and i.sku == item.sku), 0)
        if item is None or item.quantity >= ordered:
            return Line("utter_case_facts_item", values)
        counts = {"pieces": self._f.number(item.quantity), "ordered": self._f.number(ordered)}
        return Line("utter_case_facts_pieces", {**values, **counts})

    def _late_facts(self, order: Order) -> Line | None:
        late = days_late(order, self._today)
        if not late or order.promised_on is None:
            return None
        values = {
            **self._base(order),
            "promised": self._f.date(order.promised_on, self._today),
            "days_late": self._f.days(late, nominative=True),
        }
        if order.status is OrderStatus.DELIVERED and order.delivered_on:
            delivered = self._f.date(order.delivered_on, self._today)
            return Line("utter_case_facts_late_delivered", {**values, "delivered": delivered})
        if order.shipment is None:
            return Line("utter_case_facts_late_unshipped", values)
        carrier = order.shipment.carrier[self._f.language]
        if order.status is OrderStatus.DELIVERY_FAILED:
            attempts = self._f.counted(max(1, order.shipment.failed_attempts), "attempt", nominative=True)
            return Line("utter_case_facts_late_failed", {**values, "carrier": carrier, "attempts": attempts})
        parcel = {
            "carrier": carrier,
            "tracking_number": order.shipment.tracking_number,
            "tracking_url": order.shipment.tracking_url or "",
        }
        return Line("utter_case_facts_late_shipped", {**values, **parcel})

    def _refund_facts(self, order: Order) -> Line | None:
        refund = order.refund
        if refund is None or refund.due_on is None:
            return None
        values = {
            "order_number": order.number,
            "amount": self._f.money(refund.amount, order.currency),
            "method": method_label(refund.method),
            "due": self._f.date(refund.due_on, self._today),
            "days_late": self._f.days(refund_days_late(refund, self._today), nominative=True),
        }
        return Line("utter_case_facts_refund_delay", values)

    def differs(self, finding: Finding, order: Order) -> Line:
        """What the records say instead of the complaint."""
        values = {"order_number": str(order.number)}
        refund = order.refund
        if finding is Finding.NOT_DUE and order.promised_on:
            values["promised"] = self._f.date(order.promised_on, self._today)
            values["promised_words"] = self._f.relative_day(order.promised_on, self._today)
        elif finding is Finding.IN_TIME and order.delivered_on and order.promised_on:
            values["delivered"] = self._f.date(order.delivered_on, self._today)
            values["promised"] = self._f.date(order.promised_on, self._today)
        elif finding is Finding.REFUND_PAID and refund and refund.paid_on:
            values["amount"] = self._f.money(refund.amount, order.currency)
            values["method"] = method_label(refund.method)
            values["paid"] = self._f.date(refund.paid_on, self._today)
        elif finding is Finding.REFUND_NOT_DUE and refund and refund.due_on:
            values["amount"] = self._f.money(refund.amount, order.currency)
            values["due"] = self._f.date(refund.due_on, self._today)
        elif finding in (Finding.UNPAID, Finding.REFUND_NONE):
            pass
        else:  # also where the shop does not tell the days
            known = Finding.NOT_DELIVERED if finding is Finding.NOT_DELIVERED else Finding.CALLED_OFF
            values["status_words"] = f"label_status_{order.status.value}"
            return Line(f"utter_case_differs_{known.value}", values)
        return Line(f"utter_case_differs_{finding.value}", values)

    def _base(self, order: Order) -> dict[str, str]:
        return {"order_number": order.number, "items": self._items(order)}

    def _items(self, order: Order) -> str:
        return self._f.list([item.name[self._f.language] for item in order.items])
