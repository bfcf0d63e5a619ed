"""Agents, teams, sessions and invitations as values. Times are aware, ids are random, tokens are kept as hashes alone."""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NewType

import regex

from bot.errors import DeskRefused
from bot.handoff.model import AgentId, Role, TeamId

SessionId = NewType("SessionId", str)
InvitationId = NewType("InvitationId", str)

LANGUAGES = ("ar", "en")
LONGEST_EMAIL, LONGEST_NAME, LONGEST_TOPIC, MOST_TOPICS, MOST_CONVERSATIONS = 254, 80, 40, 50, 100

_EMAIL = regex.compile(r"[^@\s\p{C}<>\"(),:;\\\[\]]{1,64}@[^@\s\p{C}<>\"(),:;\\\[\]]{1,189}")
_UNSEEN = regex.compile(r"[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u034f\u115f\u1160\u3164\uffa0\u2800]")
_SPACES = regex.compile(r"\s+")


@dataclass(frozen=True)
class Team:
    id: TeamId
    name_ar: str
    name_en: str


@dataclass(frozen=True)
class Account:
    """One person's. `load_cap`: conversations at once; `topics`: FAQ topics they know, none for all of them."""

    id: AgentId
    email: str
    name_ar: str
    name_en: str
    role: Role
    teams: tuple[TeamId, ...]
    languages: tuple[str, ...]
    topics: tuple[str, ...]
    load_cap: int
    active: bool
    totp: bool  # whether a second factor is asked for at sign-in
    created_at: datetime


@dataclass(frozen=True)
class Credentials:
    """What a sign-in is held against. Never leaves the services."""

    agent: Account
    password_hash: str = field(repr=False)
    totp_secret: str | None = field(
        repr=False
    )  # there before it is confirmed, too; `agent.totp` says whether it counts
    totp_last_step: int | None = None


@dataclass(frozen=True)
class Session:
    """One signed-in browser. `address` is cut to its network; `device` is what the browser calls itself."""

    id: SessionId
    agent: AgentId
    address: str
    device: str
    created_at: datetime
    used_at: datetime
    expires_at: datetime  # the end, however busy it is


@dataclass(frozen=True)
class Signed:
    """Who is asking, through which session. `csrf` belongs to that session and goes into a header."""

    agent: Account
    session: Session
    csrf: str = field(repr=False)


@dataclass(frozen=True)
class Invitation:
    """A link that makes one account. `email` None: the link of the first administrator."""

    id: InvitationId
    email: str | None
    role: Role
    teams: tuple[TeamId, ...]
    invited_by: AgentId | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Where:
    """Where a request comes from: `address` as the server sees it, whole; it is cut before it is stored."""

    address: str
    device: str = ""


@dataclass(frozen=True)
class Actor:
    """Who does something, for the audit log; `agent` None: the command line, or somebody who is not signed in."""

    agent: AgentId | None
    address: str = ""  # cut, as `short_address` gives it


@dataclass(frozen=True)
class Audited:
    """One row of the audit log. `details` hold ids, codes and counts; no names, texts, e-mails or secrets."""

    actor: Actor
    action: str  # dotted: "agent.disabled"
    kind: str = ""  # what it was done to: "agent", "team", "conversation" …
    subject: str = ""  # its id
    details: dict[str, Any] = field(default_factory=dict)


def new_id() -> str:
    """36 characters, random."""
    return str(uuid.uuid4())


def new_token() -> str:
    """256 random bits, as text for a cookie or a link."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is stored of a token. It is random and long, so one round is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def clean_email(text: str) -> str:
    """An e-mail address as it is shown and mailed to. Raises DeskRefused (`invalid`)."""
    email = unicodedata.normalize("NFC", text.strip())
    if not is_email(email):
        raise DeskRefused("invalid", "That is not an e-mail address.")
    return email


def email_key(email: str) -> str:
    """One form for all spellings of an address: capitals do not tell two people apart."""
    return unicodedata.normalize("NFC", email.strip()).casefold()


def is_email(text: str) -> bool:
    return len(text) <= LONGEST_EMAIL and _EMAIL.fullmatch(text) is not None


def clean_name(text: str) -> str:
    """A name on one line, without characters that cannot be seen or that turn the direction of what follows.

    Whatever else it holds is text and is shown as text. Raises DeskRefused (`invalid`) where nothing or too much is left.
    """
    name = _UNSEEN.sub("", _SPACES.sub(" ", unicodedata.normalize("NFC", text))).strip()
    if not name or len(name) > LONGEST_NAME:
        raise DeskRefused("invalid", f"A name has 1 to {LONGEST_NAME} characters.")
    return str(name)


def clean_topics(topics: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Each once, in the given order. Raises DeskRefused (`invalid`)."""
    cleaned = tuple(dict.fromkeys(clean_name(topic) for topic in topics))
    if len(cleaned) > MOST_TOPICS or any(len(topic) > LONGEST_TOPIC for topic in cleaned):
        raise DeskRefused("invalid", f"At most {MOST_TOPICS} topics of at most {LONGEST_TOPIC} characters each.")
    return cleaned
