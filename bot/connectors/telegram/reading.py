"""Reads updates of the Bot API. Pure, and lenient: whatever is not there, or is not what it should be, is left out.

https://core.telegram.org/bots/api#update. The library's own types refuse an update that lacks one field; here a customer's
words are read as long as there is a chat to answer in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

ALLOWED = ("message", "edited_message", "callback_query", "my_chat_member")

_LARGEST = 2**63
_LONGEST_QUOTE = 500


def webhook_path(bot: int) -> str:
    """Where Telegram brings a bot's updates."""
    return f"/webhooks/telegram/{bot}"


class What(str, Enum):
    """What a message brings besides its text."""

    TEXT = "text"
    IMAGE = "image"
    CONTACT = "contact"
    LOCATION = "location"
    VOICE = "voice"
    VIDEO = "video"
    STICKER = "sticker"
    DOCUMENT = "document"
    OTHER = "other"


@dataclass(frozen=True)
class RemoteFile:
    """A file at Telegram. `size` in bytes, 0 where it is not told."""

    id: str
    size: int


@dataclass(frozen=True)
class Said:
    """A message in a private chat. `text` is what was typed; `shown` what people see of a message besides, in no language.

    `edited`: when it got this wording, 0 for a first one. `quoted`: what it replies to. `phone`: of a shared contact,
    `own` where it is the sender's.
    """

    chat: int
    message: int
    what: What
    text: str
    shown: str
    language: str
    image: RemoteFile | None = None
    album: str | None = None
    edited: int = 0
    quoted: str = ""
    forwarded: bool = False
    phone: str = ""
    own: bool = False


@dataclass(frozen=True)
class Pressed:
    """A button was pressed. `chat` 0: not in a chat that the bot can see. `keyboard`: the titles by what they send, in
    rows; None where Telegram does not tell any more what the message was."""

    query: str
    chat: int
    person: int
    private: bool
    message: int
    data: str
    language: str
    keyboard: Sequence[Sequence[tuple[str, str]]] | None


@dataclass(frozen=True)
class Membership:
    """The bot's own place in a chat has changed. `kind`: private, group, supergroup or channel."""

    chat: int
    kind: str
    inside: bool
    language: str = "ar"


@dataclass(frozen=True)
class InGroup:
    """Something was said in a group."""

    chat: int
    language: str = "ar"


@dataclass(frozen=True)
class Nothing:
    """An update that asks for nothing: a channel's post, a chat's new picture, a kind that is not known yet."""

    why: str = field(default="unknown")


Event = Said | Pressed | Membership | InGroup | Nothing

_SERVICE = {
    "new_chat_members", "left_chat_member", "new_chat_title", "new_chat_photo", "delete_chat_photo", "group_chat_created",
    "supergroup_chat_created", "channel_chat_created", "message_auto_delete_timer_changed", "migrate_to_chat_id",
    "migrate_from_chat_id", "pinned_message", "successful_payment", "refunded_payment", "users_shared", "chat_shared",
    "connected_website", "write_access_allowed", "passport_data", "proximity_alert_triggered", "boost_added",
    "chat_background_set", "forum_topic_created", "forum_topic_edited", "forum_topic_closed", "forum_topic_reopened",
    "general_forum_topic_hidden", "general_forum_topic_unhidden", "giveaway_created", "giveaway_completed",
    "video_chat_scheduled", "video_chat_started", "video_chat_ended", "video_chat_participants_invited", "web_app_data",
    "direct_message_price_changed", "paid_message_price_changed", "chat_owner_left", "chat_owner_changed",
}  # fmt: skip


def update_id(update: Any) -> int | None:
    """The update's id; None for what is no update."""
    number = update.get("update_id") if isinstance(update, Mapping) else None
    return int(number) if _is_number(number) and number is not None and number >= 0 else None


def chat_of(update: Mapping[str, Any]) -> int:
    """The chat that an update is about, 0 for none: updates of one chat are handled in order."""
    for name, content in update.items():
        if name == "callback_query":
            return _number(_dict(_dict(_dict(content), "message"), "chat"), "id") or _number(
                _dict(_dict(content), "from"), "id"
            )
        if chat := _number(_dict(_dict(content), "chat"), "id"):
            return chat
    return 0


def read(update: Any) -> Event:
    """What an update says."""
    if not isinstance(update, Mapping):
        return Nothing()
    for name, edited in (("message", False), ("edited_message", True)):
        if isinstance(update.get(name), Mapping):
            return _message(update[name], edited)
    if isinstance(update.get("callback_query"), Mapping):
        return _pressed(update["callback_query"])
    if isinstance(update.get("my_chat_member"), Mapping):
        return _membership(update["my_chat_member"])
    return Nothing("channel_post" if "channel_post" in update or "edited_channel_post" in update else "unknown")


def _message(message: Mapping[str, Any], edited: bool) -> Event:
    chat, sender = _dict(message, "chat"), _dict(message, "from")
    where, number = _number(chat, "id"), _number(message, "message_id")
    if not where or not number:
        return Nothing("unreadable")
    if _text(chat, "type") in ("group", "supergroup"):
        return Nothing("left") if "left_chat_member" in message else InGroup(where, _language(sender))
    if _text(chat, "type") == "channel" or sender.get("is_bot") is True:
        return Nothing("not_a_customer")
    what, image = _content(message)
    if what is None:
        return Nothing("service")
    contact = _dict(message, "contact")
    return Said(
        where,
        number,
        what,
        _text(message, "text") or _text(message, "caption"),
        _shown(message),
        _language(sender),
        image,
        _text(message, "media_group_id") or None,
        max(1, _number(message, "edit_date")) if edited else 0,
        _quoted(message),
        bool(message.get("forward_origin") or message.get("forward_date") or message.get("is_automatic_forward")),
        _text(contact, "phone_number"),
        bool(_number(contact, "user_id")) and _number(contact, "user_id") == _number(sender, "id"),
    )


def _content(message: Mapping[str, Any]) -> tuple[What | None, RemoteFile | None]:
    if _text(message, "text"):
        return What.TEXT, None
    if image := _image(message):
        return What.IMAGE, image
    for what, names in _KINDS:
        if any(isinstance(message.get(name), Mapping) for name in names):
            return what, None
    if _SERVICE & set(message):
        return None, None
    return What.OTHER, None


_KINDS = (
    (What.CONTACT, ("contact",)),
    (What.LOCATION, ("location", "venue")),
    (What.VOICE, ("voice", "audio")),
    (What.VIDEO, ("video", "video_note", "animation")),
    (What.STICKER, ("sticker",)),
    (What.DOCUMENT, ("document",)),
)


def _image(message: Mapping[str, Any]) -> RemoteFile | None:
    """The largest size of a photo, or a document that says it is an image."""
    photo = message.get("photo")
    sizes = [_file(size) for size in photo] if isinstance(photo, Sequence) and not isinstance(photo, str) else []
    found = [size for size in sizes if size]
    if found:
        areas = {s.id: 0 for s in found}
        for size in photo or ():
            areas[_text(_dict(size), "file_id")] = _number(_dict(size), "width") * _number(_dict(size), "height")
        return max(found, key=lambda size: (areas[size.id], size.size))
    document = _dict(message, "document")
    return _file(document) if _text(document, "mime_type").startswith("image/") else None


def _file(given: Any) -> RemoteFile | None:
    found = _dict(given)
    return RemoteFile(_text(found, "file_id"), _number(found, "file_size")) if _text(found, "file_id") else None


def _shown(message: Mapping[str, Any]) -> str:
    """What people see of a message without words, in no language."""
    if place := _dict(message, "location") or _dict(_dict(message, "venue"), "location"):
        latitude, longitude = place.get("latitude"), place.get("longitude")
        if isinstance(latitude, (int, float)) and isinstance(longitude, (int, float)):
            name = " ".join(filter(None, (_text(_dict(message, "venue"), part) for part in ("title", "address"))))
            return f"📍 {latitude:.5f}, {longitude:.5f} {name}".strip()
    if contact := _dict(message, "contact"):
        return f"☎ {_text(contact, 'phone_number')}".strip()
    if "sticker" in message:
        return _text(_dict(message, "sticker"), "emoji") or "🖼"
    for names, sign in (
        (("voice", "audio"), "🎤"),
        (("video", "video_note", "animation"), "🎬"),
        (("document",), "📎"),
    ):
        for name in names:
            if media := _dict(message, name):
                seconds = _number(media, "duration")
                told = f"{seconds // 60}:{seconds % 60:02d}" if seconds > 0 else _text(media, "file_name")
                return f"{sign} {told}".strip()
    return ""


def _quoted(message: Mapping[str, Any]) -> str:
    """What the message replies to: the part that was marked, or the whole."""
    replied = _dict(message, "reply_to_message")
    return (_text(_dict(message, "quote"), "text") or _text(replied, "text") or _text(replied, "caption"))[
        :_LONGEST_QUOTE
    ]


def _pressed(query: Mapping[str, Any]) -> Event:
    if not _text(query, "id"):
        return Nothing("unreadable")
    message, sender = _dict(query, "message"), _dict(query, "from")
    chat = _dict(message, "chat")
    accessible = _number(message, "date") > 0
    return Pressed(
        _text(query, "id"),
        _number(chat, "id"),
        _number(sender, "id"),
        _text(chat, "type") == "private",
        _number(message, "message_id"),
        _text(query, "data"),
        _language(sender),
        _keyboard(message) if accessible else None,
    )


def _keyboard(message: Mapping[str, Any]) -> list[list[tuple[str, str]]]:
    rows = _dict(message, "reply_markup").get("inline_keyboard")
    if not isinstance(rows, list):
        return []
    buttons = [[_dict(button) for button in row] for row in rows if isinstance(row, list)]
    return [[(_text(button, "text"), _text(button, "callback_data")) for button in row] for row in buttons]


def _membership(change: Mapping[str, Any]) -> Event:
    chat, member = _dict(change, "chat"), _dict(change, "new_chat_member")
    if not _number(chat, "id"):
        return Nothing("unreadable")
    status = _text(member, "status")
    inside = status in ("creator", "administrator", "member") or (
        status == "restricted" and member.get("is_member") is True
    )
    return Membership(_number(chat, "id"), _text(chat, "type"), inside, _language(_dict(change, "from")))


def _language(sender: Mapping[str, Any]) -> str:
    return "en" if _text(sender, "language_code").lower().partition("-")[0] == "en" else "ar"


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_LARGEST <= value < _LARGEST


def _number(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    return int(value) if _is_number(value) and value is not None else 0


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _dict(data: Any, name: str | None = None) -> Mapping[str, Any]:
    value = data if name is None else data.get(name)
    return value if isinstance(value, Mapping) else {}
