"""The second factor: codes of an authenticator app (RFC 6238), and recovery codes for who has lost it."""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime

import pyotp

from bot.agents.model import token_hash

_ISSUER = "Thiqa"
_PERIOD = 30  # seconds
_RECOVERY_CODES = 10
_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # no 0 and O, 1, I and L


def new_secret() -> str:
    """160 random bits, base32."""
    return pyotp.random_base32()


def uri(secret: str, email: str) -> str:
    """The otpauth:// address that authenticator apps read from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=_ISSUER)


def step_of(secret: str, code: str, now: datetime, last_step: int | None) -> int | None:
    """The time step whose code this is: the present one, the one before or the one after, for clocks that differ.

    None where it is none of them, or not newer than `last_step`: a code is good once.
    """
    code = code.strip().replace(" ", "")
    present = int(now.timestamp()) // _PERIOD
    found = None
    for step in (present - 1, present, present + 1):
        right = hmac.compare_digest(pyotp.TOTP(secret).generate_otp(step), code) if code.isascii() else False
        if right and (last_step is None or step > last_step):
            found = step
    return found


def new_recovery_codes() -> list[str]:
    """Ten codes of 50 random bits, such as `K7QM2-9XWPD`; each is good once."""
    return [
        "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(2)) for _ in range(_RECOVERY_CODES)
    ]


def recovery_hash(code: str) -> str | None:
    """What is stored of a recovery code; None where it cannot be one."""
    bare = code.strip().upper().replace("-", "").replace(" ", "")
    return token_hash("recovery\0" + bare) if len(bare) == 10 and all(sign in _ALPHABET for sign in bare) else None
