"""A customer's conversation on another channel, where both are known to be theirs: what of it they see here too.

Each conversation keeps its own log, numbers and way out. Joined is only what is read, so that parting them again needs
nothing to be moved back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.conversations.model import ConversationId, FileId


@dataclass(frozen=True)
class OtherChat:
    """What may be shown of it: the messages from `first`, with which it became this customer's, to `last`."""

    conversation: ConversationId
    channel: str
    address: str
    first: int
    last: int


@dataclass(frozen=True)
class Moved:
    """Something has happened in the conversation at `address` of another channel; `beside` is the address here of the
    customer whose it is now, None where that is nobody here."""

    address: str
    last: int
    beside: str | None


class OtherChats(Protocol):
    """Each raises StorageUnavailable."""

    def beside(self, channel: str, address: str) -> OtherChat | None:
        """The other conversation of the customer whose the one here is; None where nobody knows whose it is, or they
        have no other."""

    def moved(self, channel: str, since: datetime) -> Sequence[Moved]:
        """The conversations of other channels in which something has happened since then."""

    def holds(self, other: OtherChat, file: FileId) -> bool:
        """Whether a message that may be shown brought that file."""
