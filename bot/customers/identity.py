"""Who a visitor is, by the word of the shop's own site: a short-lived token that the site signs.

A JWT (RFC 7519) signed with HS256 and `THIQA_IDENTITY_SECRET`. `sub` is the customer's id in the shop; `exp` is required
and at most a day ahead, so that a token that leaks is soon worth nothing. Other claims are ignored.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Protocol

import jwt

from bot.errors import IdentityRefused
from bot.orders.model import CustomerId

LONGEST_LIFE = timedelta(days=1)
_LEEWAY = timedelta(minutes=1)  # between the shop's clock and ours
_LONGEST_ID = 64


class IdentityRecords(Protocol):
    def identify(self, channel: str, address: str, customer: CustomerId, language: str, now: datetime) -> str:
        """Make the conversation at `address` this customer's, proven by now; returns the address to go on with.

        A customer has one conversation a channel. Where they have another already, what was said at `address` moves to
        its end. What another customer said at `address` stays theirs. Raises StorageUnavailable.
        """


class IdentityVerifier:
    def __init__(self, secret: str) -> None:
        self._secret = secret

    def customer(self, token: str, now: datetime) -> CustomerId:
        """The customer that a token names. Raises IdentityRefused (`identity_off`, `_invalid`, `_expired`)."""
        if not self._secret:
            raise IdentityRefused("identity_off")
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                # Times are judged below, by the clock that is handed in; the audience is the site's own affair.
                options={
                    "require": ["sub", "exp"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                },
            )
            ends = datetime.fromtimestamp(float(claims["exp"]), timezone.utc)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, OSError):
            raise IdentityRefused("identity_invalid") from None
        customer = claims["sub"]
        if not isinstance(customer, str) or not 0 < len(customer) <= _LONGEST_ID or not customer.isprintable():
            raise IdentityRefused("identity_invalid")
        if ends + _LEEWAY < now:
            raise IdentityRefused("identity_expired")
        if ends > now + LONGEST_LIFE + _LEEWAY:
            raise IdentityRefused("identity_invalid")
        return CustomerId(customer)


def identity_token(secret: str, customer: CustomerId, now: datetime, life: timedelta = timedelta(hours=1)) -> str:
    """What a shop's site makes of its signed-in customer."""
    return jwt.encode({"sub": customer, "exp": now + life}, secret, algorithm="HS256")
