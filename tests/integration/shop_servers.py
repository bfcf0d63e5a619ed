"""Servers on free loopback ports for the tests of shops."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import uvicorn

from bot.shops.embedded import EmbeddedShop, load_demo
from bot.storage.database import Database
from bot.storage.tables import metadata

DEMO = Path(__file__).parents[2] / "bot" / "content" / "demo_shop.json"
NOW = datetime(2026, 11, 20, 21, 30, tzinfo=timezone.utc)  # 00:30 on the 21st in Riyadh
TODAY = datetime(2026, 11, 21).date()
TOKEN = "demo-token"


def demo_database(folder: Path) -> Database:
    """A new SQLite database with the demo shop in it."""
    database = Database(f"sqlite:///{folder / 'shop.db'}")
    metadata.create_all(database.engine)
    load_demo(database, DEMO, NOW)
    return database


def demo_shop(folder: Path) -> EmbeddedShop:
    """The demo shop over a database of its own, on the day it was loaded."""
    return EmbeddedShop(demo_database(folder), lambda: NOW)


@contextmanager
def serve_app(app: Any) -> Iterator[str]:
    """Run an ASGI application in a thread; gives its base URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the server's next behaviour."""

    server: ScriptedServer
    protocol_version = "HTTP/1.1"
    sent: bytes | None = None

    def do_POST(self) -> None:
        self.sent = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((self.path, self.headers.get("Idempotency-Key"), json.loads(self.sent)))
        self.do_GET()

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get("Authorization")))
        script = self.server.script
        behaviour = script.pop(0) if len(script) > 1 else script[0]
        self.close_connection = True
        try:
            behaviour(self)
        except OSError:
            pass  # the client went away, as it should from some of these

    def answer(self, status: int, body: bytes, content_type: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class ScriptedServer(ThreadingHTTPServer):
    """Plays `script`, one behaviour a request, the last one for ever; keeps what was asked in `requests`, and of each POST
    its path, its idempotency key and its document in `posts`."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *script: Callable[[Handler], None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = list(script)
        self.requests: list[tuple[str, str | None]] = []
        self.posts: list[tuple[str, str | None, Any]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> ScriptedServer:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        self.server_close()
