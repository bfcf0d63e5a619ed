"""Calls that look at conversations: lists, the queue, one with its summary, its messages, notes and history."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import Any

import structlog
from fastapi import APIRouter, Query

from bot.agents.model import Audited, Signed, Where
from bot.agents.permissions import Permission
from bot.agents.sign_in import actor
from bot.agents.views import DeskRecords, Line, Shown, Viewer, Wanted
from bot.conversations.intake import clean
from bot.conversations.model import ConversationId
from bot.conversations.ports import Clock, Transcripts
from bot.desk.attendance import Attendance
from bot.desk.conversation_wire import ConversationOut, EventOut, MessageOut, MessagesOut, NoteOut, PageOut
from bot.desk.gate import Gate, from_where
from bot.desk.shape import Refusal, desk_router, no_such_conversation
from bot.desk.wire import Id
from bot.errors import DeskRefused, HandoffRefused
from bot.handoff.desk import HandoffDesk
from bot.handoff.model import Presence, TeamId
from bot.handoff.summary import SummaryService

log = structlog.get_logger()

LARGEST_PAGE = 100
LARGEST_PAGE_OF_MESSAGES = 200
_LAST_NUMBER = 2**31 - 1
_READ_AGAIN = timedelta(minutes=10)  # a desk that polls is one reading
UNSEEN: dict[int | str, dict[str, Any]] = {
    404: {"model": Refusal, "description": "There is no such conversation, or it is another team's."}
}


class Language(str, Enum):
    AR = "ar"
    EN = "en"


class Access:
    """Finds conversations as far as who asks may see them, and notes what they did in the audit log."""

    def __init__(self, records: DeskRecords, clock: Clock) -> None:
        self.records, self.clock = records, clock

    def line(self, signed: Signed, conversation: str) -> Line:
        """Raises DeskRefused (`not_found`), the same whether it does not exist or may not be seen."""
        found = self.records.conversation(Viewer.of(signed.agent), ConversationId(conversation))
        if found is None:
            raise no_such_conversation()
        return found

    def did(
        self,
        signed: Signed,
        place: Where,
        action: str,
        conversation: str,
        details: dict[str, Any] | None = None,
        unless_since: timedelta | None = None,
    ) -> None:
        """`details` hold ids and numbers, no words."""
        entry = Audited(actor(signed, place), f"conversation.{action}", "conversation", conversation, details or {})
        self.records.note(entry, self.clock(), unless_since)

    def read(self, signed: Signed, place: Where, conversation: str) -> Line:
        """Find one that is read now. Raises DeskRefused (`not_found`)."""
        line = self.line(signed, conversation)
        self.did(signed, place, "read", conversation, unless_since=_READ_AGAIN)
        return line


def create_router(
    gate: Gate,
    access: Access,
    transcripts: Transcripts,
    people: HandoffDesk,
    summaries: SummaryService,
    attendance: Attendance,
) -> APIRouter:
    router = desk_router("desk: conversations")
    records = access.records

    # -- lists ---------------------------------------------------------------------------------------------------------

    @router.get("/conversations", response_model=PageOut, summary="Conversations, newest activity first")
    def conversations(
        state: Shown | None = None,
        mine: bool = Query(False, description="Held by the one who asks, or offered to them."),
        team: Id | None = None,
        q: str | None = Query(None, min_length=2, max_length=100, description="Found anywhere in a message."),
        after: str | None = _cursor(),
        limit: int = _limit(),
        signed: Signed = gate.needs(Permission.CONVERSATIONS_READ),
    ) -> PageOut:
        """Of one's teams and of none; administrators see all. `q` takes no notice of capitals, hamzas and the like."""
        text = clean(q).text if q is not None else None
        wanted = Wanted(state, mine, TeamId(team) if team is not None else None, text or None)
        try:
            return PageOut.of(records.conversations(Viewer.of(signed.agent), wanted, after, limit))
        except ValueError:
            raise _bad_cursor() from None

    @router.get("/queue", response_model=PageOut, summary="Who waits, most pressing first")
    def queue(
        after: str | None = _cursor(),
        limit: int = _limit(),
        signed: Signed = gate.needs(Permission.CONVERSATIONS_READ),
    ) -> PageOut:
        try:
            page = records.queue(Viewer.of(signed.agent), after, limit)
        except ValueError:
            raise _bad_cursor() from None
        if attendance.chosen(signed.agent.id) is Presence.ONLINE:  # somebody is told of these customers now
            for line in page.lines:
                if line.open is not None and line.open.noticed_at is None:
                    _notice(people, line)
        return PageOut.of(page)

    # -- one -----------------------------------------------------------------------------------------------------------

    @router.get(
        "/conversations/{conversation}", response_model=ConversationOut, responses=UNSEEN, summary="One, with a summary"
    )
    def conversation_of(
        conversation: Id,
        language: Language = Query(Language.AR, description="Of the summary."),
        signed: Signed = gate.needs(Permission.CONVERSATIONS_READ),
        place: Where = from_where(),
    ) -> ConversationOut:
        line = access.read(signed, place, conversation)
        summary = summaries.text(line.conversation.id, language.value, access.clock())
        return ConversationOut.whole(line, summary)

    @router.get(
        "/conversations/{conversation}/messages",
        response_model=MessagesOut,
        responses=UNSEEN,
        summary="Its messages in pages",
    )
    def messages(
        conversation: Id,
        after: int | None = Query(None, ge=0, le=_LAST_NUMBER, description="The first ones after this number."),
        before: int | None = Query(None, ge=0, le=_LAST_NUMBER, description="The last ones before this number."),
        limit: int = Query(50, ge=1, le=LARGEST_PAGE_OF_MESSAGES),
        signed: Signed = gate.needs(Permission.CONVERSATIONS_READ),
        place: Where = from_where(),
    ) -> MessagesOut:
        """The latest, where neither `after` nor `before` is sent; not both."""
        if after is not None and before is not None:
            raise DeskRefused("invalid", "Send after or before, not both.")
        line = access.read(signed, place, conversation)
        if after is not None:
            found = transcripts.after(line.conversation.id, after, limit)
        else:
            found = transcripts.before(line.conversation.id, _LAST_NUMBER if before is None else before, limit)
        # What came since the line was read counts as well.
        last = max([line.last, *(one.message.number for one in found)])
        return MessagesOut(messages=[MessageOut.of(one.message) for one in found], last_number=last)

    @router.get(
        "/conversations/{conversation}/notes",
        response_model=list[NoteOut],
        responses=UNSEEN,
        summary="What colleagues noted",
    )
    def notes(
        conversation: Id,
        signed: Signed = gate.needs(Permission.CONVERSATIONS_READ),
        place: Where = from_where(),
    ) -> list[NoteOut]:
        """The latest 100, oldest first."""
        line = access.read(signed, place, conversation)
        return [NoteOut.of(note) for note in people.notes(line.conversation.id)]

    @router.get(
        "/conversations/{conversation}/events",
        response_model=list[EventOut],
        responses=UNSEEN,
        summary="What happened to it, and who did it",
    )
    def events(
        conversation: Id,
        signed: Signed = gate.needs(Permission.CONVERSATIONS_READ),
        place: Where = from_where(),
    ) -> list[EventOut]:
        """The latest 200, oldest first."""
        line = access.read(signed, place, conversation)
        return [EventOut.of(event) for event in people.events(line.conversation.id)]

    return router


def _cursor() -> Any:
    return Query(None, max_length=100, description="`after` of the page before.")


def _limit() -> Any:
    return Query(50, ge=1, le=LARGEST_PAGE)


def _bad_cursor() -> DeskRefused:
    return DeskRefused("invalid", "after: this is no cursor of this list.")


def _notice(people: HandoffDesk, line: Line) -> None:
    try:
        people.noticed(line.conversation.id)
    except HandoffRefused as refused:  # joined to another conversation since the page was read
        log.info("desk.not_noticed", conversation=line.conversation.id, error=refused.code)
