"""Calls by which agents do something with a conversation, each with a line in both logs: the conversation's and the
desk's. What is possible when, `handoff.policy` decides; here it is only asked whether they may see it at all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter

from bot.agents.accounts import Accounts
from bot.agents.model import Audited, Signed, Where
from bot.agents.permissions import Permission, may
from bot.agents.sign_in import actor
from bot.complaints.model import CaseState
from bot.conversations.model import ConversationId, FileId
from bot.desk.attendance import Attendance
from bot.desk.conversation_wire import (
    CloseBody,
    HandBackBody,
    HandoffOut,
    NoteBody,
    NoteOut,
    PresenceBody,
    PresenceOut,
    SaidOut,
    SayBody,
    SnoozeBody,
    TransferBody,
)
from bot.desk.conversations import UNSEEN, Access
from bot.desk.gate import Gate, from_where
from bot.desk.shape import Refusal, desk_router
from bot.desk.wire import Id
from bot.errors import DeskRefused, NotOpen, NotYours
from bot.handoff.desk import HandoffDesk
from bot.handoff.model import AgentId, TeamId

_LONGEST_SNOOZE = timedelta(days=90)
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **UNSEEN,
    409: {"model": Refusal, "description": "It stands otherwise: somebody else has it, it is over, the offer passed."},
}


def create_router(
    gate: Gate, access: Access, people: HandoffDesk, accounts: Accounts, attendance: Attendance
) -> APIRouter:
    router = desk_router("desk: handling")

    # -- into one's hands ----------------------------------------------------------------------------------------------

    @router.post("/conversations/{conversation}/take", response_model=HandoffOut, responses=_ANSWERS, summary="Take it")
    def take(
        conversation: Id, signed: Signed = gate.needs(Permission.CONVERSATIONS_WORK), place: Where = from_where()
    ) -> HandoffOut:
        """From the queue, or from the bot; again by who has it: nothing changes."""
        done = people.take(_seen(signed, conversation), signed.agent.id)
        access.did(signed, place, "taken", conversation)
        return HandoffOut.of(done)

    @router.post(
        "/conversations/{conversation}/accept", response_model=HandoffOut, responses=_ANSWERS, summary="Accept an offer"
    )
    def accept(
        conversation: Id, signed: Signed = gate.needs(Permission.CONVERSATIONS_WORK), place: Where = from_where()
    ) -> HandoffOut:
        done = people.accept(_seen(signed, conversation), signed.agent.id)
        access.did(signed, place, "accepted", conversation)
        return HandoffOut.of(done)

    @router.post(
        "/conversations/{conversation}/decline",
        response_model=HandoffOut,
        responses=_ANSWERS,
        summary="Let an offer pass",
    )
    def decline(
        conversation: Id, signed: Signed = gate.needs(Permission.CONVERSATIONS_WORK), place: Where = from_where()
    ) -> HandoffOut:
        done = people.decline(_seen(signed, conversation), signed.agent.id)
        access.did(signed, place, "declined", conversation)
        return HandoffOut.of(done)

    @router.post(
        "/conversations/{conversation}/reopen",
        response_model=HandoffOut,
        responses=_ANSWERS,
        summary="Go on with what is over",
    )
    def reopen(
        conversation: Id, signed: Signed = gate.needs(Permission.CONVERSATIONS_WORK), place: Where = from_where()
    ) -> HandoffOut:
        """Within 72 hours; who reopens it has it."""
        done = people.reopen(_seen(signed, conversation), signed.agent.id)
        access.did(signed, place, "reopened", conversation)
        return HandoffOut.of(done)

    # -- on to others, and the end -------------------------------------------------------------------------------------

    @router.post(
        "/conversations/{conversation}/transfer", response_model=HandoffOut, responses=_ANSWERS, summary="Pass it on"
    )
    def transfer(
        conversation: Id,
        body: TransferBody,
        signed: Signed = gate.needs(Permission.CONVERSATIONS_WORK),
        place: Where = from_where(),
    ) -> HandoffOut:
        """By who has it; leads may pass on anyone's."""
        here = _seen(signed, conversation)
        if (body.agent is None) == (body.team is None):
            raise DeskRefused("invalid", "Send agent or team, one of them.")
        to = AgentId(body.agent) if body.agent is not None else None
        team = TeamId(body.team) if body.team is not None else None
        if team is not None and team not in {known.id for known in accounts.teams()}:
            raise DeskRefused("no_such_team", "This team does not exist.")
        done = people.transfer(here, signed.agent.id, to, team, body.note)
        access.did(signed, place, "transferred", conversation, {"agent": to, "team": team})
        return HandoffOut.of(done)

    @router.post(
        "/conversations/{conversation}/hand-back",
        response_model=HandoffOut,
        responses=_ANSWERS,
        summary="Give it back to the bot",
    )
    def hand_back(
        conversation: Id,
        body: HandBackBody,
        signed: Signed = gate.needs(Permission.CONVERSATIONS_WORK),
        place: Where = from_where(),
    ) -> HandoffOut:
        done = people.hand_back(_seen(signed, conversation), signed.agent.id, body.note, body.agreed)
        access.did(signed, place, "handed_back", conversation)
        return HandoffOut.of(done)

    @router.post(
        "/conversations/{conversation}/close",
        response_model=HandoffOut,
        responses=_ANSWERS,
        summary="The matter is settled",
    )
    def close(
        conversation: Id,
        body: CloseBody,
        signed: Signed = gate.needs(Permission.CONVERSATIONS_WORK),
        place: Where = from_where(),
    ) -> HandoffOut:
        here = _seen(signed, conversation)
        if body.settle not in (None, CaseState.RESOLVED, CaseState.CLOSED):
            raise DeskRefused("invalid", "settle: complaints end as resolved or closed.")
        done = people.close(here, signed.agent.id, body.note, body.agreed, body.settle, body.rate)
        details = {"settle": body.settle.value if body.settle else None}
        access.did(signed, place, "closed", conversation, details)
        return HandoffOut.of(done)

    # -- while one has it ----------------------------------------------------------------------------------------------

    @router.post(
        "/conversations/{conversation}/messages",
        response_model=SaidOut,
        responses=_ANSWERS,
        summary="Answer the customer",
    )
    def say(
        conversation: Id,
        body: SayBody,
        signed: Signed = gate.needs(Permission.CONVERSATIONS_WORK),
        place: Where = from_where(),
    ) -> SaidOut:
        """On whichever channel they are."""
        here = _seen(signed, conversation)
        said = people.say(here, signed.agent.id, body.text, body.key, [FileId(file) for file in body.files])
        if said.new:
            access.did(signed, place, "answered", conversation, {"number": said.number})
        return SaidOut.of(said)

    @router.post(
        "/conversations/{conversation}/notes",
        response_model=NoteOut,
        status_code=201,
        responses=UNSEEN,
        summary="Tell colleagues something",
    )
    def note(
        conversation: Id,
        body: NoteBody,
        signed: Signed = gate.needs(Permission.CONVERSATIONS_WORK),
        place: Where = from_where(),
    ) -> NoteOut:
        """Customers never see it."""
        mentions = [AgentId(mention) for mention in body.mentions]
        made = people.note(_seen(signed, conversation), signed.agent.id, body.text, mentions)
        access.did(signed, place, "noted", conversation, {"note": made.id})
        return NoteOut.of(made)

    @router.post("/conversations/{conversation}/snooze", response_model=HandoffOut, responses=_ANSWERS, summary="Later")
    def snooze(
        conversation: Id,
        body: SnoozeBody,
        signed: Signed = gate.needs(Permission.CONVERSATIONS_WORK),
        place: Where = from_where(),
    ) -> HandoffOut:
        """Out of sight until then, or until the customer writes."""
        here, now = _seen(signed, conversation), access.clock()
        if body.until.tzinfo is None or not now < body.until <= now + _LONGEST_SNOOZE:
            raise DeskRefused("invalid", "until: a time with its offset, ahead of now, at most 90 days.")
        done = people.snooze(here, signed.agent.id, body.until)
        access.did(signed, place, "snoozed", conversation)
        return HandoffOut.of(done)

    @router.post(
        "/conversations/{conversation}/wake", response_model=HandoffOut, responses=_ANSWERS, summary="In sight again"
    )
    def wake(
        conversation: Id, signed: Signed = gate.needs(Permission.CONVERSATIONS_WORK), place: Where = from_where()
    ) -> HandoffOut:
        """By who has it, and by leads; what is awake stays so."""
        line = access.line(signed, conversation)
        if line.open is None:
            raise NotOpen(None)
        if line.open.agent != signed.agent.id and not may(signed.agent.role, Permission.CONVERSATIONS_ASSIGN):
            raise NotYours(line.open.agent, line.open.agent_name)
        done = people.wake(line.conversation.id, signed.agent.id)
        if done is None:
            raise NotOpen(None)
        if line.open.snoozed_until is not None:
            access.did(signed, place, "woken", conversation)
        return HandoffOut.of(done)

    # -- oneself -------------------------------------------------------------------------------------------------------

    @router.put("/presence", response_model=PresenceOut, summary="Be there, away or gone")
    def presence(
        body: PresenceBody,
        signed: Signed = gate.needs(Permission.CONVERSATIONS_WORK),
        place: Where = from_where(),
    ) -> PresenceOut:
        """Holds while calls come in, at least one in 30 seconds; conversations are offered to who is online."""
        attendance.choose(signed.agent.id, body.presence)
        entry = Audited(
            actor(signed, place), "presence.chosen", "agent", signed.agent.id, {"presence": body.presence.value}
        )
        access.records.note(entry, access.clock())
        return PresenceOut(presence=body.presence)

    def _seen(signed: Signed, conversation: str) -> ConversationId:
        """Raises DeskRefused (`not_found`) for what they may not see."""
        return access.line(signed, conversation).conversation.id

    return router
