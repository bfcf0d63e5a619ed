"""What an agent needs to know before the first word: facts from the records and the shop, nothing made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from functools import lru_cache
from importlib.resources import files
from typing import Any, Protocol

import yaml

from bot.compensation.model import offer_from
from bot.complaints.model import Case
from bot.complaints.words import offer_words
from bot.conversations.model import Conversation, ConversationId
from bot.conversations.ports import Wording
from bot.errors import AssistantFailed, ConversationUnknown, ShopError
from bot.formatting import Formatter
from bot.handoff.model import Handoff
from bot.orders.model import Customer, CustomerId, Order
from bot.orders.policy import tier_of
from bot.orders.ports import OrderBackend
from bot.promises.model import Promise

MOST_ORDERS = 3
_LONGEST_LINE = 200


@dataclass(frozen=True)
class Feeling:
    """What one of the customer's messages sounded like; `tension` from 0 to 1 after it."""

    number: int
    emotion: str
    tension: float


@dataclass(frozen=True)
class Facts:
    """What the records hold of a conversation. `customer`: whose it is by the channel, the site or proof; `proven`: by
    proof or a signed identity. `cases` newest first, each with what happened to it (`refused` holds the ids of those
    whose offers were declined). `feelings` and `texts` (the customer's last messages) oldest first."""

    conversation: Conversation
    customer: CustomerId | None
    proven: bool
    handoff: Handoff | None
    last: Handoff | None
    cases: Sequence[Case]
    refused: frozenset[str]
    promises: Sequence[Promise]
    feelings: Sequence[Feeling]
    texts: Sequence[str]


class SummaryRecords(Protocol):
    def facts(self, conversation: ConversationId) -> Facts | None:
        """A constant number of rows, however long the conversation is; None where there is no such conversation. Raises
        StorageUnavailable."""


@dataclass(frozen=True)
class Summary:
    """`person`, `tier` and `orders` are the shop's, live; None and empty where it does not know or does not answer.
    `zone`: the shop's, UTC where it does not answer."""

    facts: Facts
    person: Customer | None = None
    tier: str | None = None
    orders: Sequence[Order] = ()
    zone: tzinfo = timezone.utc


class SummaryService:
    def __init__(self, records: SummaryRecords, shop: OrderBackend, wording: Wording) -> None:
        self._records, self._shop, self._wording = records, shop, wording

    def summary(self, conversation: ConversationId) -> Summary:
        """Raises ConversationUnknown, StorageUnavailable."""
        facts = self._records.facts(conversation)
        if facts is None:
            raise ConversationUnknown
        try:
            return self._with_shop(facts)
        except ShopError:
            return Summary(facts)

    def text(self, conversation: ConversationId, language: str, now: datetime) -> str:
        """The summary as lines of plain text, for a desk or a topic. Raises ConversationUnknown, StorageUnavailable."""
        return self.render(self.summary(conversation), language, now)

    def _with_shop(self, facts: Facts) -> Summary:
        zone = self._shop.store().timezone
        if facts.customer is None:
            return Summary(facts, zone=zone)
        person = self._shop.customer(facts.customer)
        tier = tier_of(person.points, self._shop.policies()) if person else None
        orders = list(self._shop.orders_of(facts.customer))[:MOST_ORDERS]
        known = {order.number for order in orders}
        for case in facts.cases:  # what they complain of, also where it is older
            if case.order_number and case.order_number not in known and len(known) < 2 * MOST_ORDERS:
                known.add(case.order_number)
                if (order := self._shop.order(case.order_number)) and order.customer == facts.customer:
                    orders.append(order)
        return Summary(facts, person, tier.id if tier else None, orders, zone)

    def render(self, summary: Summary, language: str, now: datetime) -> str:
        """Lines of plain text in "ar" or "en"."""
        words, figures, facts = _words()[language], Formatter(language), summary.facts
        today = now.astimezone(summary.zone).date()
        lines: list[str] = []
        if facts.handoff is not None:
            lines.append(f"{words['reason']}: {words['reasons'][facts.handoff.reason.value]}")
        name = summary.person.name.get(language) if summary.person else facts.customer
        proof = words["proven"] if facts.proven else words["unproven"]
        tier = f" · {words['tier']} {summary.tier}" if summary.tier else ""
        lines.append(f"{words['customer']}: {name or words['unknown']} · {proof}{tier}")
        if facts.handoff is not None and facts.handoff.contact:
            lines.append(f"{words['contact']}: {facts.handoff.contact}")
        for order in summary.orders:
            promised = f" · {words['promised']} {figures.date(order.promised_on, today)}" if order.promised_on else ""
            total = figures.money(order.total.amount, order.total.currency)
            lines.append(f"{words['order']} {order.number}: {order.status.value} · {total}{promised}")
        lines += [self._case_line(case, facts, words, language) for case in facts.cases]
        for promise in facts.promises:
            kind, due = (
                words["promises"][promise.kind.value],
                figures.date(promise.due_at.astimezone(summary.zone).date(), today),
            )
            lines.append(f"{words['promise']}: {kind} · {words['due']} {due}")
        if facts.feelings:
            curve = " ".join(words["emotions"].get(feeling.emotion, "·") for feeling in facts.feelings)
            lines.append(f"{words['emotion']}: {curve}")
        if facts.last is not None and (facts.last.agreed or facts.last.note):
            agreed = facts.last.agreed or facts.last.note
            lines.append(f"{words['agreed']} ({facts.last.agent_name or ''}): {_line(agreed)}")
        if facts.texts:
            lines += [f"{words['last']}:", *(f"– {_line(text)}" for text in facts.texts)]
        return "\n".join(lines)

    def _case_line(self, case: Case, facts: Facts, words: Mapping[str, Any], language: str) -> str:
        parts = [f"{words['case']} {case.number}: {words['kinds'][case.kind.value]}", words["states"][case.state.value]]
        if case.order_number:
            parts.append(f"{words['order']} {case.order_number}")
        for title, offers in (("offered", case.offered), ("accepted", [case.accepted] if case.accepted else [])):
            named = [self._offer(offer, language) for offer in offers]
            if named:
                parts.append(f"{words[title]}: {Formatter(language).list(named)}")
        if case.id in facts.refused:
            parts.append(words["refused"])
        return " · ".join(parts)

    def _offer(self, document: Mapping[str, Any], language: str) -> str:
        offer = offer_from(document)
        try:
            return offer_words(self._wording, language, offer)
        except AssistantFailed:
            return offer.option.value


def _line(text: str) -> str:
    """A message in one line, cut where it is long."""
    one = " ".join(text.split())
    return one if len(one) <= _LONGEST_LINE else one[: _LONGEST_LINE - 1] + "…"


@lru_cache(maxsize=1)
def _words() -> dict[str, Any]:
    text = files("bot.content").joinpath("summary.yml").read_text(encoding="utf-8")
    words: dict[str, Any] = yaml.safe_load(text)
    return words
