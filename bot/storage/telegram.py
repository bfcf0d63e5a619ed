"""What Telegram told the bots, and what is kept of its chats."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.conversations.model import Owner
from bot.customers.proof import IDLE
from bot.orders.model import CustomerId
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.effects import insert_ignore
from bot.storage.log import new_id

CHANNEL = "telegram"


@dataclass(frozen=True)
class StoredUpdate:
    """An update that is not handled yet. `body` is its JSON; `attempts` counts failures."""

    update_id: int
    body: str
    received_at: datetime
    attempts: int


class SqlTelegram:
    """Implements `connectors.telegram.ports.TelegramRecords`; the obligations are written there."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # -- updates -------------------------------------------------------------------------------------------------------

    def latest(self, bot: int) -> tuple[int, datetime] | None:
        newest = (
            sa.select(t.telegram_updates.c.update_id, t.telegram_updates.c.received_at)
            .where(t.telegram_updates.c.bot == bot)
            .order_by(t.telegram_updates.c.received_at.desc(), t.telegram_updates.c.update_id.desc())
            .limit(1)
        )
        with self._db.read() as c:
            row = c.execute(newest).first()
        return (row.update_id, row.received_at) if row else None

    def store(self, bot: int, updates: Sequence[tuple[int, int, str]], now: datetime) -> int:
        with self._db.write() as c:
            return sum(
                insert_ignore(
                    c,
                    t.telegram_updates,
                    bot=bot,
                    update_id=update_id,
                    chat=chat,
                    body=body,
                    attempts=0,
                    received_at=now,
                )
                for update_id, chat, body in updates
            )

    def open(self, bot: int, chat: int, limit: int) -> Sequence[StoredUpdate]:
        updates = t.telegram_updates
        with self._db.read() as c:
            rows = c.execute(
                sa.select(updates)
                .where(updates.c.bot == bot, updates.c.chat == chat, updates.c.done_at.is_(None))
                .order_by(updates.c.update_id)
                .limit(limit)
            ).all()
        return [StoredUpdate(row.update_id, row.body or "{}", row.received_at, row.attempts) for row in rows]

    def waiting(self, before: datetime) -> Sequence[tuple[int, int]]:
        updates = t.telegram_updates
        with self._db.read() as c:
            rows = c.execute(
                sa.select(updates.c.bot, updates.c.chat)
                .where(updates.c.done_at.is_(None), updates.c.received_at <= before)
                .distinct()
            ).all()
        return [(row.bot, row.chat) for row in rows]

    def count_open(self) -> int:
        with self._db.read() as c:
            return int(
                c.execute(
                    sa.select(sa.func.count())
                    .select_from(t.telegram_updates)
                    .where(t.telegram_updates.c.done_at.is_(None))
                ).scalar_one()
            )

    def done(self, bot: int, update_ids: Iterable[int], now: datetime, error: str | None = None) -> None:
        with self._db.write() as c:
            c.execute(
                t.telegram_updates.update()
                .where(
                    t.telegram_updates.c.bot == bot,
                    t.telegram_updates.c.update_id.in_(list(update_ids)),
                    t.telegram_updates.c.done_at.is_(None),
                )
                .values(done_at=now, body=None, error=error)
            )

    def failed(self, bot: int, update_id: int) -> None:
        with self._db.write() as c:
            c.execute(
                t.telegram_updates.update()
                .where(t.telegram_updates.c.bot == bot, t.telegram_updates.c.update_id == update_id)
                .values(attempts=t.telegram_updates.c.attempts + 1)
            )

    def tidy(self, before: datetime) -> int:
        with self._db.write() as c:
            gone = c.execute(
                t.telegram_updates.delete().where(
                    t.telegram_updates.c.received_at < before, t.telegram_updates.c.done_at.is_not(None)
                )
            )
            # One that was followed stays: it says since when the chat is the customer's.
            links = t.telegram_links.c
            c.execute(t.telegram_links.delete().where(links.expires_at < before, links.used_at.is_(None)))
            return int(gone.rowcount)

    # -- chats ---------------------------------------------------------------------------------------------------------

    def keyboard(self, bot: int, chat: int) -> bool:
        with self._db.read() as c:
            return bool(
                c.execute(
                    sa.select(t.telegram_chats.c.keyboard).where(
                        t.telegram_chats.c.bot == bot, t.telegram_chats.c.chat == chat
                    )
                ).scalar_one_or_none()
            )

    def set_keyboard(self, bot: int, chat: int, shown: bool) -> None:
        here = (t.telegram_chats.c.bot == bot, t.telegram_chats.c.chat == chat)
        with self._db.write() as c:
            if not insert_ignore(c, t.telegram_chats, bot=bot, chat=chat, keyboard=shown):
                c.execute(t.telegram_chats.update().where(*here).values(keyboard=shown))

    def leave(self, bot: int, chat: int, now: datetime) -> bool:
        here = (t.telegram_chats.c.bot == bot, t.telegram_chats.c.chat == chat)
        with self._db.write() as c:
            insert_ignore(c, t.telegram_chats, bot=bot, chat=chat, keyboard=False)
            left = c.execute(
                t.telegram_chats.update().where(*here, t.telegram_chats.c.left_at.is_(None)).values(left_at=now)
            )
            return bool(left.rowcount)

    def migrated(self, before: str, address: str) -> None:
        with self._db.write() as c:
            for table in (t.conversations, t.outbox, t.files):
                c.execute(
                    table.update().where(table.c.channel == CHANNEL, table.c.address == before).values(address=address)
                )

    # -- conversations -------------------------------------------------------------------------------------------------

    def language(self, address: str) -> str | None:
        with self._db.read() as c:
            found: str | None = c.execute(
                sa.select(t.conversations.c.language).where(*_at(address))
            ).scalar_one_or_none()
        return found

    def reachable(self, address: str, since: datetime | None) -> None:
        changed = t.conversations.c.unreachable_at.is_(None) if since else t.conversations.c.unreachable_at.is_not(None)
        with self._db.write() as c:
            c.execute(t.conversations.update().where(*_at(address), changed).values(unreachable_at=since))

    def unreachable(self, address: str) -> bool:
        with self._db.read() as c:
            found = c.execute(sa.select(t.conversations.c.unreachable_at).where(*_at(address))).scalar_one_or_none()
        return found is not None

    def taken(self, address: str, key: str) -> bool:
        with self._db.read() as c:
            found = c.execute(
                sa.select(t.inbox.c.id)
                .join(t.conversations, t.conversations.c.id == t.inbox.c.conversation_id)
                .where(*_at(address), t.inbox.c.key == key)
            ).first()
        return found is not None

    def offered_at(self, address: str, button: str) -> datetime | None:
        with self._db.read() as c:
            found: datetime | None = c.execute(
                sa.select(t.messages.c.at)
                .join(t.buttons, t.buttons.c.message_id == t.messages.c.id)
                .join(t.conversations, t.conversations.c.id == t.buttons.c.conversation_id)
                .where(*_at(address), t.buttons.c.id == button)
            ).scalar_one_or_none()
        return found

    def phone_known(self, address: str) -> bool:
        with self._db.read() as c:
            found = c.execute(
                sa.select(t.verified_phones.c.phone)
                .join(t.conversations, t.conversations.c.id == t.verified_phones.c.conversation_id)
                .where(*_at(address))
            ).first()
        return found is not None

    # -- one customer on web and Telegram ------------------------------------------------------------------------------

    def make_link(self, channel: str, address: str, expires: datetime) -> str | None:
        token = secrets.token_urlsafe(24)
        with self._db.write() as c:
            customer = c.execute(
                sa.select(t.conversations.c.customer).where(
                    t.conversations.c.channel == channel, t.conversations.c.address == address
                )
            ).scalar_one_or_none()
            if customer is None:
                return None
            c.execute(t.telegram_links.insert().values(token=_hash(token), customer=customer, expires_at=expires))
        return token

    def use_link(self, token: str, address: str, language: str, now: datetime) -> CustomerId | None:
        links = t.telegram_links
        fresh = sa.and_(links.c.used_at.is_(None), links.c.expires_at > now)
        with self._db.write() as c:
            used = c.execute(
                links.update()
                .where(links.c.token == _hash(token), sa.or_(fresh, links.c.used_by == address))
                .values(
                    used_by=address,
                    used_at=sa.case(
                        (links.c.used_at.is_(None), sa.literal(now, links.c.used_at.type)), else_=links.c.used_at
                    ),
                )
            )
            if used.rowcount != 1:
                return None
            customer = c.execute(sa.select(links.c.customer).where(links.c.token == _hash(token))).scalar_one()
            _join(c, address, CustomerId(customer), language, now)
            return CustomerId(customer)

    def unlink(self, address: str) -> None:
        of_chat = sa.select(t.conversations.c.id).where(*_at(address)).scalar_subquery()
        with self._db.write() as c:
            _part(c, address)
            for table in (t.proofs, t.verified_phones):
                c.execute(table.delete().where(table.c.conversation_id == of_chat))

    def recognise(self, address: str, now: datetime) -> None:
        with self._db.read() as c:
            known = c.execute(
                sa.select(t.conversations.c.id, t.conversations.c.customer).where(
                    *_at(address), t.conversations.c.customer.is_not(None)
                )
            ).first()
        if known is None:
            return
        proofs = t.proofs
        with self._db.write() as c:
            fresh = c.execute(
                proofs.update()
                .where(
                    proofs.c.conversation_id == known.id,
                    sa.or_(proofs.c.customer == known.customer, proofs.c.used_at < now - IDLE),
                )
                .values(customer=known.customer, used_at=now)
            )
            if fresh.rowcount == 0:  # none at all, or a fresh one of another customer's order
                insert_ignore(c, proofs, conversation_id=known.id, customer=known.customer, given_at=now, used_at=now)


def _join(c: Connection, address: str, customer: CustomerId, language: str, now: datetime) -> None:
    """The chat is that customer's, proven by now; their other chat, if there is one, is theirs no more: the link was made
    for this one."""
    theirs = sa.and_(t.conversations.c.channel == CHANNEL, t.conversations.c.customer == customer)
    before = sa.select(t.conversations.c.address).where(theirs, t.conversations.c.address != address)
    for other in c.execute(before.with_for_update()).scalars().all():
        _part(c, other)
    locked = sa.select(t.conversations.c.id).where(*_at(address)).with_for_update()
    conversation = c.execute(locked).scalar_one_or_none()
    if conversation is None:
        insert_ignore(
            c,
            t.conversations,
            id=new_id(),
            channel=CHANNEL,
            address=address,
            owner=Owner.BOT.value,
            language=language,
            last_number=0,
            opted_out=False,
            created_at=now,
            active_at=now,
        )
        conversation = c.execute(locked).scalar_one()
    c.execute(t.conversations.update().where(t.conversations.c.id == conversation).values(customer=customer))
    c.execute(t.proofs.delete().where(t.proofs.c.conversation_id == conversation))
    c.execute(t.proofs.insert().values(conversation_id=conversation, customer=customer, given_at=now, used_at=now))


def _part(c: Connection, address: str) -> None:
    """Nobody knows any more whose the chat is, and no link that was followed there is good there again."""
    c.execute(t.conversations.update().where(*_at(address)).values(customer=None))
    c.execute(t.telegram_links.delete().where(t.telegram_links.c.used_by == address))


def _at(address: str) -> tuple[object, object]:
    return t.conversations.c.channel == CHANNEL, t.conversations.c.address == address


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
