"""The desk's audit log: one function writes it, in the transaction of what it tells."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Connection

from bot.agents.model import Audited
from bot.storage import tables as t


def write_audit(c: Connection, entry: Audited, now: datetime) -> None:
    """Note who did what to what, from where."""
    c.execute(
        t.desk_audit.insert().values(
            at=now,
            agent_id=entry.actor.agent,
            action=entry.action,
            kind=entry.kind,
            subject=entry.subject,
            address=entry.actor.address,
            details=entry.details,
        )
    )
