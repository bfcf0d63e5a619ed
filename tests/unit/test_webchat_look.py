"""What other processes wrote is found, however long the database was away in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.connectors.webchat import server as webchat
from bot.connectors.webchat.origins import Origins
from bot.connectors.webchat.rooms import Socket
from bot.connectors.webchat.server import Webchat, WebchatServices
from bot.conversations.live import LiveEvents
from bot.conversations.ports import LogState
from bot.errors import StorageUnavailable
from tests.integration.conversations import START, SetClock


class Log:
    """Implements as much of `conversations.ports.Transcripts` as is asked for: nothing was said, `away` at times."""

    def __init__(self) -> None:
        self.away = False
        self.looked: list[datetime] = []
        self.failed = 0

    def moved(self, _channel: str, since: datetime) -> Sequence[Any]:
        if self.away:
            self.failed += 1
            raise StorageUnavailable("away")
        self.looked.append(since)
        return []

    def state(self, _channel: str, _address: str) -> LogState | None:
        return None


def channel(log: Log, clock: SetClock) -> Webchat:
    services: Any = dict.fromkeys(WebchatServices.__dataclass_fields__)
    services |= {
        "transcripts": log,
        "others": log,
        "clock": clock,
        "live": LiveEvents(),
        "origins": Origins([], "http://x"),
    }
    return Webchat(WebchatServices(**services))


async def until(condition: Callable[[], Any]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


def test_after_an_outage_the_look_goes_back_to_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may have written all the while: only this one's way to the database was cut."""
    monkeypatch.setattr(webchat, "_LOOK_EVERY", 0.01)
    clock, log = SetClock(), Log()

    async def scene() -> None:
        chat = channel(log, clock)
        await chat.start()
        chat._rooms.enter(Socket("sid", "ip"), "visitor", 0)
        await until(lambda: log.looked)
        log.away = True
        await until(lambda: log.failed)
        clock.move(timedelta(minutes=1))
        seen = len(log.looked)
        log.away = False
        await until(lambda: len(log.looked) > seen)
        assert log.looked[seen] <= START, "what was written within that minute is never shown"

    asyncio.run(asyncio.wait_for(scene(), 30))


def test_a_stop_while_nobody_is_connected_fails_nothing() -> None:
    async def scene() -> None:
        chat = channel(Log(), SetClock())
        await chat.start()
        await chat.stop()

    asyncio.run(asyncio.wait_for(scene(), 30))
