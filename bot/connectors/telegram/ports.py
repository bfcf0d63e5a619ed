"""What the channel asks of the record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from bot.orders.model import CustomerId


class OpenUpdate(Protocol):
    """An update that is not handled yet. `body` is its JSON; `attempts` counts failures."""

    @property
    def update_id(self) -> int: ...
    @property
    def body(self) -> str: ...
    @property
    def received_at(self) -> datetime: ...
    @property
    def attempts(self) -> int: ...


class TelegramRecords(Protocol):
    """Each is one transaction and raises StorageUnavailable; then nothing has happened. `chat` is 0 where an update is
    about none; `address` is `<bot>:<chat>`."""

    def latest(self, bot: int) -> tuple[int, datetime] | None:
        """The update that came last, and when."""

    def store(self, bot: int, updates: Sequence[tuple[int, int, str]], now: datetime) -> int:
        """Keep updates (id, chat, body), each once whatever comes again; returns how many are new."""

    def open(self, bot: int, chat: int, limit: int) -> Sequence[OpenUpdate]:
        """The chat's updates that are not handled yet, first to last."""

    def waiting(self, before: datetime) -> Sequence[tuple[int, int]]:
        """(bot, chat) of updates that came by then and are not handled yet."""

    def done(self, bot: int, update_ids: Iterable[int], now: datetime, error: str | None = None) -> None:
        """They are handled, or given up for `error`; what they said is forgotten here."""

    def failed(self, bot: int, update_id: int) -> None:
        """Handling it failed once more."""

    def tidy(self, before: datetime) -> int:
        """Forget what was handled before then."""

    def keyboard(self, bot: int, chat: int) -> bool:
        """Whether a reply keyboard of ours is shown there."""

    def set_keyboard(self, bot: int, chat: int, shown: bool) -> None: ...

    def leave(self, bot: int, chat: int, now: datetime) -> bool:
        """Note that a group is left; False where that was noted before."""

    def migrated(self, before: str, address: str) -> None:
        """A chat has a new id: what is addressed to the old one is addressed to the new one."""

    def language(self, address: str) -> str | None:
        """The language of the conversation there, if there is one."""

    def reachable(self, address: str, since: datetime | None) -> None:
        """The customer cannot be reached since then, or (None) can be."""

    def unreachable(self, address: str) -> bool: ...

    def taken(self, address: str, key: str) -> bool:
        """Whether the message of that key is in the conversation."""

    def offered_at(self, address: str, button: str) -> datetime | None:
        """When that button was offered in the conversation; None where it was not."""

    def phone_known(self, address: str) -> bool:
        """Whether the customer has shared their own phone number."""

    def make_link(self, channel: str, address: str, expires: datetime) -> str | None:
        """A token, good once, for the customer of another channel's conversation; None where they are not known."""

    def use_link(self, token: str, address: str, language: str, now: datetime) -> CustomerId | None:
        """Make the chat, begun where there is none, that of the customer whom a token names, proven by now. None where the
        token is not good; the chat that has used it may use it again, until it is unlinked."""

    def unlink(self, address: str) -> None:
        """Forget whose the conversation is, and the phone number that was shared."""

    def recognise(self, address: str, now: datetime) -> None:
        """Whose the chat is was proven once, and only they can write in it: their proof is as fresh as their message."""
