"""What happens in conversations, told as it happens to whoever listens in this process.

Told after the commit, and only as a hint: whoever listens reads the record, and another process's changes are found by
looking. A hint that is lost costs time, never a message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bot.conversations.model import Author, ConversationId, MessageId

log = structlog.get_logger()


@dataclass(frozen=True)
class Happening:
    """Something happened in the conversation at `address` on `channel`."""

    channel: str
    address: str


@dataclass(frozen=True)
class Logged(Happening):
    """The log or the marks of the conversation have moved on."""


@dataclass(frozen=True)
class Answered(Logged):
    """The turn of this customer's message is done."""

    message: MessageId


@dataclass(frozen=True)
class HandedOver(Logged):
    """Something about who answers the conversation has changed; it may have brought a line of the log, too."""

    conversation: ConversationId


@dataclass(frozen=True)
class Typing(Happening):
    """`author` has begun or stopped writing."""

    author: Author
    on: bool


Listener = Callable[[Happening], None]


class LiveEvents:
    """Listeners are called in the thread that tells, so they return at once; what they raise is logged."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        self._listeners = [*self._listeners, listener]

    def tell(self, happening: Happening) -> None:
        for listener in self._listeners:
            try:
                listener(happening)
            except Exception:
                log.exception("live.listener_failed", happening=type(happening).__name__)
