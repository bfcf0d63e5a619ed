"""Joins a visitor's conversation to their customer."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.conversations.model import Owner
from bot.handoff.model import State
from bot.orders.model import CustomerId
from bot.storage import tables as t
from bot.storage.database import Database

_PEOPLE_FIRST = (Owner.AGENT.value, Owner.QUEUE.value, Owner.BOT.value)


class SqlIdentities:
    """Implements `customers.identity.IdentityRecords`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def identify(self, channel: str, address: str, customer: CustomerId, language: str, now: datetime) -> str:
        try:
            return self._identify(channel, address, customer, language, now)
        except sa.exc.IntegrityError:
            # The same customer's first sign-in on two devices at once: the other device's is there now.
            return self._identify(channel, address, customer, language, now)

    def _identify(self, channel: str, address: str, customer: CustomerId, language: str, now: datetime) -> str:
        of_channel = sa.select(t.conversations).where(t.conversations.c.channel == channel).with_for_update()
        with self._db.write() as c:
            mine = c.execute(of_channel.where(t.conversations.c.address == address)).first()
            theirs = c.execute(of_channel.where(t.conversations.c.customer == customer)).first()
            free = mine is not None and mine.customer is None
            if theirs is not None:
                if free:
                    _move(c, mine, theirs, now)
                found, at = theirs.id, theirs.address
            elif free:
                c.execute(t.conversations.update().where(t.conversations.c.id == mine.id).values(customer=customer))
                found, at = mine.id, address
            else:
                at = address if mine is None else secrets.token_urlsafe(16)
                found = _begin(c, channel, at, customer, language, now)
            if mine is None or free:
                _move_files(c, channel, address, at)
            c.execute(t.proofs.delete().where(t.proofs.c.conversation_id == found))
            c.execute(t.proofs.insert().values(conversation_id=found, customer=customer, given_at=now, used_at=now))
            return str(at)


def _begin(c: Connection, channel: str, address: str, customer: CustomerId, language: str, now: datetime) -> str:
    conversation = str(uuid.uuid4())
    c.execute(
        t.conversations.insert().values(
            id=conversation,
            channel=channel,
            address=address,
            owner=Owner.BOT.value,
            language=language,
            last_number=0,
            opted_out=False,
            customer=customer,
            created_at=now,
            active_at=now,
        )
    )
    return conversation


def _move(c: Connection, source: Any, target: Any, now: datetime) -> None:
    """Everything of `source` goes to the end of `target`; `source` is gone.

    A turn under way in either is void: its lease is gone, or its memory's version has moved on, and its message is
    answered again where it is now.
    """
    here, there = source.id, target.id
    c.execute(
        t.messages.update()
        .where(t.messages.c.conversation_id == here)
        .values(conversation_id=there, number=t.messages.c.number + target.last_number)
    )
    for keyed in (t.inbox, t.ratings):
        _keep_apart(c, keyed, here, there)
    complaints = (t.cases, t.ledger_entries, t.promises, t.outreach, t.suggestions)
    for table in (t.buttons, t.inbox, t.proof_failures, t.ratings, *complaints):
        c.execute(table.update().where(table.c.conversation_id == here).values(conversation_id=there))
    c.execute(
        t.outbox.update()
        .where(t.outbox.c.conversation_id == here, t.outbox.c.channel == source.channel)
        .values(address=target.address)
    )
    c.execute(t.outbox.update().where(t.outbox.c.conversation_id == here).values(conversation_id=there))
    _move_handoffs(c, here, there, now)
    _move_memory(c, here, there)
    for table in (t.proofs, t.verified_phones):
        c.execute(table.delete().where(table.c.conversation_id == here))
    c.execute(t.conversations.delete().where(t.conversations.c.id == here))
    c.execute(
        t.conversations.update()
        .where(t.conversations.c.id == there)
        .values(
            owner=min(source.owner, target.owner, key=_PEOPLE_FIRST.index),
            opted_out=source.opted_out or target.opted_out,
            language=source.language,
            variety=source.variety or target.variety,
            last_number=target.last_number + source.last_number,
            read_by_customer=_moved_mark(source.read_by_customer, target.last_number, target.read_by_customer),
            read_by_team=_moved_mark(source.read_by_team, target.last_number, target.read_by_team),
            active_at=now,
        )
    )


def _move_files(c: Connection, channel: str, before: str, at: str) -> None:
    """Also what was uploaded before the first word."""
    c.execute(t.files.update().where(t.files.c.channel == channel, t.files.c.address == before).values(address=at))


def _keep_apart(c: Connection, table: Any, here: str, there: str) -> None:
    """Two devices may have counted alike: a key of `here` that is taken in `there` gets an addition."""
    taken = sa.select(table.c.key).where(table.c.conversation_id == there)
    of_here = table.c.conversation_id == here
    for key in c.execute(sa.select(table.c.key).where(of_here, table.c.key.in_(taken))).scalars().all():
        another = f"{key[:50]}:{uuid.uuid4().hex[:12]}"
        c.execute(table.update().where(of_here, table.c.key == key).values(key=another))


def _moved_mark(mark: int, offset: int, before: int) -> int:
    return offset + mark if mark else before


def _move_handoffs(c: Connection, here: str, there: str, now: datetime) -> None:
    """One wait a conversation: of two that are open, the one that an agent has taken goes on."""
    waiting = t.handoffs.c.ended_at.is_(None)
    open_ = sa.select(t.handoffs).where(t.handoffs.c.conversation_id.in_([here, there]), waiting)
    both = {row.conversation_id: row for row in c.execute(open_)}
    if len(both) == 2:
        taken = State.TAKEN.value
        given_up = there if both[here].state == taken and both[there].state != taken else here
        over = {"state": State.WITHDRAWN.value, "ended_at": now, "waits_since": None}
        c.execute(t.handoffs.update().where(t.handoffs.c.id == both[given_up].id).values(**over))
    _keep_apart(c, t.agent_messages, here, there)
    for table in (t.handoffs, t.handoff_events, t.notes, t.agent_messages):
        c.execute(table.update().where(table.c.conversation_id == here).values(conversation_id=there))


def _move_memory(c: Connection, here: str, there: str) -> None:
    """What was spoken of last is what the assistant remembers."""
    memory = t.assistant_states
    mine = c.execute(sa.select(memory).where(memory.c.conversation_id == here)).first()
    if mine is None:
        return
    theirs = c.execute(sa.select(memory).where(memory.c.conversation_id == there)).first()
    c.execute(memory.delete().where(memory.c.conversation_id == there))
    version = max(mine.version, theirs.version if theirs else 0) + 1
    c.execute(memory.update().where(memory.c.conversation_id == here).values(conversation_id=there, version=version))
