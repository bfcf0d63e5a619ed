"""What goes over the wire, as JSON. Times are ISO 8601 with an offset."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConstrainedStr, Extra, Field

from bot.agents.model import LONGEST_NAME, MOST_CONVERSATIONS, Account, Invitation, Session, Signed, Team
from bot.agents.passwords import LONGEST
from bot.agents.permissions import PERMISSIONS
from bot.handoff.model import Role


class Id(ConstrainedStr):
    """An id as it is in a path or a body."""

    regex = re.compile(r"^[0-9a-f-]{36}$")


class Sent(BaseModel):
    """What callers send; a field that nobody knows is a mistake and is said so."""

    class Config:
        extra = Extra.forbid


def _email() -> Any:
    return Field(..., min_length=3, max_length=254)


def _name() -> Any:
    return Field(
        ..., min_length=1, max_length=4 * LONGEST_NAME, description="At most 80 characters once it is cleaned."
    )


def _password(text: str = "At least 10 characters, and not easy to guess.") -> Any:
    return Field(..., max_length=LONGEST, description=text)


def _token() -> Any:
    return Field(..., min_length=1, max_length=100, description="The last part of the link.")


class TeamOut(BaseModel):
    id: str
    name_ar: str
    name_en: str

    @classmethod
    def of(cls, team: Team) -> TeamOut:
        return cls(id=team.id, name_ar=team.name_ar, name_en=team.name_en)


class AgentOut(BaseModel):
    """`email`, `totp` and `created_at` are told to leads, administrators and the person alone."""

    id: str
    name_ar: str
    name_en: str
    role: Role
    teams: list[str]
    languages: list[str]
    topics: list[str] = Field(description="Empty: all of them.")
    load_cap: int = Field(description="Conversations at once.")
    active: bool
    email: str | None
    totp: bool | None
    created_at: datetime | None

    @classmethod
    def of(cls, account: Account, whole: bool = True) -> AgentOut:
        return cls(
            id=account.id,
            name_ar=account.name_ar,
            name_en=account.name_en,
            role=account.role,
            teams=list(account.teams),
            languages=list(account.languages),
            topics=list(account.topics),
            load_cap=account.load_cap,
            active=account.active,
            email=account.email if whole else None,
            totp=account.totp if whole else None,
            created_at=account.created_at if whole else None,
        )


class SignInBody(Sent):
    email: str = Field(..., min_length=1, max_length=1000)
    password: str = Field(..., max_length=1000)
    totp: str | None = Field(None, max_length=40, description="Code of the authenticator app, or a recovery code.")


class SessionOut(BaseModel):
    id: str
    network: str = Field(description="Where it was opened, cut to its network.")
    device: str = Field(description="What the browser calls itself.")
    created_at: datetime
    used_at: datetime
    expires_at: datetime
    this: bool = Field(description="Whether it is the one that asks.")

    @classmethod
    def of(cls, session: Session, this: Session) -> SessionOut:
        return cls(
            id=session.id,
            network=session.address,
            device=session.device,
            created_at=session.created_at,
            used_at=session.used_at,
            expires_at=session.expires_at,
            this=session.id == this.id,
        )


class SignedOut(BaseModel):
    """The session that asks."""

    agent: AgentOut
    permissions: list[str]
    csrf: str = Field(description="To be sent as X-CSRF-Token with every unsafe call.")
    session: SessionOut

    @classmethod
    def of(cls, signed: Signed) -> SignedOut:
        return cls(
            agent=AgentOut.of(signed.agent),
            permissions=sorted(permission.value for permission in PERMISSIONS[signed.agent.role]),
            csrf=signed.csrf,
            session=SessionOut.of(signed.session, signed.session),
        )


class EndedOut(BaseModel):
    ended: int = Field(description="How many sessions were ended.")


class PasswordBody(Sent):
    old: str = _password("The present password.")
    new: str = _password()


class ProofBody(Sent):
    password: str = _password("The password again.")


class TotpOut(BaseModel):
    secret: str = Field(description="For typing into the app.")
    uri: str = Field(description="otpauth:// address, for a QR code.")


class CodeBody(Sent):
    code: str = Field(..., min_length=1, max_length=40)


class RecoveryOut(BaseModel):
    recovery_codes: list[str] = Field(description="Each good once; shown this once.")


class SetupBody(Sent):
    token: str = _token()
    email: str = _email()
    password: str = _password()
    name_ar: str = _name()
    name_en: str = _name()


class AcceptBody(Sent):
    token: str = _token()
    password: str = _password()
    name_ar: str = _name()
    name_en: str = _name()


class InviteBody(Sent):
    email: str = _email()
    role: Role
    teams: list[Id] = Field([], max_items=50)


class InvitationOut(BaseModel):
    id: str
    email: str
    role: Role
    teams: list[str]
    invited_by: str | None
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, invitation: Invitation) -> InvitationOut:
        return cls(
            id=invitation.id,
            email=invitation.email or "",
            role=invitation.role,
            teams=list(invitation.teams),
            invited_by=invitation.invited_by,
            created_at=invitation.created_at,
            expires_at=invitation.expires_at,
        )


class InvitedOut(BaseModel):
    invitation: InvitationOut
    link: str | None = Field(description="To be passed on to the invited person; null where it was mailed to them.")


class NewAgentBody(Sent):
    email: str = _email()
    password: str = _password()
    name_ar: str = _name()
    name_en: str = _name()
    role: Role = Role.AGENT


class AgentChangeBody(Sent):
    """What is left out stays."""

    name_ar: str | None = Field(None, min_length=1, max_length=4 * LONGEST_NAME)
    name_en: str | None = Field(None, min_length=1, max_length=4 * LONGEST_NAME)
    role: Role | None
    teams: list[Id] | None = Field(None, max_items=50)
    languages: list[str] | None = Field(None, max_items=2, description="ar, en or both.")
    topics: list[str] | None = Field(None, max_items=50)
    load_cap: int | None = Field(None, ge=0, le=MOST_CONVERSATIONS)
    active: bool | None = Field(None, description="false ends the account's sessions at once.")


class TeamBody(Sent):
    name_ar: str = _name()
    name_en: str = _name()
