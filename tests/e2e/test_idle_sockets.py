"""Thousands of chats that are open and say nothing cost little, and nobody waits because of them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import resource
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from tests.e2e.server import Server
from tests.e2e.test_operations import metric
from tests.e2e.webchat import Chat, until

pytestmark = pytest.mark.slow

PLAIN = ""
AS_BROWSERS_ASK = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
AT_ONCE = 50
# About 57 KB over 2,000 sockets; a compressor for each would make it 160. What the process grows by all at once (a pool's
# threads, an arena) counts for more where there are fewer sockets.
MOST_PER_SOCKET = 100 * 1024  # bytes


class Idle:
    """A websocket by hand: nothing that would cost the test more than the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._unpacker = zlib.decompressobj(-15)

    @classmethod
    async def open(cls, port: int, extensions: str = "") -> Idle:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            (
                f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                f"Sec-WebSocket-Version: 13\r\n{extensions}\r\n"
            ).encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head.splitlines()[0], head
        return cls(reader, writer)

    async def say(self, text: str) -> None:
        body = text.encode()
        size = bytes([0x80 | len(body)]) if len(body) < 126 else struct.pack(">BH", 0x80 | 126, len(body))
        self.writer.write(b"\x81" + size + b"\0\0\0\0" + body)  # masked with zeros
        await self.writer.drain()

    async def say_long(self, text: str) -> None:
        """A text of any length."""
        body = text.encode("utf-8", "surrogatepass")
        self.writer.write(b"\x81\xff" + struct.pack(">Q", len(body)) + b"\0\0\0\0" + body)
        await self.writer.drain()

    async def hear(self) -> str:
        """The next text; pings of Engine.IO are answered on the way."""
        while True:
            first, size = await self.reader.readexactly(2)
            length = size & 0x7F
            if length == 126:
                (length,) = struct.unpack(">H", await self.reader.readexactly(2))
            body = await self.reader.readexactly(length)
            if first & 0x0F == 8:
                raise ConnectionError(body)
            if first & 0x0F != 1:
                continue
            if first & 0x40:
                body = self._unpacker.decompress(body + b"\0\0\xff\xff")
            text = body.decode()
            if text == "2":
                await self.say("3")
                continue
            return text

    async def begin(self) -> dict[str, Any]:
        """Connect as a Socket.IO client, and ask for a session; its answer."""
        assert (await self.hear()).startswith("0{")
        await self.say("40")
        assert (await self.hear()).startswith("40{")
        await self.say('420["session_request",{"session_id":null,"protocol":1}]')
        while not (text := await self.hear()).startswith("430"):
            assert text.startswith("42["), text
        answer: dict[str, Any] = json.loads(text[3:])[0]
        return answer

    async def stay(self) -> None:
        """Answer pings until the end."""
        try:
            while True:
                await self.hear()
        except (OSError, asyncio.IncompleteReadError):
            pass


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("sockets", "extensions"), [(2000, PLAIN), (600, AS_BROWSERS_ASK)], ids=["2000 sockets", "600 of browsers"]
)
def test_idle_chats_take_little_memory_and_hold_nobody_up(
    serve: Callable[..., Server], sockets: int, extensions: str
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < sockets + 500:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, sockets + 2000), hard))  # the server inherits it
    server = serve()
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    with Chat(server.url) as warm:
        assert warm.open().ask("مرحبا")

    async def crowd() -> None:
        gate = asyncio.Semaphore(AT_ONCE)
        tasks: list[asyncio.Task[None]] = []

        async def one() -> Idle:
            async with gate:
                idle = await Idle.open(server.port, extensions)
                answer = await asyncio.wait_for(idle.begin(), 60)
                assert answer["ok"] and answer["session"] and answer["last"] == 0
                tasks.append(asyncio.ensure_future(idle.stay()))
                return idle

        # The first ones grow pools and caches that all share.
        first = [await one() for _ in range(100)]
        before = process.memory_info().rss
        started = time.monotonic()
        rest = await asyncio.gather(*[one() for _ in range(sockets - 100)])
        took = time.monotonic() - started
        each = (process.memory_info().rss - before) / len(rest)
        count = await asyncio.to_thread(metric, server, "thiqa_webchat_sockets")
        print(f"{len(rest)} sockets in {took:.1f} s; {each / 1024:.1f} KB each; {count:.0f} are counted")
        assert count == sockets
        assert each < MOST_PER_SOCKET

        def talk() -> float:
            with Chat(server.url) as customer:
                customer.open()
                begun = time.monotonic()
                assert customer.ask("وين طلبي 1004")
                return time.monotonic() - begun

        waited = await asyncio.to_thread(talk)
        print(f"another customer's answer took {waited:.2f} s")
        assert waited < 5
        assert not any(task.done() for task in tasks), "a quiet chat was closed"
        # Half of them say goodbye, half are just gone.
        for place, idle in enumerate([*first, *rest]):
            if place % 2:
                idle.writer.write(b"\x88\x80\0\0\0\0")
            else:
                idle.writer.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for idle in [*first, *rest]:
            idle.writer.close()

    asyncio.run(crowd())
    until(lambda: metric(server, "thiqa_webchat_sockets") == 0, "sockets that are gone are still counted", timeout=40)
    with Chat(server.url) as after:
        assert after.open().ask("مرحبا")
    log = server.log()
    assert "Traceback" not in log and '"level": "error"' not in log
