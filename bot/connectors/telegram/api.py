"""One bot's way to the Bot API. No error of this module, and nothing it logs, holds the token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import telegram
from telegram import error
from telegram.request import HTTPXRequest

from bot.connectors.telegram.reading import ALLOWED
from bot.errors import ThiqaError

DEFAULT_URL = "https://api.telegram.org"
LARGEST_DOWNLOAD = 20 * 1024 * 1024  # bytes; more the Bot API does not hand out
_TOKEN = re.compile(r"(\d{1,19}):[\w\-]{3,}")


class ApiError(ThiqaError):
    """Root of what a call may raise."""


class Unanswered(ApiError):
    """No answer, or one that is no answer. `perhaps_done`: the request had left; what it asked may have happened."""

    def __init__(self, reason: str, perhaps_done: bool = False) -> None:
        super().__init__(reason)
        self.perhaps_done = perhaps_done


class TooMany(ApiError):
    """429: again after `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds:g} s")
        self.seconds = seconds


class Moved(ApiError):
    """The group is a supergroup now, with the id `chat`."""

    def __init__(self, chat: int) -> None:
        super().__init__("the chat has a new id")
        self.chat = chat


class NotAllowed(ApiError):
    """403: the customer has blocked the bot, or the bot is not in the group."""


class BadCall(ApiError):
    """400: what was asked cannot be done, for the reason that Telegram gives."""


class TokenRefused(ApiError):
    """401 or 404: no bot has this token, or not any more."""


class SomebodyElse(ApiError):
    """409: another process gets this bot's updates, or a webhook does."""


@dataclass(frozen=True)
class Timeouts:
    """Seconds. An answer to a sent message is waited for long: without it nobody knows whether the message is there."""

    connect: float = 5.0
    answer: float = 20.0
    poll: int = 25


def bot_id(token: str) -> int | None:
    """The bot's id, which its token begins with; None for what cannot be a token."""
    found = _TOKEN.fullmatch(token)
    return int(found[1]) if found and 0 < int(found[1]) < 2**63 else None


class _Raw(telegram.Bot):
    """The library's bot, asked for answers as they came: one that the library cannot read is an answer still."""

    async def raw(self, method: str, data: dict[str, Any]) -> Any:
        return await self._post(method, data)


class Bot:
    """One bot. `number` is its id."""

    def __init__(self, token: str, url: str, timeouts: Timeouts) -> None:
        self.number = bot_id(token) or 0
        self._poll = timeouts.poll
        url = url.rstrip("/")

        def request(connections: int, read: float) -> HTTPXRequest:
            return HTTPXRequest(
                connections,
                connect_timeout=timeouts.connect,
                read_timeout=read,
                write_timeout=timeouts.answer,
                pool_timeout=timeouts.answer,
            )

        self._requests = request(32, timeouts.answer), request(1, timeouts.poll + 10.0)
        self._raw = _Raw(
            token,
            base_url=f"{url}/bot",
            base_file_url=f"{url}/file/bot",
            request=self._requests[0],
            get_updates_request=self._requests[1],
        )

    async def open(self) -> None:
        for request in self._requests:
            await request.initialize()

    async def close(self) -> None:
        for request in self._requests:
            await request.shutdown()

    async def call(self, method: str, data: Mapping[str, Any] | None = None) -> Any:
        """Call a method of the Bot API; the result as it came. Raises ApiError."""
        try:
            return await self._raw.raw(method, dict(data or {}))
        except error.TelegramError as failure:
            raise _ours(failure) from None
        except (KeyError, TypeError, AttributeError, ValueError):
            raise Unanswered("the answer is no answer of the Bot API", perhaps_done=True) from None

    async def updates(self, offset: int | None) -> list[Any]:
        """Wait for updates from `offset` on. What came before it, Telegram forgets."""
        asked = {"offset": offset, "timeout": self._poll, "limit": 100, "allowed_updates": list(ALLOWED)}
        found = await self.call("getUpdates", {name: value for name, value in asked.items() if value is not None})
        if not isinstance(found, list):
            raise Unanswered("getUpdates gave no list")
        return found

    async def download(self, file: str, largest: int) -> bytes:
        """A file that a customer sent. Raises ApiError; BadCall where it is gone or too large."""
        found = await self.call("getFile", {"file_id": file})
        path = found.get("file_path") if isinstance(found, Mapping) else None
        if not isinstance(path, str) or not path:
            raise BadCall("the file has no path")
        size = found.get("file_size")
        if isinstance(size, int) and size > largest:
            raise BadCall("the file is too large")
        # A path may be a whole address where the Bot API server runs beside us; only ours is asked.
        if "://" in path or ".." in path:
            raise BadCall("the file's path leads elsewhere")
        try:
            content = await self._requests[0].retrieve(f"{self._raw.base_file_url}/{path.lstrip('/')}")
        except error.InvalidToken:
            raise BadCall("the file is gone") from None
        except error.TelegramError as failure:
            raise _ours(failure) from None
        return bytes(content)


def _ours(failure: error.TelegramError) -> ApiError:
    if isinstance(failure, error.RetryAfter):
        wait = failure.retry_after
        return TooMany(wait.total_seconds() if isinstance(wait, timedelta) else float(wait))
    if isinstance(failure, error.ChatMigrated):
        return Moved(failure.new_chat_id)
    if isinstance(failure, error.Forbidden):
        return NotAllowed(_reason(failure))
    if isinstance(failure, (error.InvalidToken, error.EndPointNotFound)):
        return TokenRefused("Telegram knows no bot with this token")
    if isinstance(failure, error.Conflict):
        return SomebodyElse(_reason(failure))
    if isinstance(failure, error.BadRequest):
        return BadCall(_reason(failure))
    connecting = "Connect" in failure.message or "pool" in failure.message.lower()
    return Unanswered(type(failure).__name__, perhaps_done=not connecting)


def _reason(failure: error.TelegramError) -> str:
    return _TOKEN.sub("[token]", failure.message)[:150]
