"""Invitations, the first administrator's links among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.agents.model import Account, Actor, Audited, Invitation, InvitationId, email_key
from bot.agents.ports import NewAgent
from bot.errors import DeskRefused
from bot.handoff.model import AgentId, Role, TeamId
from bot.storage import tables as t
from bot.storage.agents import check_teams, insert_agent, lock_admins
from bot.storage.audit import write_audit
from bot.storage.database import Database


class SqlInvitations:
    """Implements `agents.ports.InvitationRecords`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def invite(self, invitation: Invitation, token_hash: str, actor: Actor) -> None:
        key = email_key(invitation.email) if invitation.email else None
        now = invitation.created_at
        with self._db.write() as c:
            if key is not None:
                if c.execute(sa.select(t.agents.c.id).where(t.agents.c.email_key == key)).first() is not None:
                    raise DeskRefused("email_taken", "There is an account with this e-mail already.")
                earlier = (t.invitations.c.email_key == key, t.invitations.c.ended_at.is_(None))
                c.execute(t.invitations.update().where(*earlier).values(ended_at=now))
            check_teams(c, invitation.teams)
            c.execute(
                t.invitations.insert().values(
                    id=invitation.id,
                    token_hash=token_hash,
                    email=invitation.email,
                    email_key=key,
                    role=invitation.role.value,
                    teams=list(invitation.teams),
                    invited_by=invitation.invited_by,
                    created_at=now,
                    expires_at=invitation.expires_at,
                )
            )
            action = "invitation.made" if key else "setup.offered"
            details = {"role": invitation.role.value, "teams": list(invitation.teams)}
            write_audit(c, Audited(actor, action, "invitation", invitation.id, details), now)

    def invitations(self, now: datetime) -> Sequence[Invitation]:
        chosen = sa.select(t.invitations).where(*_open(now), t.invitations.c.email.is_not(None))
        with self._db.read() as c:
            rows = c.execute(chosen.order_by(t.invitations.c.created_at.desc(), t.invitations.c.id)).all()
        return [_invitation(row) for row in rows]

    def withdraw(self, invitation: InvitationId, actor: Actor, now: datetime) -> None:
        with self._db.write() as c:
            of_id = t.invitations.c.id == invitation
            if c.execute(t.invitations.update().where(of_id, *_open(now)).values(ended_at=now)).rowcount != 1:
                raise DeskRefused("not_found", "There is no such invitation.")
            write_audit(c, Audited(actor, "invitation.withdrawn", "invitation", invitation), now)

    def open_link(self, token_hash: str, now: datetime) -> Invitation | None:
        with self._db.read() as c:
            chosen = sa.select(t.invitations).where(t.invitations.c.token_hash == token_hash, *_open(now))
            row = c.execute(chosen).first()
        return _invitation(row) if row else None

    def accept(self, token_hash: str, new: NewAgent, address: str, now: datetime) -> Account:
        invalid = DeskRefused("link_invalid", "This link is not valid: it was used, withdrawn, or is too old.")
        with self._db.write() as c:
            is_setup = t.invitations.c.email.is_(None)
            # All of the first administrator's links, in one order: of two people who use two of them one waits here.
            c.execute(
                sa.select(t.invitations.c.id).where(is_setup).order_by(t.invitations.c.id).with_for_update()
            ).all()
            used = c.execute(
                t.invitations.update().where(t.invitations.c.token_hash == token_hash, *_open(now)).values(ended_at=now)
            )
            row = c.execute(sa.select(t.invitations).where(t.invitations.c.token_hash == token_hash)).first()
            if used.rowcount != 1 or (row.email is None and lock_admins(c)):
                raise invalid
            known = set(c.execute(sa.select(t.teams.c.id)).scalars())
            # A team that was dropped meanwhile does not keep anybody out.
            made = insert_agent(c, replace(new, teams=tuple(team for team in new.teams if team in known)), now)
            actor, action = Actor(made.id, address), "setup.done" if row.email is None else "invitation.accepted"
            write_audit(c, Audited(actor, action, "invitation", row.id, {"role": new.role.value}), now)
            return made


def _open(now: datetime) -> tuple[Any, Any]:
    return t.invitations.c.ended_at.is_(None), t.invitations.c.expires_at > now


def _invitation(row: Any) -> Invitation:
    return Invitation(
        InvitationId(row.id),
        row.email,
        Role(row.role),
        tuple(TeamId(team) for team in row.teams),
        AgentId(row.invited_by) if row.invited_by else None,
        row.created_at,
        row.expires_at,
    )
