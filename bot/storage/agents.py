"""Accounts and teams; and the same people as the handoff sees them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.agents.model import Account, Actor, Audited, Team, email_key, new_id
from bot.agents.ports import Clock, NewAgent
from bot.errors import DeskRefused
from bot.handoff.model import Agent, AgentId, Presence, Role, TeamId
from bot.storage import tables as t
from bot.storage.audit import write_audit
from bot.storage.database import Database

_SEEN_FOR = timedelta(seconds=90)  # without a sign of life for longer, an agent is not there
_NO_AGENT = DeskRefused("not_found", "There is no such agent.")
_NO_TEAM = DeskRefused("not_found", "There is no such team.")


class SqlAgents:
    """Implements `agents.ports.AgentRecords`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # -- agents --------------------------------------------------------------------------------------------------------

    def agents(self) -> Sequence[Account]:
        with self._db.read() as c:
            return read_accounts(c, sa.select(t.agents).order_by(t.agents.c.name_en, t.agents.c.id))

    def agent(self, agent: AgentId) -> Account | None:
        with self._db.read() as c:
            return next(iter(read_accounts(c, sa.select(t.agents).where(t.agents.c.id == agent))), None)

    def has_admin(self) -> bool:
        with self._db.read() as c:
            return _has_admin(c)

    def add(self, new: NewAgent, actor: Actor, now: datetime) -> Account:
        with self._db.write() as c:
            made = insert_agent(c, new, now)
            details = {"role": new.role.value, "teams": list(new.teams)}
            write_audit(c, Audited(actor, "agent.added", "agent", made.id, details), now)
            return made

    def change(self, agent: AgentId, changes: Mapping[str, Any], actor: Actor, now: datetime) -> Account:
        values = dict(changes)
        teams = values.pop("teams", None)
        for name in ("languages", "topics"):
            if name in values:
                values[name] = list(values[name])
        if "role" in values:
            values["role"] = Role(values["role"]).value
        of_agent = t.agents.c.id == agent
        with self._db.write() as c:
            admins = lock_admins(c)
            row = c.execute(sa.select(t.agents).where(of_agent).with_for_update()).first()
            if row is None:
                raise _NO_AGENT
            stays = values.get("role", row.role) == Role.ADMIN.value and values.get("active", row.active)
            if admins == {agent} and not stays:
                raise DeskRefused("last_admin", "This is the only administrator. Make another one first.")
            if values:
                c.execute(t.agents.update().where(of_agent).values(**values))
            if teams is not None:
                _set_teams(c, agent, teams)
            if values.get("active") is False:
                c.execute(t.agent_sessions.delete().where(t.agent_sessions.c.agent_id == agent))
            if values.get("active") is False or values.get("role", row.role) != row.role:
                mine = (t.invitations.c.invited_by == agent, t.invitations.c.ended_at.is_(None))
                c.execute(t.invitations.update().where(*mine).values(ended_at=now))
            write_audit(c, Audited(actor, "agent.changed", "agent", agent, _told(changes)), now)
            return read_accounts(c, sa.select(t.agents).where(of_agent))[0]

    def reset(self, agent: AgentId, password_hash: str, keep_totp: bool, actor: Actor, now: datetime) -> None:
        values: dict[str, Any] = {"password_hash": password_hash}
        if not keep_totp:
            values |= {"totp_secret": None, "totp_since": None, "totp_last_step": None, "recovery_hashes": []}
        with self._db.write() as c:
            if c.execute(t.agents.update().where(t.agents.c.id == agent).values(**values)).rowcount != 1:
                raise _NO_AGENT
            c.execute(t.agent_sessions.delete().where(t.agent_sessions.c.agent_id == agent))
            write_audit(c, Audited(actor, "agent.reset", "agent", agent, {"totp_kept": keep_totp}), now)

    # -- teams ---------------------------------------------------------------------------------------------------------

    def teams(self) -> Sequence[Team]:
        with self._db.read() as c:
            rows = c.execute(sa.select(t.teams).order_by(t.teams.c.name_en, t.teams.c.id)).all()
        return [Team(TeamId(row.id), row.name_ar, row.name_en) for row in rows]

    def add_team(self, name_ar: str, name_en: str, actor: Actor, now: datetime) -> Team:
        team = Team(TeamId(new_id()), name_ar, name_en)
        with self._db.write() as c:
            c.execute(t.teams.insert().values(id=team.id, name_ar=name_ar, name_en=name_en, created_at=now))
            write_audit(c, Audited(actor, "team.added", "team", team.id), now)
        return team

    def change_team(self, team: TeamId, name_ar: str, name_en: str, actor: Actor, now: datetime) -> Team:
        with self._db.write() as c:
            changed = c.execute(t.teams.update().where(t.teams.c.id == team).values(name_ar=name_ar, name_en=name_en))
            if changed.rowcount != 1:
                raise _NO_TEAM
            write_audit(c, Audited(actor, "team.changed", "team", team), now)
        return Team(team, name_ar, name_en)

    def drop_team(self, team: TeamId, actor: Actor, now: datetime) -> None:
        with self._db.write() as c:
            # Locked first: nobody joins it between the two deletions.
            if c.execute(sa.select(t.teams.c.id).where(t.teams.c.id == team).with_for_update()).first() is None:
                raise _NO_TEAM
            left = c.execute(t.agent_teams.delete().where(t.agent_teams.c.team_id == team)).rowcount
            c.execute(t.teams.delete().where(t.teams.c.id == team))
            write_audit(c, Audited(actor, "team.dropped", "team", team, {"members": left}), now)


class SqlDirectory:
    """Implements `handoff.ports.Agents`: who may sign in, with whether they are there."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db, self._clock = database, clock

    def agents(self) -> Sequence[Agent]:
        return self._read(sa.select(t.agents).where(t.agents.c.active).order_by(t.agents.c.created_at, t.agents.c.id))

    def agent(self, agent: AgentId) -> Agent | None:
        return next(iter(self._read(sa.select(t.agents).where(t.agents.c.active, t.agents.c.id == agent))), None)

    def seen(self, agent: AgentId, presence: Presence) -> None:
        """They are there now, as what they chose. Called again at least once a minute while they are."""
        values = {"presence": presence.value, "seen_at": self._clock()}
        with self._db.write() as c:
            c.execute(t.agents.update().where(t.agents.c.id == agent).values(**values))

    def _read(self, chosen: Any) -> list[Agent]:
        now = self._clock()
        with self._db.read() as c:
            rows = c.execute(chosen).all()
            teams = _teams_of(c, [row.id for row in rows])
        return [
            Agent(
                AgentId(row.id),
                row.name_ar,
                Role(row.role),
                frozenset(teams[row.id]),
                frozenset(row.languages),
                frozenset(row.topics),
                row.load_cap,
                Presence(row.presence)
                if row.seen_at is not None and now - row.seen_at < _SEEN_FOR
                else Presence.OFFLINE,
                row.seen_at,
            )
            for row in rows
        ]


def insert_agent(c: Connection, new: NewAgent, now: datetime) -> Account:
    """A new account. Raises DeskRefused (`email_taken`, `no_such_team`); the transaction is void then."""
    agent = AgentId(new_id())
    key = email_key(new.email)
    taken = DeskRefused("email_taken", "There is an account with this e-mail already.")
    if c.execute(sa.select(t.agents.c.id).where(t.agents.c.email_key == key)).first() is not None:
        raise taken
    try:
        c.execute(
            t.agents.insert().values(
                id=agent,
                email=new.email,
                email_key=key,
                name_ar=new.name_ar,
                name_en=new.name_en,
                role=new.role.value,
                languages=list(new.languages),
                topics=list(new.topics),
                load_cap=new.load_cap,
                active=True,
                password_hash=new.password_hash,
                recovery_hashes=[],
                presence=Presence.ONLINE.value,
                created_at=now,
            )
        )
    except sa.exc.IntegrityError:  # made by somebody else since we looked
        raise taken from None
    _set_teams(c, agent, new.teams)
    return read_accounts(c, sa.select(t.agents).where(t.agents.c.id == agent))[0]


def lock_admins(c: Connection) -> set[AgentId]:
    """The active administrators, who stay what they are until this transaction ends."""
    chosen = (
        sa.select(t.agents.c.id)
        .where(t.agents.c.role == Role.ADMIN.value, t.agents.c.active)
        .order_by(t.agents.c.id)
        .with_for_update()
    )
    return {AgentId(found) for found in c.execute(chosen).scalars()}


def read_accounts(c: Connection, chosen: Any) -> list[Account]:
    """Rows of `agents` as accounts."""
    rows = c.execute(chosen).all()
    teams = _teams_of(c, [row.id for row in rows])
    return [account(row, teams[row.id]) for row in rows]


def account(row: Any, teams: Sequence[TeamId]) -> Account:
    return Account(
        AgentId(row.id),
        row.email,
        row.name_ar,
        row.name_en,
        Role(row.role),
        tuple(teams),
        tuple(row.languages),
        tuple(row.topics),
        row.load_cap,
        row.active,
        row.totp_since is not None,
        row.created_at,
    )


def check_teams(c: Connection, teams: Sequence[str]) -> None:
    """Raises DeskRefused (`no_such_team`) unless each exists; they stay until the transaction ends."""
    chosen = sa.select(t.teams.c.id).where(t.teams.c.id.in_(list(teams))).with_for_update(read=True)
    if len(c.execute(chosen).all()) != len(set(teams)):
        raise DeskRefused("no_such_team", "One of these teams does not exist.")


def _has_admin(c: Connection) -> bool:
    chosen = sa.select(t.agents.c.id).where(t.agents.c.role == Role.ADMIN.value, t.agents.c.active).limit(1)
    return c.execute(chosen).first() is not None


def _set_teams(c: Connection, agent: AgentId, teams: Sequence[TeamId]) -> None:
    check_teams(c, teams)
    c.execute(t.agent_teams.delete().where(t.agent_teams.c.agent_id == agent))
    if teams:
        c.execute(t.agent_teams.insert(), [{"agent_id": agent, "team_id": team} for team in teams])


def _teams_of(c: Connection, agents: Sequence[str]) -> Mapping[str, list[TeamId]]:
    found: defaultdict[str, list[TeamId]] = defaultdict(list)
    chosen = sa.select(t.agent_teams).where(t.agent_teams.c.agent_id.in_(agents)).order_by(t.agent_teams.c.team_id)
    for row in c.execute(chosen):
        found[row.agent_id].append(TeamId(row.team_id))
    return found


def _told(changes: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit log keeps of a change: which fields; of names no more than that."""
    kept = {name: changes[name] for name in ("active", "load_cap", "languages", "teams") if name in changes}
    if "role" in changes:
        kept["role"] = Role(changes["role"]).value
    return {"fields": sorted(changes), **{name: list(v) if isinstance(v, tuple) else v for name, v in kept.items()}}
