"""How each effect of a turn is written. A new effect is a dataclass in its noun and a function here."""

from __future__ import annotations

import uuid
from datetime import datetime
from functools import singledispatch
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from bot.compensation.model import EntryKind, Given, GrantFulfilled
from bot.complaints.model import CaseChanged, CaseOpened, EvidenceAdded
from bot.conversations.model import ContactOptOut, ConversationId, Effect, LanguageRead, OwnerChange, Turn
from bot.customers.proof import CustomerKnown, ProofFailed, ProofGiven, ProofUsed
from bot.errors import CaseMoved, Conflict
from bot.feedback.model import LONGEST_COMMENT, CaseRated, HandoffRated, SuggestionMade
from bot.handoff.model import (
    Act,
    AgentAwaited,
    ContactLeft,
    Handoff,
    HandoffAcknowledged,
    HandoffAsked,
    HandoffId,
    HandoffWithdrawn,
    State,
)
from bot.handoff.policy import reopenable
from bot.knowledge.model import QuestionUnanswered
from bot.outreach.model import OutreachPlanned
from bot.promises.model import PromiseMade, PromisesSettled, PromiseState
from bot.storage import handoff_rows
from bot.storage import tables as t
from bot.storage.log import alert


def insert_ignore(c: Connection, table: Any, **values: Any) -> int:
    """Insert a row unless its key exists; returns how many rows were written (0 or 1)."""
    make = postgresql.insert if c.dialect.name == "postgresql" else sqlite.insert
    return int(c.execute(make(table).values(**values).on_conflict_do_nothing()).rowcount)


@singledispatch
def apply(effect: Effect, c: Connection, turn: Turn) -> None:
    """Write `effect` of `turn` inside the turn's transaction."""
    raise NotImplementedError(f"no way to write {type(effect).__name__}")


def _this(turn: Turn) -> Any:
    return t.conversations.c.id == turn.conversation.id


@apply.register
def _(effect: OwnerChange, c: Connection, turn: Turn) -> None:
    c.execute(t.conversations.update().where(_this(turn)).values(owner=effect.to.value))


@apply.register
def _(effect: LanguageRead, c: Connection, turn: Turn) -> None:
    c.execute(t.conversations.update().where(_this(turn)).values(language=effect.language, variety=effect.variety))


@apply.register
def _(effect: ContactOptOut, c: Connection, turn: Turn) -> None:
    c.execute(t.conversations.update().where(_this(turn)).values(opted_out=True))


@apply.register
def _(effect: ProofGiven, c: Connection, turn: Turn) -> None:
    c.execute(t.proofs.delete().where(t.proofs.c.conversation_id == turn.conversation.id))
    c.execute(
        t.proofs.insert().values(
            conversation_id=turn.conversation.id, customer=effect.customer, given_at=turn.now, used_at=turn.now
        )
    )


@apply.register
def _(effect: CustomerKnown, c: Connection, turn: Turn) -> None:
    """Not where another conversation of the channel is theirs already: each stays where it is."""
    others = t.conversations.alias()
    taken = sa.select(others.c.id).where(
        others.c.channel == turn.conversation.channel, others.c.customer == effect.customer
    )
    c.execute(
        t.conversations.update()
        .where(_this(turn), t.conversations.c.customer.is_(None), ~taken.exists())
        .values(customer=effect.customer)
    )


@apply.register
def _(effect: ProofUsed, c: Connection, turn: Turn) -> None:
    c.execute(t.proofs.update().where(t.proofs.c.conversation_id == turn.conversation.id).values(used_at=turn.now))


@apply.register
def _(effect: ProofFailed, c: Connection, turn: Turn) -> None:
    c.execute(
        t.proof_failures.insert().values(
            conversation_id=turn.conversation.id, order_number=effect.order_number[:32], at=turn.now
        )
    )


@apply.register
def _(effect: QuestionUnanswered, c: Connection, turn: Turn) -> None:
    insert_ignore(
        c,
        t.unanswered_questions,
        message_id=turn.message.id,
        text=effect.text,
        language=effect.language,
        nearest=effect.nearest,
        score=effect.score,
        at=turn.now,
    )


def _open_handoff(turn: Turn) -> tuple[Any, Any]:
    return t.handoffs.c.conversation_id == turn.conversation.id, t.handoffs.c.ended_at.is_(None)


@apply.register
def _(effect: HandoffAsked, c: Connection, turn: Turn) -> None:
    here = turn.conversation.id
    if handoff_rows.open_handoff(c, here) is not None:  # no other can come: the conversation's row is ours
        return
    last = handoff_rows.last_handoff(c, here)
    again = last if last is not None and reopenable(last, turn.now) else None
    asked = Handoff(
        HandoffId(0),
        here,
        effect.reason,
        turn.now,
        rank_at=turn.now,
        waits_since=turn.message.at,
        reopens=again.id if again else None,
        preferred=again.agent if again else None,
        told=effect.told,
        told_at=turn.now if effect.told is not None else None,
    )
    number = handoff_rows.write(c, asked)
    note: dict[str, Any] = {"reason": effect.reason.value, **({"reopens": again.id} if again else {})}
    handoff_rows.note_event(c, here, number, Act.ASKED, "customer", asked.preferred, note, turn.now)
    alert(
        c,
        effect.alerts,
        here,
        {"event": "handoff.asked", "reason": effect.reason.value, "asked_at": turn.now.isoformat()},
        turn.now,
    )


@apply.register
def _(effect: HandoffAcknowledged, c: Connection, turn: Turn) -> None:
    c.execute(t.handoffs.update().where(*_open_handoff(turn)).values(acknowledged_at=turn.now))


@apply.register
def _(effect: AgentAwaited, c: Connection, turn: Turn) -> None:
    since = sa.func.coalesce(t.handoffs.c.waits_since, turn.message.at)
    c.execute(t.handoffs.update().where(*_open_handoff(turn)).values(waits_since=since, snoozed_until=None))


@apply.register
def _(effect: ContactLeft, c: Connection, turn: Turn) -> None:
    c.execute(t.handoffs.update().where(*_open_handoff(turn)).values(contact=effect.contact[:255]))


@apply.register
def _(effect: HandoffWithdrawn, c: Connection, turn: Turn) -> None:
    handoff = handoff_rows.open_handoff(c, turn.conversation.id)
    if handoff is None:
        return
    over = {"state": State.WITHDRAWN.value, "ended_at": turn.now, "offered_to": None, "offer_until": None}
    c.execute(t.handoffs.update().where(t.handoffs.c.id == handoff.id).values(**over, waits_since=None))
    handoff_rows.note_event(c, turn.conversation.id, handoff.id, Act.WITHDRAWN, "customer", None, {}, turn.now)


@apply.register
def _(effect: CaseOpened, c: Connection, turn: Turn) -> None:
    values = {name: getattr(value, "value", value) for name, value in vars(effect.case).items()}
    values["conversation_id"] = values.pop("conversation")
    if not insert_ignore(c, t.cases, **values):
        raise CaseMoved("a case about the same thing is under way")
    _note_case(c, turn, effect.case.id, "opened", {"details": effect.case.details})


@apply.register
def _(effect: CaseChanged, c: Connection, turn: Turn) -> None:
    values = {name: getattr(value, "value", value) for name, value in effect.values.items()}
    changed = c.execute(
        t.cases.update()
        .where(t.cases.c.id == effect.case, t.cases.c.state.in_([state.value for state in effect.before]))
        .values(updated_at=turn.now, **values)
    )
    if changed.rowcount != 1:
        raise CaseMoved("the case has moved on")
    _note_case(c, turn, effect.case, effect.what, dict(effect.note))


@apply.register
def _(effect: EvidenceAdded, c: Connection, turn: Turn) -> None:
    if insert_ignore(c, t.case_files, case_id=effect.case, file_id=effect.file, at=turn.now):
        _note_case(c, turn, effect.case, "picture", {"file": effect.file})


def _note_case(c: Connection, turn: Turn, case: str, what: str, note: dict[str, Any]) -> None:
    of_log = sa.select(t.messages.c.id).where(t.messages.c.id == turn.message.id)
    c.execute(
        t.case_events.insert().values(
            case_id=case, message_id=c.execute(of_log).scalar_one_or_none(), what=what, note=note, at=turn.now
        )
    )


def count(c: Connection, table: Any, *conditions: Any) -> int:
    """How many rows of `table` meet the conditions."""
    return int(c.execute(sa.select(sa.func.count()).select_from(table).where(*conditions)).scalar_one())


def make_promise(effect: PromiseMade, c: Connection, conversation: ConversationId, now: datetime) -> None:
    """Make a promise in that conversation, unless it is made already."""
    insert_ignore(
        c,
        t.promises,
        id=str(uuid.uuid4()),
        key=effect.key,
        conversation_id=conversation,
        case_id=effect.case,
        customer=effect.customer,
        kind=effect.kind.value,
        what=dict(effect.what),
        owner=effect.owner.value,
        state=PromiseState.OPEN.value,
        made_at=now,
        due_at=effect.due_at,
    )


def plan_outreach(effect: OutreachPlanned, c: Connection, conversation: ConversationId, now: datetime) -> None:
    """Plan a message to that conversation, unless it is planned already."""
    insert_ignore(
        c,
        t.outreach,
        key=effect.key,
        conversation_id=conversation,
        case_id=effect.case,
        kind=effect.kind.value,
        what=dict(effect.what),
        due_at=effect.due_at,
        until=effect.until,
        made_at=now,
    )


@apply.register
def _(effect: PromiseMade, c: Connection, turn: Turn) -> None:
    make_promise(effect, c, turn.conversation.id, turn.now)


@apply.register
def _(effect: PromisesSettled, c: Connection, turn: Turn) -> None:
    settled = t.promises.update().where(
        t.promises.c.case_id == effect.case, t.promises.c.state == PromiseState.OPEN.value
    )
    if effect.kind is not None:
        settled = settled.where(t.promises.c.kind == effect.kind.value)
    c.execute(settled.values(state=effect.state.value, settled_at=turn.now))


@apply.register
def _(effect: OutreachPlanned, c: Connection, turn: Turn) -> None:
    plan_outreach(effect, c, turn.conversation.id, turn.now)


@apply.register
def _(effect: SuggestionMade, c: Connection, turn: Turn) -> None:
    made = insert_ignore(
        c,
        t.suggestions,
        number=effect.number,
        message_id=turn.message.id,
        conversation_id=turn.conversation.id,
        text=effect.text,
        language=turn.conversation.language,
        emotion=effect.emotion,
        at=turn.now,
    )
    if not made and not count(c, t.suggestions, t.suggestions.c.message_id == turn.message.id):
        raise Conflict("another suggestion has that number")  # the customer is told the number: think anew


@apply.register
def _(effect: CaseRated, c: Connection, turn: Turn) -> None:
    # The last score and the last word count.
    word: dict[str, Any] = {}
    if effect.comment:
        word = {"comment": effect.comment[:LONGEST_COMMENT], "emotion": effect.emotion}
    if effect.score is not None:
        row = {"conversation_id": turn.conversation.id, "key": effect.key[:64], "score": effect.score, "at": turn.now}
        if insert_ignore(c, t.ratings, **row, **{"comment": "", **word}, case_id=effect.case):
            return
        word = {**word, "score": effect.score, "at": turn.now}
    if word:
        this = (t.ratings.c.conversation_id == turn.conversation.id, t.ratings.c.key == effect.key[:64])
        c.execute(t.ratings.update().where(*this).values(**word))


@apply.register
def _(effect: HandoffRated, c: Connection, turn: Turn) -> None:
    values = {"score": effect.score, "at": turn.now}
    key = {"conversation_id": turn.conversation.id, "key": effect.key[:64]}
    if not insert_ignore(c, t.ratings, **key, **values, comment=""):
        this = (t.ratings.c.conversation_id == turn.conversation.id, t.ratings.c.key == effect.key[:64])
        c.execute(t.ratings.update().where(*this).values(**values))


def fulfil(given: Given, c: Connection, now: datetime) -> bool:
    """Write to the ledger that the shop has done what was granted; False where that is written already."""
    grant, entries = given.grant, t.ledger_entries
    granted = sa.select(entries).where(
        entries.c.case_id == grant.case,
        entries.c.option == grant.offer.option.value,
        entries.c.kind == EntryKind.GRANT.value,
    )
    # As it was granted, whatever the caller holds: a second click may have come with another offer.
    row = {name: value for name, value in c.execute(granted).one()._mapping.items() if name != "id"}
    done = {
        "kind": EntryKind.FULFIL.value,
        "reference": given.reference,
        "due_on": given.due_on,
        "valid_until": given.valid_until,
        "at": now,
    }
    return bool(insert_ignore(c, entries, **{**row, **done}))


@apply.register
def _(effect: GrantFulfilled, c: Connection, turn: Turn) -> None:
    fulfil(effect.given, c, turn.now)
