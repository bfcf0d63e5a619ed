"""What stands between the product and others, and can be made to fail: a shop's front, a database's cable, a webhook."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
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
            passed = requests.get(
                shop.behind + self.path, headers={"Authorization": self.headers.get("Authorization", "")}, timeout=10
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


class Cable:
    """A TCP relay to (host, port) that can be cut, which drops every connection, and mended."""

    def __init__(self, host: str, port: int) -> None:
        self._behind = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._whole, self._open = True, True
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        with self._lock:
            self._whole = False
            ends, self._ends = self._ends, set()
        for end in ends:
            _hang_up(end)

    def mend(self) -> None:
        self._whole = True

    def close(self) -> None:
        self._open = False
        self.cut()
        self._listener.close()

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
                far = socket.create_connection(self._behind, 5) if self._whole else None
            except OSError:
                continue
            with self._lock:
                if far is None or not self._whole:
                    _hang_up(near)
                    continue
                self._ends |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        finally:
            _hang_up(one)
            _hang_up(other)


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
