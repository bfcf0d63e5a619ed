"""What the conversation core asks of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from bot.conversations.model import (
    Button,
    Conversation,
    ConversationId,
    Inbound,
    InboxId,
    Message,
    MessageId,
    Owner,
    Reply,
    Turn,
)


class Clock(Protocol):
    def __call__(self) -> datetime:
        """The current time, aware, in UTC."""


class Assistant(Protocol):
    """Thinks. Writes nothing: what it decides goes into the turn."""

    def respond(self, turn: Turn) -> Sequence[Reply]:
        """At least one reply for `turn`; sets `turn.state_after`, may add to `turn.effects` and `turn.trace`.

        May be called again for the same message after a failure or a kill. Raises AssistantFailed.
        """


class Wording(Protocol):
    """The sentences of domain.yml, for what is said without the assistant."""

    def say(self, response: str, language: str, **values: str) -> Reply:
        """The response in `language`, filled. Raises AssistantFailed where no wording exists."""


class PeopleDesk(Protocol):
    """What happens to a conversation that people answer. Implemented by `handoff.service`."""

    def while_waiting(self, turn: Turn, language: str) -> Sequence[Reply]:
        """Answer a message that came while the owner is the queue or an agent; often nothing is said."""

    def assistant_failed(self, turn: Turn) -> None:
        """Put the conversation into the queue because the assistant failed on this message."""


@dataclass(frozen=True)
class Received:
    """Where an inbound message went. `new` is False where its key was seen before."""

    inbox_id: InboxId
    conversation: ConversationId
    message: MessageId
    number: int
    at: datetime
    new: bool


@dataclass(frozen=True)
class Claimed:
    """A message that this worker holds, with everything a turn needs.

    `attempt` counts from 1: the times it was taken; `failures`: how many of those before ended in an error. The rest
    ended with their process.
    """

    inbox_id: InboxId
    turn: Turn
    attempt: int
    failures: int = 0


class Transcript(Protocol):
    """Reads of the log."""

    def offered(self, channel: str, address: str, button_id: str) -> Button | None:
        """The button of that id that the conversation at this address was offered, or None."""

    def replies(self, message: MessageId) -> Sequence[Message] | None:
        """The replies to a customer's message in order; None while its turn is not done."""


@dataclass(frozen=True)
class Content:
    """What is stored of an inbound message. `payload`: what the assistant is told instead of the text (a button's
    meaning, or why the text cannot be read). `meta` is kept with the message."""

    text: str
    payload: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LogState:
    """How far a conversation is, in numbers of messages. The customer's messages up to `delivered` have reached
    whoever answers, up to `seen` they are answered by the assistant or read by an agent; the customer has read all up
    to `read`. `customer`: whose it is, where their channel or their shop's site has said so."""

    conversation: ConversationId
    address: str
    owner: Owner
    customer: str | None
    last: int
    delivered: int
    seen: int
    read: int


@dataclass(frozen=True)
class LogLine:
    """A message, and the key that its channel gave it, if a customer wrote it."""

    message: Message
    key: str | None


class Transcripts(Protocol):
    """The log in pages, first to last. Each raises StorageUnavailable."""

    def state(self, channel: str, address: str) -> LogState | None:
        """None where nothing was ever said."""

    def moved(self, channel: str, since: datetime) -> Sequence[LogState]:
        """The conversations of a channel in which something has happened since then."""

    def before(self, conversation: ConversationId, number: int, limit: int) -> Sequence[LogLine]:
        """The last `limit` before that number."""

    def after(self, conversation: ConversationId, number: int, limit: int) -> Sequence[LogLine]:
        """The first `limit` after that number."""

    def undelivered(self, conversation: ConversationId, limit: int) -> Sequence[LogLine]:
        """Replies that have not left through the outbox yet."""

    def read_by_customer(self, conversation: ConversationId, number: int, now: datetime) -> bool:
        """Note that the customer has read all up to that number; returns whether that was news."""


class TurnStore(Transcript, Protocol):
    """The inbox, the log, the assistant's memory and the outbox, as one record.

    Every method is one transaction and raises StorageUnavailable when the database fails; then nothing has happened.
    """

    def receive(self, inbound: Inbound, content: Content, now: datetime, max_pending: int) -> Received:
        """Store a message, making its conversation if need be. Raises MessageRefused (`flood`, `file`).

        A message that `corrects` one which is not answered yet takes its place, and a turn that has read the old wording
        is void; one that is answered gets a new message, told apart by its own key. The same wording again is nothing.
        """

    def claim(self, worker: str, now: datetime, lease_until: datetime) -> Claimed | None:
        """Take the oldest unanswered message of a conversation that nobody holds, and the lease on its conversation.

        A worker holds one lease at a time: one that it could not give back is free to it again.
        """

    def renew(self, worker: str, lease_until: datetime) -> None:
        """Prolong the lease this worker holds."""

    def commit(self, worker: str, claimed: Claimed, replies: Sequence[Reply], now: datetime) -> None:
        """End the turn: replies, effects, memory, outbox and inbox together, and give the lease back.

        Raises LeaseLost or OwnerChanged; then nothing was written.
        """

    def release(self, worker: str, claimed: Claimed, retry_at: datetime | None = None, *, counted: bool = True) -> None:
        """Give a lease back without an answer; the message is tried again, not before `retry_at`.

        Not `counted`: the message was not to blame, so this attempt is forgotten.
        """

    def conversation(self, conversation: ConversationId) -> Conversation | None:
        """The conversation, or None."""
