"""How fast a bot may speak: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

_MOST_CHATS = 20_000
_AT_ONCE = 0.1  # what may be sent within this many seconds may be sent at once


@dataclass(frozen=True)
class Limits:
    """Seconds between two messages to a chat, and messages a second to all chats of a bot."""

    between: float = 1.0
    a_second: float = 30.0


class Pace:
    """One bot's. From any thread; `clock` in seconds, never going back."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits, self._clock = limits, clock
        self._lock = threading.Lock()
        self._free_at: dict[int, float] = {}
        self._all_free_at = 0.0

    def wait(self, chat: int) -> float:
        """Take a place now: 0, or how many seconds until there may be one (then nothing was taken)."""
        now = self._clock()
        with self._lock:
            until = max(self._free_at.get(chat, 0.0), self._all_free_at - _AT_ONCE)
            if until > now:
                return until - now
            self._free_at[chat] = now + self._limits.between
            self._all_free_at = max(self._all_free_at, now) + 1 / self._limits.a_second
            if len(self._free_at) > _MOST_CHATS:
                self._free_at = {other: at for other, at in self._free_at.items() if at > now}
            return 0.0

    def hold(self, chat: int, seconds: float) -> None:
        """Telegram asked for a pause in that chat."""
        with self._lock:
            self._free_at[chat] = max(self._free_at.get(chat, 0.0), self._clock() + seconds)
