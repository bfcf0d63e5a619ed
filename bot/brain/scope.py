"""The turn under way, as code inside Rasa sees it. One a thread; set by the assistant, read by store, wording, actions."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field

from rasa.shared.core.trackers import DialogueStateTracker

from bot.conversations.model import Turn


@dataclass
class TurnScope:
    """`said`: the last wording used of each response, so that none comes twice in a row. `tracker`: as Rasa saved it."""

    turn: Turn
    said: dict[str, int] = field(default_factory=dict)
    tracker: DialogueStateTracker | None = None


current_scope: ContextVar[TurnScope | None] = ContextVar("thiqa_turn", default=None)


class TurnAborted(BaseException):
    """Ends a turn from inside Rasa, which swallows every `Exception` of an action and goes on as if it had succeeded."""
