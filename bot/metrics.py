"""What /metrics tells Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bot.conversations.model import Owner
from bot.conversations.ports import Clock
from bot.errors import StorageUnavailable
from bot.storage.outbox import SqlOutbox
from bot.storage.turns import SqlTurnStore

_STEPS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One set a process; tests make their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._steps = Histogram(
            "thiqa_turn_seconds",
            "Time of a turn by step: wait (received to claimed), think, commit, turn (claimed to committed).",
            ["step"],
            buckets=_STEPS,
            registry=self.registry,
        )
        self._fallbacks = Counter(
            "thiqa_fallbacks_total", "Messages that were not understood, by kind.", ["kind"], registry=self.registry
        )

    def observe(self, step: str, seconds: float) -> None:
        self._steps.labels(step).observe(max(0.0, seconds))

    def heard(self, intent: str) -> None:
        """Count a message that was not understood, or was none of the shop's business."""
        if intent in ("nlu_fallback", "out_of_scope", "other_language"):
            self._fallbacks.labels(intent).inc()

    def watch(self, outbox: SqlOutbox, turns: SqlTurnStore, clock: Clock) -> None:
        """Read depths and owners from the database whenever metrics are asked for."""
        self.registry.register(_DatabaseGauges(outbox, turns, clock))

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return bytes(generate_latest(self.registry))


class _DatabaseGauges(Collector):
    def __init__(self, outbox: SqlOutbox, turns: SqlTurnStore, clock: Callable[[], datetime]) -> None:
        self._outbox, self._turns, self._clock = outbox, turns, clock

    def collect(self) -> Iterable[GaugeMetricFamily]:
        try:
            depth, owners = self._outbox.depth(), self._turns.owners()
        except StorageUnavailable:
            yield GaugeMetricFamily("thiqa_database_up", "Whether the database answers.", 0)
            return
        yield GaugeMetricFamily("thiqa_database_up", "Whether the database answers.", 1)
        yield GaugeMetricFamily("thiqa_outbox_waiting", "Messages not delivered yet.", depth.waiting)
        age = (self._clock() - depth.oldest).total_seconds() if depth.oldest else 0.0
        yield GaugeMetricFamily("thiqa_outbox_age_seconds", "Age of the oldest undelivered message.", age)
        yield GaugeMetricFamily("thiqa_outbox_failed", "Messages given up.", depth.failed)
        family = GaugeMetricFamily("thiqa_conversations", "Conversations by owner.", labels=["owner"])
        for owner in Owner:
            family.add_metric([owner.value], owners.get(owner.value, 0))
        yield family

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return ()
