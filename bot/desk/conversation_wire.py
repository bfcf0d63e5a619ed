"""What goes over the wire about conversations, as JSON. Texts are as people wrote them: text, never markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from bot.agents.views import Line, Lines, Shown
from bot.complaints.model import CaseState
from bot.conversations.model import Author, Message, Owner
from bot.desk.wire import Id, Sent
from bot.handoff.desk import LONGEST_KEY, LONGEST_NOTE, LONGEST_TEXT, MOST_FILES
from bot.handoff.model import Act, Event, Handoff, Note, Presence, Reason, Said, State

_EXCERPT = 300  # characters of a message in a list


class HandoffOut(BaseModel):
    """From the moment a person is wanted until the conversation is the bot's again."""

    id: int
    state: State
    reason: Reason
    topic: str | None
    team: str | None
    agent: str | None = Field(description="Who holds it, or held it last.")
    agent_name: str | None
    offered_to: str | None
    offer_until: datetime | None
    contact: str | None = Field(description="How the customer can be reached outside support hours.")
    asked_at: datetime
    taken_at: datetime | None
    waits_since: datetime | None = Field(description="Since when the customer waits for an answer; null: answered.")
    reply_due_at: datetime | None
    first_reply_at: datetime | None
    sla: str | None = Field(description="met or broken, once it is known.")
    snoozed_until: datetime | None
    ended_at: datetime | None
    note: str
    agreed: str
    why: list[dict[str, Any]] = Field(description="What its place in the queue comes from, in minutes.")

    @classmethod
    def of(cls, handoff: Handoff) -> HandoffOut:
        same = {name: getattr(handoff, name) for name in cls.__fields__ if name != "why"}
        return cls(**same, why=[dict(reason) for reason in handoff.why])


class LineOut(BaseModel):
    """A conversation in a list."""

    id: str
    state: Shown
    owner: Owner
    channel: str
    language: str
    customer: str | None = Field(description="The shop's id of the customer, where it is known.")
    handoff: HandoffOut | None = Field(description="The open one or else the last.")
    active_at: datetime
    last_number: int
    unread: int = Field(description="Messages since the team last read or answered.")
    last_author: Author | None
    last_text: str = Field(description=f"The latest message, cut to {_EXCERPT} characters.")
    customer_text: str = Field(description="The customer's latest message, cut as well.")

    @classmethod
    def of(cls, line: Line) -> LineOut:
        return cls(**_line(line))


class PageOut(BaseModel):
    conversations: list[LineOut]
    after: str | None = Field(description="To be sent as `after` for the next page; null at the end.")

    @classmethod
    def of(cls, page: Lines) -> PageOut:
        return cls(conversations=[LineOut.of(line) for line in page.lines], after=page.after)


class ConversationOut(LineOut):
    variety: str | None
    created_at: datetime
    holder: str | None = Field(description="The agent who has it now.")
    holder_name: str | None
    waiting_since: datetime | None
    summary: str = Field(description="The facts from the records and the shop, as lines of plain text.")

    @classmethod
    def whole(cls, line: Line, summary: str) -> ConversationOut:
        handoff = line.open
        held = handoff if handoff is not None and handoff.state is State.TAKEN else None
        return cls(
            **_line(line),
            variety=line.conversation.variety,
            created_at=line.conversation.created_at,
            holder=held.agent if held else None,
            holder_name=held.agent_name if held else None,
            waiting_since=handoff.waits_since if handoff else None,
            summary=summary,
        )


class MessageOut(BaseModel):
    number: int = Field(description="From 1, without gaps; what `after` and `before` mean.")
    id: str
    author: Author
    text: str
    at: datetime
    buttons: list[str] = Field(description="Titles of the choices that the customer was offered.")
    agent: str | None
    agent_name: str | None
    source: str | None = Field(description="The knowledge entry that the bot answered from.")
    images: list[str] = Field(description="Ids of the images that came with it.")

    @classmethod
    def of(cls, message: Message) -> MessageOut:
        meta = message.meta
        return cls(
            number=message.number,
            id=message.id,
            author=message.author,
            text=message.text,
            at=message.at,
            buttons=[button.title for button in message.buttons],
            agent=meta.get("agent"),
            agent_name=meta.get("name") if message.author is Author.AGENT else None,
            source=meta.get("source"),
            images=_images(meta),
        )


class MessagesOut(BaseModel):
    messages: list[MessageOut] = Field(description="In the order of their numbers.")
    last_number: int = Field(description="Of the conversation.")


class SaidOut(BaseModel):
    id: str
    number: int
    at: datetime
    new: bool = Field(description="false: the same key was sent before, and nothing more was said.")

    @classmethod
    def of(cls, said: Said) -> SaidOut:
        return cls(id=said.message, number=said.number, at=said.at, new=said.new)


class NoteOut(BaseModel):
    id: int
    agent: str
    agent_name: str
    text: str
    mentions: list[str]
    at: datetime

    @classmethod
    def of(cls, note: Note) -> NoteOut:
        return cls(
            id=note.id,
            agent=note.agent,
            agent_name=note.name,
            text=note.text,
            mentions=list(note.mentions),
            at=note.at,
        )


class EventOut(BaseModel):
    """A line of what happened to the conversation."""

    id: int
    handoff: int | None
    what: Act
    by: str = Field(description="An agent's id, system or customer.")
    agent: str | None = Field(description="Whom it concerns besides.")
    note: dict[str, Any]
    at: datetime

    @classmethod
    def of(cls, event: Event) -> EventOut:
        return cls(
            id=event.id,
            handoff=event.handoff,
            what=event.what,
            by=event.by,
            agent=event.agent,
            note=dict(event.note),
            at=event.at,
        )


class PresenceBody(Sent):
    presence: Presence


class PresenceOut(BaseModel):
    presence: Presence


class SayBody(Sent):
    text: str = Field("", max_length=LONGEST_TEXT)
    key: str = Field(..., min_length=1, max_length=LONGEST_KEY, description="The same key again says nothing more.")
    files: list[Id] = Field([], max_items=MOST_FILES, description="Images stored for this conversation, not sent yet.")


class NoteBody(Sent):
    text: str = Field(..., min_length=1, max_length=LONGEST_NOTE)
    mentions: list[Id] = Field([], max_items=50, description="Agents who should look.")


class TransferBody(Sent):
    """Exactly one of `agent` and `team`."""

    agent: Id | None = Field(None, description="A colleague who is there: it is offered to them for two minutes.")
    team: Id | None = Field(None, description="Into this team's queue.")
    note: str = Field("", max_length=LONGEST_NOTE)


class HandBackBody(Sent):
    note: str = Field("", max_length=LONGEST_NOTE, description="For colleagues.")
    agreed: str = Field(
        "", max_length=LONGEST_NOTE, description="What was agreed: told to the customer, and known to the bot."
    )


class CloseBody(HandBackBody):
    settle: CaseState | None = Field(None, description="resolved or closed: how the complaints with people end.")
    rate: bool = Field(True, description="Ask the customer how it was.")


class SnoozeBody(Sent):
    until: datetime = Field(description="With an offset; at most 90 days ahead.")


def _line(line: Line) -> dict[str, Any]:
    here = line.conversation
    return {
        "id": here.id,
        "state": line.shown,
        "owner": here.owner,
        "channel": here.channel,
        "language": here.language,
        "customer": line.customer,
        "handoff": HandoffOut.of(line.handoff) if line.handoff else None,
        "active_at": line.active_at,
        "last_number": line.last,
        "unread": max(0, line.last - line.read),
        "last_author": line.last_author,
        "last_text": line.last_text[:_EXCERPT],
        "customer_text": line.customer_text[:_EXCERPT],
    }


def _images(meta: Mapping[str, Any]) -> list[str]:
    """An album's images, or the one."""
    found: Sequence[Any] = meta.get("images") or ([meta["image"]] if meta.get("image") else [])
    return [str(image["id"]) for image in found]
