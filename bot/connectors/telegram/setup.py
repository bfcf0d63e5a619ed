"""What people see of a bot before they write: its commands and descriptions, in Arabic and English. And its check-up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import structlog

from bot.connectors.telegram.api import ApiError, Bot, TokenRefused
from bot.connectors.telegram.reading import webhook_path
from bot.conversations.ports import Wording

log = structlog.get_logger()

COMMANDS = {
    "start": "label_telegram_start",
    "orders": "label_telegram_orders",
    "human": "label_telegram_human",
    "help": "label_telegram_help",
    "language": "label_telegram_language",
    "stop": "label_telegram_stop",
    "unlink": "label_telegram_unlink",
}
# Without a language: what everybody sees whose own language has nothing.
_LANGUAGES = ((None, "ar"), ("ar", "ar"), ("en", "en"))
_LONGEST_COMMAND, _LONGEST_DESCRIPTION, _LONGEST_SHORT = 256, 512, 120


async def introduce(bot: Bot, wording: Wording) -> None:
    """Set commands and descriptions. What fails is logged, and nothing hangs on it."""
    for code, language in _LANGUAGES:
        of = {"language_code": code} if code else {}

        def words(response: str, longest: int, language: str = language) -> str:
            return wording.say(response, language).text[:longest]

        commands = [
            {"command": name, "description": words(label, _LONGEST_COMMAND)} for name, label in COMMANDS.items()
        ]
        calls: list[tuple[str, dict[str, Any]]] = [
            ("setMyCommands", {"commands": commands, "scope": {"type": "all_private_chats"}, **of}),
            ("setMyDescription", {"description": words("label_telegram_description", _LONGEST_DESCRIPTION), **of}),
            ("setMyShortDescription", {"short_description": words("label_telegram_short", _LONGEST_SHORT), **of}),
        ]
        for method, data in calls:
            try:
                await bot.call(method, data)
            except ApiError as problem:
                log.warning("telegram.not_introduced", bot=bot.number, method=method, error=type(problem).__name__)


Checked = tuple[Literal["ok", "note", "bad"], str]


async def check_bot(bot: Bot, mode: str, base_url: str) -> list[Checked]:
    """What is right and wrong with a bot's set-up, in sentences. Changes nothing."""
    try:
        await bot.open()
        me = await bot.call("getMe")
        found = [_who(me if isinstance(me, Mapping) else {})]
        webhook = await bot.call("getWebhookInfo")
        found += _delivery(bot, webhook if isinstance(webhook, Mapping) else {}, mode, base_url)
        commands = await bot.call("getMyCommands", {"scope": {"type": "all_private_chats"}})
        if not commands:
            found.append(("note", "no commands are set yet; `thiqa run` sets them"))
        return found
    except TokenRefused:
        return [("bad", "Telegram refuses the token in THIQA_TELEGRAM_TOKEN; take the present one from @BotFather")]
    except ApiError as problem:
        return [("bad", f"the Bot API does not answer ({problem}); check THIQA_TELEGRAM_API_URL and the network")]
    finally:
        await bot.close()


def _who(me: Mapping[str, Any]) -> Checked:
    name = f"@{me.get('username', '?')}"
    if me.get("can_read_all_group_messages") is True:
        return "note", f"{name} answers, but reads all that is said in groups; turn privacy mode on (/setprivacy)"
    return "ok", f"{name} answers"


def _delivery(bot: Bot, webhook: Mapping[str, Any], mode: str, base_url: str) -> list[Checked]:
    found: list[Checked] = []
    url, wanted = str(webhook.get("url") or ""), base_url + webhook_path(bot.number)
    if mode == "polling" and url:
        found.append(
            ("note", "a webhook is set, which `thiqa run` will remove; another system that uses it hears no more")
        )
    if mode == "webhook" and not base_url.startswith("https://"):
        found.append(("bad", "THIQA_TELEGRAM_MODE=webhook needs an https:// address in THIQA_PUBLIC_URL"))
    if mode == "webhook" and url != wanted:
        found.append(("note", "the webhook is not set yet, or elsewhere; `thiqa run` sets it"))
    if problem := webhook.get("last_error_message"):
        found.append(("note", f"Telegram could not deliver lately: {str(problem)[:100]}"))
    waiting = webhook.get("pending_update_count")
    if isinstance(waiting, int) and waiting > 0:
        found.append(("note", f"{waiting} updates wait at Telegram"))
    return found
