"""What stands between the product and others, and can be made to fail: a shop's front, a database's cable, a webhook."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import requests


class _Local(ThreadingHTTPServer):
    """A server on a free loopback port, in a thread."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # the other side went away, as it should from some of these

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class ShopFront(_Local):
    """Stands before a shop at `behind` and passes on, unless `trouble` says otherwise.

    `trouble` is one of `none`, `silent` (no answer), `refused` (hangs up), `failing` (503), `garbage` (a page instead of
    JSON), `wrong` (JSON of another shape). `delay` in seconds comes before every answer.
    """

    def __init__(self, behind: str) -> None:
        self.behind, self.trouble, self.delay = behind, "none", 0.0
        self.asked: list[str] = []
        super().__init__(_Front)


class _Front(_Quiet):
    server: ShopFront
    sent: bytes | None = None

    def do_POST(self) -> None:
        self.sent = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            self.do_GET()
        finally:
            self.sent = None

    def do_GET(self) -> None:
        shop = self.server
        shop.asked.append(self.path)
        time.sleep(shop.delay)
        if shop.trouble == "silent":
            time.sleep(8)
            self.close_connection = True
        elif shop.trouble == "refused":
            self.close_connection = True
        elif shop.trouble == "failing":
            self.answer(503, b"{}")
        elif shop.trouble == "garbage":
            self.answer(200, b"<html><body>Traceback (most recent call last)</body></html>", "text/html")
        elif shop.trouble == "wrong":
            self.answer(200, b'{"number": [null, {"status": 17}]}')
        else:
            kept = ("Authorization", "Content-Type", "Idempotency-Key")
            headers = {name: self.headers[name] for name in kept if name in self.headers}
            passed = requests.request(
                self.command, shop.behind + self.path, data=self.sent, headers=headers, timeout=10
            )
            self.answer(passed.status_code, passed.content, passed.headers["Content-Type"])


class Webhook(_Local):
    """Keeps the JSON that was POSTed; answers `statuses` in turn, then 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.received: list[dict[str, Any]] = []
        super().__init__(_Hook)


class _Hook(_Quiet):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(json.loads(body))
        self.answer(self.server.statuses.pop(0) if self.server.statuses else 200, b"")


@dataclass(eq=False)
class Line:
    """One connection through a cable; a deaf end is not carried to any more, and nobody is told."""

    near: socket.socket
    far: socket.socket
    deaf: set[socket.socket] = field(default_factory=set)


class Cable:
    """A TCP relay to (host, port) that can be cut, which drops every connection, and mended.

    `upgrades` is what becomes of requests for a WebSocket: they `pass`, are `refused`, or get no answer (`silent`).
    """

    def __init__(self, host: str, port: int) -> None:
        self._behind = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.accepted = 0
        self.upgrades, self.stopped_upgrades = "pass", 0
        self._whole, self._open = True, True
        self._swallow_asked = self._swallow_answered = False
        self._chunks, self._carry_last = 0, True
        self._lines: set[Line] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def lines(self) -> set[Line]:
        """The connections of now."""
        with self._lock:
            return set(self._lines)

    def cut(self, only: Collection[Line] | None = None) -> None:
        """Drop every connection, or only those, and refuse new ones."""
        with self._lock:
            self._whole, self._chunks = False, 0
            lines = self._lines if only is None else self._lines & set(only)
            self._lines = self._lines - lines
        for line in lines:
            _hang_up(line.near)
            _hang_up(line.far)

    def mend(self) -> None:
        """Carry new connections again; those that were swallowed stay dead."""
        with self._lock:
            self._whole, self._chunks = True, 0
            self._swallow_asked = self._swallow_answered = False

    def swallow(self, answers_only: bool = False) -> None:
        """Keep every connection open, also new ones, and carry nothing; or only nothing that comes back."""
        with self._lock:
            self._swallow_asked, self._swallow_answered = not answers_only, True
            for line in self._lines:
                self._deafen(line)

    def cut_after(self, chunks: int, carry_last: bool = True) -> None:
        """Cut at that many pieces of data from now, in either direction; the last one may be lost."""
        with self._lock:
            self._chunks, self._carry_last = chunks, carry_last

    @property
    def whole(self) -> bool:
        return self._whole

    def close(self) -> None:
        self._open = False
        self.cut()
        # A listener that another thread waits on stays open until it is woken.
        _hang_up(self._listener)

    def __enter__(self) -> Cable:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while self._open:
            try:
                near, _ = self._listener.accept()
            except OSError:
                continue
            self.accepted += 1
            try:
                far = socket.create_connection(self._behind, 5) if self._whole else None
            except OSError:
                far = None
            with self._lock:
                if far is None or not self._whole:
                    _hang_up(near)
                    if far is not None:
                        _hang_up(far)
                    continue
                far.settimeout(None)
                line = Line(near, far)
                self._lines.add(line)
                self._deafen(line)
            for one in (near, far):
                threading.Thread(target=self._carry, args=(line, one), daemon=True).start()

    def _deafen(self, line: Line) -> None:
        if self._swallow_asked:
            line.deaf.add(line.far)
        if self._swallow_answered:
            line.deaf.add(line.near)

    def _carry(self, line: Line, one: socket.socket) -> None:
        other = line.far if one is line.near else line.near
        try:
            while data := one.recv(65536):
                if one is line.near and self.upgrades != "pass" and _UPGRADE.search(data):
                    self.stopped_upgrades += 1
                    if self.upgrades == "refused":
                        one.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                        break
                    line.deaf |= {line.near, line.far}
                with self._lock:
                    cuts = self._chunks == 1
                    self._chunks -= self._chunks > 0
                    carries = other not in line.deaf and (self._carry_last or not cuts)
                if carries:
                    other.sendall(data)
                if cuts:
                    self.cut()
        except OSError:
            pass
        finally:
            if not line.deaf:
                with self._lock:
                    self._lines.discard(line)
                _hang_up(one)
                _hang_up(other)


_UPGRADE = re.compile(rb"^upgrade: *websocket", re.I | re.M)


def _hang_up(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    end.close()


def until(true: Callable[[], Any], seconds: float = 30.0, every: float = 0.1) -> Any:
    """What `true` gives once it is truthy; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(every)
    raise AssertionError(f"not within {seconds:g} s")
