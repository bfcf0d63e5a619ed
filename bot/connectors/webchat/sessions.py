"""Session tokens: made here, signed here, and the only thing that says whose a conversation is."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import jwt

from bot.conversations.ports import Clock

LIFE = timedelta(days=90)
RENEW_AFTER = timedelta(days=1)
_AUDIENCE = "thiqa.webchat"
_LONGEST = 1000


class SessionRefused(Exception):
    """`code`: `expired`, or `invalid` for what this server never signed."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Session:
    """`renew`: the token is old, or signed with a key that is on its way out; give its holder a new one."""

    visitor: str
    renew: bool


def new_visitor() -> str:
    return secrets.token_urlsafe(16)


class Sessions:
    """`keys`: newest first; the first signs, all are accepted."""

    def __init__(self, keys: Sequence[bytes], clock: Clock) -> None:
        # A key of its own for this purpose: a token made for another is no session.
        self._keys = [hashlib.sha256(b"thiqa webchat session\0" + key).digest() for key in keys]
        self._clock = clock

    def issue(self, visitor: str | None = None) -> str:
        """A token for a visitor, or for a new one."""
        now = self._clock()
        claims = {"sub": visitor or new_visitor(), "aud": _AUDIENCE, "iat": now, "exp": now + LIFE}
        return jwt.encode(claims, self._keys[0], algorithm="HS256")

    def read(self, token: str) -> Session:
        """Whose token it is. Raises SessionRefused."""
        if len(token) > _LONGEST:
            raise SessionRefused("invalid")
        for place, key in enumerate(self._keys):
            try:
                claims = jwt.decode(
                    token,
                    key,
                    algorithms=["HS256"],
                    audience=_AUDIENCE,
                    # Our own clock judges; a token from the future is one from before our clock was put right.
                    options={"require": ["sub", "iat", "exp"], "verify_exp": False, "verify_iat": False},
                )
                made, ends = float(claims["iat"]), float(claims["exp"])
            except (jwt.PyJWTError, ValueError, TypeError):
                continue
            now = self._clock().timestamp()
            if ends < now:
                raise SessionRefused("expired")
            return Session(str(claims["sub"]), place > 0 or made < now - RENEW_AFTER.total_seconds())
        raise SessionRefused("invalid")
