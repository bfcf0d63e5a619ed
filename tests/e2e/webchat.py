"""A chat client for tests: one socket each, driven from ordinary code while it listens in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import aiohttp
import socketio

T = TypeVar("T")
PATIENCE = 30.0

if not hasattr(aiohttp, "ClientWSTimeout"):
    # The client wants a newer aiohttp than Rasa allows; the older one takes the seconds themselves.
    aiohttp.ClientWSTimeout = lambda ws_close: ws_close  # type: ignore[attr-defined, misc, assignment]


class _Background:
    """One event loop in a thread, for all clients of the test run."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True, name="webchat clients").start()

    def run(self, work: Any, timeout: float = PATIENCE) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)


_background: _Background | None = None


def background() -> _Background:
    global _background
    if _background is None:
        _background = _Background()
    return _background


def until(condition: Callable[[], T | None], what: str = "it did not happen", timeout: float = PATIENCE) -> T:
    """What `condition` gives as soon as it is true."""
    deadline = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Chat:
    """One tab of a visitor. `events` holds everything that came, in order; `messages` what was said, by number.

    `protocol=0` is a widget of Rasa's protocol. `session` is the token that it would keep in storage.
    """

    def __init__(
        self,
        url: str,
        *,
        protocol: int = 1,
        session: str | None = None,
        transports: Sequence[str] = ("websocket",),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.url, self.protocol, self.session = url, protocol, session
        self.transports, self.headers = list(transports), dict(headers or {})
        self.events: list[tuple[str, Any]] = []
        self.messages: dict[int, dict[str, Any]] = {}
        self.marks: dict[str, int] = {}
        self.disconnected = threading.Event()
        self._changed = threading.Condition()
        self._io: Any = None

    # -- connection ----------------------------------------------------------------------------------------------------

    def connect(self) -> Chat:
        """Open the socket; raises socketio.exceptions.ConnectionError where it is refused."""
        io = socketio.AsyncClient(reconnection=False, handle_sigint=False, request_timeout=PATIENCE)
        io.on("*", self._on_event)
        io.on("disconnect", self._on_disconnect)
        self.disconnected.clear()
        self._io = io
        background().run(io.connect(self.url, headers=self.headers, transports=self.transports, wait_timeout=PATIENCE))
        return self

    def open(self, after: int = 0) -> Chat:
        """Connect and ask for the session."""
        self.connect()
        answer = self.request_session(after=after)
        assert answer["ok"], answer
        return self

    def close(self) -> None:
        if self._io is not None:
            io, self._io = self._io, None
            # Over polling the client waits for its last request, which nobody answers: not longer than a moment.
            leaving = asyncio.run_coroutine_threadsafe(io.disconnect(), background().loop)
            try:
                leaving.result(0.5)
            except Exception:
                leaving.cancel()

    def __enter__(self) -> Chat:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        return bool(self._io is not None and self._io.connected)

    async def _on_disconnect(self, *_reason: Any) -> None:
        self.disconnected.set()

    async def _on_event(self, event: str, *args: Any) -> None:
        data = args[0] if args else None
        with self._changed:
            self.events.append((event, data))
            if event in ("bot_uttered", "customer_uttered") and isinstance(data, dict) and "number" in data:
                self.messages[data["number"]] = data
            elif event == "marks":
                self.marks = data
            elif event == "session_confirm" and not self.protocol:
                self.session = data
            self._changed.notify_all()

    # -- what it sends -------------------------------------------------------------------------------------------------

    def emit(self, event: str, *data: Any) -> None:
        """An event without an acknowledgement, as Rasa's widgets send them."""
        background().run(self._io.emit(event, data if len(data) != 1 else data[0]))

    def call(self, event: str, *data: Any, timeout: float = PATIENCE) -> Any:
        """An event and its answer."""
        return background().run(
            self._io.call(event, data if len(data) != 1 else data[0], timeout=timeout), timeout + PATIENCE
        )

    def later(self, event: str, data: Any) -> Callable[[], Any]:
        """Send an event now; the result waits for its answer."""
        future = asyncio.run_coroutine_threadsafe(self._io.call(event, data, timeout=PATIENCE), background().loop)
        return lambda: future.result(2 * PATIENCE)

    def request_session(self, after: int = 0, **fields: Any) -> dict[str, Any]:
        """Ask for the session that is kept, or for a new one; keeps what comes back."""
        data: dict[str, Any] = {"session_id": self.session, **fields}
        if self.protocol:
            data["protocol"] = self.protocol
        if after:
            data["after"] = after
        return self._enter(self.call("session_request", data))

    def identify(self, token: str) -> dict[str, Any]:
        return self._enter(self.call("identify", {"token": token}))

    def sign_out(self) -> dict[str, Any]:
        return self._enter(self.call("sign_out", {}))

    def _enter(self, answer: dict[str, Any]) -> dict[str, Any]:
        if answer.get("ok"):
            with self._changed:
                if answer["reset"]:
                    self.messages.clear()
                self.session = answer["session"]
                self.marks = answer["marks"]
                self.messages.update({message["number"]: message for message in answer["messages"]})
        return answer

    def say(self, text: str, id: str | None = None, **fields: Any) -> dict[str, Any]:
        """Send a message; the answer of the server."""
        data = {"message": text, "id": id or uuid.uuid4().hex, **fields}
        answer: dict[str, Any] = self.call("user_uttered", data)
        return answer

    # -- what it gets --------------------------------------------------------------------------------------------------

    def wait_for(self, condition: Callable[[], T | None], what: str = "", timeout: float = PATIENCE) -> T:
        """What `condition` gives as soon as it is true; looked at whenever an event comes."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = condition()
                if found:
                    return found
                left = deadline - time.monotonic()
                assert left > 0, what or f"it did not come; the last that came: {self.events[-5:]}"
                self._changed.wait(min(left, 0.5))

    def of(self, event: str) -> list[Any]:
        """What came with the events of that name."""
        return [data for name, data in list(self.events) if name == event]

    def said(self) -> list[str]:
        """What the bot said, in the order in which it came."""
        return [data["text"] for data in self.of("bot_uttered")]

    def ask(self, text: str, **fields: Any) -> list[dict[str, Any]]:
        """Send a message and wait for its replies: all messages of the bot behind it when it is seen as answered."""
        answer = self.say(text, **fields)
        assert answer["ok"], answer
        number: int = answer["number"]
        self.wait_for(lambda: self.marks.get("seen", 0) >= number, f"{text!r} was not answered")
        return [self.messages[n] for n in sorted(self.messages) if n > number and self.messages[n]["author"] == "bot"]

    def log(self) -> list[tuple[int, str, str]]:
        """Number, author and text of all it has."""
        return [(n, self.messages[n]["author"], self.messages[n]["text"]) for n in sorted(self.messages)]
