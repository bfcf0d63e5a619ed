"""The Bot API's public rules for the methods that Thiqa calls: https://core.telegram.org/bots/api.

`check` says what is wrong with a call, as a list of sentences; the real server would refuse it or quietly do something
else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[str], str | None]


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def integer(least: int = -(2**52), most: int = 2**52) -> Check:
    def check(value: str) -> str | None:
        if not re.fullmatch(r"-?\d+", value):
            return "is no integer"
        return None if least <= int(value) <= most else f"is not within {least}…{most}"

    return check


def boolean(value: str) -> str | None:
    return None if value in ("true", "false") else "is no boolean"


def string(least: int = 0, most: int = 10**6, pattern: str = "") -> Check:
    def check(value: str) -> str | None:
        if not least <= units(value) <= most:
            return f"has {units(value)} UTF-16 units, allowed are {least}…{most}"
        return None if not pattern or re.fullmatch(pattern, value) else "has characters that are not allowed"

    return check


def one_of(*values: str) -> Check:
    return lambda value: None if value in values else f"is none of {values}"


def chat(value: str) -> str | None:
    return None if re.fullmatch(r"-?[1-9]\d{0,15}|@\w{4,32}", value) else "is no chat"


def as_json(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return None


def allowed_updates(value: str) -> str | None:
    kinds = as_json(value)
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        return "is no list of strings"
    unknown = set(kinds) - UPDATES
    return f"names unknown kinds {unknown}" if unknown else None


UPDATES = {
    "message", "edited_message", "channel_post", "edited_channel_post", "business_connection", "business_message",
    "edited_business_message", "deleted_business_messages", "message_reaction", "message_reaction_count", "inline_query",
    "chosen_inline_result", "callback_query", "shipping_query", "pre_checkout_query", "purchased_paid_media", "poll",
    "poll_answer", "my_chat_member", "chat_member", "chat_join_request", "chat_boost", "removed_chat_boost",
}  # fmt: skip
_INLINE = {"text", "callback_data", "url", "icon_custom_emoji_id", "style", "web_app", "login_url", "copy_text"}
_REPLY = {"text", "request_contact", "request_location", "icon_custom_emoji_id", "style"}


def inline_keyboard(value: str) -> str | None:
    found = as_json(value)
    return _inline(found) if isinstance(found, dict) else "is no object"


def _inline(markup: Mapping[str, Any]) -> str | None:
    if set(markup) != {"inline_keyboard"}:
        return f"is no inline keyboard: {set(markup)}"
    rows = markup["inline_keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        return "has no rows"
    buttons = [button for row in rows for button in row]
    if len(buttons) > 100 or any(len(row) > 8 for row in rows):
        return "has too many buttons"
    for button in buttons:
        if not isinstance(button, dict) or not set(button) <= _INLINE:
            return "has a button with unknown fields"
        if not isinstance(button.get("text"), str) or not button["text"].strip():
            return "has a button without text"
        actions = [name for name in button if name not in ("text", "icon_custom_emoji_id", "style")]
        if len(actions) != 1:
            return "has a button that does not do exactly one thing"
        data = button.get("callback_data")
        if "callback_data" in button and not (isinstance(data, str) and 1 <= len(data.encode()) <= 64):
            return "has callback_data outside 1…64 bytes"
    return None


def reply_markup(value: str) -> str | None:
    found = as_json(value)
    if not isinstance(found, dict):
        return "is no object"
    if "inline_keyboard" in found:
        return _inline(found)
    if "remove_keyboard" in found:
        right = found["remove_keyboard"] is True and set(found) <= {"remove_keyboard", "selective"}
        return None if right else "removes a keyboard in a wrong way"
    if not set(found) <= {
        "keyboard", "is_persistent", "resize_keyboard", "one_time_keyboard", "input_field_placeholder", "selective",
    }:  # fmt: skip
        return f"is no keyboard: {set(found)}"
    for row in found["keyboard"]:
        for button in row:
            if not isinstance(button, dict) or not set(button) <= _REPLY or not str(button.get("text", "")).strip():
                return "has a wrong button"
    return None


def commands(value: str) -> str | None:
    found = as_json(value)
    if not isinstance(found, list) or len(found) > 100:
        return "is no list of at most 100"
    for command in found:
        if not isinstance(command, dict) or set(command) != {"command", "description"}:
            return "has a command with wrong fields"
        if not re.fullmatch(r"[a-z0-9_]{1,32}", command["command"]):
            return f"has the command {command['command']!r}"
        if not 1 <= units(command["description"]) <= 256:
            return "has a description outside 1…256"
    return None


def scope(value: str) -> str | None:
    found = as_json(value)
    kinds = {"default", "all_private_chats", "all_group_chats", "all_chat_administrators"}
    return None if isinstance(found, dict) and found.get("type") in kinds and len(found) == 1 else "is no scope"


def preview(value: str) -> str | None:
    found = as_json(value)
    fields = {"is_disabled", "url", "prefer_small_media", "prefer_large_media", "show_above_text"}
    return None if isinstance(found, dict) and set(found) <= fields else "are no link preview options"


def webhook_url(value: str) -> str | None:
    return None if re.match(r"https?://", value) else "is no address"


language_code = string(0, 2, r"[a-z]{2}|")

# Parameter: (check, whether it must be there)
METHODS: Mapping[str, Mapping[str, tuple[Check, bool]]] = {
    "getMe": {},
    "getUpdates": {
        "offset": (integer(), False),
        "limit": (integer(1, 100), False),
        "timeout": (integer(0, 50), False),
        "allowed_updates": (allowed_updates, False),
    },
    "setWebhook": {
        "url": (webhook_url, True),
        "ip_address": (string(), False),
        "max_connections": (integer(1, 100), False),
        "allowed_updates": (allowed_updates, False),
        "drop_pending_updates": (boolean, False),
        "secret_token": (string(1, 256, r"[A-Za-z0-9_\-]+"), False),
    },
    "deleteWebhook": {"drop_pending_updates": (boolean, False)},
    "getWebhookInfo": {},
    "sendMessage": {
        "chat_id": (chat, True),
        "text": (string(1, 4096), True),
        "message_thread_id": (integer(1), False),
        "parse_mode": (one_of("HTML", "MarkdownV2", "Markdown"), False),
        "entities": (string(), False),
        "link_preview_options": (preview, False),
        "disable_notification": (boolean, False),
        "protect_content": (boolean, False),
        "reply_parameters": (string(), False),
        "reply_markup": (reply_markup, False),
    },
    "sendPhoto": {
        "chat_id": (chat, True),
        "photo": (string(1), True),
        "caption": (string(0, 1024), False),
        "reply_markup": (reply_markup, False),
    },
    "sendDocument": {
        "chat_id": (chat, True),
        "document": (string(1), True),
        "caption": (string(0, 1024), False),
        "reply_markup": (reply_markup, False),
    },
    "sendChatAction": {
        "chat_id": (chat, True),
        "message_thread_id": (integer(1), False),
        "action": (
            one_of(
                "typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice",
                "upload_document", "choose_sticker", "find_location", "record_video_note", "upload_video_note",
            ),
            True,
        ),
    },
    "answerCallbackQuery": {
        "callback_query_id": (string(1), True),
        "text": (string(0, 200), False),
        "show_alert": (boolean, False),
        "url": (string(), False),
        "cache_time": (integer(0), False),
    },
    "editMessageReplyMarkup": {
        "chat_id": (chat, True),
        "message_id": (integer(1), True),
        "reply_markup": (inline_keyboard, False),
    },
    "getFile": {"file_id": (string(1), True)},
    "leaveChat": {"chat_id": (chat, True)},
    "setMyCommands": {
        "commands": (commands, True),
        "scope": (scope, False),
        "language_code": (language_code, False),
    },
    "getMyCommands": {"scope": (scope, False), "language_code": (language_code, False)},
    "setMyDescription": {"description": (string(0, 512), False), "language_code": (language_code, False)},
    "setMyShortDescription": {"short_description": (string(0, 120), False), "language_code": (language_code, False)},
}  # fmt: skip


def check(method: str, given: Mapping[str, str]) -> list[str]:
    """What is wrong with a call; empty where nothing is."""
    rules = METHODS.get(method)
    if rules is None:
        return [f"{method} is not known here"]
    problems = [f"{method} has no parameter {name}" for name in given if name not in rules]
    problems += [f"{method} lacks {name}" for name, (_, must) in rules.items() if must and name not in given]
    for name, value in given.items():
        if name in rules and (problem := rules[name][0](value)):
            problems.append(f"{method}.{name} {problem}")
    text = given.get("text", "")
    if method == "sendMessage" and not text.strip():
        problems.append("sendMessage.text is blank")
    if method == "editMessageReplyMarkup" and "inline_keyboard" not in given.get("reply_markup", "inline_keyboard"):
        problems.append("only an inline keyboard may be put in place")
    return problems
