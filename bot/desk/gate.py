"""Who may pass: every HTTP call goes through `Gate.needs`, every event of a socket through `Gate.event`.

An unsafe call (anything but GET, HEAD and OPTIONS) carries the session's CSRF token in a header, and its Origin, where a
browser sends one, is this server's.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response, Security
from fastapi.security import APIKeyCookie, APIKeyHeader

from bot.agents.model import Signed, Where
from bot.agents.permissions import Permission, require
from bot.agents.sign_in import Opened, SignIn
from bot.errors import DeskRefused

COOKIE = "thiqa_desk"
CSRF_HEADER = "X-CSRF-Token"
_SAFE = {"GET", "HEAD", "OPTIONS"}

_cookie = APIKeyCookie(
    name=COOKIE, scheme_name="DeskSession", description="Set by POST /desk/api/session.", auto_error=False
)
_csrf = APIKeyHeader(
    name=CSRF_HEADER,
    scheme_name="DeskCsrf",
    description="`csrf` of the session; on every unsafe call.",
    auto_error=False,
)


class Gate:
    """`base_url` is this server's own address, as people reach it. `passed` is called with whoever is let in."""

    def __init__(self, sign_in: SignIn, base_url: str) -> None:
        self.sign_in = sign_in
        self.passed: Callable[[Signed], None] = lambda signed: None
        parts = urlsplit(base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._secure = parts.scheme == "https"

    def needs(self, permission: Permission) -> Any:
        """A parameter's default: `signed: Signed = gate.needs(Permission.X)`.

        Raises DeskRefused: `signed_out`, `csrf`, `origin`, `forbidden`.
        """

        def check(
            request: Request, token: str | None = Security(_cookie), csrf: str | None = Security(_csrf)
        ) -> Signed:
            signed = self.sign_in.current(token)
            if request.method not in _SAFE:
                self.check_origin(request)
                if not hmac.compare_digest((csrf or "").encode(), signed.csrf.encode()):
                    raise DeskRefused("csrf", f"Send the session's csrf token as {CSRF_HEADER}.")
            require(signed.agent, permission)
            self.passed(signed)
            return signed

        check.permission, check.gate = permission, self  # type: ignore[attr-defined]  # what `shape` and the tests read
        return Depends(check)

    def opens(self) -> Any:
        """The parameter's default of the few calls without a session: sign-in, set-up, accepting an invitation.

        A page of another website may not make them in somebody's browser.
        """

        def check(request: Request) -> Where:
            self.check_origin(request)
            return where(request)

        check.permission = None  # type: ignore[attr-defined]
        return Depends(check)

    def connect(self, environ: dict[str, Any]) -> tuple[str, Signed]:
        """Who opens a socket, by its handshake (WSGI names): the token, to be kept for `event`, and its holder.

        Raises DeskRefused: `origin`, also without an Origin, which every browser sends; `signed_out`.
        """
        origin, host = environ.get("HTTP_ORIGIN"), environ.get("HTTP_HOST")
        if not origin or not self._own(origin, host):
            raise DeskRefused("origin", "Connect from the desk itself.")
        token = cookie_in(environ.get("HTTP_COOKIE", ""))
        signed = self.sign_in.current(token)
        return token or "", signed

    def event(self, token: str, permission: Permission) -> Signed:
        """For each event of a socket: its session still holds, and its holder may do this.

        Raises DeskRefused: `signed_out`, `forbidden`.
        """
        signed = self.sign_in.current(token)
        require(signed.agent, permission)
        self.passed(signed)
        return signed

    def check_signed_in(self, request: Request) -> None:
        """Raises DeskRefused (`signed_out`)."""
        self.sign_in.current(request.cookies.get(COOKIE))

    def check_origin(self, request: Request) -> None:
        """Raises DeskRefused (`origin`) for a call from a page that is not this server's."""
        origin = request.headers.get("Origin")
        if origin is not None and not self._own(origin, request.headers.get("Host")):
            raise DeskRefused("origin", "This call came from another website.")
        if origin is None and request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise DeskRefused("origin", "This call came from another website.")

    def give_cookie(self, response: Response, opened: Opened) -> None:
        response.set_cookie(
            COOKIE,
            opened.token,
            max_age=int(self.sign_in.life.absolute.total_seconds()),
            path="/desk",
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )

    def take_cookie(self, response: Response) -> None:
        response.delete_cookie(COOKIE, path="/desk", secure=self._secure, httponly=True, samesite="strict")

    def _own(self, origin: str, host: str | None) -> bool:
        return origin == self._origin or (bool(host) and origin in (f"http://{host}", f"https://{host}"))


def where(request: Request) -> Where:
    """Where a call comes from. Behind a proxy uvicorn puts the real address there (FORWARDED_ALLOW_IPS)."""
    return Where(request.client.host if request.client else "", request.headers.get("User-Agent", ""))


def from_where() -> Any:
    """A parameter's default: `place: Where = from_where()`."""
    check: Callable[[Request], Where] = where
    return Depends(check)


def cookie_in(header: str) -> str | None:
    """The session's token in a Cookie header."""
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return None
    return found.value if found else None
