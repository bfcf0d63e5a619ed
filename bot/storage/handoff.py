"""Handoffs: each change under the lock of its conversation's row, with its line in the audit log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.complaints.model import UNDER_WAY, CaseId, CaseState
from bot.conversations.model import (
    AssistantState,
    Author,
    Conversation,
    ConversationId,
    Message,
    MessageId,
    Owner,
    Reply,
    Turn,
)
from bot.errors import ConversationUnknown
from bot.handoff.model import (
    Act,
    Agent,
    AgentId,
    Event,
    Handoff,
    HandoffId,
    Note,
    Page,
    QueueEntry,
    Reason,
    Said,
    State,
)
from bot.handoff.policy import owner_of
from bot.handoff.ports import Change, Changed, Decide, Pressing, Standing, Waiting, Words
from bot.promises.model import PromiseKind, PromiseOwner, PromiseState
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.effects import apply, count
from bot.storage.handoff_rows import (
    IS_OPEN,
    IS_TAKEN,
    IS_WAITING,
    handoff_of,
    last_handoff,
    note_event,
    open_handoff,
    write,
)
from bot.storage.log import alert as write_alert
from bot.storage.log import say, unsent_file
from bot.storage.turns import conversation_of

_LATEST = 50  # messages looked at for a line of the queue


class SqlHandoffs:
    """Implements `handoff.ports.HandoffStore` and `handoff.service.HandoffRecords`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # -- changes -------------------------------------------------------------------------------------------------------

    def change(
        self, conversation: ConversationId, decide: Decide, now: datetime, alerts: Sequence[str] = ()
    ) -> Changed:
        with self._db.write() as c:
            standing = _locked(c, conversation)
            change = decide(standing)
            if change is None:
                return Changed(standing.conversation, standing.handoff, False)
            return _write(c, standing, change, now, alerts)

    def say(self, conversation: ConversationId, words: Words, decide: Decide, now: datetime) -> tuple[Said, Changed]:
        with self._db.write() as c:
            standing = _locked(c, conversation)
            if seen := _said_before(c, conversation, words.key):
                return seen, Changed(standing.conversation, standing.handoff, False)
            change = decide(standing)
            assert change is not None
            here = standing.conversation
            message = _say_as_agent(c, here, words, now)
            c.execute(
                t.agent_messages.insert().values(
                    conversation_id=conversation, key=words.key, message_id=message, agent=words.agent
                )
            )
            c.execute(
                t.conversations.update()
                .where(t.conversations.c.id == conversation)
                .values(active_at=now, read_by_team=t.conversations.c.last_number)
            )
            changed = _write(c, standing, change, now)
            number = c.execute(sa.select(t.messages.c.number).where(t.messages.c.id == message)).scalar_one()
            return Said(message, number, now, True), changed

    def add_note(
        self, conversation: ConversationId, agent: Agent, text: str, mentions: Sequence[AgentId], now: datetime
    ) -> Note:
        with self._db.write() as c:
            standing = _locked(c, conversation)
            made = c.execute(
                t.notes.insert().values(
                    conversation_id=conversation,
                    agent=agent.id,
                    name=agent.name,
                    text=text,
                    mentions=list(mentions),
                    at=now,
                )
            )
            number = int(made.inserted_primary_key[0])
            of = standing.handoff.id if standing.handoff else None
            note_event(c, conversation, of, Act.NOTED, agent.id, None, {"note": number}, now)
            return Note(number, conversation, agent.id, agent.name, text, tuple(mentions), now)

    # -- reads ---------------------------------------------------------------------------------------------------------

    def standing(self, conversation: ConversationId) -> Standing | None:
        with self._db.read() as c:
            row = c.execute(sa.select(t.conversations).where(t.conversations.c.id == conversation)).first()
            return _standing(c, row) if row else None

    def notes(self, conversation: ConversationId, limit: int = 100) -> Sequence[Note]:
        chosen = sa.select(t.notes).where(t.notes.c.conversation_id == conversation).order_by(t.notes.c.id.desc())
        with self._db.read() as c:
            rows = c.execute(chosen.limit(limit)).all()
        return [Note(r.id, ConversationId(r.conversation_id), r.agent, r.name, r.text, r.mentions, r.at) for r in rows][
            ::-1
        ]

    def events(self, conversation: ConversationId, limit: int = 200) -> Sequence[Event]:
        events = t.handoff_events
        chosen = sa.select(events).where(events.c.conversation_id == conversation).order_by(events.c.id.desc())
        with self._db.read() as c:
            rows = c.execute(chosen.limit(limit)).all()
        return [
            Event(r.id, ConversationId(r.conversation_id), r.handoff_id, Act(r.what), r.by, r.agent, r.note, r.at)
            for r in reversed(rows)
        ]

    def open_handoff(self, conversation: ConversationId) -> Handoff | None:
        with self._db.read() as c:
            return open_handoff(c, conversation)

    def last_handoff(self, conversation: ConversationId) -> Handoff | None:
        with self._db.read() as c:
            return last_handoff(c, conversation)

    def waiting_ahead(self, handoff: Handoff | None) -> int:
        before = [IS_WAITING]
        if handoff and handoff.rank_at:
            rank, number = t.handoffs.c.rank_at, t.handoffs.c.id
            same = sa.and_(rank == handoff.rank_at, number < handoff.id)
            before.append(sa.or_(rank < handoff.rank_at, same))
        with self._db.read() as c:
            return count(c, t.handoffs, *before)

    def queue(self) -> Sequence[QueueEntry]:
        return self.queue_page(None, 1000).entries

    def queue_page(self, after: str | None, limit: int) -> Page:
        return self._page((IS_WAITING,), t.handoffs.c.rank_at, after, limit)

    def held_page(self, agent: AgentId | None, after: str | None, limit: int) -> Page:
        held = (IS_TAKEN,) if agent is None else (IS_TAKEN, t.handoffs.c.taken_by == agent)
        return self._page(held, t.handoffs.c.taken_at, after, limit)

    def load(self) -> Mapping[AgentId, int]:
        held = sa.select(t.handoffs.c.taken_by, sa.func.count()).where(IS_TAKEN, t.handoffs.c.snoozed_until.is_(None))
        offered = sa.select(t.handoffs.c.offered_to, sa.func.count()).where(
            IS_WAITING, t.handoffs.c.offered_to.is_not(None)
        )
        load: dict[AgentId, int] = {}
        with self._db.read() as c:
            rows = [
                *c.execute(held.group_by(t.handoffs.c.taken_by)),
                *c.execute(offered.group_by(t.handoffs.c.offered_to)),
            ]
        for agent, number in rows:
            load[AgentId(agent)] = load.get(AgentId(agent), 0) + int(number)
        return load

    def message_of(self, conversation: ConversationId, key: str) -> MessageId | None:
        with self._db.read() as c:
            found = _said_before(c, conversation, key)
        return found.message if found else None

    def recent_waits(self, since: datetime, limit: int) -> Sequence[tuple[datetime, datetime]]:
        waits = sa.select(t.handoffs.c.asked_at, t.handoffs.c.taken_at).where(
            t.handoffs.c.asked_at >= since,
            t.handoffs.c.taken_at.is_not(None),
            t.handoffs.c.reason.not_in([Reason.STEPPED_IN.value, Reason.REOPENED.value]),
        )
        with self._db.read() as c:
            rows = c.execute(waits.order_by(t.handoffs.c.asked_at.desc()).limit(limit)).all()
        return [(row.asked_at, row.taken_at) for row in rows]

    # -- what the keeper looks for -------------------------------------------------------------------------------------

    def unranked(self, limit: int) -> Sequence[tuple[Waiting, Pressing]]:
        stale = sa.or_(t.handoffs.c.ranked_at.is_(None), t.handoffs.c.ranked_at < t.conversations.c.active_at)
        with self._db.read() as c:
            found = _waiting(c, (IS_WAITING, stale), (t.handoffs.c.id,), limit)
            return [(waiting, _pressing(c, waiting.conversation.id)) for waiting in found]

    def unoffered(self, after: tuple[datetime, int] | None, limit: int) -> Sequence[Waiting]:
        rank, number = t.handoffs.c.rank_at, t.handoffs.c.id
        conditions: list[Any] = [IS_WAITING, t.handoffs.c.state == State.QUEUED.value]
        if after is not None:
            conditions.append(sa.or_(rank > after[0], sa.and_(rank == after[0], number > after[1])))
        with self._db.read() as c:
            return _waiting(c, conditions, (rank, number), limit)

    def offers_over(self, now: datetime, limit: int) -> Sequence[ConversationId]:
        over = (IS_WAITING, t.handoffs.c.state == State.OFFERED.value, t.handoffs.c.offer_until <= now)
        with self._db.read() as c:
            return [waiting.conversation.id for waiting in _waiting(c, over, (t.handoffs.c.id,), limit)]

    def offered_lately(self, since: datetime) -> Mapping[AgentId, datetime]:
        events = t.handoff_events
        chosen = sa.select(events.c.agent, sa.func.max(events.c.at)).where(
            events.c.what == Act.OFFERED.value, events.c.at >= since, events.c.agent.is_not(None)
        )
        with self._db.read() as c:
            return {AgentId(agent): at for agent, at in c.execute(chosen.group_by(events.c.agent))}

    def unanswered(self, after: int, limit: int) -> Sequence[Waiting]:
        awaited = (IS_TAKEN, t.handoffs.c.waits_since.is_not(None), t.handoffs.c.id > after)
        with self._db.read() as c:
            return _waiting(c, awaited, (t.handoffs.c.id,), limit)

    def replies_due(self, until: datetime, limit: int) -> Sequence[Waiting]:
        due = (IS_OPEN, t.handoffs.c.first_reply_at.is_(None), t.handoffs.c.sla.is_(None))
        with self._db.read() as c:
            return _waiting(c, (*due, t.handoffs.c.reply_due_at <= until), (t.handoffs.c.reply_due_at,), limit)

    def waiting_after(self, after: int, limit: int) -> Sequence[Waiting]:
        with self._db.read() as c:
            return _waiting(c, (IS_WAITING, t.handoffs.c.id > after), (t.handoffs.c.id,), limit)

    def unnoticed(self, before: datetime, alerts: Sequence[str], limit: int) -> Sequence[Waiting]:
        alerted = sa.select(t.outbox.c.id).where(
            t.outbox.c.conversation_id == t.handoffs.c.conversation_id,
            t.outbox.c.channel.in_(list(alerts)),
            t.outbox.c.sent_at.is_not(None),
            t.outbox.c.created_at >= t.handoffs.c.asked_at,
        )
        overdue = (*_unnoticed(before), t.handoffs.c.missed_at.is_(None), ~alerted.exists())
        with self._db.read() as c:
            return _waiting(c, overdue, (t.handoffs.c.id,), limit)

    def count_unnoticed(self, before: datetime) -> int:
        with self._db.read() as c:
            return count(c, t.handoffs, *_unnoticed(before), t.handoffs.c.missed_at.is_not(None))

    def snoozed_until(self, now: datetime, limit: int) -> Sequence[ConversationId]:
        with self._db.read() as c:
            over = _waiting(c, (IS_TAKEN, t.handoffs.c.snoozed_until <= now), (t.handoffs.c.id,), limit)
        return [waiting.conversation.id for waiting in over]

    def promises_due(self, now: datetime, until: datetime, limit: int) -> Sequence[ConversationId]:
        promises, asked = t.promises, t.handoffs.alias()
        lately = sa.select(asked.c.id).where(
            asked.c.conversation_id == promises.c.conversation_id, asked.c.asked_at >= now - timedelta(days=1)
        )
        owed = (
            sa.select(promises.c.conversation_id)
            .join(t.conversations, t.conversations.c.id == promises.c.conversation_id)
            .where(
                promises.c.state == PromiseState.OPEN.value,
                promises.c.kind == PromiseKind.PERSON_DECIDES.value,
                promises.c.due_at <= until,
                t.conversations.c.owner == Owner.BOT.value,
                ~lately.exists(),
            )
            .order_by(promises.c.due_at)
            .limit(limit)
        )
        with self._db.read() as c:
            return [ConversationId(found) for found in dict.fromkeys(c.execute(owed).scalars())]

    def _page(self, conditions: Sequence[Any], order: Any, after: str | None, limit: int) -> Page:
        chosen = (
            sa.select(t.handoffs, *_OF_CONVERSATION)
            .join(t.conversations, t.conversations.c.id == t.handoffs.c.conversation_id)
            .where(*conditions)
            .order_by(order, t.handoffs.c.id)
            .limit(limit + 1)
        )
        if after is not None:
            at, number = _cursor(after)
            chosen = chosen.where(sa.or_(order > at, sa.and_(order == at, t.handoffs.c.id > number)))
        with self._db.read() as c:
            rows = c.execute(chosen).all()
            entries = [_entry(c, row) for row in rows[:limit]]
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(entries, _cursor_of(last._mapping[order], last.id) if last else None)


_OF_CONVERSATION = (
    t.conversations.c.channel.label("of_channel"),
    t.conversations.c.language.label("of_language"),
    t.conversations.c.customer.label("of_customer"),
    t.conversations.c.address.label("of_address"),
    t.conversations.c.owner.label("of_owner"),
    t.conversations.c.variety.label("of_variety"),
    t.conversations.c.created_at.label("of_created_at"),
)


def _unnoticed(before: datetime) -> tuple[Any, ...]:
    return IS_WAITING, t.handoffs.c.asked_at < before, t.handoffs.c.noticed_at.is_(None)


def _waiting(c: Connection, conditions: Sequence[Any], order: Sequence[Any], limit: int) -> list[Waiting]:
    chosen = (
        sa.select(t.handoffs, *_OF_CONVERSATION)
        .join(t.conversations, t.conversations.c.id == t.handoffs.c.conversation_id)
        .where(*conditions)
        .order_by(*order)
        .limit(limit)
    )
    return [
        Waiting(
            handoff_of(row._mapping),
            Conversation(
                ConversationId(row.conversation_id),
                row.of_channel,
                row.of_address,
                Owner(row.of_owner),
                row.of_language,
                row.of_variety,
                row.of_created_at,
            ),
            row.of_customer,
        )
        for row in c.execute(chosen).all()
    ]


def _pressing(c: Connection, conversation: ConversationId) -> Pressing:
    cases, promises, messages = t.cases, t.promises, t.messages
    case = c.execute(
        sa.select(cases.c.severity, cases.c.kind)
        .where(cases.c.conversation_id == conversation, cases.c.state.in_([state.value for state in UNDER_WAY]))
        .order_by(cases.c.severity.desc())
        .limit(1)
    ).first()
    due = c.execute(
        sa.select(sa.func.min(promises.c.due_at)).where(
            promises.c.conversation_id == conversation,
            promises.c.state == PromiseState.OPEN.value,
            promises.c.owner == PromiseOwner.AGENT.value,
        )
    ).scalar_one_or_none()
    latest = c.execute(
        sa.select(messages.c.meta)
        .where(messages.c.conversation_id == conversation)
        .order_by(messages.c.number.desc())
        .limit(_LATEST)
    ).scalars()
    tension = next((float(meta["tension"]) for meta in latest if meta.get("tension") is not None), 0.0)
    return Pressing(case.severity if case else None, tension, due, "complaint" if case else None)


def _cursor(text: str) -> tuple[datetime, int]:
    """Where a page begins. Raises ValueError for what is no cursor."""
    at, _, number = text.partition("_")
    return datetime.fromtimestamp(int(at) / 1_000_000, timezone.utc), int(number)


def _cursor_of(at: datetime, number: int) -> str:
    since = at - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return f"{(since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds}_{number}"


def _entry(c: Connection, row: Any) -> QueueEntry:
    # A constant number of messages, however long the conversation is.
    latest = c.execute(
        sa.select(t.messages.c.author, t.messages.c.text, t.messages.c.at)
        .where(t.messages.c.conversation_id == row.conversation_id)
        .order_by(t.messages.c.number.desc())
        .limit(_LATEST)
    ).all()
    theirs = [message for message in latest if message.author == Author.CUSTOMER.value]
    return QueueEntry(
        handoff_of(row._mapping),
        row.of_channel,
        row.of_language,
        theirs[0].text if theirs else "",
        sum(message.at >= row.asked_at for message in theirs),
        row.of_customer,
        latest[0].at if latest else None,
    )


# -- inside a transaction ----------------------------------------------------------------------------------------------


def _locked(c: Connection, conversation: ConversationId) -> Standing:
    """Where the conversation stands, with its row locked, as in a turn's commit."""
    row = c.execute(sa.select(t.conversations).where(t.conversations.c.id == conversation).with_for_update()).first()
    if row is None:
        raise ConversationUnknown
    return _standing(c, row)


def _standing(c: Connection, row: Any) -> Standing:
    conversation = ConversationId(row.id)
    with_people = sa.select(t.cases.c.id).where(
        t.cases.c.conversation_id == conversation, t.cases.c.state == CaseState.WITH_PERSON.value
    )
    return Standing(
        conversation_of(row, conversation),
        open_handoff(c, conversation),
        last_handoff(c, conversation),
        [CaseId(case) for case in c.execute(with_people.order_by(t.cases.c.opened_at)).scalars()],
    )


def _write(c: Connection, standing: Standing, change: Change, now: datetime, alerts: Sequence[str] = ()) -> Changed:
    here = standing.conversation
    number = write(c, change.handoff)
    owner = owner_of(change.handoff)
    # A silent change moves nothing that anybody looks for.
    moved: dict[str, Any] = {"owner": owner.value, **({"active_at": now} if change.says or not change.silent else {})}
    c.execute(t.conversations.update().where(t.conversations.c.id == here.id).values(**moved))
    if not change.silent:
        note_event(c, here.id, number, change.what, change.by, change.agent, change.note, now)
    for reply in change.says:
        say(c, here, reply, now, {"response": reply.response})
    turn = Turn(here, Message(MessageId(""), here.id, 0, Author.AGENT, "", now), None, AssistantState(None, 0), now)
    for effect in change.effects:
        apply(effect, c, turn)
    if change.alert is not None:
        write_alert(c, alerts, here.id, dict(change.alert), now)
    after = Conversation(here.id, here.channel, here.address, owner, here.language, here.variety, here.created_at)
    return Changed(after, _stored(change.handoff, number), True)


def _stored(handoff: Handoff, number: HandoffId) -> Handoff:
    return handoff if handoff.id else replace(handoff, id=number)


def _said_before(c: Connection, conversation: ConversationId, key: str) -> Said | None:
    row = c.execute(
        sa.select(t.messages.c.id, t.messages.c.number, t.messages.c.at)
        .join(t.agent_messages, t.agent_messages.c.message_id == t.messages.c.id)
        .where(t.agent_messages.c.conversation_id == conversation, t.agent_messages.c.key == key)
    ).first()
    return Said(MessageId(row.id), row.number, row.at, False) if row else None


def _say_as_agent(c: Connection, here: Conversation, words: Words, now: datetime) -> MessageId:
    """The agent's words with the first file; each further file is a message of its own. Returns the first."""
    images = [unsent_file(c, here.channel, here.address, file) for file in words.files]
    who = {"agent": words.agent, "name": words.name}
    said: list[MessageId] = []
    for place in range(max(1, len(images))):
        image = images[place] if images else None
        message = say(
            c,
            here,
            Reply(words.text if place == 0 else ""),
            now,
            {**who, "image": image},
            author=Author.AGENT,
            body={**who, "author": Author.AGENT.value, **({"image": image["id"]} if image else {})},
        )
        if image:
            c.execute(t.files.update().where(t.files.c.id == image["id"]).values(message_id=message))
        said.append(message)
    return said[0]
