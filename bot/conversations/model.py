"""What a conversation is made of. Plain data: no database, no web, no Rasa."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, NewType

ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
InboxId = NewType("InboxId", int)
OutboxId = NewType("OutboxId", int)
FileId = NewType("FileId", str)


class Owner(str, Enum):
    """Who answers the customer now. One at a time."""

    BOT = "bot"
    QUEUE = "queue"
    AGENT = "agent"


class Author(str, Enum):
    CUSTOMER = "customer"
    BOT = "bot"
    AGENT = "agent"


@dataclass(frozen=True)
class Button:
    """A choice offered to the customer. `payload` is for the assistant alone; the customer's side sees `id`."""

    id: str
    title: str
    payload: str


@dataclass(frozen=True)
class Reply:
    """One message to send, before it has a place in the log.

    `response` is its key in domain.yml; `source` the knowledge entry that answered, if one did.
    """

    text: str
    buttons: Sequence[Button] = ()
    response: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Inbound:
    """A customer's message as a connector hands it over.

    `key` is the channel's own id of the message: a second message with the same key in the same conversation is the
    same message. None where the channel has no ids: then every message is a new one. `file`: a stored file of this
    address that the message brings; `more_files`: the others of an album. `language`: what a new conversation begins in.
    `ends`: the customer ended the conversation; `text` is what the button said.

    `means`: what the assistant is told instead of the text, where the channel itself knows (a command, a voice message);
    never made from what a customer typed. `meta` is kept with the message (a quoted text). `corrects`: the key of the
    message of which this is a later wording. `verified_phone`: the customer's own, by the word of the channel.
    """

    channel: str
    address: str
    text: str
    key: str | None = None
    file: FileId | None = None
    language: str = "ar"
    ends: bool = False
    more_files: Sequence[FileId] = ()
    means: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    corrects: str | None = None
    verified_phone: str | None = None


@dataclass(frozen=True)
class Message:
    """A line of the log. `number` counts from 1 within the conversation without gaps."""

    id: MessageId
    conversation: ConversationId
    number: int
    author: Author
    text: str
    at: datetime
    buttons: Sequence[Button] = ()
    reply_to: MessageId | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Conversation:
    id: ConversationId
    channel: str
    address: str
    owner: Owner
    language: str
    variety: str | None
    created_at: datetime


@dataclass(frozen=True)
class Effect:
    """Something a turn decided, written in the turn's one commit. Each noun has its own subclasses."""


@dataclass(frozen=True)
class OwnerChange(Effect):
    """The conversation changes hands."""

    to: Owner


@dataclass(frozen=True)
class LanguageRead(Effect):
    """The language and variety that the customer writes."""

    language: str
    variety: str | None


@dataclass(frozen=True)
class ContactOptOut(Effect):
    """The customer wants no message that was not asked for."""


@dataclass(frozen=True)
class AssistantState:
    """The assistant's memory of one conversation, opaque to everyone else. `version` 0: not stored yet."""

    data: str | None
    version: int


@dataclass
class Turn:
    """One customer message on its way to its replies.

    The assistant reads it, adds `effects` and `trace`, and leaves its new memory in `state_after`. Nothing is written
    before the commit.
    """

    conversation: Conversation
    message: Message
    payload: str | None
    state: AssistantState
    now: datetime
    effects: list[Effect] = field(default_factory=list)
    state_after: str | None = None
    trace: dict[str, Any] = field(default_factory=dict)
    notes: set[str] = field(default_factory=set)  # what parts of one turn tell each other; never stored
