"""What the shop knows, and what became of a question put to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum

from bot.conversations.model import Effect


@dataclass(frozen=True)
class Entry:
    """One FAQ entry. `answer` holds placeholders; `knowledge.service` fills them from the shop's policies."""

    id: str
    topic: str
    source: str
    reviewed: date
    questions: Mapping[str, Sequence[str]]
    keywords: Mapping[str, Sequence[str]]
    answer: Mapping[str, str]


class Outcome(str, Enum):
    ANSWER = "answer"
    ASK_BACK = "ask_back"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Match:
    """How well an entry fits a question. `score` is a calibrated probability that it is the right one."""

    entry: Entry
    score: float


@dataclass(frozen=True)
class Finding:
    """`matches` are the best first; one for an answer, two or three to ask back, the nearest (or none) for unknown."""

    outcome: Outcome
    matches: Sequence[Match]


@dataclass(frozen=True)
class QuestionUnanswered(Effect):
    """A question that nothing answered: one more for the merchant's list."""

    text: str
    language: str
    nearest: str | None
    score: float | None
