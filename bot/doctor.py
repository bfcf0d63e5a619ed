"""Checks a set-up part by part, and says what to mend."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from bot.bootstrap import alert_senders, open_database, open_shop
from bot.connectors.telegram.api import Bot, Timeouts, bot_id
from bot.connectors.telegram.setup import check_bot
from bot.errors import ConfigurationError, ShopError, StorageUnavailable
from bot.settings import Settings, prepare_home, secret_keys
from bot.widget_file import WIDGET

_LEAST_FREE_MB = 500


@dataclass(frozen=True)
class Finding:
    """`bad`: Thiqa does not work so; `note`: it works, but something is switched off or could be better."""

    state: Literal["ok", "note", "bad"]
    what: str
    text: str


def check(settings: Settings) -> Iterator[Finding]:
    """Every part in turn; a part that fails does not keep the others from being checked."""
    for what, part in (
        ("state folder", _home),
        ("database", _database),
        ("model", _model),
        ("content", _content),
        ("shop", _shop),
        ("REST channel", _rest),
        ("web chat", _webchat),
        ("signed identities", _identity),
        ("alerts", _alerts),
    ):
        yield _tried(what, part, settings)
    yield from _telegram(settings)


def _tried(what: str, part: Callable[[Settings], Finding], settings: Settings) -> Finding:
    try:
        return part(settings)
    except ConfigurationError as error:
        return Finding("bad", what, str(error))
    except StorageUnavailable as error:
        return Finding(
            "bad", what, f"the database does not answer ({error}); check THIQA_DATABASE_URL and that the server runs"
        )
    except ShopError as error:
        return Finding("bad", what, f"{error or type(error).__name__}; check THIQA_SHOP_URL and THIQA_SHOP_TOKEN")


def _home(settings: Settings) -> Finding:
    home = prepare_home(settings)
    secret_keys(settings)
    free = shutil.disk_usage(home).free // 1_000_000
    if free < _LEAST_FREE_MB:
        return Finding("note", "state folder", f"{home.resolve()} can be written, but only {free} MB are free")
    return Finding("ok", "state folder", f"{home.resolve()} can be written")


def _database(settings: Settings) -> Finding:
    database = open_database(settings)
    database.ping()
    database.close()
    return Finding("ok", "database", f"{database.dialect} answers, schema up to date")


def _model(settings: Settings) -> Finding:
    from bot.brain.training import is_whole, model_path

    path = model_path(settings.home)
    if is_whole(path):
        return Finding("ok", "model", f"{path.name} fits the present training data")
    return Finding(
        "note", "model", "none fits the present training data; `thiqa run` trains it, or run `thiqa train` now"
    )


def _content(settings: Settings) -> Finding:
    from bot.knowledge.content import load_entries

    return Finding("ok", "content", f"{len(load_entries())} FAQ entries")


def _shop(settings: Settings) -> Finding:
    database = open_database(settings)
    shop = open_shop(settings, database)
    name = shop.store().name["en"]
    kind = settings.shop_url or "embedded demo shop"
    text = f"{name} ({kind}): {len(shop.products())} products"
    database.close()
    return Finding("ok" if settings.shop_url else "note", "shop", text)


def _rest(settings: Settings) -> Finding:
    token = settings.rest_token.get_secret_value()
    if not token:
        return Finding("note", "REST channel", "off; set THIQA_REST_TOKEN to use it")
    if len(token) < 16:
        return Finding("note", "REST channel", "on, but THIQA_REST_TOKEN is short; use 32 random characters")
    return Finding("ok", "REST channel", "on")


def _webchat(settings: Settings) -> Finding:
    if not WIDGET.is_file():
        return Finding("note", "web chat", "the widget is not built; run `make widget`")
    if not settings.public_url:
        return Finding(
            "note", "web chat", "set THIQA_PUBLIC_URL to the address under which customers reach this server"
        )
    if not settings.origins:
        return Finding(
            "note",
            "web chat",
            "only this server's own pages may show it; set THIQA_ALLOWED_ORIGINS to the shop's website",
        )
    everyone = " (every website: name the shop's instead)" if "*" in settings.origins else ""
    return Finding("note" if everyone else "ok", "web chat", f"for {', '.join(settings.origins)}{everyone}")


def _identity(settings: Settings) -> Finding:
    secret = settings.identity_secret.get_secret_value()
    if not secret:
        return Finding("note", "signed identities", "off; set THIQA_IDENTITY_SECRET to use them")
    if len(secret) < 32:
        return Finding("note", "signed identities", "on, but THIQA_IDENTITY_SECRET is short; use 32 random characters")
    return Finding("ok", "signed identities", "on")


def _alerts(settings: Settings) -> Finding:
    senders = alert_senders(settings)
    if not senders:
        return Finding(
            "note", "alerts", "nobody is told when a customer waits; set THIQA_ALERT_WEBHOOK_URL or THIQA_ALERT_EMAIL"
        )
    return Finding("ok", "alerts", ", ".join(sorted(senders)))


def _telegram(settings: Settings) -> Iterator[Finding]:
    tokens = settings.telegram_tokens
    if not tokens:
        yield Finding("note", "Telegram", "off; set THIQA_TELEGRAM_TOKEN to use it (docs/telegram.md)")
    for place, token in enumerate(tokens, 1):
        name = "Telegram" if len(tokens) == 1 else f"Telegram, token {place}"
        if bot_id(token) is None:
            yield Finding("bad", name, "THIQA_TELEGRAM_TOKEN is no bot token; copy it from @BotFather as it stands")
            continue
        bot = Bot(token, settings.telegram_api_url, Timeouts(connect=5.0, answer=10.0))
        for state, text in asyncio.run(check_bot(bot, settings.telegram_mode, settings.base_url)):
            yield Finding(state, name, text)
