"""What may be done with a handoff, by whom, and where it leads. Pure: each function reads where a conversation stands
and returns what is to be written, or raises an error that says why not. None means that it is so already.

    (bot) ── asked ──▶ QUEUED ◀──declined/expired── OFFERED        any waiting ── withdrawn ──▶ WITHDRAWN (bot)
                         │  ──────── offered ────────▶ │
                         └────── taken / assigned ─────┴──▶ TAKEN ── returned ──▶ RETURNED (bot)
    (bot) ─────────── an agent steps in ──────────────────▶   │  └── closed ────▶ CLOSED   (bot) ── reopened ──▶ TAKEN
                         ▲── transferred / agent gone ────────┘
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot.complaints.model import CaseState
from bot.complaints.settling import settled_by_person
from bot.conversations.model import Effect, Owner, Reply
from bot.errors import AgentAway, AlreadyTaken, NotOpen, NotYours, OfferPassed
from bot.handoff.expectation import MOST_TOLD
from bot.handoff.model import (
    OPEN,
    WAITING,
    Act,
    Agent,
    AgentId,
    Handoff,
    HandoffId,
    Presence,
    Reason,
    State,
    TeamId,
)
from bot.handoff.ports import Change, Standing

SYSTEM = "system"
OFFER_LASTS = timedelta(seconds=45)
TRANSFER_LASTS = timedelta(minutes=2)  # a colleague who was asked by name is given longer
REOPEN_WITHIN = timedelta(hours=72)

# From where each act may start; None is a conversation of the bot's.
_FROM: Mapping[Act, Sequence[State | None]] = {
    Act.ASKED: (None,),
    Act.OFFERED: (State.QUEUED,),
    Act.DECLINED: (State.OFFERED,),
    Act.EXPIRED: (State.OFFERED,),
    Act.TAKEN: (None, *WAITING),
    Act.ASSIGNED: (None, *WAITING, State.TAKEN),
    Act.TRANSFERRED: OPEN,
    Act.LEFT: (State.TAKEN,),
    Act.RETURNED: (State.TAKEN,),
    Act.CLOSED: OPEN,
    Act.WITHDRAWN: WAITING,
    Act.REOPENED: (None,),
    Act.SNOOZED: (State.TAKEN,),
    Act.WOKEN: (State.TAKEN,),
}


def owner_of(handoff: Handoff | None) -> Owner:
    """Whose a conversation is, by its handoff."""
    if handoff is None or handoff.state not in OPEN:
        return Owner.BOT
    return Owner.AGENT if handoff.state is State.TAKEN else Owner.QUEUE


def possible(act: Act, state: State | None) -> bool:
    """Whether the act may start there."""
    return state in _FROM[act]


def _open(standing: Standing, act: Act) -> Handoff:
    handoff = standing.handoff
    if handoff is None or not possible(act, handoff.state):
        raise NotOpen(handoff.state.value if handoff else None)
    return handoff


def _held(standing: Standing, act: Act, agent: Agent) -> Handoff:
    """The handoff, in the hands of this agent."""
    handoff = _open(standing, act)
    if handoff.agent != agent.id:
        raise NotYours(handoff.agent, handoff.agent_name)
    return handoff


def _held_or_led(standing: Standing, act: Act, agent: Agent) -> Handoff:
    """The handoff, in the hands of this agent; a lead may do it with everyone's."""
    handoff = _open(standing, act)
    if not agent.leads and (handoff.state is not State.TAKEN or handoff.agent != agent.id):
        raise NotYours(handoff.agent, handoff.agent_name)
    return handoff


def _new(standing: Standing, reason: Reason, now: datetime) -> Handoff:
    return Handoff(HandoffId(0), standing.conversation.id, reason, now, rank_at=now)


def _in_hands(handoff: Handoff, agent: Agent, now: datetime) -> Handoff:
    return replace(
        handoff,
        state=State.TAKEN,
        agent=agent.id,
        agent_name=agent.name,
        taken_at=handoff.taken_at or now,
        noticed_at=handoff.noticed_at or now,
        offered_to=None,
        offer_until=None,
        snoozed_until=None,
    )


def _in_queue(handoff: Handoff, **changes: Any) -> Handoff:
    free = replace(
        handoff,
        state=State.QUEUED,
        agent=None,
        agent_name=None,
        offered_to=None,
        offer_until=None,
        snoozed_until=None,
    )
    return replace(free, **changes)


# -- into people's hands -----------------------------------------------------------------------------------------------


def enqueue(
    standing: Standing, reason: Reason, now: datetime, alert: bool = True, says: Sequence[Reply] = ()
) -> Change | None:
    """Into the queue without the customer's asking. Waiting or taken already: nothing changes."""
    if standing.handoff is not None:
        return None
    handoff = replace(_new(standing, reason, now), waits_since=now)
    if reason is Reason.PROMISE:  # they are not waiting here: nothing is told of a wait
        handoff = replace(handoff, told={"kind": "unknown", "times": MOST_TOLD}, told_at=now)
    told = {"event": "handoff.asked", "reason": reason.value, "asked_at": now.isoformat()} if alert else None
    return Change(handoff, Act.ASKED, SYSTEM, note={"reason": reason.value}, says=says, alert=told)


def take(standing: Standing, agent: Agent, now: datetime) -> Change | None:
    """Out of the queue, from under an offer to someone else, or from the bot. Raises AlreadyTaken."""
    handoff = standing.handoff
    if handoff is not None and handoff.state is State.TAKEN:
        if handoff.agent == agent.id:
            return None
        raise AlreadyTaken(str(handoff.agent), handoff.agent_name or "")
    before = "bot" if handoff is None else handoff.state.value
    handoff = handoff or _new(standing, Reason.STEPPED_IN, now)
    return Change(_in_hands(handoff, agent, now), Act.TAKEN, agent.id, note={"from": before})


def accept(standing: Standing, agent: Agent, now: datetime) -> Change | None:
    """Take what is offered to this agent. Raises OfferPassed."""
    handoff = standing.handoff
    if handoff is not None and handoff.state is State.TAKEN and handoff.agent == agent.id:
        return None
    if handoff is None or handoff.state is not State.OFFERED or handoff.offered_to != agent.id:
        raise OfferPassed((handoff.agent or handoff.offered_to) if handoff else None)
    if handoff.offer_until is not None and handoff.offer_until <= now:
        raise OfferPassed(None)
    return take(standing, agent, now)


def assign(standing: Standing, agent: Agent, by: Agent | None, now: datetime) -> Change | None:
    """Into an agent's hands without their asking, by the system (None) or a lead. Raises NotYours."""
    handoff = standing.handoff
    if by is not None and not by.leads:
        raise NotYours(handoff.agent if handoff else None, handoff.agent_name if handoff else None)
    if handoff is not None and handoff.agent == agent.id and handoff.state is State.TAKEN:
        return None
    handoff = handoff or _new(standing, Reason.STEPPED_IN, now)
    actor = by.id if by else SYSTEM
    return Change(_in_hands(handoff, agent, now), Act.ASSIGNED, actor, agent.id)


def offer(standing: Standing, agent: Agent, now: datetime, lasts: timedelta = OFFER_LASTS) -> Change | None:
    """Ask an agent to take who waits. Raises NotOpen, also while it is offered to another."""
    handoff = standing.handoff
    if handoff is not None and handoff.state is State.OFFERED and handoff.offered_to == agent.id:
        return None
    offered = replace(
        _open(standing, Act.OFFERED),
        state=State.OFFERED,
        offered_to=agent.id,
        offer_until=now + lasts,
        noticed_at=standing.handoff.noticed_at or now if standing.handoff else now,
    )
    return Change(offered, Act.OFFERED, SYSTEM, agent.id, {"until": (now + lasts).isoformat()})


def decline(standing: Standing, agent: Agent, now: datetime) -> Change:
    """Let an offer pass. Raises OfferPassed where it is not theirs any more."""
    handoff = standing.handoff
    if handoff is None or handoff.state is not State.OFFERED or handoff.offered_to != agent.id:
        raise OfferPassed((handoff.agent or handoff.offered_to) if handoff else None)
    return Change(_passed(handoff), Act.DECLINED, agent.id)


def expire(standing: Standing, now: datetime) -> Change | None:
    """An offer that nobody answered in time passes on; nothing where it was answered, or is not due."""
    handoff = standing.handoff
    if handoff is None or handoff.state is not State.OFFERED:
        return None
    if handoff.offer_until is not None and handoff.offer_until > now:
        return None
    return Change(_passed(handoff), Act.EXPIRED, SYSTEM, handoff.offered_to)


def _passed(handoff: Handoff) -> Handoff:
    assert handoff.offered_to is not None
    passed = [*(agent for agent in handoff.passed if agent != handoff.offered_to), handoff.offered_to]
    preferred = None if handoff.preferred == handoff.offered_to else handoff.preferred
    return _in_queue(handoff, passed=passed, preferred=preferred)


# -- between agents ----------------------------------------------------------------------------------------------------


def transfer_to_agent(standing: Standing, by: Agent, to: Agent, note: str, now: datetime) -> Change | None:
    """On to a colleague who is there: offered to them, and the customer waits until they take it. A lead may take it
    themselves. Raises NotOpen, NotYours, AgentAway."""
    handoff = _held_or_led(standing, Act.TRANSFERRED, by)
    if to.id == by.id:
        if handoff.state is State.TAKEN and handoff.agent == by.id:
            return None
        return Change(_in_hands(handoff, by, now), Act.TRANSFERRED, by.id, by.id, _with(note))
    if to.presence is not Presence.ONLINE:
        raise AgentAway(to.name)
    offered = _in_queue(
        handoff, state=State.OFFERED, offered_to=to.id, offer_until=now + TRANSFER_LASTS, passed=(), preferred=None
    )
    return Change(offered, Act.TRANSFERRED, by.id, to.id, {**_with(note), "from": handoff.agent})


def transfer_to_team(standing: Standing, by: Agent, team: TeamId, note: str, now: datetime) -> Change:
    """Into the queue of a team. Raises NotOpen, NotYours."""
    handoff = _held_or_led(standing, Act.TRANSFERRED, by)
    queued = _in_queue(handoff, team=team, passed=[], preferred=None, topic=None)
    return Change(queued, Act.TRANSFERRED, by.id, None, {**_with(note), "team": team, "from": handoff.agent})


def release(standing: Standing, agent: AgentId, now: datetime, says: Sequence[Reply]) -> Change | None:
    """Back into the queue, because this agent is gone while the customer waits; nothing where that is not so any more."""
    handoff = standing.handoff
    if handoff is None or handoff.state is not State.TAKEN or handoff.agent != agent or handoff.waits_since is None:
        return None
    passed = [*(other for other in handoff.passed if other != agent), agent]
    alert = {"event": "handoff.agent_gone", "asked_at": handoff.asked_at.isoformat()}
    return telling(Change(_in_queue(handoff, passed=passed), Act.LEFT, SYSTEM, agent, alert=alert), says, now)


# -- the end, and on again ---------------------------------------------------------------------------------------------


def hand_back(
    standing: Standing, agent: Agent, note: str, agreed: str, now: datetime, says: Sequence[Reply] = ()
) -> Change:
    """To the bot, with a note. Raises NotOpen, NotYours."""
    handoff = _held_or_led(standing, Act.RETURNED, agent)
    return Change(_over(handoff, State.RETURNED, note, agreed, now), Act.RETURNED, agent.id, None, _with(note), says)


def close(
    standing: Standing,
    agent: Agent,
    note: str,
    agreed: str,
    settle: CaseState | None,
    now: datetime,
    says: Sequence[Reply] = (),
) -> Change:
    """The matter is settled. `settle`: the cases that people have end in this state (resolved or closed), and the promise
    that a person decides them is kept. A lead may close what waits. Raises NotOpen, NotYours."""
    handoff = _held_or_led(standing, Act.CLOSED, agent)
    effects: list[Effect] = []
    if settle is not None:
        for case in standing.cases:
            effects += settled_by_person(case, settle, note, now)
    kept = _with(note) if settle is None else {**_with(note), "cases": list(standing.cases), "settled": settle.value}
    closed = _over(handoff, State.CLOSED, note, agreed, now)
    if handoff.agent is None:
        closed = replace(closed, agent=agent.id, agent_name=agent.name)
    return Change(closed, Act.CLOSED, agent.id, None, kept, says, effects)


def _over(handoff: Handoff, state: State, note: str, agreed: str, now: datetime) -> Handoff:
    return replace(
        handoff,
        state=state,
        note=note,
        agreed=agreed,
        ended_at=now,
        offered_to=None,
        offer_until=None,
        snoozed_until=None,
        waits_since=None,
    )


def reopen(standing: Standing, agent: Agent, now: datetime) -> Change | None:
    """Go on with what is over, within 72 hours; it is taken by who reopens it. Raises NotOpen, AlreadyTaken."""
    if standing.handoff is not None:
        return take(standing, agent, now)
    last = standing.last
    if last is None or not reopenable(last, now):
        raise NotOpen(last.state.value if last else None)
    again = replace(_new(standing, Reason.REOPENED, now), reopens=last.id, team=last.team, contact=last.contact)
    return Change(_in_hands(again, agent, now), Act.REOPENED, agent.id, note={"handoff": last.id})


def reopenable(last: Handoff, now: datetime) -> bool:
    """Whether asking again is going on with that one, and goes to the same agent first."""
    return (
        last.state in (State.CLOSED, State.RETURNED)
        and last.ended_at is not None
        and now - last.ended_at <= REOPEN_WITHIN
    )


# -- while an agent has it ---------------------------------------------------------------------------------------------


def say(standing: Standing, agent: Agent, now: datetime) -> Change:
    """The agent answers: the customer does not wait any more, and the first reply counts. Raises NotOpen, NotYours."""
    handoff = standing.handoff
    if handoff is None or handoff.state is not State.TAKEN:
        raise NotOpen(handoff.state.value if handoff else None)
    if handoff.agent != agent.id:
        raise NotYours(handoff.agent, handoff.agent_name)
    first = handoff.first_reply_at or now
    answered = replace(handoff, waits_since=None, snoozed_until=None, first_reply_at=first)
    return Change(with_reply_kept(answered), Act.TAKEN, agent.id, silent=True)


def with_reply_kept(handoff: Handoff) -> Handoff:
    """The record of whether the first reply came in time, once it came and the time is known."""
    if handoff.sla is not None or handoff.first_reply_at is None or handoff.reply_due_at is None:
        return handoff
    return replace(handoff, sla="met" if handoff.first_reply_at <= handoff.reply_due_at else "broken")


def snooze(standing: Standing, agent: Agent, until: datetime, now: datetime) -> Change:
    """Out of sight until then, or until the customer writes. Raises NotOpen, NotYours; ValueError for a time past."""
    if until <= now:
        raise ValueError("a conversation is snoozed until a time that lies ahead")
    handoff = _held(standing, Act.SNOOZED, agent)
    return Change(replace(handoff, snoozed_until=until), Act.SNOOZED, agent.id, None, {"until": until.isoformat()})


def notice(standing: Standing, now: datetime) -> Change | None:
    """Somebody was told of who waits."""
    handoff = standing.handoff
    if handoff is None or handoff.state not in WAITING or handoff.noticed_at is not None:
        return None
    return Change(replace(handoff, noticed_at=now), Act.ASKED, SYSTEM, silent=True)


def wake(standing: Standing, by: str, now: datetime) -> Change | None:
    """In sight again."""
    handoff = standing.handoff
    if handoff is None or handoff.snoozed_until is None:
        return None
    return Change(replace(handoff, snoozed_until=None), Act.WOKEN, by, handoff.agent)


def telling(change: Change, says: Sequence[Reply], now: datetime) -> Change:
    """The change, with what the customer is told of it. It counts as news of the wait: more comes later, if at all."""
    before = change.handoff.told or {}
    told = {"kind": before.get("kind", "open"), "high": None, "times": int(before.get("times") or 0) + 1}
    return replace(change, says=says, handoff=replace(change.handoff, told=told, told_at=now))


def _with(note: str) -> Mapping[str, Any]:
    return {"note": note} if note else {}
