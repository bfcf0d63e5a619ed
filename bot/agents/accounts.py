"""Making and changing accounts: by an administrator, by invitation, on the command line, and the first one of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

import structlog

from bot.agents.lockout import short_address
from bot.agents.model import (
    LANGUAGES,
    LONGEST_NAME,
    MOST_CONVERSATIONS,
    Account,
    Actor,
    Invitation,
    InvitationId,
    Signed,
    Team,
    Where,
    clean_email,
    clean_name,
    clean_topics,
    new_id,
    new_token,
    token_hash,
)
from bot.agents.passwords import Passwords, check_password
from bot.agents.permissions import may_give_role
from bot.agents.ports import AgentRecords, Clock, InvitationRecords, NewAgent
from bot.agents.sign_in import actor
from bot.errors import DeskRefused
from bot.handoff.model import AgentId, Role, TeamId

log = structlog.get_logger()

INVITATION_LIFE = timedelta(days=7)
SETUP_LIFE = timedelta(hours=24)
_LONGEST_TOKEN = 100
_INVALID_LINK = DeskRefused("link_invalid", "This link is not valid: it was used, withdrawn, or is too old.")


class InvitationMail(Protocol):
    """Carries an invitation by e-mail."""

    def invite(self, to: str, link: str, names: Mapping[str, str]) -> bool:
        """Whether a mail server took it. `names`: the inviter's, by language."""


class Accounts:
    """`base_url`: where this server is reached, without a trailing slash. `mail` None: there is no mail server."""

    def __init__(
        self,
        records: AgentRecords,
        invitations: InvitationRecords,
        passwords: Passwords,
        base_url: str,
        clock: Clock,
        mail: InvitationMail | None = None,
    ) -> None:
        self._records, self._invitations, self._passwords = records, invitations, passwords
        self._base_url, self._clock, self._mail = base_url, clock, mail

    # -- agents --------------------------------------------------------------------------------------------------------

    def agents(self) -> Sequence[Account]:
        return self._records.agents()

    def agent(self, agent: AgentId) -> Account:
        """Raises DeskRefused (`not_found`)."""
        found = self._records.agent(agent)
        if found is None:
            raise DeskRefused("not_found", "There is no such agent.")
        return found

    def add(
        self, email: str, role: Role, password: str, names: tuple[str, str] | None = None, by: Actor | None = None
    ) -> Account:
        """A new account. `names`: in Arabic and English; the part before the @ without them. Raises DeskRefused:
        `invalid`, `weak_password`, `email_taken`."""
        new = self._new(email, role, password, *(names or _names_of(email)))
        return self._records.add(new, by or Actor(None), self._clock())

    def change(self, signed: Signed, agent: AgentId, changes: Mapping[str, Any], where: Where) -> Account:
        """Change fields of an account, as `Account` names them: names, role, teams, languages, topics, load_cap, active.

        Raises DeskRefused: `invalid`, `not_found`, `no_such_team`, `last_admin`.
        """
        return self._records.change(agent, cleaned(changes), actor(signed, where), self._clock())

    def disable(self, agent: AgentId, by: Actor) -> Account:
        """End an account and its sessions. Raises DeskRefused: `not_found`, `last_admin`."""
        return self._records.change(agent, {"active": False}, by, self._clock())

    def reset(self, agent: AgentId, password: str, keep_totp: bool, by: Actor) -> None:
        """Give somebody who is locked out a new password, and take the second factor away unless it is kept; their
        sessions end. Raises DeskRefused: `not_found`, `weak_password`."""
        account = self.agent(agent)
        check_password(password, account.email, account.name_ar, account.name_en)
        self._records.reset(agent, self._passwords.hash(password), keep_totp, by, self._clock())

    # -- teams ---------------------------------------------------------------------------------------------------------

    def teams(self) -> Sequence[Team]:
        return self._records.teams()

    def add_team(self, signed: Signed, name_ar: str, name_en: str, where: Where) -> Team:
        names = clean_name(name_ar), clean_name(name_en)
        return self._records.add_team(*names, actor(signed, where), self._clock())

    def change_team(self, signed: Signed, team: TeamId, name_ar: str, name_en: str, where: Where) -> Team:
        """Raises DeskRefused (`invalid`, `not_found`)."""
        names = clean_name(name_ar), clean_name(name_en)
        return self._records.change_team(team, *names, actor(signed, where), self._clock())

    def drop_team(self, signed: Signed, team: TeamId, where: Where) -> None:
        """Raises DeskRefused (`not_found`)."""
        self._records.drop_team(team, actor(signed, where), self._clock())

    # -- invitations ---------------------------------------------------------------------------------------------------

    def invite(
        self, signed: Signed, email: str, role: Role, teams: tuple[TeamId, ...], where: Where
    ) -> tuple[Invitation, str | None]:
        """The invitation, and its link for the inviter to pass on; None where it was mailed.

        Raises DeskRefused: `invalid`, `forbidden`, `email_taken`, `no_such_team`.
        """
        if not may_give_role(signed.agent, role, teams):
            raise DeskRefused("forbidden", "A lead may invite agents into the lead's own teams.")
        now, token = self._clock(), new_token()
        ends = now + INVITATION_LIFE
        invitation = Invitation(InvitationId(new_id()), clean_email(email), role, teams, signed.agent.id, now, ends)
        self._invitations.invite(invitation, token_hash(token), actor(signed, where))
        link = f"{self._base_url}/desk/invitation/{token}"
        names = {"ar": signed.agent.name_ar, "en": signed.agent.name_en}
        mailed = self._mail is not None and self._mail.invite(clean_email(email), link, names)
        return invitation, None if mailed else link

    def invitations(self, signed: Signed) -> Sequence[Invitation]:
        """Open ones: an administrator sees all, a lead their own."""
        found = self._invitations.invitations(self._clock())
        return [one for one in found if signed.agent.role is Role.ADMIN or one.invited_by == signed.agent.id]

    def withdraw(self, signed: Signed, invitation: InvitationId, where: Where) -> None:
        """Raises DeskRefused (`not_found`), also for one that somebody else made and one does not see."""
        if invitation not in {one.id for one in self.invitations(signed)}:
            raise DeskRefused("not_found", "There is no such invitation.")
        self._invitations.withdraw(invitation, actor(signed, where), self._clock())

    def accept(self, token: str, password: str, name_ar: str, name_en: str, where: Where) -> Account:
        """The invited person makes their account. Raises DeskRefused: `link_invalid`, `invalid`, `weak_password`,
        `email_taken`."""
        invitation = self._open_link(token)
        if invitation.email is None:
            raise _INVALID_LINK
        new = self._new(invitation.email, invitation.role, password, name_ar, name_en, invitation.teams)
        return self._invitations.accept(token_hash(token), new, short_address(where.address), self._clock())

    # -- the first administrator ---------------------------------------------------------------------------------------

    def setup_link(self) -> str | None:
        """A new one-time link while there is no administrator, else None."""
        if self._records.has_admin():
            return None
        now, token = self._clock(), new_token()
        link = Invitation(InvitationId(new_id()), None, Role.ADMIN, (), None, now, now + SETUP_LIFE)
        self._invitations.invite(link, token_hash(token), Actor(None))
        return f"{self._base_url}/desk/setup/{token}"

    def set_up(self, token: str, email: str, password: str, name_ar: str, name_en: str, where: Where) -> Account:
        """The first administrator's account. Raises DeskRefused: `link_invalid`, `invalid`, `weak_password`,
        `email_taken`."""
        if self._open_link(token).email is not None:
            raise _INVALID_LINK
        new = self._new(email, Role.ADMIN, password, name_ar, name_en)
        return self._invitations.accept(token_hash(token), new, short_address(where.address), self._clock())

    def _open_link(self, token: str) -> Invitation:
        found = self._invitations.open_link(token_hash(token), self._clock()) if len(token) <= _LONGEST_TOKEN else None
        if found is None or (found.email is None and self._records.has_admin()):
            raise _INVALID_LINK
        return found

    def _new(
        self, email: str, role: Role, password: str, name_ar: str, name_en: str, teams: tuple[TeamId, ...] = ()
    ) -> NewAgent:
        email, name_ar, name_en = clean_email(email), clean_name(name_ar), clean_name(name_en)
        check_password(password, email, name_ar, name_en)
        return NewAgent(email, name_ar, name_en, role, self._passwords.hash(password), teams)


def cleaned(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes of an account, checked. Raises DeskRefused (`invalid`)."""
    values = dict(changes)
    for name in ("name_ar", "name_en"):
        if name in values:
            values[name] = clean_name(values[name])
    if "topics" in values:
        values["topics"] = clean_topics(values["topics"])
    for name in ("languages", "teams"):
        if name in values:
            values[name] = tuple(dict.fromkeys(values[name]))
    languages = values.get("languages", LANGUAGES)
    if not languages or not set(languages) <= set(LANGUAGES):
        raise DeskRefused("invalid", "Languages are ar, en or both.")
    if not 0 <= values.get("load_cap", 0) <= MOST_CONVERSATIONS:
        raise DeskRefused("invalid", f"The load cap is 0 to {MOST_CONVERSATIONS} conversations.")
    return values


def _names_of(email: str) -> tuple[str, str]:
    name = email.partition("@")[0][:LONGEST_NAME]
    return name, name
