"""What the accounts need of a database. `storage` implements it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from bot.agents.lockout import LockoutRule
from bot.agents.model import (
    Account,
    Actor,
    Audited,
    Credentials,
    Invitation,
    InvitationId,
    Session,
    SessionId,
    Team,
)
from bot.handoff.model import AgentId, Role, TeamId

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class NewAgent:
    """An account to be made; everything is cleaned and checked already."""

    email: str
    name_ar: str
    name_en: str
    role: Role
    password_hash: str
    teams: tuple[TeamId, ...] = ()
    languages: tuple[str, ...] = ("ar", "en")
    topics: tuple[str, ...] = ()
    load_cap: int = 5


@dataclass(frozen=True)
class SecondFactor:
    """The code that was right, to be used up: the step of an app's code, or the hash of a recovery code."""

    step: int | None = None
    recovery: str | None = None


class AgentRecords(Protocol):
    """Each method is one transaction; those that change something write their row of the audit log in it."""

    def agents(self) -> Sequence[Account]:
        """Everybody, disabled ones too, by name."""

    def agent(self, agent: AgentId) -> Account | None: ...

    def has_admin(self) -> bool:
        """Whether an active administrator exists."""

    def add(self, new: NewAgent, actor: Actor, now: datetime) -> Account:
        """Raises DeskRefused (`email_taken`, `no_such_team`)."""

    def change(self, agent: AgentId, changes: Mapping[str, Any], actor: Actor, now: datetime) -> Account:
        """Set fields of `Account`. Disabling ends the agent's sessions; disabling and another role void the invitations
        that the agent made.

        Raises DeskRefused: `not_found`, `no_such_team`, or `last_admin` where no active administrator would be left.
        """

    def reset(self, agent: AgentId, password_hash: str, keep_totp: bool, actor: Actor, now: datetime) -> None:
        """Set the password, take the second factor away unless it is kept, end the sessions. Raises DeskRefused
        (`not_found`)."""

    def teams(self) -> Sequence[Team]: ...

    def add_team(self, name_ar: str, name_en: str, actor: Actor, now: datetime) -> Team: ...

    def change_team(self, team: TeamId, name_ar: str, name_en: str, actor: Actor, now: datetime) -> Team:
        """Raises DeskRefused (`not_found`)."""

    def drop_team(self, team: TeamId, actor: Actor, now: datetime) -> None:
        """Its people stay, without it. Raises DeskRefused (`not_found`)."""


class InvitationRecords(Protocol):
    def invite(self, invitation: Invitation, token_hash: str, actor: Actor) -> None:
        """An earlier open one to the same address is void. Raises DeskRefused (`email_taken`, `no_such_team`)."""

    def invitations(self, now: datetime) -> Sequence[Invitation]:
        """Open ones, newest first; without the first administrator's links."""

    def withdraw(self, invitation: InvitationId, actor: Actor, now: datetime) -> None:
        """Raises DeskRefused (`not_found`)."""

    def open_link(self, token_hash: str, now: datetime) -> Invitation | None:
        """The invitation behind a link that still holds."""

    def accept(self, token_hash: str, new: NewAgent, address: str, now: datetime) -> Account:
        """Make the account and use the link up. A first administrator's link holds only while there is none.

        Raises DeskRefused (`link_invalid`, `email_taken`).
        """


class SignInRecords(Protocol):
    def begin_try(self, rules: Mapping[str, LockoutRule], now: datetime) -> timedelta:
        """Count a try under each key and return zero; or, where one of them has to wait, count nothing and return how
        long."""

    def give_back(self, keys: Sequence[str]) -> None:
        """One try less under each key: it was no wrong one."""

    def forget_tries(self, key: str) -> None: ...

    def credentials(self, email_key: str) -> Credentials | None: ...

    def credentials_of(self, agent: AgentId) -> Credentials | None: ...

    def open_session(
        self,
        session: Session,
        token_hash: str,
        proven: Credentials,
        second: SecondFactor | None,
        new_hash: str | None,
        replaced: str | None,
    ) -> bool:
        """Begin a session of `proven`'s agent, use `second` up, keep `new_hash` as the password's hash, and end the
        session with the token hash `replaced`. False, and nothing is written, where the account was disabled, its
        password or second factor changed, or the code used up meanwhile."""

    def session(self, token_hash: str) -> tuple[Session, Account] | None: ...

    def touch(self, session: SessionId, now: datetime) -> None:
        """It was used now."""

    def sessions(self, agent: AgentId) -> Sequence[Session]:
        """Those stored, last used first; the caller leaves out those that have ended."""

    def end_session(self, agent: AgentId, session: SessionId, actor: Actor, now: datetime) -> bool:
        """False where the agent has no such session."""

    def end_other_sessions(self, agent: AgentId, kept: SessionId, actor: Actor, now: datetime) -> int: ...

    def change_password(self, proven: Credentials, password_hash: str, actor: Actor, now: datetime) -> bool:
        """Set it and end all sessions. False where the password was changed or the account disabled meanwhile."""

    def begin_totp(self, agent: AgentId, secret: str, actor: Actor, now: datetime) -> bool:
        """Keep a secret that does not count yet. False where a second factor counts already."""

    def confirm_totp(
        self, agent: AgentId, secret: str, step: int, recovery: Sequence[str], actor: Actor, now: datetime
    ) -> bool:
        """From now on it counts. False where `secret` is not the one that waits."""

    def end_totp(self, agent: AgentId, actor: Actor, now: datetime) -> None: ...

    def tidy(self, unused_since: datetime, now: datetime) -> None:
        """Forget sessions, links and tries that have long ended."""

    def audit(self, entry: Audited, now: datetime) -> None:
        """Note something that changed nothing."""
