"""A message that nobody asked for: what, to whom, when. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, NewType

from bot.complaints.model import CaseId
from bot.conversations.model import ConversationId, Effect

OutreachId = NewType("OutreachId", int)


class OutreachKind(str, Enum):
    """`CASE_CHECK`, a day after a case was resolved: is it right again? The rest tell how a promise or a suggestion went.
    `service`: an answer to what the customer asked for; it is told even to those who want no messages."""

    CASE_CHECK = "case_check"
    PROMISE_KEPT = "promise_kept"
    PROMISE_BROKEN = "promise_broken"
    REMEDY_DONE = "remedy_done"
    REMEDY_REFUSED = "remedy_refused"
    SUGGESTION_DONE = "suggestion_done"

    @property
    def service(self) -> bool:
        return self in (OutreachKind.PROMISE_BROKEN, OutreachKind.REMEDY_DONE, OutreachKind.REMEDY_REFUSED)


@dataclass(frozen=True)
class OutreachPlanned(Effect):
    """To be said at `due_at`, or as soon after as consent and limits allow, and not after `until`. `key`: the same thing
    is planned once. `what`: values for its sentence, and its promise's kind."""

    key: str
    kind: OutreachKind
    due_at: datetime
    until: datetime
    what: Mapping[str, Any] = field(default_factory=dict)
    case: CaseId | None = None


@dataclass(frozen=True)
class Outreach:
    id: OutreachId
    conversation: ConversationId
    case: CaseId | None
    kind: OutreachKind
    what: Mapping[str, Any]
    due_at: datetime
    until: datetime
