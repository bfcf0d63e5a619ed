"""One exchange over `requests`, bounded in time and size whatever the other side does.

The time-outs of `requests` bound each wait for bytes, so a server that sends one byte now and then holds a caller for
ever. Here a timer shuts the socket down when the whole exchange has taken too long.
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import DecodeError, HTTPError
from urllib3.exceptions import TimeoutError as PoolTimeout

_CHUNK = 64 * 1024
_attempt = threading.local()  # `.watch`: the watch over this thread's exchange


class NoAnswer(Exception):
    """No complete answer. `reason` is one of `timeout`, `connection`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnfitAnswer(Exception):
    """An answer that cannot be taken in. `reason` is one of `too_large`, `encoding`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Answer:
    """`content_type` without parameters, in lower case; `retry_after` as sent."""

    status: int
    content_type: str
    retry_after: str | None
    body: bytes


class Transport:
    """A pool of connections with a bearer token. Thread-safe; opens no connection before it is used."""

    def __init__(self, token: str, connect_timeout: float, largest: int) -> None:
        self._token, self._connect_timeout, self._largest = token, connect_timeout, largest
        self._session = requests.Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # a session has no memory here
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(pool_maxsize=16))

    def get(self, url: str, timeout: float, fresh: bool = False) -> Answer:
        """The answer to `GET url`, whatever its status, within `timeout` seconds. Redirects are not followed.

        `fresh`: over a new connection, for a retry; a pooled one may be closed on the other side just as it is used.
        Raises NoAnswer, UnfitAnswer.
        """
        return self._exchange("GET", url, timeout, fresh, {}, None)

    def post(self, url: str, body: bytes, key: str, timeout: float, fresh: bool = False) -> Answer:
        """As `get`, for a POST of JSON with its idempotency key. After NoAnswer it may have been done."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return self._exchange("POST", url, timeout, fresh, headers, body)

    def _exchange(
        self, method: str, url: str, timeout: float, fresh: bool, headers: dict[str, str], body: bytes | None
    ) -> Answer:
        if fresh:
            for adapter in self._session.adapters.values():
                adapter.close()  # only the idle connections; those in use end with their exchange
        watch = _Watch()
        _attempt.watch = watch
        timer = threading.Timer(timeout, watch.expire)
        timer.daemon = True
        timer.start()
        try:
            return self._send(method, url, timeout, watch, headers, body)
        except (NoAnswer, UnfitAnswer):
            raise
        except (requests.Timeout, PoolTimeout):
            raise NoAnswer("timeout") from None
        except (requests.RequestException, HTTPError, OSError, ValueError, AttributeError):
            # AttributeError: what http.client may do when its socket goes away under it. The error itself names the
            # URL, thus an order: it stays here.
            raise NoAnswer("timeout" if watch.expired else "connection") from None
        finally:
            timer.cancel()
            watch.finish()
            _attempt.watch = None

    def _send(
        self, method: str, url: str, timeout: float, watch: _Watch, headers: dict[str, str], sent: bytes | None
    ) -> Answer:
        with self._session.request(
            method,
            url,
            data=sent,
            headers={"Accept": "application/json", "Accept-Encoding": "gzip", **headers},
            # Not a header: `requests` would let a .netrc entry replace that.
            auth=self._authorize,
            allow_redirects=False,  # the other address would be given the token
            stream=True,
            timeout=(min(self._connect_timeout, timeout), timeout),
        ) as response:
            body = self._body(response)
            if watch.expired:  # a shut socket can look like the end of the body
                raise NoAnswer("timeout")
            return Answer(
                status=response.status_code,
                content_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
                retry_after=response.headers.get("Retry-After"),
                body=body,
            )

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _body(self, response: requests.Response) -> bytes:
        body = bytearray()
        try:
            while chunk := response.raw.read(_CHUNK, decode_content=True):
                body += chunk
                if len(body) > self._largest:
                    raise UnfitAnswer("too_large")
        except DecodeError:
            raise UnfitAnswer("encoding") from None
        return bytes(body)

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()


class _Watch:
    """Knows the socket of one exchange, and ends it when its time is over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._finished = False
        self.expired = False

    def over(self, sock: socket.socket | None) -> None:
        """`sock` carries the exchange from here on. Raises TimeoutError where its time is over already."""
        with self._lock:
            self._sock = sock
            if self.expired:
                raise TimeoutError

    def expire(self) -> None:
        with self._lock:
            if self._finished:  # the socket may serve somebody else by now
                return
            self.expired = True
            if self._sock is not None:
                try:
                    # The plain shutdown, also under TLS: it wakes the reader, whose TLS object stays whole.
                    socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
                except (OSError, TypeError):
                    pass  # gone already

    def finish(self) -> None:
        with self._lock:
            self._finished = True


def _watch(connection: HTTPConnection) -> None:
    # The socket and not the connection: that forgets its socket before a body without a length is read.
    watch: _Watch | None = getattr(_attempt, "watch", None)
    if watch is not None:
        watch.over(connection.sock)


class _WatchedHTTP(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _watch(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _watch(self)
        super().request(*args, **kwargs)


class _WatchedHTTPS(HTTPSConnection):
    def connect(self) -> None:
        super().connect()  # with the handshake, which the connect time-out bounds as a whole
        _watch(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _watch(self)
        super().request(*args, **kwargs)


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPS


class _Adapter(HTTPAdapter):
    """Pools whose connections can be watched, direct and through a proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
        return manager
