"""Everything that actions may use, wired by `bootstrap`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.compensation.service import CompensationService
from bot.complaints.service import ComplaintService
from bot.conversations.model import Turn
from bot.conversations.ports import Clock, Wording
from bot.customers.proof import ProofService
from bot.handoff.service import HandoffService
from bot.knowledge.service import KnowledgeService
from bot.orders.ports import OrderBackend
from bot.orders.service import OrderService


class EffectWriter(Protocol):
    def write(self, turn: Turn) -> None:
        """Write the turn's effects at once; for actions that run outside a conversation's own turn."""


@dataclass(frozen=True)
class Services:
    shop: OrderBackend
    orders: OrderService
    proofs: ProofService
    knowledge: KnowledgeService
    handoff: HandoffService
    compensation: CompensationService
    complaints: ComplaintService
    wording: Wording
    effects: EffectWriter
    clock: Clock
