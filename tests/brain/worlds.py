"""Everything that the product's actions touch, in memory: a shop, records, knowledge; and wordings that never vary."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

import actions.context
from bot.brain.wording import DomainWording
from bot.compensation.content import PolicyFile
from bot.compensation.model import Caps, EntryId, EntryKind, Grant, Usage
from bot.compensation.model import Entry as LedgerEntry
from bot.compensation.service import CompensationService
from bot.complaints.model import Case, CaseChanged, CaseId, CaseNumber, CaseOpened
from bot.complaints.service import ComplaintService
from bot.conversations.model import (
    AssistantState,
    Author,
    Conversation,
    ConversationId,
    Effect,
    Message,
    MessageId,
    Owner,
    OwnerChange,
    Reply,
    Turn,
)
from bot.conversations.ports import Assistant
from bot.customers.proof import Failures, Proof, ProofFailed, ProofGiven, ProofService, ProofUsed
from bot.errors import ShopUnavailable
from bot.handoff.model import (
    ContactLeft,
    Handoff,
    HandoffAcknowledged,
    HandoffAsked,
    HandoffId,
    HandoffWithdrawn,
    QueueEntry,
)
from bot.handoff.service import HandoffService
from bot.knowledge.model import Entry, Finding, Match, Outcome
from bot.knowledge.service import KnowledgeService
from bot.orders.model import Customer, CustomerId, Order, OrderNumber, Policies, Product, Store
from bot.orders.ports import OrderBackend
from bot.orders.remedies import (
    PointsRequest,
    RefundMade,
    RefundRequest,
    ReplacementMade,
    ReplacementRequest,
    Voucher,
    VoucherRequest,
    VoucherState,
)
from bot.orders.service import OrderService
from bot.promises.model import PromiseKind, PromiseMade
from bot.services import Services
from bot.shops import wire
from bot.shops.demo import resolve

PROJECT = Path(__file__).parents[2]
TODAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 9, 0, tzinfo=timezone.utc)  # a Sunday, 12 in Riyadh: within support hours
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class MemoryShop(OrderBackend):
    """The demo shop of one day; `away` makes every question fail."""

    def __init__(self) -> None:
        document = json.loads((PROJECT / "bot" / "content" / "demo_shop.json").read_text("utf-8"))
        bodies = [(record.kind, record.body) for record in resolve(document, TODAY)]
        self._store, self._policies = next(wire.parse_store(body) for kind, body in bodies if kind == "store")
        self._customers = {c.id: c for c in (wire.parse_customer(b) for kind, b in bodies if kind == "customer")}
        self._orders = {o.number: o for o in (wire.parse_order(b) for kind, b in bodies if kind == "order")}
        self._products = [wire.parse_product(b) for kind, b in bodies if kind == "product"]
        self.away = False

    def _ask(self) -> None:
        if self.away:
            raise ShopUnavailable("away")

    def store(self) -> Store:
        return self._store  # as every backend does, it remembers this one

    def policies(self) -> Policies:
        self._ask()
        return self._policies

    def order(self, number: OrderNumber) -> Order | None:
        self._ask()
        return self._orders.get(number)

    def orders_of(self, customer: CustomerId) -> Sequence[Order]:
        self._ask()
        return wire.newest_first(o for o in self._orders.values() if o.customer == customer)

    def every_order(self) -> list[Order]:
        return list(self._orders.values())

    def customer(self, customer: CustomerId) -> Customer | None:
        self._ask()
        return self._customers.get(customer)

    def products(self) -> Sequence[Product]:
        self._ask()
        return self._products

    # It does whatever it is asked: what a shop refuses is for the tests of shops.

    def refund(self, request: RefundRequest) -> RefundMade:
        self._ask()
        return RefundMade("r1", request.amount, "card", TODAY + timedelta(days=7))

    def replace(self, request: ReplacementRequest) -> ReplacementMade:
        self._ask()
        return ReplacementMade(OrderNumber("2001"), TODAY + timedelta(days=5))

    def issue_voucher(self, request: VoucherRequest) -> Voucher:
        self._ask()
        return Voucher("TH-1", request.customer, request.amount, VoucherState.ACTIVE, request.valid_until)

    def voucher(self, code: str) -> Voucher | None:
        return None

    def add_points(self, request: PointsRequest) -> int:
        self._ask()
        return request.points


class MemoryCases:
    """Cases of one conversation, written from a turn's effects."""

    def __init__(self) -> None:
        self.cases: dict[CaseId, Case] = {}
        self.due: dict[CaseId, datetime] = {}

    def by_number(self, number: CaseNumber) -> Case | None:
        return next((case for case in self.cases.values() if case.number == number), None)

    def latest_about(self, about: str) -> Case | None:
        return next((case for case in self._latest() if case.about == about), None)

    def of_conversation(self, conversation: ConversationId) -> Sequence[Case]:
        return self._latest()

    def of_customer(self, customer: CustomerId) -> Sequence[Case]:
        return [case for case in self._latest() if case.customer == customer]

    def person_due(self, case: CaseId) -> datetime | None:
        return self.due.get(case)

    def _latest(self) -> list[Case]:
        return sorted(self.cases.values(), key=lambda case: case.opened_at, reverse=True)

    def identify(self) -> tuple[CaseId, CaseNumber]:
        number = len(self.cases)
        return CaseId(f"case{number}"), CaseNumber(f"C{100_000 + number}")

    def write(self, turn: Turn, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, CaseOpened):
                self.cases[effect.case.id] = effect.case
            elif isinstance(effect, CaseChanged):
                self.cases[effect.case] = replace(self.cases[effect.case], updated_at=turn.now, **effect.values)
            elif isinstance(effect, PromiseMade) and effect.kind is PromiseKind.PERSON_DECIDES and effect.case:
                self.due[effect.case] = effect.due_at


class MemoryLedger:
    """Grants whatever is asked, once a case and option: caps are for the tests of the ledger."""

    def __init__(self) -> None:
        self._granted: dict[str, LedgerEntry] = {}

    def usage(self, *_: object, **__: object) -> Usage:
        return Usage(Decimal(0), Decimal(0), Decimal(0), Decimal(0))

    def grant(self, grant: Grant, caps: Caps, now: datetime, zone: ZoneInfo) -> LedgerEntry:
        days = grant.offer.valid_days
        until = now.astimezone(zone).date() + timedelta(days=days) if days else None
        entry = LedgerEntry(
            EntryId(1), grant.case, grant.customer, grant.order, grant.offer.option, EntryKind.GRANT,
            grant.offer.amount, grant.offer.points, None, until, now, grant.item, grant.quantity,
        )  # fmt: skip
        return self._granted.setdefault(grant.key, entry)

    def entries(self, case: CaseId) -> Sequence[LedgerEntry]:
        return []


class MemoryRecords:
    """Proof and handoff records of one conversation, written from a turn's effects."""

    def __init__(self) -> None:
        self._proof: Proof | None = None
        self._failed: list[tuple[OrderNumber, datetime]] = []
        self._handoff: Handoff | None = None

    def proof(self, conversation: ConversationId) -> Proof | None:
        return self._proof

    def verified_phone(self, conversation: ConversationId) -> str | None:
        return None

    def failures(self, conversation: ConversationId, order: OrderNumber | None, since: datetime) -> Failures:
        recent = [(number, at) for number, at in self._failed if at >= since]
        return Failures([at for _, at in recent], [at for number, at in recent if number == order])

    def open_handoff(self, conversation: ConversationId) -> Handoff | None:
        return self._handoff

    def waiting_ahead(self, handoff: Handoff | None) -> int:
        return 0

    def queue(self) -> Sequence[QueueEntry]:
        return []

    def last_handoff(self, conversation: ConversationId) -> Handoff | None:
        return None

    def recent_waits(self, since: datetime, limit: int) -> Sequence[tuple[datetime, datetime]]:
        return []

    def write(self, turn: Turn, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, ProofGiven):
                self._proof = Proof(effect.customer, turn.now)
            elif isinstance(effect, ProofUsed) and self._proof:
                self._proof = Proof(self._proof.customer, turn.now)
            elif isinstance(effect, ProofFailed):
                self._failed.append((effect.order_number, turn.now))
            elif isinstance(effect, HandoffAsked):
                self._handoff = Handoff(HandoffId(1), turn.conversation.id, effect.reason, turn.now)
            elif isinstance(effect, HandoffAcknowledged) and self._handoff:
                self._handoff = Handoff(HandoffId(1), turn.conversation.id, self._handoff.reason, turn.now, turn.now)
            elif isinstance(effect, ContactLeft) and self._handoff:
                assert effect.contact
            elif isinstance(effect, HandoffWithdrawn):
                self._handoff = None


class TableIndex:
    """Knowledge by words: "return" and "shipping" are answered, "which" is asked back about, all else is unknown."""

    def __init__(self) -> None:
        self.entries = {
            id: Entry(
                id,
                id,
                "https://example.com",
                TODAY,
                {"ar": [id], "en": [id]},
                {},
                {"ar": f"{id} {{shop_name}}", "en": id},
            )
            for id in ("return_policy", "shipping_time", "payment_methods")
        }

    def find(self, question: str, vector: object = None) -> Finding:
        entries = list(self.entries.values())
        if "return" in question:
            return Finding(Outcome.ANSWER, [Match(entries[0], 0.9)])
        if "shipping" in question:
            return Finding(Outcome.ANSWER, [Match(entries[1], 0.9)])
        if "which" in question:
            return Finding(Outcome.ASK_BACK, [Match(entries[0], 0.5), Match(entries[2], 0.4)])
        return Finding(Outcome.UNKNOWN, [Match(entries[2], 0.1)])


def plain_wording() -> DomainWording:
    """One wording a response and language, which is its key and its values: what is said can be compared."""
    domain = yaml.load((PROJECT / "domain.yml").read_text("utf-8"), yaml.CSafeLoader)
    plain: dict[str, list[dict[str, Any]]] = {}
    for key, variations in domain["responses"].items():
        for language in ("ar", "en"):
            mine = [v for v in variations if v["condition"][0]["value"] == language]
            names = sorted({name for v in mine for name in _PLACEHOLDER.findall(v["text"])})
            text = f"<{key} {language}> " + " ".join(f"{name}={{{name}}}" for name in names)
            plain.setdefault(key, []).append({"text": text, "condition": mine[0]["condition"]})
    return DomainWording(plain)


@dataclass
class World:
    """One conversation with everything around it. `play` does what the turn runner does, without a database."""

    assistant: Assistant
    shop: MemoryShop = field(default_factory=MemoryShop)
    wording: DomainWording = field(default_factory=plain_wording)
    owner: Owner = Owner.BOT
    state: str | None = None
    number: int = 0

    def __post_init__(self) -> None:
        self.records = MemoryRecords()
        index: Any = TableIndex()
        self.clock = NOON
        self.cases = MemoryCases()
        ledger: Any = MemoryLedger()
        compensation = CompensationService(self.shop, ledger, PolicyFile())
        self.services = Services(
            shop=self.shop,
            orders=OrderService(self.shop),
            proofs=ProofService(self.records),
            knowledge=KnowledgeService(index, self.shop),
            handoff=HandoffService(self.records, self.shop, self.wording),
            compensation=compensation,
            complaints=ComplaintService(self.cases, self.shop, compensation, self.wording, self.cases.identify),
            wording=self.wording,
            effects=self.records,
            clock=lambda: self.clock,
        )

    def turn(self, text: str, payload: str | None = None, now: datetime = NOON, language: str = "ar") -> Turn:
        """A turn on this message, with the memory of the turns before."""
        self.number += 1
        conversation = Conversation(ConversationId("c"), "rest", "someone", self.owner, language, None, NOON)
        message = Message(MessageId(f"m{self.number}"), conversation.id, self.number, Author.CUSTOMER, text, now)
        return Turn(conversation, message, payload, AssistantState(self.state, self.number), now)

    def play(self, text: str, payload: str | None = None, now: datetime = NOON) -> tuple[list[Reply], Turn]:
        """The replies to a message, and its turn; memory, owner and records are as after the commit."""
        actions.context.provide(self.services)
        turn, self.clock = self.turn(text, payload, now), now
        if self.owner is Owner.BOT:
            replies = list(self.assistant.respond(turn))
            self.state = turn.state_after
        else:
            replies = self.services.handoff.while_waiting(turn, "ar")
        self.records.write(turn, turn.effects)
        self.cases.write(turn, turn.effects)
        for effect in turn.effects:
            if isinstance(effect, OwnerChange):
                self.owner = effect.to
        return replies, turn
