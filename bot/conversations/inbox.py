"""Takes messages in. When `receive` returns, the message is stored and may be acknowledged to its channel."""

from __future__ import annotations

import re
from dataclasses import replace

from bot.conversations.intake import clean
from bot.conversations.live import LiveEvents, Logged
from bot.conversations.model import Inbound, Message, MessageId
from bot.conversations.ports import Clock, Content, Received, TurnStore
from bot.errors import MessageRefused

# What the assistant is told about a message that cannot be taken as it was typed; see data/rules.yml.
TOO_LONG = '/notice{"notice": "too_long"}'
EMPTY = '/notice{"notice": "empty"}'
STALE_BUTTON = '/notice{"notice": "stale_button"}'
IMAGE = '/notice{"notice": "image"}'
ENDED = '/notice{"notice": "ended"}'
# What the widgets of Rasa's world send when they are opened, and Telegram when a chat begins.
GREETING = "/greet"
_OPENINGS = {"/greet", "/get_started", "/start"}
_BUTTON = re.compile(r"b\.[0-9a-f]{14}")
_LONGEST_ADDRESS = 255


class Inbox:
    """Tells `live` of each stored message, so that a worker looks at once."""

    def __init__(self, store: TurnStore, clock: Clock, max_pending: int, live: LiveEvents) -> None:
        self._store, self._clock, self._max_pending, self._live = store, clock, max_pending, live

    def receive(self, inbound: Inbound) -> Received:
        """Store a message.

        Raises MessageRefused (`invalid`, `flood`, `file`) or StorageUnavailable; then nothing was stored.
        """
        if not inbound.address or len(inbound.address) > _LONGEST_ADDRESS or not inbound.address.isprintable():
            raise MessageRefused("invalid", f"the sender must be 1 to {_LONGEST_ADDRESS} printable characters")
        if inbound.key is not None and not (0 < len(inbound.key) <= _LONGEST_ADDRESS and inbound.key.isprintable()):
            raise MessageRefused("invalid", f"the message id must be 1 to {_LONGEST_ADDRESS} printable characters")
        content = self._read(inbound)
        if inbound.meta:
            content = replace(content, meta={**inbound.meta, **content.meta})
        received = self._store.receive(inbound, content, self._clock(), self._max_pending)
        self._live.tell(Logged(inbound.channel, inbound.address))
        return received

    def replies(self, message: MessageId) -> list[Message] | None:
        """The replies to a message; None while its turn is not done."""
        found = self._store.replies(message)
        return None if found is None else list(found)

    def _read(self, inbound: Inbound) -> Content:
        typed = inbound.text.strip()
        if inbound.ends:
            return Content(clean(typed).text, ENDED)
        if inbound.means:
            return Content(clean(typed).text, inbound.means)
        if _BUTTON.fullmatch(typed):
            button = self._store.offered(inbound.channel, inbound.address, typed)
            if button:
                return Content(button.title, button.payload, {"button": button.id})
            return Content(typed, STALE_BUTTON)
        if typed in _OPENINGS:
            return Content(typed, GREETING)
        text = clean(inbound.text)
        meta = {name: True for name in ("cut", "masked") if getattr(text, name)}
        if text.cut:
            return Content(text.text, TOO_LONG, meta)
        if not text.text:
            return Content("", IMAGE if inbound.file else EMPTY)
        return Content(text.text, meta=meta)
