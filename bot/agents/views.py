"""What somebody at the desk sees of conversations: which, in what order, and what a line of a list says. Plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from bot.agents.model import Account, Audited
from bot.agents.permissions import Permission, may
from bot.conversations.model import Author, Conversation, ConversationId
from bot.handoff.model import AgentId, Handoff, Presence, State, TeamId


@dataclass(frozen=True)
class Viewer:
    """Who looks. They see what is of no team, of their `teams`, and what they hold, held last or are offered;
    `all_teams`: everything."""

    agent: AgentId
    teams: frozenset[TeamId] = frozenset()
    all_teams: bool = False

    @classmethod
    def of(cls, account: Account) -> Viewer:
        return cls(account.id, frozenset(account.teams), may(account.role, Permission.CONVERSATIONS_READ_ALL))


class Shown(str, Enum):
    """A conversation's state as lists filter it. `BOT`: the bot answers; `CLOSED`: of those, what an agent closed."""

    QUEUED = "queued"
    OFFERED = "offered"
    TAKEN = "taken"
    BOT = "bot"
    CLOSED = "closed"


@dataclass(frozen=True)
class Wanted:
    """Which conversations; what is None is not asked. `mine`: held by the viewer, or offered to them. `text`: cleaned,
    found anywhere in a message."""

    shown: Shown | None = None
    mine: bool = False
    team: TeamId | None = None
    text: str | None = None


@dataclass(frozen=True)
class Line:
    """A conversation in a list. `handoff`: the open one or else the last; None where no person was ever wanted.
    `last`: the number of its last message, 0 where nothing was said; `read`: up to which the team has read.
    `last_text`: of the latest message; `customer_text`: of the customer's latest."""

    conversation: Conversation
    customer: str | None
    handoff: Handoff | None
    active_at: datetime
    last: int
    read: int
    last_author: Author | None
    last_text: str
    customer_text: str

    @property
    def open(self) -> Handoff | None:
        """The handoff under way."""
        return self.handoff if self.handoff is not None and self.handoff.ended_at is None else None

    @property
    def shown(self) -> Shown:
        if self.open is not None:
            return Shown(self.open.state.value)
        closed = self.handoff is not None and self.handoff.state is State.CLOSED
        return Shown.CLOSED if closed else Shown.BOT


@dataclass(frozen=True)
class Lines:
    """Some lines, and where the next page begins; None at the end."""

    lines: Sequence[Line] = field(default_factory=tuple)
    after: str | None = None


class DeskRecords(Protocol):
    """Each raises StorageUnavailable. Cursors are opaque; a bad one raises ValueError."""

    def conversations(self, viewer: Viewer, wanted: Wanted, after: str | None, limit: int) -> Lines:
        """Those the viewer may see, newest activity first."""

    def queue(self, viewer: Viewer, after: str | None, limit: int) -> Lines:
        """Who waits and the viewer may see, most pressing first."""

    def conversation(self, viewer: Viewer, conversation: ConversationId) -> Line | None:
        """None where there is none, and where the viewer may not see it."""

    def chosen_presence(self, agent: AgentId) -> Presence:
        """What they last said they are, however long ago."""

    def note(self, entry: Audited, now: datetime, unless_since: timedelta | None = None) -> None:
        """A row of the desk's audit log; none where the same agent did the same to the same within `unless_since`."""
