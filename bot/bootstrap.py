"""The one place that wires: settings in, a working Thiqa out. Importing it opens nothing; building it does."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

import actions.context
from bot.connectors.base import DoneSignals
from bot.conversations.inbox import Inbox
from bot.conversations.ports import Wording
from bot.conversations.turns import LEASE, TurnRunner
from bot.customers.proof import ProofService
from bot.delivery.alerts import EmailAlert, WebhookAlert
from bot.delivery.service import Dispatcher, Sender
from bot.errors import ConfigurationError, ShopError
from bot.handoff.service import HandoffService
from bot.metrics import Metrics
from bot.orders.ports import OrderBackend
from bot.orders.service import OrderService
from bot.scheduler.loops import Loop
from bot.services import Services
from bot.settings import PROJECT, Settings, load_settings, prepare_home
from bot.shops.embedded import EmbeddedShop, load_demo
from bot.shops.rest import RestShop
from bot.storage.database import Database
from bot.storage.outbox import SqlOutbox
from bot.storage.records import SqlHandoffRecords, SqlProofRecords
from bot.storage.turns import SqlTurnStore

if TYPE_CHECKING:
    from bot.brain.assistant import RasaAssistant
    from bot.brain.wording import DomainWording

log = structlog.get_logger()

DEMO_SHOP = PROJECT / "bot" / "content" / "demo_shop.json"

_WORKER_IDLE = 0.2  # seconds between looks for messages that another process took in
_OUTBOX_IDLE = 1.0
_RENEW_EVERY = 4.0


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


def open_database(settings: Settings) -> Database:
    """The database with its schema up to date. Raises ConfigurationError or StorageUnavailable."""
    prepare_home(settings)
    database = Database(settings.url)
    database.migrate()
    return database


def open_shop(settings: Settings, database: Database) -> OrderBackend:
    """The shop that the settings name; the demo shop is loaded on its first use."""
    if settings.shop_url:
        return RestShop(settings.shop_url, settings.shop_token.get_secret_value(), timeout=settings.shop_timeout)
    load_demo(database, DEMO_SHOP, utc_now())
    return EmbeddedShop(database)


def alert_senders(settings: Settings) -> dict[str, Sender]:
    """The ways in which the merchant hears that a customer waits. Raises ConfigurationError."""
    senders: dict[str, Sender] = {}
    if webhook := settings.alert_webhook_url.get_secret_value():
        senders["alert_webhook"] = WebhookAlert(webhook)
    if settings.alert_email:
        smtp = settings.smtp_url.get_secret_value()
        if not smtp.startswith(("smtp://", "smtps://")):
            raise ConfigurationError(
                "THIQA_ALERT_EMAIL", "it needs a mail server", "Set THIQA_SMTP_URL to smtp://… or smtps://…"
            )
        senders["alert_email"] = EmailAlert(smtp, settings.alert_email)
    return senders


def build_services(
    settings: Settings,
    database: Database,
    shop: OrderBackend,
    wording: Wording,
    clock: Callable[[], datetime] = utc_now,
) -> Services:
    """Everything that actions use, and their access to it."""
    from bot.brain.encoder import EmbeddingCache, shared_encoder
    from bot.knowledge.content import load_entries, load_off_topic
    from bot.knowledge.index import KnowledgeIndex
    from bot.knowledge.service import KnowledgeService

    index = KnowledgeIndex(load_entries(), load_off_topic(), EmbeddingCache(shared_encoder(), settings.home / "cache"))
    services = Services(
        shop=shop,
        orders=OrderService(shop),
        proofs=ProofService(SqlProofRecords(database)),
        knowledge=KnowledgeService(index, shop, shared_encoder()),
        handoff=HandoffService(SqlHandoffRecords(database), shop, wording, list(alert_senders(settings))),
        wording=wording,
        effects=SqlTurnStore(database),
        clock=clock,
    )
    actions.context.provide(services)
    return services


def wire_actions() -> None:
    """For Rasa's own action server (`rasa run actions`), which knows nothing of Thiqa's start."""
    from bot.brain.wording import DomainWording

    settings = load_settings()
    database = open_database(settings)
    build_services(settings, database, open_shop(settings, database), DomainWording.load(PROJECT / "domain.yml"))


def _tell_products(shop: OrderBackend) -> None:
    """Let the NLU know the shop's products; a shop that is away now does not stop the start."""
    from bot.brain.nlu.entities import set_catalogue

    try:
        set_catalogue([{"sku": product.sku, "name": dict(product.name)} for product in shop.products()])
    except ShopError as error:
        log.warning("shop.products_unknown", error=type(error).__name__)


@dataclass
class Thiqa:
    """A running Thiqa: take messages in through `inbox`, hear of their answers through `signals`."""

    settings: Settings
    database: Database
    store: SqlTurnStore
    outbox: SqlOutbox
    services: Services
    assistant: RasaAssistant
    wording: DomainWording
    inbox: Inbox
    signals: DoneSignals
    metrics: Metrics
    loops: list[Loop]
    model: Path

    def start(self) -> None:
        for loop in self.loops:
            loop.start()

    def reload(self) -> None:
        """Take up changed training data, rules and wordings between two turns; no message is dropped.

        Trains first where need be. Raises ConfigurationError; then everything goes on as before.
        """
        from bot.brain.training import ensure_model
        from bot.brain.wording import DomainWording

        wording = DomainWording.load(PROJECT / "domain.yml")
        model = ensure_model(self.settings.home)
        self.assistant.reload(model)
        self.wording.replace(wording)
        self.model = model

    def stop(self) -> bool:
        """Finish the turns under way; returns whether all loops ended within the grace time."""
        for loop in self.loops:
            loop.stop()
        ended = [loop.join(self.settings.shutdown_grace) for loop in self.loops]
        self.database.close()
        return all(ended)


def build(
    settings: Settings, announce: Callable[[str], None] = lambda text: None, clock: Callable[[], datetime] = utc_now
) -> Thiqa:
    """Wire a Thiqa, training its model where there is none. Raises ConfigurationError or StorageUnavailable."""
    database = open_database(settings)
    # What the settings get wrong is said before the slow part.
    shop, senders = open_shop(settings, database), alert_senders(settings)
    from bot.brain.training import ensure_model

    model = ensure_model(settings.home, announce)
    announce("Loading the model …")
    from bot.brain.assistant import RasaAssistant
    from bot.brain.in_process_actions import InProcessActions
    from bot.brain.wording import DomainWording

    wording = DomainWording.load(PROJECT / "domain.yml")
    services = build_services(settings, database, shop, wording, clock)
    _tell_products(services.shop)
    assistant = RasaAssistant(model, wording, InProcessActions("actions"), settings.turn_timeout)
    store, outbox, signals, metrics = SqlTurnStore(database), SqlOutbox(database), DoneSignals(), Metrics()
    metrics.watch(outbox, store, clock)
    loops = []
    worker = f"{socket.gethostname()[:20]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    for number in range(settings.workers):
        runner = TurnRunner(
            f"{worker}:{number}",
            store,
            assistant,
            services.handoff,
            wording,
            clock,
            observe=metrics.observe,
            done=signals.done,
            heard=metrics.heard,
        )
        loops.append(Loop(f"turns-{number}", runner.run_once, _WORKER_IDLE))
    turn_loops = list(loops)

    def renew() -> bool:
        for number in range(settings.workers):
            store.renew(f"{worker}:{number}", clock() + LEASE)
        return False

    loops.append(Loop("leases", renew, _RENEW_EVERY))
    dispatcher = Dispatcher(outbox, senders, clock)
    loops.append(Loop("outbox", dispatcher.run_once, _OUTBOX_IDLE))

    def wake() -> None:
        for loop in turn_loops:
            loop.wake()

    inbox = Inbox(store, clock, settings.max_pending, wake)
    return Thiqa(settings, database, store, outbox, services, assistant, wording, inbox, signals, metrics, loops, model)
