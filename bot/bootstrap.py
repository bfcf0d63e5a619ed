"""The one place that wires: settings in, a working Thiqa out. Importing it opens nothing; building it does."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from fastapi import APIRouter

import actions.context
from bot.agents.accounts import Accounts
from bot.agents.passwords import Passwords
from bot.agents.sign_in import Life, SignIn
from bot.compensation.content import PolicyFile
from bot.compensation.service import CompensationService
from bot.complaints.fulfilment import Fulfilment
from bot.complaints.service import ComplaintService
from bot.connectors.base import DoneSignals
from bot.connectors.telegram import webhook as telegram_webhook
from bot.connectors.telegram.api import Bot, Timeouts, bot_id
from bot.connectors.telegram.handling import CHANNEL as TELEGRAM
from bot.connectors.telegram.handling import HandlingServices
from bot.connectors.telegram.pacing import Limits
from bot.connectors.telegram.sender import TelegramSender
from bot.connectors.telegram.service import KEPT, Telegram, TelegramOptions
from bot.connectors.webchat import images as webchat_images
from bot.connectors.webchat import telegram_link as webchat_telegram_link
from bot.connectors.webchat.origins import Origins
from bot.connectors.webchat.server import CHANNEL as WEBCHAT
from bot.connectors.webchat.server import Webchat, WebchatServices
from bot.connectors.webchat.sessions import Sessions
from bot.conversations.inbox import Inbox
from bot.conversations.live import Answered, Happening, LiveEvents, Logged
from bot.conversations.ports import Wording
from bot.conversations.turns import LEASE, TurnRunner
from bot.customers.identity import IdentityVerifier
from bot.customers.proof import ProofService
from bot.delivery.alerts import EmailAlert, WebhookAlert
from bot.delivery.invitations import InvitationMail
from bot.delivery.service import HOLD, LONGEST_SEND, Dispatcher, OneByOne, Sender
from bot.desk import conversations as desk_conversations
from bot.desk import handling, own_account
from bot.desk import people as desk_people
from bot.desk.attendance import Attendance
from bot.desk.gate import Gate
from bot.errors import ConfigurationError, ShopError
from bot.feedback.service import FeltRatings
from bot.files.model import KEPT_UNSENT
from bot.handoff.desk import HandoffDesk
from bot.handoff.keeper import HandoffKeeper
from bot.handoff.ports import Agents
from bot.handoff.service import HandoffService
from bot.handoff.summary import SummaryService
from bot.metrics import Metrics
from bot.orders.ports import OrderBackend
from bot.orders.service import OrderService
from bot.outreach.service import OutreachService
from bot.promises.checks import promise_checks
from bot.promises.service import PromiseService
from bot.scheduler.loops import Loop
from bot.services import Services
from bot.settings import PROJECT, Settings, identity_secret, load_settings, prepare_home, secret_keys
from bot.shops.embedded import EmbeddedShop, load_demo
from bot.shops.rest import RestShop
from bot.storage.agents import SqlAgents, SqlDirectory
from bot.storage.aside import SqlEffects
from bot.storage.cases import SqlCases
from bot.storage.database import Database
from bot.storage.desk import SqlDesk
from bot.storage.files import SqlFiles
from bot.storage.handoff import SqlHandoffs
from bot.storage.identities import SqlIdentities
from bot.storage.invitations import SqlInvitations
from bot.storage.ledger import SqlLedger
from bot.storage.other_chats import SqlOtherChats
from bot.storage.outbox import SqlOutbox
from bot.storage.outreach import SqlOutreach
from bot.storage.promises import SqlPromises
from bot.storage.ratings import SqlRatings
from bot.storage.records import SqlProofRecords
from bot.storage.sign_in import SqlSignIn
from bot.storage.summaries import SqlSummaries
from bot.storage.telegram import SqlTelegram
from bot.storage.transcripts import SqlTranscripts
from bot.storage.turns import SqlTurnStore

if TYPE_CHECKING:
    from bot.brain.assistant import RasaAssistant
    from bot.brain.wording import DomainWording

log = structlog.get_logger()

DEMO_SHOP = PROJECT / "bot" / "content" / "demo_shop.json"

_WORKER_IDLE = 0.2  # seconds between looks for messages that another process took in
_OUTBOX_IDLE = 1.0
_RENEW_EVERY = 4.0
_TIDY_EVERY = 3600.0
_GOODBYE = 5.0
_TELEGRAM_SENDERS = 4  # messages on their way at once; one to a chat
_TELEGRAM_IDLE = 0.25
_TELEGRAM_PATIENCE = 0.15  # seconds
_TELEGRAM_BATCH = 4
_FOLLOW_UP_IDLE = 10.0
_KEEPER_IDLE = 1.0
_VOUCHERS_EVERY = 6 * 3600.0


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
    agents: Agents | None = None,
) -> Services:
    """Everything that actions use, and their access to it."""
    from bot.brain.encoder import shared_encoder
    from bot.brain.encoder.cache import EmbeddingCache
    from bot.knowledge.content import load_entries, load_off_topic
    from bot.knowledge.index import KnowledgeIndex
    from bot.knowledge.service import KnowledgeService

    compensation = CompensationService(shop, SqlLedger(database), _policy_file(shop))
    index = KnowledgeIndex(load_entries(), load_off_topic(), EmbeddingCache(shared_encoder(), settings.home / "cache"))
    services = Services(
        shop=shop,
        orders=OrderService(shop),
        proofs=ProofService(SqlProofRecords(database)),
        knowledge=KnowledgeService(index, shop, shared_encoder()),
        handoff=HandoffService(SqlHandoffs(database), shop, wording, list(alert_senders(settings)), agents),
        compensation=compensation,
        complaints=ComplaintService(SqlCases(database), shop, compensation, wording),
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
class Desk:
    """Who may use the desk, and its calls. `gate` lets in; `directory` says who is there."""

    gate: Gate
    accounts: Accounts
    directory: SqlDirectory
    routers: list[APIRouter]


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
    webchat: Webchat
    webchat_images: APIRouter
    telegram: Telegram
    telegram_routers: list[APIRouter]
    people: HandoffDesk
    summaries: SummaryService
    metrics: Metrics
    loops: list[Loop]
    model: Path
    desk: Desk

    def start(self) -> None:
        for loop in self.loops:
            loop.start()
        self.telegram.start()

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
        ended.append(self.telegram.stop(_GOODBYE))
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
    agents: Agents = SqlDirectory(database, clock)
    services = build_services(settings, database, shop, wording, clock, agents)
    _tell_products(services.shop)
    assistant = RasaAssistant(model, wording, InProcessActions("actions"), settings.turn_timeout)
    store, outbox, signals, metrics = SqlTurnStore(database), SqlOutbox(database), DoneSignals(), Metrics()
    sent_to = [*senders, *([TELEGRAM] if settings.telegram_tokens else [])]
    metrics.watch(outbox, sent_to, store, clock)
    live = LiveEvents()
    live.subscribe(signals.heard)
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
            live,
            observe=metrics.observe,
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
    loops += _follow_up(settings, database, services, list(senders), clock, live)
    handoffs = SqlHandoffs(database)
    people = HandoffDesk(handoffs, agents, wording, clock, live, list(senders))
    keeper = HandoffKeeper(
        handoffs,
        people,
        services.handoff,
        agents,
        shop,
        wording,
        clock,
        live,
        list(senders),
        unnoticed=metrics.unnoticed,
    )
    loops.append(Loop("handoff", keeper.run_once, _KEEPER_IDLE))
    metrics.watch_promises(SqlPromises(database))

    def wake(happening: Happening) -> None:
        if type(happening) is Logged:
            for loop in turn_loops:
                loop.wake()

    live.subscribe(wake)
    inbox = Inbox(store, clock, settings.max_pending, live)
    files, sessions = SqlFiles(database), Sessions(secret_keys(settings), clock)
    loops.append(Loop("tidy", lambda: files.drop_unsent(clock() - KEPT_UNSENT) and False, _TIDY_EVERY))
    webchat = Webchat(
        WebchatServices(
            inbox=inbox,
            transcripts=SqlTranscripts(database),
            others=SqlOtherChats(database),
            collected=lambda messages: outbox.collected(messages, clock()),
            identities=SqlIdentities(database),
            verifier=IdentityVerifier(identity_secret(settings)),
            ratings=FeltRatings(SqlRatings(database), lambda text: _emotion_of(assistant, text)),
            sessions=sessions,
            origins=Origins(settings.origins, settings.base_url),
            wording=wording,
            shop_name=lambda: _shop_name(shop),
            telegram=lambda: telegram.address,
            live=live,
            clock=clock,
        )
    )
    metrics.watch_sockets(lambda: webchat.sockets)
    telegram, sender = build_telegram(settings, database, inbox, wording, live, clock)
    if settings.telegram_tokens:
        loops += telegram_loops(outbox, sender, live, clock)
        records = SqlTelegram(database)
        loops.append(Loop("telegram-tidy", lambda: records.tidy(clock() - KEPT) and False, _TIDY_EVERY))
        metrics.watch_telegram(lambda: telegram.states, records.count_open)
    desk = build_desk(settings, database, clock)
    summaries = SummaryService(SqlSummaries(database), shop, wording)
    add_conversations(desk, database, people, summaries, clock)
    loops.append(Loop("desk-tidy", desk.gate.sign_in.tidy, _TIDY_EVERY))
    return Thiqa(
        settings,
        database,
        store,
        outbox,
        services,
        assistant,
        wording,
        inbox,
        signals,
        webchat,
        webchat_images.create_router(sessions, files, SqlOtherChats(database), clock),
        telegram,
        [
            *(
                [telegram_webhook.create_router(list(telegram.states), secret_keys(settings), telegram.take)]
                if settings.telegram_tokens and settings.telegram_mode == "webhook"
                else []
            ),
            webchat_telegram_link.create_router(sessions, lambda visitor: telegram.link(WEBCHAT, visitor)),
        ],
        people,
        summaries,
        metrics,
        loops,
        model,
        desk,
    )


def build_accounts(
    settings: Settings,
    database: Database,
    clock: Callable[[], datetime] = utc_now,
    passwords: Passwords | None = None,
) -> Accounts:
    """The accounts of agents, without a server around them."""
    mail = InvitationMail(settings.smtp_url.get_secret_value(), settings.mail_sender) if settings.mail_sender else None
    return Accounts(
        SqlAgents(database), SqlInvitations(database), passwords or Passwords(), settings.base_url, clock, mail
    )


def build_desk(
    settings: Settings,
    database: Database,
    clock: Callable[[], datetime] = utc_now,
    passwords: Passwords | None = None,
) -> Desk:
    """The desk's sign-in and its calls about people."""
    passwords = passwords or Passwords()
    life = Life(timedelta(hours=settings.desk_idle_hours), timedelta(hours=settings.desk_session_hours))
    sign_in = SignIn(SqlSignIn(database), passwords, secret_keys(settings)[0], clock, life)
    accounts = build_accounts(settings, database, clock, passwords)
    gate = Gate(sign_in, settings.base_url)
    routers = [own_account.create_router(gate, accounts), desk_people.create_router(gate, accounts)]
    return Desk(gate, accounts, SqlDirectory(database, clock), routers)


def add_conversations(
    desk: Desk,
    database: Database,
    people: HandoffDesk,
    summaries: SummaryService,
    clock: Callable[[], datetime] = utc_now,
) -> None:
    """The desk's calls about conversations; from now on whoever calls is seen to be there."""
    records = SqlDesk(database)
    attendance = Attendance(desk.directory, records, clock)
    desk.gate.passed = attendance.passed
    access = desk_conversations.Access(records, clock)
    desk.routers += [
        desk_conversations.create_router(desk.gate, access, SqlTranscripts(database), people, summaries, attendance),
        handling.create_router(desk.gate, access, people, desk.accounts, attendance),
    ]


def build_telegram(
    settings: Settings,
    database: Database,
    inbox: Inbox,
    wording: Wording,
    live: LiveEvents,
    clock: Callable[[], datetime] = utc_now,
    timeouts: Timeouts | None = None,
    limits: Limits | None = None,
) -> tuple[Telegram, TelegramSender]:
    """The Telegram channel and its way out. A token that can be none is said so, and the rest runs."""
    records, timeouts = SqlTelegram(database), timeouts or Timeouts()
    bots: dict[int, Bot] = {}
    for place, token in enumerate(settings.telegram_tokens, 1):
        number = bot_id(token)
        if number is None or number in bots:
            problem = "it is no bot token" if number is None else "it is of a bot that is there already"
            log.error("telegram.token_unusable", place=place, problem=f"{problem}; see THIQA_TELEGRAM_TOKEN")
            continue
        bots[number] = Bot(token, settings.telegram_api_url, timeouts)
    services = HandlingServices(
        inbox=inbox,
        records=records,
        files=SqlFiles(database),
        wording=wording,
        clock=clock,
        agents_group=int(settings.telegram_agents_group or 0),
    )
    webhook_base = settings.base_url if settings.telegram_mode == "webhook" else ""
    telegram = Telegram(list(bots.values()), services, TelegramOptions(webhook_base, secret_keys(settings), timeouts))
    live.subscribe(telegram.heard)
    longest = timeouts.connect + timeouts.answer + 2.0
    return telegram, TelegramSender(telegram, records, services.files, wording, clock, limits or Limits(), longest)


def telegram_loops(
    outbox: SqlOutbox,
    sender: Sender,
    live: LiveEvents,
    clock: Callable[[], datetime] = utc_now,
    hold: timedelta = HOLD,
    longest_send: timedelta = LONGEST_SEND,
) -> list[Loop]:
    """Several carriers side by side: a chat has one message under way, and a slow one keeps no other chat waiting."""
    loops = []
    one_by_one = OneByOne(_TELEGRAM_PATIENCE)
    for number in range(_TELEGRAM_SENDERS):
        dispatcher = Dispatcher(
            outbox,
            {TELEGRAM: sender},
            clock,
            hold=hold,
            longest_send=longest_send,
            batch=_TELEGRAM_BATCH,
            one_by_one=one_by_one,
        )
        loops.append(Loop(f"telegram-outbox-{number}", dispatcher.run_once, _TELEGRAM_IDLE))

    def wake(happening: Happening) -> None:
        if isinstance(happening, Answered) and happening.channel == TELEGRAM:
            loops[0].wake()  # the others look by themselves, and take over where it is kept waiting

    live.subscribe(wake)
    return loops


def _policy_file(shop: OrderBackend) -> PolicyFile:
    """What is given for complaints, held against the shop's currency and tiers where it answers. Raises
    ConfigurationError."""
    try:
        store, policies = shop.store(), shop.policies()
    except ShopError as error:
        log.warning("compensation.shop_unknown", error=type(error).__name__)
        return PolicyFile()
    return PolicyFile(currency=store.currency, tiers=[tier.id for tier in policies.tiers])


def _follow_up(
    settings: Settings,
    database: Database,
    services: Services,
    alerts: list[str],
    clock: Callable[[], datetime],
    live: LiveEvents,
) -> list[Loop]:
    """What is done without being asked: finishing what was reserved, keeping promises in sight, and asking after it."""
    shop, ledger, cases = services.shop, SqlLedger(database), SqlCases(database)
    records = SqlPromises(database)
    promises = PromiseService(records, promise_checks(shop, records.case_state, clock), shop.store, clock, alerts)
    outreach = OutreachService(SqlOutreach(database), services.wording, shop.store, clock, live)
    fulfilment = Fulfilment(
        ledger,
        services.compensation,
        services.complaints,
        cases,
        SqlEffects(database),
        services.wording,
        clock,
    )

    def settle_vouchers() -> bool:
        try:
            services.compensation.settle_vouchers(clock())
        except ShopError as error:  # looked at again in a few hours: nobody waits for it
            log.info("vouchers.shop_away", error=type(error).__name__)
        return False

    return [
        Loop("fulfilment", fulfilment.run_once, _FOLLOW_UP_IDLE),
        Loop("promises", promises.run_once, _FOLLOW_UP_IDLE),
        Loop("outreach", outreach.run_once, _FOLLOW_UP_IDLE),
        Loop("vouchers", settle_vouchers, _VOUCHERS_EVERY),
    ]


def _emotion_of(assistant: RasaAssistant, text: str) -> str | None:
    emotion = assistant.parse(text).get("emotion") or {}
    return str(emotion["name"]) if emotion.get("name") else None


def _shop_name(shop: OrderBackend) -> Mapping[str, str]:
    """The shop's name by language; empty while the shop does not answer."""
    try:
        return shop.store().name
    except ShopError:
        return {}
