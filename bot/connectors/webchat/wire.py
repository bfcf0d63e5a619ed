"""What goes over the wire: docs/webchat-protocol.md. Parses what strangers send, shapes what they get."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.conversations.model import Author, FileId
from bot.conversations.ports import LogLine, LogState
from bot.customers.channels import OtherChat

LONGEST_KEY = 64
_FILE = re.compile(r"[0-9a-f-]{36}")
_LARGEST_NUMBER = 2**31 - 1


class BadEvent(Exception):
    """The message says what is wrong, for whoever writes the client."""


def fields(args: Sequence[Any]) -> dict[str, Any]:
    """The one object that an event carries; nothing at all is an empty one."""
    data = args[0] if args else None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise BadEvent("the event must carry one object")
    if data.get("_placeholder"):  # where an attachment would have been
        raise BadEvent("the event must carry one object, not bytes")
    return data


@dataclass(frozen=True)
class SessionRequest:
    token: str | None
    protocol: int
    after: int
    language: str


def session_request(data: dict[str, Any]) -> SessionRequest:
    token = data.get("session_id")
    # Widgets send what their storage gave them: anything that is no text is no session.
    return SessionRequest(
        token if isinstance(token, str) and token else None,
        1 if data.get("protocol") == 1 else 0,
        number(data, "after"),
        "en" if data.get("language") == "en" else "ar",
    )


@dataclass(frozen=True)
class Uttered:
    text: str
    key: str | None
    token: str | None
    image: FileId | None


def uttered(data: dict[str, Any]) -> Uttered:
    message, image = data.get("message"), data.get("image")
    if message is None and image is not None:
        message = ""
    if not isinstance(message, str):
        raise BadEvent("`message` must be a string")
    if image is not None and not (isinstance(image, str) and _FILE.fullmatch(image)):
        raise BadEvent("`image` must be an id that /webchat/images gave")
    token = data.get("session_id")
    if token is not None and not isinstance(token, str):
        raise BadEvent("`session_id` must be a string")
    metadata = data.get("metadata")
    given = data.get("id")
    if given is None and isinstance(metadata, dict):
        given = metadata.get("message_id")
    return Uttered(message, None if given is None else _key(given), token or None, FileId(image) if image else None)


def key(data: dict[str, Any]) -> str:
    """The client's own id of what it sends; it must have one."""
    return _key(data.get("id"))


def _key(given: Any) -> str:
    if not isinstance(given, str) or not 0 < len(given) <= LONGEST_KEY or not given.isprintable():
        raise BadEvent(f"`id` must be 1 to {LONGEST_KEY} printable characters")
    return given


def number(data: dict[str, Any], name: str) -> int:
    """A message number; 0 where there is none."""
    value = data.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_NUMBER:
        raise BadEvent(f"`{name}` must be a whole number from 0")
    return value


def text(data: dict[str, Any], name: str, longest: int, default: str | None = None) -> str:
    value = data.get(name, default)
    if not isinstance(value, str) or len(value) > longest:
        raise BadEvent(f"`{name}` must be a string of at most {longest} characters")
    return value


def flag(data: dict[str, Any], name: str) -> bool:
    value = data.get(name)
    if not isinstance(value, bool):
        raise BadEvent(f"`{name}` must be true or false")
    return value


def message(line: LogLine) -> dict[str, Any]:
    """`Message` of the protocol."""
    said = line.message
    shaped: dict[str, Any] = {
        "number": said.number,
        "id": said.id,
        "author": said.author.value,
        "text": said.text,
        "at": said.at.isoformat(),
    }
    if said.buttons:
        shaped["buttons"] = [{"id": button.id, "title": button.title} for button in said.buttons]
    for attached in ("image", "document"):
        if file := said.meta.get(attached):
            shaped[attached] = file
    if said.author is Author.CUSTOMER and line.key:
        shaped["client_id"] = line.key
    return shaped


def elsewhere(line: LogLine) -> dict[str, Any]:
    """`Message` of a conversation on another channel: it is read here, and answered there."""
    return {name: value for name, value in message(line).items() if name not in ("buttons", "client_id")}


def elsewhere_uttered(line: LogLine, other: OtherChat) -> dict[str, Any]:
    return {"conversation": other.conversation, "channel": other.channel, "message": elsewhere(line)}


def bot_uttered(line: LogLine, protocol: int) -> dict[str, Any]:
    """Rasa's shape, to which its own widgets hold a message by every key; in ours `Message` is beside it."""
    shaped: dict[str, Any] = message(line) if protocol else {"text": line.message.text}
    if line.message.buttons:
        shaped["quick_replies"] = [
            {"content_type": "text", "title": button.title, "payload": button.id} for button in line.message.buttons
        ]
    return shaped


def marks(state: LogState | None) -> dict[str, Any]:
    """`Marks` of the protocol."""
    if state is None:
        return {"delivered": 0, "seen": 0, "read": 0, "owner": "bot"}
    return {"delivered": state.delivered, "seen": state.seen, "read": state.read, "owner": state.owner.value}


def refusal(code: str, retry_after: int | None = None, detail: str | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = {"ok": False, "code": code}
    if retry_after is not None:
        answer["retry_after"] = retry_after
    if detail is not None:
        answer["detail"] = detail
    return answer
