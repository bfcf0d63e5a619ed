"""What handing over asks of the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from bot.complaints.model import CaseId
from bot.conversations.model import Conversation, ConversationId, Effect, FileId, MessageId, Reply
from bot.handoff.model import Act, Agent, AgentId, Event, Handoff, Note, Page, Said


class Agents(Protocol):
    """Who answers customers. Each raises StorageUnavailable."""

    def agents(self) -> Sequence[Agent]:
        """Everyone who may sign in now."""

    def agent(self, agent: AgentId) -> Agent | None:
        """That one, or None where there is none, or none any more."""


class Nobody:
    """Implements `Agents` where no agent is set up: people answer without the desk."""

    def agents(self) -> Sequence[Agent]:
        return ()

    def agent(self, agent: AgentId) -> Agent | None:
        return None


@dataclass(frozen=True)
class Standing:
    """Where a conversation stands, read under its lock. `handoff`: the open one; `last`: the one that ended last;
    `cases`: of this conversation, with people."""

    conversation: Conversation
    handoff: Handoff | None
    last: Handoff | None = None
    cases: Sequence[CaseId] = ()


@dataclass(frozen=True)
class Change:
    """What is written in one transaction: the handoff as it is afterwards, the line of the audit log, what the bot says,
    and other nouns' effects. The owner follows from the handoff's state (`policy.owner_of`).

    `by`: the agent, or "system"; `agent`: whom it concerns besides. `silent`: no line in the audit log. `alert`: told to
    people over the alert channels.
    """

    handoff: Handoff
    what: Act
    by: str
    agent: AgentId | None = None
    note: Mapping[str, Any] = field(default_factory=dict)
    says: Sequence[Reply] = ()
    effects: Sequence[Effect] = ()
    alert: Mapping[str, Any] | None = None
    silent: bool = False


@dataclass(frozen=True)
class Changed:
    """What came of it: the conversation and the handoff as they are now; `changed` is False where nothing was written."""

    conversation: Conversation
    handoff: Handoff | None
    changed: bool


@dataclass(frozen=True)
class Waiting:
    """An open handoff with its conversation, and the shop's customer where they are known."""

    handoff: Handoff
    conversation: Conversation
    customer: str | None = None


@dataclass(frozen=True)
class Pressing:
    """What the records say of how pressing it is: the severity of their case under way, the tension the assistant read
    last, and when people's next promise is due."""

    severity: int | None = None
    tension: float = 0.0
    promise_due: datetime | None = None
    topic: str | None = None


Decide = Callable[[Standing], "Change | None"]


@dataclass(frozen=True)
class Words:
    """What an agent says. `key`: the same words sent twice carry the same one. `files`: stored files of the
    conversation's address that were not sent yet."""

    agent: AgentId
    name: str
    text: str
    key: str
    files: Sequence[FileId] = ()


class HandoffStore(Protocol):
    """Handoffs, the audit log, notes and agents' words. Each is one transaction and raises StorageUnavailable."""

    def change(
        self, conversation: ConversationId, decide: Decide, now: datetime, alerts: Sequence[str] = ()
    ) -> Changed:
        """Lock the conversation, let `decide` see where it stands, and write what it returns; None: nothing.

        What `decide` raises goes through, and nothing is written. Raises ConversationUnknown.
        """

    def say(self, conversation: ConversationId, words: Words, decide: Decide, now: datetime) -> tuple[Said, Changed]:
        """Write an agent's words to the log and the outbox with what `decide` returns; words whose key was seen before
        are found again. Raises what `decide` raises, ConversationUnknown, MessageRefused (`file`)."""

    def add_note(
        self, conversation: ConversationId, agent: Agent, text: str, mentions: Sequence[AgentId], now: datetime
    ) -> Note:
        """Keep a note with the conversation. Raises ConversationUnknown."""

    def notes(self, conversation: ConversationId, limit: int = 100) -> Sequence[Note]:
        """The latest, oldest first."""

    def events(self, conversation: ConversationId, limit: int = 200) -> Sequence[Event]:
        """The latest lines of the audit log, oldest first."""

    def standing(self, conversation: ConversationId) -> Standing | None:
        """Where it stands now, without a lock; None where there is no such conversation."""

    def queue_page(self, after: str | None, limit: int) -> Page:
        """Who waits, most pressing first."""

    def held_page(self, agent: AgentId | None, after: str | None, limit: int) -> Page:
        """What this agent (None: anyone) holds, longest held first."""

    def load(self) -> Mapping[AgentId, int]:
        """How many conversations each agent holds or is offered, the snoozed ones not counted."""

    # What the keeper looks for. Each list has at most `limit` elements.

    def unranked(self, limit: int) -> Sequence[tuple[Waiting, Pressing]]:
        """Who waits and has no place yet, or in whose conversation something has happened since they got it."""

    def unoffered(self, after: tuple[datetime, int] | None, limit: int) -> Sequence[Waiting]:
        """Who waits and is offered to nobody, most pressing first, after that place."""

    def offers_over(self, now: datetime, limit: int) -> Sequence[ConversationId]:
        """Whose offer's time is over."""

    def offered_lately(self, since: datetime) -> Mapping[AgentId, datetime]:
        """When each agent was last offered something."""

    def unanswered(self, after: int, limit: int) -> Sequence[Waiting]:
        """Taken, and the customer waits for an answer; by id, after that id."""

    def replies_due(self, until: datetime, limit: int) -> Sequence[Waiting]:
        """Whose first reply is due by then, and has not come, and of whom this was not noted yet."""

    def waiting_after(self, after: int, limit: int) -> Sequence[Waiting]:
        """Who waits, by id, after that id."""

    def unnoticed(self, before: datetime, alerts: Sequence[str], limit: int) -> Sequence[Waiting]:
        """Who has waited since before then, and of whom nobody was told: offered to no agent, no alert delivered, not
        reported as such before."""

    def count_unnoticed(self, before: datetime) -> int:
        """How many wait since before then with nobody told, reported or not."""

    def snoozed_until(self, now: datetime, limit: int) -> Sequence[ConversationId]:
        """Whose snooze is over."""

    def promises_due(self, now: datetime, until: datetime, limit: int) -> Sequence[ConversationId]:
        """Conversations of the bot's in which people owe an answer by then, and no person was asked for today."""

    def message_of(self, conversation: ConversationId, key: str) -> MessageId | None:
        """The message that an agent sent under that key, or None."""
