"""What channels share. docs/add-a-channel.md says how to add one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from anyio import to_thread

from bot.conversations.inbox import Inbox
from bot.conversations.live import Answered, Happening
from bot.conversations.model import Message, MessageId
from bot.errors import StorageUnavailable

_POLL = 0.25


class DoneSignals:
    """Wakes coroutines when a message's turn is done in this process. Another process's turns are found by polling."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[MessageId, list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}

    def heard(self, happening: Happening) -> None:
        """Listens to `LiveEvents`, from any thread."""
        if not isinstance(happening, Answered):
            return
        with self._lock:
            waiting = self._waiting.pop(happening.message, [])
        for loop, event in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    async def replies(self, inbox: Inbox, message: MessageId, timeout: float) -> Sequence[Message] | None:
        """The replies to `message` as soon as its turn is done; None when that takes longer than `timeout` seconds.

        The message is stored already, so a database that is away meanwhile only makes the wait longer.
        """
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        entry = (loop, event)
        with self._lock:
            self._waiting.setdefault(message, []).append(entry)
        deadline = loop.time() + timeout
        try:
            while True:
                try:
                    replies = await to_thread.run_sync(inbox.replies, message)
                except StorageUnavailable:
                    replies = None
                if replies is not None:
                    return replies
                left = deadline - loop.time()
                if left <= 0:
                    return None
                try:
                    await asyncio.wait_for(event.wait(), min(_POLL, left))
                except asyncio.TimeoutError:
                    pass
        finally:
            with self._lock:
                entries = self._waiting.get(message, [])
                if entry in entries:
                    entries.remove(entry)
                if not entries:
                    self._waiting.pop(message, None)
