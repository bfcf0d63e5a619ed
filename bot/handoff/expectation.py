"""How long a customer will wait: what is said at first, and when it is worth saying again. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

FEWEST_WAITS = 5  # fewer say nothing about the next
LATEST_WAITS = 50
RECENT = timedelta(days=7)
LONGEST_TOLD = 240  # minutes; beyond it a figure says nothing

BETWEEN = timedelta(minutes=10)  # between two lines to one customer
MOST_TOLD = 4


class Kind(str, Enum):
    OPEN = "open"  # people answer now
    NOBODY = "nobody"  # it is within hours, and none of the agents is there
    CLOSED = "closed"
    UNKNOWN = "unknown"  # the shop cannot be asked for its hours


@dataclass(frozen=True)
class Expectation:
    """`low` to `high`: minutes that most people wait these days (median to four in five), None where too few did.
    `ahead`: who is before them."""

    kind: Kind
    ahead: int = 0
    low: int | None = None
    high: int | None = None

    def document(self, times: int = 1) -> Mapping[str, Any]:
        """What is kept of it once it is told, for the `times`-th time."""
        return {"kind": self.kind.value, "low": self.low, "high": self.high, "times": times}


def expect(open_now: bool | None, agents: int, online: int, ahead: int, waits: Sequence[timedelta]) -> Expectation:
    """What can honestly be expected. `open_now` None: not known; `agents`: how many there are at all (0: people answer
    without the desk); `online`: how many of them are there; `waits`: how long others waited lately, within hours."""
    if open_now is None:
        return Expectation(Kind.UNKNOWN, ahead)
    if not open_now:
        return Expectation(Kind.CLOSED, ahead)
    if agents and not online:
        return Expectation(Kind.NOBODY, ahead)
    low, high = usual(waits)
    return Expectation(Kind.OPEN, ahead, low, high)


def usual(waits: Sequence[timedelta]) -> tuple[int | None, int | None]:
    """The median and the 80th percentile in whole minutes, rounded up so that they are not too hopeful."""
    if len(waits) < FEWEST_WAITS:
        return None, None
    ordered = sorted(waits)
    low, high = (_minutes(ordered[min(len(ordered) - 1, int(len(ordered) * share))]) for share in (0.5, 0.8))
    return (low, high) if high <= LONGEST_TOLD else (None, None)


def _minutes(wait: timedelta) -> int:
    exact = max(1, -int(-wait.total_seconds() // 60))
    return exact if exact <= 10 else 5 * -(-exact // 5)


def worth_telling(
    told: Mapping[str, Any] | None, told_at: datetime | None, now_expected: Expectation, now: datetime
) -> bool:
    """Whether the customer who waits should be told (again). Who was told nothing is told at once. Else: not within ten
    minutes, at most four times, and only what is news: the team has gone or come, it will take much longer, or what was
    told has passed. Good news alone is not: the agent brings it."""
    if told is None or told_at is None:
        return True
    if now - told_at < BETWEEN or int(told.get("times") or 1) >= MOST_TOLD:
        return False
    if Kind.UNKNOWN in (now_expected.kind, Kind(told["kind"])):
        return False
    if now_expected.kind.value != told["kind"]:
        return True
    if now_expected.kind is not Kind.OPEN:
        return False
    before = told.get("high")
    if before is None:
        return False
    if now - told_at > timedelta(minutes=int(before)):
        return True
    return now_expected.high is not None and now_expected.high >= max(before * 1.5, before + 10)
