"""Sessions, tries to sign in, passwords and second factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.agents import lockout
from bot.agents.lockout import LockoutRule, Tries
from bot.agents.model import Account, Actor, Audited, Credentials, Session, SessionId
from bot.agents.ports import SecondFactor
from bot.handoff.model import AgentId
from bot.storage import tables as t
from bot.storage.agents import read_accounts
from bot.storage.audit import write_audit
from bot.storage.database import Database
from bot.storage.effects import insert_ignore

_MOST_SESSIONS = 50  # of one account; the one unused longest goes

_LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.utc)


class SqlSignIn:
    """Implements `agents.ports.SignInRecords`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # -- tries ---------------------------------------------------------------------------------------------------------

    def begin_try(self, rules: Mapping[str, LockoutRule], now: datetime) -> timedelta:
        keys = sorted(rules)  # one order: two that share keys do not wait for each other
        with self._db.write() as c:
            for key in keys:
                insert_ignore(c, t.sign_in_tries, key=key, count=0, last_at=_LONG_AGO)
            chosen = sa.select(t.sign_in_tries).where(t.sign_in_tries.c.key.in_(keys))
            rows = c.execute(chosen.order_by(t.sign_in_tries.c.key).with_for_update()).all()
            tries = {row.key: Tries(row.count, row.last_at) for row in rows}
            wait = max(lockout.wait(rules[key], tries.get(key), now) for key in keys)
            if wait <= timedelta(0):
                for key in keys:
                    _keep(c, key, lockout.begun(rules[key], tries.get(key), now))
            return wait

    def give_back(self, keys: Sequence[str]) -> None:
        of_keys = t.sign_in_tries.c.key.in_(sorted(keys))
        with self._db.write() as c:
            one_less = t.sign_in_tries.update().where(of_keys, t.sign_in_tries.c.count > 0)
            c.execute(one_less.values(count=t.sign_in_tries.c.count - 1))

    def forget_tries(self, key: str) -> None:
        with self._db.write() as c:
            c.execute(t.sign_in_tries.delete().where(t.sign_in_tries.c.key == key))

    # -- sessions ------------------------------------------------------------------------------------------------------

    def credentials(self, email_key: str) -> Credentials | None:
        return self._credentials(t.agents.c.email_key == email_key)

    def credentials_of(self, agent: AgentId) -> Credentials | None:
        return self._credentials(t.agents.c.id == agent)

    def _credentials(self, condition: Any) -> Credentials | None:
        with self._db.read() as c:
            row = c.execute(sa.select(t.agents).where(condition)).first()
            if row is None:
                return None
            account = read_accounts(c, sa.select(t.agents).where(t.agents.c.id == row.id))[0]
        return Credentials(account, row.password_hash, row.totp_secret, row.totp_last_step)

    def open_session(
        self,
        session: Session,
        token_hash: str,
        proven: Credentials,
        second: SecondFactor | None,
        new_hash: str | None,
        replaced: str | None,
    ) -> bool:
        now = session.created_at
        with self._db.write() as c:
            row = _lock(c, session.agent)
            if row is None or not row.active or row.password_hash != proven.password_hash:
                return False
            if (row.totp_since is not None) != proven.agent.totp:
                return False
            values: dict[str, Any] = {"password_hash": new_hash} if new_hash else {}
            if second is not None:
                if second.step is not None:
                    if row.totp_secret != proven.totp_secret or second.step <= (row.totp_last_step or 0):
                        return False
                    values["totp_last_step"] = second.step
                elif second.recovery not in row.recovery_hashes:
                    return False
                else:
                    values["recovery_hashes"] = [kept for kept in row.recovery_hashes if kept != second.recovery]
            if values:
                c.execute(t.agents.update().where(t.agents.c.id == session.agent).values(**values))
            s = t.agent_sessions
            if replaced:
                c.execute(s.delete().where(s.c.token_hash == replaced))
            newest = sa.select(s.c.id).where(s.c.agent_id == session.agent).order_by(s.c.used_at.desc())
            surplus = c.execute(newest.offset(_MOST_SESSIONS - 1)).scalars().all()
            c.execute(s.delete().where(s.c.id.in_(surplus)))
            c.execute(
                s.insert().values(
                    id=session.id,
                    agent_id=session.agent,
                    token_hash=token_hash,
                    address=session.address,
                    device=session.device,
                    created_at=now,
                    used_at=now,
                    expires_at=session.expires_at,
                )
            )
            how = "recovery_code" if second and second.recovery else "totp" if second else "password"
            by = Actor(session.agent, session.address)
            write_audit(c, Audited(by, "session.opened", "session", session.id, {"by": how}), now)
            return True

    def session(self, token_hash: str) -> tuple[Session, Account] | None:
        with self._db.read() as c:
            row = c.execute(sa.select(t.agent_sessions).where(t.agent_sessions.c.token_hash == token_hash)).first()
            if row is None:
                return None
            return _session(row), read_accounts(c, sa.select(t.agents).where(t.agents.c.id == row.agent_id))[0]

    def touch(self, session: SessionId, now: datetime) -> None:
        with self._db.write() as c:
            c.execute(t.agent_sessions.update().where(t.agent_sessions.c.id == session).values(used_at=now))

    def sessions(self, agent: AgentId) -> Sequence[Session]:
        s = t.agent_sessions
        with self._db.read() as c:
            chosen = sa.select(s).where(s.c.agent_id == agent).order_by(s.c.used_at.desc(), s.c.id)
            return [_session(row) for row in c.execute(chosen).all()]

    def end_session(self, agent: AgentId, session: SessionId, actor: Actor, now: datetime) -> bool:
        s = t.agent_sessions
        with self._db.write() as c:
            if c.execute(s.delete().where(s.c.id == session, s.c.agent_id == agent)).rowcount != 1:
                return False
            write_audit(c, Audited(actor, "session.ended", "session", session), now)
            return True

    def end_other_sessions(self, agent: AgentId, kept: SessionId, actor: Actor, now: datetime) -> int:
        s = t.agent_sessions
        with self._db.write() as c:
            ended = int(c.execute(s.delete().where(s.c.agent_id == agent, s.c.id != kept)).rowcount)
            write_audit(c, Audited(actor, "session.others_ended", "agent", agent, {"sessions": ended}), now)
            return ended

    # -- password and second factor ------------------------------------------------------------------------------------

    def change_password(self, proven: Credentials, password_hash: str, actor: Actor, now: datetime) -> bool:
        agent = proven.agent.id
        with self._db.write() as c:
            row = _lock(c, agent)
            if row is None or not row.active or row.password_hash != proven.password_hash:
                return False
            c.execute(t.agents.update().where(t.agents.c.id == agent).values(password_hash=password_hash))
            c.execute(t.agent_sessions.delete().where(t.agent_sessions.c.agent_id == agent))
            write_audit(c, Audited(actor, "password.changed", "agent", agent), now)
            return True

    def begin_totp(self, agent: AgentId, secret: str, actor: Actor, now: datetime) -> bool:
        waiting = (t.agents.c.id == agent, t.agents.c.totp_since.is_(None))
        with self._db.write() as c:
            values = {"totp_secret": secret, "totp_last_step": None}
            if c.execute(t.agents.update().where(*waiting).values(**values)).rowcount != 1:
                return False
            write_audit(c, Audited(actor, "totp.begun", "agent", agent), now)
            return True

    def confirm_totp(
        self, agent: AgentId, secret: str, step: int, recovery: Sequence[str], actor: Actor, now: datetime
    ) -> bool:
        waiting = (t.agents.c.id == agent, t.agents.c.totp_since.is_(None), t.agents.c.totp_secret == secret)
        values = {"totp_since": now, "totp_last_step": step, "recovery_hashes": list(recovery)}
        with self._db.write() as c:
            if c.execute(t.agents.update().where(*waiting).values(**values)).rowcount != 1:
                return False
            write_audit(c, Audited(actor, "totp.on", "agent", agent), now)
            return True

    def end_totp(self, agent: AgentId, actor: Actor, now: datetime) -> None:
        values: dict[str, Any] = {
            "totp_secret": None,
            "totp_since": None,
            "totp_last_step": None,
            "recovery_hashes": [],
        }
        with self._db.write() as c:
            c.execute(t.agents.update().where(t.agents.c.id == agent).values(**values))
            write_audit(c, Audited(actor, "totp.off", "agent", agent), now)

    # -- upkeep --------------------------------------------------------------------------------------------------------

    def tidy(self, unused_since: datetime, now: datetime) -> None:
        day = now - timedelta(days=2)  # longer than any rule remembers
        with self._db.write() as c:
            s = t.agent_sessions
            c.execute(s.delete().where(sa.or_(s.c.expires_at <= now, s.c.used_at <= unused_since)))
            c.execute(t.invitations.delete().where(t.invitations.c.expires_at <= now - timedelta(days=30)))
            c.execute(t.sign_in_tries.delete().where(t.sign_in_tries.c.last_at <= day))

    def audit(self, entry: Audited, now: datetime) -> None:
        with self._db.write() as c:
            write_audit(c, entry, now)


def _lock(c: Connection, agent: AgentId) -> Any:
    return c.execute(sa.select(t.agents).where(t.agents.c.id == agent).with_for_update()).first()


def _keep(c: Connection, key: str, tries: Tries) -> None:
    of_key = t.sign_in_tries.c.key == key
    c.execute(t.sign_in_tries.update().where(of_key).values(count=tries.count, last_at=tries.last_at))


def _session(row: Any) -> Session:
    return Session(
        SessionId(row.id),
        AgentId(row.agent_id),
        row.address,
        row.device,
        row.created_at,
        row.used_at,
        row.expires_at,
    )
