"""The conversation core's record: inbox, log, leases, memory and outbox, over one database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.conversations.model import (
    AssistantState,
    Author,
    Button,
    Conversation,
    ConversationId,
    Inbound,
    InboxId,
    Message,
    MessageId,
    Owner,
    Reply,
    Turn,
)
from bot.conversations.ports import Claimed, Content, Received
from bot.errors import LeaseLost, MessageRefused, OwnerChanged
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.effects import apply, insert_ignore
from bot.storage.log import append, new_id, say, unsent_file
from bot.storage.transcripts import messages_where

FLOOD_RETRY_AFTER = 5


class SqlTurnStore:
    """Implements `conversations.ports.TurnStore`; the obligations are written there."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def receive(self, inbound: Inbound, content: Content, now: datetime, max_pending: int) -> Received:
        with self._db.write() as c:
            conversation = self._conversation_for(c, inbound, now)
            key = inbound.key or new_id()
            meta = dict(content.meta)
            if inbound.verified_phone:
                self._verify_phone(c, conversation, inbound.verified_phone, now)
            if inbound.corrects:
                before = self._wordings(c, conversation, inbound.corrects)
                if before is None:
                    key = inbound.corrects  # the first wording never came
                elif before.done_at is None or before.text == content.text:
                    if before.text != content.text:
                        self._correct(c, conversation, before, content)
                    return Received(
                        InboxId(before.id),
                        conversation,
                        MessageId(before.message_id),
                        before.number,
                        before.at,
                        new=False,
                    )
                else:
                    meta["corrects"] = before.message_id
            seen = c.execute(
                sa.select(t.inbox.c.id, t.inbox.c.message_id, t.messages.c.number, t.messages.c.at)
                .join(t.messages, t.messages.c.id == t.inbox.c.message_id)
                .where(t.inbox.c.conversation_id == conversation, t.inbox.c.key == key)
            ).first()
            if seen:
                return Received(
                    InboxId(seen.id), conversation, MessageId(seen.message_id), seen.number, seen.at, new=False
                )
            pending = c.execute(
                sa.select(sa.func.count())
                .select_from(t.inbox)
                .where(t.inbox.c.conversation_id == conversation, t.inbox.c.done_at.is_(None))
            ).scalar_one()
            if pending >= max_pending:
                raise MessageRefused(
                    "flood", "too many messages of this conversation wait for an answer", FLOOD_RETRY_AFTER
                )
            message = MessageId(new_id())
            files = [file for file in (inbound.file, *inbound.more_files) if file is not None]
            images = [unsent_file(c, inbound.channel, inbound.address, file) for file in files]
            if images:
                meta["image"] = images[0]
            if len(images) > 1:
                meta["images"] = images
            number = append(c, conversation, message, Author.CUSTOMER, content.text, now, meta=meta)
            if files:
                c.execute(t.files.update().where(t.files.c.id.in_(files)).values(message_id=message))
            row = c.execute(
                t.inbox.insert().values(
                    conversation_id=conversation,
                    message_id=message,
                    key=key,
                    payload=content.payload,
                    attempts=0,
                    received_at=now,
                )
            )
            c.execute(t.conversations.update().where(t.conversations.c.id == conversation).values(active_at=now))
            return Received(InboxId(row.inserted_primary_key[0]), conversation, message, number, now, new=True)

    def claim(self, worker: str, now: datetime, lease_until: datetime) -> Claimed | None:
        free = sa.or_(
            t.conversations.c.lease_until.is_(None),
            t.conversations.c.lease_until < now,
            t.conversations.c.lease_owner == worker,
        )
        due = sa.or_(t.conversations.c.retry_at.is_(None), t.conversations.c.retry_at <= now)
        oldest = (
            sa.select(t.inbox.c.id, t.conversations)
            .select_from(t.inbox.join(t.conversations, t.inbox.c.conversation_id == t.conversations.c.id))
            .where(t.inbox.c.done_at.is_(None), free, due)
            .order_by(t.inbox.c.id)
            .limit(1)
        )
        with self._db.read() as c:  # an idle worker takes no write lock
            if c.execute(oldest).first() is None:
                return None
        with self._db.write() as c:
            found = c.execute(oldest.with_for_update(of=t.conversations, skip_locked=True)).first()
            if found is None:
                return None
            conversation = ConversationId(found.id_1)
            # It was found free; another worker's commit may have landed between, so take its first open message now.
            item = c.execute(
                sa.select(t.inbox)
                .where(t.inbox.c.conversation_id == conversation, t.inbox.c.done_at.is_(None))
                .order_by(t.inbox.c.id)
                .limit(1)
            ).first()
            taken = c.execute(
                t.conversations.update()
                .where(t.conversations.c.id == conversation, free)
                .values(lease_owner=worker, lease_until=lease_until, retry_at=None)
            )
            if item is None or taken.rowcount != 1:
                return None
            c.execute(t.inbox.update().where(t.inbox.c.id == item.id).values(attempts=item.attempts + 1))
            message = messages_where(c, t.messages.c.id == item.message_id)[0]
            state = c.execute(
                sa.select(t.assistant_states).where(t.assistant_states.c.conversation_id == conversation)
            ).first()
            return Claimed(
                InboxId(item.id),
                Turn(
                    conversation_of(found, conversation),
                    message,
                    item.payload,
                    AssistantState(state.data, state.version) if state else AssistantState(None, 0),
                    now,
                ),
                item.attempts + 1,
                item.failures,
            )

    def renew(self, worker: str, lease_until: datetime) -> None:
        with self._db.write() as c:
            c.execute(
                t.conversations.update().where(t.conversations.c.lease_owner == worker).values(lease_until=lease_until)
            )

    def commit(self, worker: str, claimed: Claimed, replies: Sequence[Reply], now: datetime) -> None:
        turn = claimed.turn
        conversation = turn.conversation
        with self._db.write() as c:
            # The conversation's row first: it is the lock under which everything about the conversation changes.
            kept = c.execute(
                t.conversations.update()
                .where(
                    t.conversations.c.id == conversation.id,
                    t.conversations.c.lease_owner == worker,
                    t.conversations.c.owner == conversation.owner.value,
                )
                .values(
                    lease_owner=None,
                    lease_until=None,
                    active_at=now,
                    # The assistant has read what it answers; what people answer is read by them.
                    **({"read_by_team": _at_least(turn.message.number)} if conversation.owner is Owner.BOT else {}),
                )
            )
            if kept.rowcount != 1:
                owner = c.execute(
                    sa.select(t.conversations.c.owner).where(t.conversations.c.id == conversation.id)
                ).scalar_one_or_none()  # none: it has been joined to its customer's other conversation
                if owner not in (None, conversation.owner.value):
                    raise OwnerChanged("the conversation changed hands during the turn")
                raise LeaseLost("another worker holds the conversation")
            done = c.execute(
                t.inbox.update()
                .where(t.inbox.c.id == claimed.inbox_id, t.inbox.c.done_at.is_(None))
                .values(done_at=now)
            )
            if done.rowcount != 1:
                raise LeaseLost("the message has been answered already")
            self._remember(c, conversation.id, turn)
            for effect in turn.effects:
                apply(effect, c, turn)
            for place, reply in enumerate(replies):
                trace = turn.trace if place == 0 else {}
                meta = {**trace, "response": reply.response, "source": reply.source}
                say(c, conversation, reply, now, meta, turn.message.id)

    def release(self, worker: str, claimed: Claimed, retry_at: datetime | None = None, *, counted: bool = True) -> None:
        with self._db.write() as c:
            held = c.execute(
                t.conversations.update()
                .where(t.conversations.c.id == claimed.turn.conversation.id, t.conversations.c.lease_owner == worker)
                .values(lease_owner=None, lease_until=None, retry_at=retry_at)
            )
            if held.rowcount == 1:
                tried = {"failures": claimed.failures + 1} if counted else {"attempts": claimed.attempt - 1}
                c.execute(t.inbox.update().where(t.inbox.c.id == claimed.inbox_id).values(tried))

    def conversation(self, conversation: ConversationId) -> Conversation | None:
        with self._db.read() as c:
            row = c.execute(sa.select(t.conversations).where(t.conversations.c.id == conversation)).first()
        return conversation_of(row, conversation) if row else None

    def find(self, channel: str, address: str) -> Conversation | None:
        """The conversation with that address on that channel, or None."""
        with self._db.read() as c:
            row = c.execute(
                sa.select(t.conversations).where(
                    t.conversations.c.channel == channel, t.conversations.c.address == address
                )
            ).first()
        return conversation_of(row, ConversationId(row.id)) if row else None

    def offered(self, channel: str, address: str, button_id: str) -> Button | None:
        with self._db.read() as c:
            row = c.execute(
                sa.select(t.buttons)
                .join(t.conversations, t.conversations.c.id == t.buttons.c.conversation_id)
                .where(
                    t.conversations.c.channel == channel,
                    t.conversations.c.address == address,
                    t.buttons.c.id == button_id,
                )
            ).first()
        return Button(row.id, row.title, row.payload) if row else None

    def replies(self, message: MessageId) -> Sequence[Message] | None:
        with self._db.read() as c:
            done = c.execute(sa.select(t.inbox.c.done_at).where(t.inbox.c.message_id == message)).scalar_one_or_none()
            return messages_where(c, t.messages.c.reply_to == message) if done else None

    def log(self, conversation: ConversationId) -> Sequence[Message]:
        """The whole log, first to last."""
        with self._db.read() as c:
            return messages_where(c, t.messages.c.conversation_id == conversation)

    def owners(self) -> dict[str, int]:
        """How many conversations each owner holds."""
        with self._db.read() as c:
            rows = c.execute(
                sa.select(t.conversations.c.owner, sa.func.count()).group_by(t.conversations.c.owner)
            ).all()
        return {owner: count for owner, count in rows}

    def write(self, turn: Turn) -> None:
        """Write the effects of a turn that did not come through the inbox: Rasa's own commands have none."""
        conversation, now = turn.conversation, turn.now
        with self._db.write() as c:
            insert_ignore(
                c,
                t.conversations,
                id=conversation.id,
                channel=conversation.channel,
                address=conversation.address,
                owner=Owner.BOT.value,
                language=conversation.language,
                last_number=0,
                opted_out=False,
                created_at=now,
                active_at=now,
            )
            append(c, conversation.id, turn.message.id, Author.CUSTOMER, turn.message.text, now)
            for effect in turn.effects:
                apply(effect, c, turn)

    # -- inside a transaction ------------------------------------------------------------------------------------------

    def _conversation_for(self, c: Connection, inbound: Inbound, now: datetime) -> ConversationId:
        """The conversation's id with its row locked, made where it does not exist."""
        at = (t.conversations.c.channel == inbound.channel, t.conversations.c.address == inbound.address)
        locked = sa.select(t.conversations.c.id).where(*at).with_for_update()
        found = c.execute(locked).scalar_one_or_none()
        if found is None:
            insert_ignore(
                c,
                t.conversations,
                id=new_id(),
                channel=inbound.channel,
                address=inbound.address,
                owner=Owner.BOT.value,
                language=inbound.language,
                last_number=0,
                opted_out=False,
                created_at=now,
                active_at=now,
            )
            found = c.execute(locked).scalar_one()
        return ConversationId(found)

    def _verify_phone(self, c: Connection, conversation: ConversationId, phone: str, now: datetime) -> None:
        mine = t.verified_phones.c.conversation_id == conversation
        if not insert_ignore(c, t.verified_phones, conversation_id=conversation, phone=phone, at=now):
            c.execute(t.verified_phones.update().where(mine).values(phone=phone, at=now))

    def _wordings(self, c: Connection, conversation: ConversationId, key: str) -> Any:
        """The latest wording of a message, itself or a correction."""
        return c.execute(
            sa.select(t.inbox, t.messages.c.number, t.messages.c.at, t.messages.c.text, t.messages.c.meta)
            .join(t.messages, t.messages.c.id == t.inbox.c.message_id)
            .where(
                t.inbox.c.conversation_id == conversation,
                sa.or_(t.inbox.c.key == key, t.inbox.c.key.startswith(f"{key}e", autoescape=True)),
            )
            .order_by(t.inbox.c.id.desc())
            .limit(1)
        ).first()

    def _correct(self, c: Connection, conversation: ConversationId, before: Any, content: Content) -> None:
        """Put a later wording in the place of one that nobody has answered; a turn under way loses its lease."""
        kept = {name: value for name, value in before.meta.items() if name not in ("cut", "masked")}
        c.execute(
            t.messages.update()
            .where(t.messages.c.id == before.message_id)
            .values(text=content.text, meta={**kept, **content.meta, "edited": True})
        )
        c.execute(t.inbox.update().where(t.inbox.c.id == before.id).values(payload=content.payload))
        c.execute(
            t.conversations.update()
            .where(t.conversations.c.id == conversation)
            .values(lease_owner=None, lease_until=None, retry_at=None)
        )

    def _remember(self, c: Connection, conversation: ConversationId, turn: Turn) -> None:
        if turn.state_after is None:
            return
        memory = t.assistant_states
        if turn.state.version == 0:
            stored = insert_ignore(c, memory, conversation_id=conversation, version=1, data=turn.state_after)
        else:
            stored = c.execute(
                memory.update()
                .where(memory.c.conversation_id == conversation, memory.c.version == turn.state.version)
                .values(version=turn.state.version + 1, data=turn.state_after)
            ).rowcount
        if stored != 1:
            raise LeaseLost("the assistant's memory moved on during the turn")


def _at_least(number: int) -> Any:
    """A message that was moved here may be answered after newer ones."""
    read = t.conversations.c.read_by_team
    return sa.case((read > number, read), else_=number)


def conversation_of(row: Any, conversation: ConversationId) -> Conversation:
    return Conversation(
        conversation, row.channel, row.address, Owner(row.owner), row.language, row.variety, row.created_at
    )
