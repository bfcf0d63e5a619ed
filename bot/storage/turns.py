"""The conversation core's record: inbox, log, leases, memory and outbox, over one database."""

from __future__ import annotations

import uuid
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

FLOOD_RETRY_AFTER = 5


def _new_id() -> str:
    return str(uuid.uuid4())


class SqlTurnStore:
    """Implements `conversations.ports.TurnStore`; the obligations are written there."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def receive(self, inbound: Inbound, content: Content, now: datetime, max_pending: int) -> Received:
        with self._db.write() as c:
            conversation = self._conversation_for(c, inbound, now)
            key = inbound.key or _new_id()
            seen = c.execute(
                sa.select(t.inbox.c.id, t.inbox.c.message_id).where(
                    t.inbox.c.conversation_id == conversation, t.inbox.c.key == key
                )
            ).first()
            if seen:
                return Received(InboxId(seen.id), conversation, MessageId(seen.message_id), new=False)
            pending = c.execute(
                sa.select(sa.func.count())
                .select_from(t.inbox)
                .where(t.inbox.c.conversation_id == conversation, t.inbox.c.done_at.is_(None))
            ).scalar_one()
            if pending >= max_pending:
                raise MessageRefused(
                    "flood", "too many messages of this conversation wait for an answer", FLOOD_RETRY_AFTER
                )
            message = MessageId(_new_id())
            self._append(c, conversation, message, Author.CUSTOMER, content.text, now, meta=dict(content.meta))
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
            return Received(InboxId(row.inserted_primary_key[0]), conversation, message, new=True)

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
            message = self._messages(c, t.messages.c.id == item.message_id)[0]
            state = c.execute(
                sa.select(t.assistant_states).where(t.assistant_states.c.conversation_id == conversation)
            ).first()
            return Claimed(
                InboxId(item.id),
                Turn(
                    _conversation(found, conversation),
                    message,
                    item.payload,
                    AssistantState(state.data, state.version) if state else AssistantState(None, 0),
                    now,
                ),
                item.attempts + 1,
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
                .values(lease_owner=None, lease_until=None, active_at=now)
            )
            if kept.rowcount != 1:
                owner = c.execute(
                    sa.select(t.conversations.c.owner).where(t.conversations.c.id == conversation.id)
                ).scalar_one()
                if owner != conversation.owner.value:
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
                self._say(c, turn, reply, now, {**trace, "response": reply.response, "source": reply.source})

    def release(self, worker: str, claimed: Claimed, retry_at: datetime | None = None, *, counted: bool = True) -> None:
        with self._db.write() as c:
            held = c.execute(
                t.conversations.update()
                .where(t.conversations.c.id == claimed.turn.conversation.id, t.conversations.c.lease_owner == worker)
                .values(lease_owner=None, lease_until=None, retry_at=retry_at)
            )
            if held.rowcount == 1 and not counted:
                c.execute(t.inbox.update().where(t.inbox.c.id == claimed.inbox_id).values(attempts=claimed.attempt - 1))

    def conversation(self, conversation: ConversationId) -> Conversation | None:
        with self._db.read() as c:
            row = c.execute(sa.select(t.conversations).where(t.conversations.c.id == conversation)).first()
        return _conversation(row, conversation) if row else None

    def find(self, channel: str, address: str) -> Conversation | None:
        """The conversation with that address on that channel, or None."""
        with self._db.read() as c:
            row = c.execute(
                sa.select(t.conversations).where(
                    t.conversations.c.channel == channel, t.conversations.c.address == address
                )
            ).first()
        return _conversation(row, ConversationId(row.id)) if row else None

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
            return self._messages(c, t.messages.c.reply_to == message) if done else None

    def log(self, conversation: ConversationId) -> Sequence[Message]:
        """The whole log, first to last."""
        with self._db.read() as c:
            return self._messages(c, t.messages.c.conversation_id == conversation)

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
            self._append(c, conversation.id, turn.message.id, Author.CUSTOMER, turn.message.text, now)
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
                id=_new_id(),
                channel=inbound.channel,
                address=inbound.address,
                owner=Owner.BOT.value,
                language="ar",
                last_number=0,
                opted_out=False,
                created_at=now,
                active_at=now,
            )
            found = c.execute(locked).scalar_one()
        return ConversationId(found)

    def _append(
        self,
        c: Connection,
        conversation: ConversationId,
        message: MessageId,
        author: Author,
        text: str,
        now: datetime,
        reply_to: MessageId | None = None,
        meta: dict[str, Any] | None = None,
    ) -> None:
        row = t.conversations.c.id == conversation
        c.execute(t.conversations.update().where(row).values(last_number=t.conversations.c.last_number + 1))
        number = c.execute(sa.select(t.conversations.c.last_number).where(row)).scalar_one()
        c.execute(
            t.messages.insert().values(
                id=message,
                conversation_id=conversation,
                number=number,
                author=author.value,
                text=text,
                reply_to=reply_to,
                meta=meta or {},
                at=now,
            )
        )

    def _say(self, c: Connection, turn: Turn, reply: Reply, now: datetime, meta: dict[str, Any]) -> None:
        message = MessageId(_new_id())
        conversation = turn.conversation
        meta = {key: value for key, value in meta.items() if value is not None}
        self._append(c, conversation.id, message, Author.BOT, reply.text, now, turn.message.id, meta)
        offered = [Button("b." + uuid.uuid4().hex[:14], button.title, button.payload) for button in reply.buttons]
        for place, button in enumerate(offered):
            c.execute(
                t.buttons.insert().values(
                    conversation_id=conversation.id,
                    id=button.id,
                    message_id=message,
                    place=place,
                    title=button.title,
                    payload=button.payload,
                )
            )
        c.execute(
            t.outbox.insert().values(
                channel=conversation.channel,
                address=conversation.address,
                conversation_id=conversation.id,
                message_id=message,
                body={"text": reply.text, "buttons": [{"id": b.id, "title": b.title} for b in offered]},
                attempts=0,
                next_at=now,
                created_at=now,
            )
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

    def _messages(self, c: Connection, *conditions: Any) -> list[Message]:
        rows = c.execute(sa.select(t.messages).where(*conditions).order_by(t.messages.c.number)).all()
        choices: dict[str, list[Button]] = {}
        if rows:
            offered = (
                sa.select(t.buttons)
                .where(t.buttons.c.message_id.in_([row.id for row in rows]))
                .order_by(t.buttons.c.place)
            )
            for button in c.execute(offered):
                choices.setdefault(button.message_id, []).append(Button(button.id, button.title, button.payload))
        return [
            Message(
                MessageId(row.id),
                ConversationId(row.conversation_id),
                row.number,
                Author(row.author),
                row.text,
                row.at,
                choices.get(row.id, []),
                row.reply_to,
                row.meta,
            )
            for row in rows
        ]


def _conversation(row: Any, conversation: ConversationId) -> Conversation:
    return Conversation(
        conversation, row.channel, row.address, Owner(row.owner), row.language, row.variety, row.created_at
    )
