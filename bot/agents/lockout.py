"""How long somebody waits after wrong passwords. Pure; the counts are kept by the database, for all processes."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

_NONE = timedelta(0)


@dataclass(frozen=True)
class LockoutRule:
    """`free` tries without a wait, then `first`, doubled with each further try up to `longest`. A quiet time of
    `forgotten` starts anew."""

    free: int
    first: timedelta
    longest: timedelta
    forgotten: timedelta

    def delay(self, tries: int) -> timedelta:
        """The wait after so many tries that did not succeed."""
        if tries < self.free:
            return _NONE
        doublings = min(tries - self.free, 20)
        wait: timedelta = self.first * 2**doublings
        return min(wait, self.longest)


@dataclass(frozen=True)
class Tries:
    """What did not succeed so far. A try counts when it begins: many at once are not more than many in a row."""

    count: int
    last_at: datetime


# One account: a person mistypes a few times. Nobody is locked out for longer than `longest`, so that a stranger who
# knows an address cannot keep its owner out for good.
ACCOUNT = LockoutRule(5, timedelta(seconds=30), timedelta(minutes=15), timedelta(hours=24))
# One network address: an office may sit behind it.
ADDRESS = LockoutRule(30, timedelta(seconds=30), timedelta(minutes=15), timedelta(hours=24))


def wait(rule: LockoutRule, tries: Tries | None, now: datetime) -> timedelta:
    """How long until the next try may begin; zero: now."""
    if tries is None or now - tries.last_at >= rule.forgotten:
        return _NONE
    return max(_NONE, tries.last_at + rule.delay(tries.count) - now)


def begun(rule: LockoutRule, tries: Tries | None, now: datetime) -> Tries:
    """The tries with one more that begins now."""
    if tries is None or now - tries.last_at >= rule.forgotten:
        return Tries(1, now)
    return Tries(tries.count + 1, now)


def account_key(secret: bytes, email: str) -> str:
    """What an account's tries are counted under; also where there is no such account. The address is not in it."""
    return "a:" + hmac.new(secret, b"account\0" + email.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:40]


def address_key(secret: bytes, address: str) -> str:
    """What a network address's tries are counted under: one IPv4 address, or the /64 that one IPv6 customer has."""
    return "n:" + hmac.new(secret, b"address\0" + _network(address, 32, 64).encode(), hashlib.sha256).hexdigest()[:40]


def short_address(address: str) -> str:
    """What is kept of a network address: enough to recognise one's own network, not a person."""
    return _network(address, 24, 48)


def _network(address: str, v4: int, v6: int) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    bits = v4 if parsed.version == 4 else v6
    return str(ipaddress.ip_network((parsed, bits), strict=False))
