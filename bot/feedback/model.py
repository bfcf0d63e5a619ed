"""What customers say of how they were served."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bot.complaints.model import CaseId
from bot.conversations.model import Effect

LONGEST_COMMENT = 1000


@dataclass(frozen=True)
class Rating:
    """`score` from 1 to 5; `comment` may be empty. `key`: the same rating sent twice carries the same one. `emotion` is
    that of the comment, where it was read."""

    key: str
    score: int
    comment: str
    emotion: str | None = None


class RatingRecords(Protocol):
    def rate(self, channel: str, address: str, rating: Rating, now: datetime) -> bool:
        """Store a rating once; returns False where nothing was ever said at this address. Raises StorageUnavailable."""


def new_suggestion_number() -> str:
    """ "S" and five digits. Another suggestion may carry it already: then the turn is void and thought anew."""
    return f"S{secrets.randbelow(90_000) + 10_000}"


@dataclass(frozen=True)
class SuggestionMade(Effect):
    """The customer suggests something; `number` is what they are told, and may come back to. One a message."""

    text: str
    emotion: str | None = None
    number: str = field(default_factory=new_suggestion_number)


@dataclass(frozen=True)
class CaseRated(Effect):
    """How a case was handled, and a free word of it. `score` from 1 to 5, or None for a word alone, which goes to the
    rating of that key; the last word counts. Raises ValueError for another score."""

    case: CaseId
    key: str
    score: int | None
    comment: str = ""
    emotion: str | None = None

    def __post_init__(self) -> None:
        if self.score is not None and not 1 <= self.score <= 5:
            raise ValueError("a score is between 1 and 5")


@dataclass(frozen=True)
class HandoffRated(Effect):
    """How people answered: the rating of key `handoff:<id>`; the last score counts. Raises ValueError for another score."""

    key: str
    score: int

    def __post_init__(self) -> None:
        if not 1 <= self.score <= 5:
            raise ValueError("a score is between 1 and 5")


@dataclass(frozen=True)
class Suggestion:
    """`done_at` and `answer`: when it was done, and what its author is told then."""

    number: str
    text: str
    language: str
    emotion: str | None
    at: datetime
    done_at: datetime | None = None
    answer: str | None = None


@dataclass(frozen=True)
class Average:
    """`score` is None where nobody has rated."""

    count: int
    score: float | None
