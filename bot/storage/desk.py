"""What the desk reads of conversations: lists in pages, each only as far as who looks may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa

from bot.agents.model import Audited
from bot.agents.views import Line, Lines, Shown, Viewer, Wanted
from bot.conversations.model import Author, ConversationId, Owner
from bot.handoff.model import AgentId, Presence, State
from bot.storage import tables as t
from bot.storage.audit import write_audit
from bot.storage.database import Database
from bot.storage.handoff_rows import IS_OPEN, IS_WAITING, handoff_of
from bot.storage.turns import conversation_of

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

# One spelling for the letters that customers mix up; the log keeps what they wrote, so both sides are folded.
_FOLDED = (("أ", "ا"), ("إ", "ا"), ("آ", "ا"), ("ى", "ي"), ("ة", "ه"), ("ـ", ""))

_c, _h, _last = t.conversations, t.handoffs, t.messages.alias("last_message")
_newer, _theirs = t.handoffs.alias("newer"), t.messages.alias("theirs")

# The open handoff or else the last: one is open at a time, so it is the newest.
_NEWEST = _h.c.id == (
    sa.select(sa.func.max(_newer.c.id)).where(_newer.c.conversation_id == _c.c.id).correlate(_c).scalar_subquery()
)
_CUSTOMER_TEXT = (
    sa.select(_theirs.c.text)
    .where(_theirs.c.conversation_id == _c.c.id, _theirs.c.author == Author.CUSTOMER.value)
    .order_by(_theirs.c.number.desc())
    .limit(1)
    .correlate(_c)
    .scalar_subquery()
)
_OF_HANDOFF = [column.label(f"h_{column.name}") for column in _h.c]


class SqlDesk:
    """Implements `agents.views.DeskRecords`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def conversations(self, viewer: Viewer, wanted: Wanted, after: str | None, limit: int) -> Lines:
        chosen = _lines(_visible(viewer), *_wanted(viewer, wanted)).order_by(_c.c.active_at.desc(), _c.c.id.desc())
        if after is not None:
            at, key = _cursor(after)
            chosen = chosen.where(sa.or_(_c.c.active_at < at, sa.and_(_c.c.active_at == at, _c.c.id < key)))
        rows = self._rows(chosen, limit + 1)
        more = rows[limit - 1] if len(rows) > limit else None
        return Lines([_line(row) for row in rows[:limit]], _cursor_of(more.active_at, more.id) if more else None)

    def queue(self, viewer: Viewer, after: str | None, limit: int) -> Lines:
        chosen = _lines(_visible(viewer), IS_WAITING).order_by(_h.c.rank_at, _h.c.id)
        if after is not None:
            at, key = _cursor(after)
            number = int(key)
            if not 0 <= number < 2**63:
                raise ValueError("this cursor is of no queue")
            chosen = chosen.where(sa.or_(_h.c.rank_at > at, sa.and_(_h.c.rank_at == at, _h.c.id > number)))
        rows = self._rows(chosen, limit + 1)
        more = rows[limit - 1] if len(rows) > limit else None
        return Lines([_line(row) for row in rows[:limit]], _cursor_of(more.h_rank_at, more.h_id) if more else None)

    def conversation(self, viewer: Viewer, conversation: ConversationId) -> Line | None:
        rows = self._rows(_lines(_visible(viewer), _c.c.id == conversation), 1)
        return _line(rows[0]) if rows else None

    def chosen_presence(self, agent: AgentId) -> Presence:
        with self._db.read() as c:
            return Presence(c.execute(sa.select(t.agents.c.presence).where(t.agents.c.id == agent)).scalar_one())

    def note(self, entry: Audited, now: datetime, unless_since: timedelta | None = None) -> None:
        audit = t.desk_audit
        if unless_since is not None:
            before = sa.select(audit.c.id).where(
                audit.c.kind == entry.kind,
                audit.c.subject == entry.subject,
                audit.c.agent_id == entry.actor.agent,
                audit.c.action == entry.action,
                audit.c.at > now - unless_since,
            )
            with self._db.read() as c:
                if c.execute(before.limit(1)).first() is not None:
                    return
        with self._db.write() as c:
            write_audit(c, entry, now)

    def _rows(self, chosen: Any, limit: int) -> Sequence[Any]:
        with self._db.read() as c:
            return list(c.execute(chosen.limit(limit)).all())


def _lines(*conditions: Any) -> Any:
    said = sa.and_(_last.c.conversation_id == _c.c.id, _last.c.number == _c.c.last_number)
    return (
        sa.select(
            _c,
            *_OF_HANDOFF,
            _last.c.author.label("last_author"),
            _last.c.text.label("last_text"),
            _CUSTOMER_TEXT.label("customer_text"),
        )
        .select_from(_c.outerjoin(_h, sa.and_(_h.c.conversation_id == _c.c.id, _NEWEST)).outerjoin(_last, said))
        .where(*conditions)
    )


def _visible(viewer: Viewer) -> Any:
    if viewer.all_teams:
        return sa.true()
    return sa.or_(
        _h.c.id.is_(None),
        _h.c.team.is_(None),
        _h.c.team.in_(sorted(viewer.teams)),
        _h.c.team.not_in(sa.select(t.teams.c.id)),  # of a team that was dropped: else nobody would come
        _h.c.taken_by == viewer.agent,
        _h.c.offered_to == viewer.agent,
    )


def _wanted(viewer: Viewer, wanted: Wanted) -> list[Any]:
    conditions: list[Any] = []
    if wanted.shown in (Shown.BOT, Shown.CLOSED):
        conditions.append(_c.c.owner == Owner.BOT.value)
    if wanted.shown is Shown.CLOSED:
        conditions.append(_h.c.state == State.CLOSED.value)
    elif wanted.shown is not None and wanted.shown is not Shown.BOT:
        conditions += [_h.c.state == wanted.shown.value, IS_OPEN]
    if wanted.mine:
        conditions += [IS_OPEN, sa.or_(_h.c.taken_by == viewer.agent, _h.c.offered_to == viewer.agent)]
    if wanted.team is not None:
        conditions.append(_h.c.team == wanted.team)
    if wanted.text is not None:
        said = t.messages.alias("said")
        pattern = f"%{_escaped(_folded(wanted.text))}%"
        conditions.append(
            sa.exists(
                sa.select(said.c.id)
                .where(said.c.conversation_id == _c.c.id, _folded(said.c.text).ilike(pattern, escape="!"))
                .correlate(_c)
            )
        )
    return conditions


def _folded(text: Any) -> Any:
    for written, kept in _FOLDED:
        text = text.replace(written, kept) if isinstance(text, str) else sa.func.replace(text, written, kept)
    return text if isinstance(text, str) else sa.type_coerce(text, sa.Text)


def _escaped(text: str) -> str:
    for sign in "!%_":
        text = text.replace(sign, "!" + sign)
    return text


def _line(row: Any) -> Line:
    of_handoff = {name[2:]: value for name, value in row._mapping.items() if name.startswith("h_")}
    return Line(
        conversation_of(row, ConversationId(row.id)),
        row.customer,
        handoff_of(of_handoff) if row.h_id is not None else None,
        row.active_at,
        row.last_number,
        row.read_by_team,
        Author(row.last_author) if row.last_author else None,
        row.last_text or "",
        row.customer_text or "",
    )


def _cursor(text: str) -> tuple[datetime, str]:
    """Where a page begins: an instant, and the key among those of that instant. Raises ValueError for what is none."""
    at, parted, key = text.partition("_")
    if not parted or not key.isascii() or not key.isprintable() or not (at.isascii() and at.isdigit()):
        raise ValueError("this is no cursor")
    try:
        return _EPOCH + timedelta(microseconds=int(at)), key
    except OverflowError:
        raise ValueError("this is no cursor") from None


def _cursor_of(at: datetime, key: Any) -> str:
    return f"{(at - _EPOCH) // timedelta(microseconds=1)}_{key}"
