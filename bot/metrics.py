"""What /metrics tells Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bot.conversations.model import Owner
from bot.conversations.ports import Clock
from bot.errors import StorageUnavailable
from bot.promises.model import PromiseState
from bot.storage.outbox import SqlOutbox
from bot.storage.promises import SqlPromises
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

        self._unnoticed = Gauge(
            "thiqa_handoffs_unnoticed",
            "Customers who have waited a minute or more for a person while nobody was told.",
            registry=self.registry,
        )

    def unnoticed(self, number: int) -> None:
        """How many wait of whom nobody was told."""
        self._unnoticed.set(number)

    def observe(self, step: str, seconds: float) -> None:
        self._steps.labels(step).observe(max(0.0, seconds))

    def heard(self, intent: str) -> None:
        """Count a message that was not understood, or was none of the shop's business."""
        if intent in ("nlu_fallback", "out_of_scope", "other_language"):
            self._fallbacks.labels(intent).inc()

    def watch(self, outbox: SqlOutbox, channels: Sequence[str], turns: SqlTurnStore, clock: Clock) -> None:
        """Read depths of the channels that are sent to, and owners, from the database whenever metrics are asked for."""
        self.registry.register(_DatabaseGauges(outbox, channels, turns, clock))

    def watch_promises(self, promises: SqlPromises) -> None:
        """Read how many promises are open, kept, broken and withdrawn whenever metrics are asked for."""
        self.registry.register(_PromiseGauges(promises))

    def watch_sockets(self, count: Callable[[], int]) -> None:
        """Read how many chats are connected to this process."""
        gauge = Gauge("thiqa_webchat_sockets", "Chats connected to this process.", registry=self.registry)
        gauge.set_function(lambda: float(count()))

    def watch_telegram(self, states: Callable[[], Mapping[int, str]], waiting: Callable[[], int]) -> None:
        """Read what each Telegram bot does, and how many updates are not handled yet."""
        self.registry.register(_TelegramGauges(states, waiting))

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return bytes(generate_latest(self.registry))


class _DatabaseGauges(Collector):
    def __init__(
        self, outbox: SqlOutbox, channels: Sequence[str], turns: SqlTurnStore, clock: Callable[[], datetime]
    ) -> None:
        self._outbox, self._channels, self._turns, self._clock = outbox, channels, turns, clock

    def collect(self) -> Iterable[GaugeMetricFamily]:
        try:
            depth, owners = self._outbox.depth(self._channels), self._turns.owners()
        except StorageUnavailable:
            yield GaugeMetricFamily("thiqa_database_up", "Whether the database answers.", 0)
            return
        yield GaugeMetricFamily("thiqa_database_up", "Whether the database answers.", 1)
        yield GaugeMetricFamily("thiqa_outbox_waiting", "Messages to send that are not delivered yet.", depth.waiting)
        age = (self._clock() - depth.oldest).total_seconds() if depth.oldest else 0.0
        yield GaugeMetricFamily("thiqa_outbox_age_seconds", "Age of the oldest undelivered message.", age)
        yield GaugeMetricFamily("thiqa_outbox_failed", "Messages given up.", depth.failed)
        family = GaugeMetricFamily("thiqa_conversations", "Conversations by owner.", labels=["owner"])
        for owner in Owner:
            family.add_metric([owner.value], owners.get(owner.value, 0))
        yield family

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return ()


class _TelegramGauges(Collector):
    def __init__(self, states: Callable[[], Mapping[int, str]], waiting: Callable[[], int]) -> None:
        self._states, self._waiting = states, waiting

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "thiqa_telegram_bot",
            "1 for what a bot does: starting, polling, webhook, unreachable, refused (its token), taken (by another).",
            labels=["bot", "state"],
        )
        for bot, state in self._states().items():
            family.add_metric([str(bot), state], 1)
        yield family
        try:
            yield GaugeMetricFamily(
                "thiqa_telegram_updates_open", "Updates of Telegram that are not handled yet.", self._waiting()
            )
        except StorageUnavailable:
            return

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return ()


class _PromiseGauges(Collector):
    def __init__(self, promises: SqlPromises) -> None:
        self._promises = promises

    def collect(self) -> Iterable[GaugeMetricFamily]:
        try:
            by_state = self._promises.by_state()
        except StorageUnavailable:
            return
        family = GaugeMetricFamily("thiqa_promises", "Promises by state.", labels=["state"])
        for state in PromiseState:
            family.add_metric([state.value], by_state.get(state.value, 0))
        yield family

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return ()
