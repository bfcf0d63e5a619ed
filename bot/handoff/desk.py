"""What agents do with conversations: take, say, pass on, hand back, close.

Each is one transaction under the conversation's lock; of two at the same instant one wins, and the other is told why
not. A bot's turn under way when an agent takes over is void: its commit checks the owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from bot.complaints.model import CaseState
from bot.conversations.intake import clean
from bot.conversations.live import HandedOver, LiveEvents, Logged
from bot.conversations.model import Button, ConversationId, FileId, Reply
from bot.conversations.ports import Clock, Wording
from bot.errors import AgentAway, ConversationUnknown, MessageRefused
from bot.handoff import policy
from bot.handoff.model import (
    WAITING,
    Agent,
    AgentId,
    Event,
    Handoff,
    HandoffId,
    Note,
    Page,
    Presence,
    Reason,
    Said,
    TeamId,
)
from bot.handoff.ports import Agents, Change, Changed, Decide, HandoffStore, Standing, Words

log = structlog.get_logger()

LONGEST_TEXT = 4000
LONGEST_NOTE = 4000
LONGEST_KEY = 64
MOST_FILES = 10
LARGEST_PAGE = 200


class HandoffDesk:
    """Every method raises StorageUnavailable when the database fails; then nothing has happened. `alerts`: the channels
    over which people hear (see delivery.alerts). An agent who does not exist any more is refused with AgentAway."""

    def __init__(
        self,
        store: HandoffStore,
        agents: Agents,
        wording: Wording,
        clock: Clock,
        live: LiveEvents,
        alerts: Sequence[str] = (),
    ) -> None:
        self._store, self._agents, self._wording = store, agents, wording
        self._clock, self._live, self._alerts = clock, live, tuple(alerts)

    # -- into people's hands -------------------------------------------------------------------------------------------

    def take(self, conversation: ConversationId, agent: AgentId) -> Handoff:
        """Take a conversation from the queue, or step in for the bot; taking what one holds changes nothing.

        Raises AlreadyTaken (by whom), ConversationUnknown.
        """
        who, now = self._agent(agent), self._clock()
        return self._change(conversation, lambda standing: policy.take(standing, who, now), now)

    def accept(self, conversation: ConversationId, agent: AgentId) -> Handoff:
        """Take what was offered. Raises OfferPassed (to whom), ConversationUnknown."""
        who, now = self._agent(agent), self._clock()
        return self._change(conversation, lambda standing: policy.accept(standing, who, now), now)

    def decline(self, conversation: ConversationId, agent: AgentId) -> Handoff:
        """Let an offer pass to the next. Raises OfferPassed, ConversationUnknown."""
        who, now = self._agent(agent), self._clock()
        return self._change(conversation, lambda standing: policy.decline(standing, who, now), now)

    def offer(self, conversation: ConversationId, agent: AgentId, lasts: timedelta = policy.OFFER_LASTS) -> Handoff:
        """Offer who waits to an agent. Raises NotOpen, ConversationUnknown."""
        who, now = self._agent(agent), self._clock()
        return self._change(conversation, lambda standing: policy.offer(standing, who, now, lasts), now)

    def expire_offer(self, conversation: ConversationId) -> Handoff | None:
        """An offer whose time is over passes on; nothing where it was answered."""
        now = self._clock()
        return self._changed(conversation, lambda standing: policy.expire(standing, now), now).handoff

    def assign(self, conversation: ConversationId, agent: AgentId, by: AgentId | None = None) -> Handoff:
        """Into an agent's hands without their asking: by the system, or by a lead. Raises NotYours, ConversationUnknown."""
        who, now = self._agent(agent), self._clock()
        lead = self._agent(by) if by is not None else None
        return self._change(conversation, lambda standing: policy.assign(standing, who, lead, now), now)

    def enqueue(self, conversation: ConversationId, reason: Reason, say: str | None = None) -> Handoff:
        """Into the queue without the customer's asking; `say`: the response that tells them. Where they wait or are
        answered already, nothing changes. Raises ConversationUnknown."""
        now = self._clock()

        def decide(standing: Standing) -> Change | None:
            says = [self._with_way_back(say, standing)] if say else []
            return policy.enqueue(standing, reason, now, bool(self._alerts), says)

        return self._change(conversation, decide, now)

    # -- between agents ------------------------------------------------------------------------------------------------

    def transfer(
        self,
        conversation: ConversationId,
        agent: AgentId,
        to: AgentId | None = None,
        team: TeamId | None = None,
        note: str = "",
    ) -> Handoff:
        """Pass on to a colleague who is there (offered to them for two minutes, then to everyone) or to a team's queue;
        exactly one of `to` and `team`. Whoever holds it may, and leads. Raises NotOpen, NotYours, AgentAway,
        ConversationUnknown; ValueError for both or neither."""
        if (to is None) == (team is None):
            raise ValueError("a conversation is passed on to an agent or to a team")
        who, now, note = self._agent(agent), self._clock(), _note(note)
        colleague = self._agent(to) if to is not None else None

        def decide(standing: Standing) -> Change | None:
            if colleague is not None:
                change = policy.transfer_to_agent(standing, who, colleague, note, now)
            else:
                assert team is not None
                change = policy.transfer_to_team(standing, who, team, note, now)
            taken = standing.handoff is not None and standing.handoff.taken_at is not None
            if change is None or not taken or change.handoff.state not in WAITING:
                return change  # who was with nobody yet is not told that somebody else comes
            return policy.telling(change, [self._say("utter_handoff_transferred", standing)], now)

        return self._change(conversation, decide, now)

    def release(self, conversation: ConversationId, agent: AgentId) -> Handoff | None:
        """Back into the queue, because this agent is gone while the customer waits, and the customer is told; nothing
        where that is not so any more."""
        now = self._clock()

        def decide(standing: Standing) -> Change | None:
            return policy.release(standing, agent, now, [self._with_way_back("utter_handoff_agent_gone", standing)])

        return self._changed(conversation, decide, now).handoff

    # -- the end, and on again -----------------------------------------------------------------------------------------

    def hand_back(self, conversation: ConversationId, agent: AgentId, note: str = "", agreed: str = "") -> Handoff:
        """Back to the bot. `note` is for colleagues; `agreed` is what was agreed with the customer, in their language:
        they are told it, and the bot goes on knowing it. Raises NotOpen, NotYours, ConversationUnknown."""
        who, now, note, agreed = self._agent(agent), self._clock(), _note(note), _note(agreed)

        def decide(standing: Standing) -> Change:
            says = [self._say("utter_handed_back", standing)]
            if agreed:
                says = [self._say("utter_handed_back_agreed", standing, agreed=agreed)]
            return policy.hand_back(standing, who, note, agreed, now, says)

        return self._change(conversation, decide, now)

    def close(
        self,
        conversation: ConversationId,
        agent: AgentId,
        note: str = "",
        agreed: str = "",
        settle: CaseState | None = None,
        rate: bool = True,
    ) -> Handoff:
        """The matter is settled; the conversation is the bot's again, and the customer is asked how it was (`rate`).

        `settle`: the cases that people have in this conversation end RESOLVED or CLOSED, and the promise that a person
        decides is kept. Raises NotOpen, NotYours, ConversationUnknown, CaseMoved; ValueError for another state.
        """
        who, now, note, agreed = self._agent(agent), self._clock(), _note(note), _note(agreed)

        def decide(standing: Standing) -> Change:
            handoff = standing.handoff
            says = [self._say("utter_handed_back_agreed", standing, agreed=agreed)] if agreed else []
            if rate and handoff is not None and handoff.first_reply_at is not None:
                says.append(self._asking_for_rating(standing, handoff.id))
            return policy.close(standing, who, note, agreed, settle, now, says)

        return self._change(conversation, decide, now)

    def reopen(self, conversation: ConversationId, agent: AgentId) -> Handoff:
        """Go on with what ended within 72 hours; who reopens it holds it. Raises NotOpen, AlreadyTaken,
        ConversationUnknown."""
        who, now = self._agent(agent), self._clock()
        return self._change(conversation, lambda standing: policy.reopen(standing, who, now), now)

    # -- while an agent has it -----------------------------------------------------------------------------------------

    def say(
        self, conversation: ConversationId, agent: AgentId, text: str, key: str, files: Sequence[FileId] = ()
    ) -> Said:
        """Tell the customer something, on whichever channel they are. The same `key` again says nothing more.

        `text` up to 4000 characters, may be empty with files; `files`: up to 10 images stored for the conversation's
        channel and address that were not sent yet. Raises NotOpen, NotYours, MessageRefused (`invalid`, `file`),
        ConversationUnknown.
        """
        who, now = self._agent(agent), self._clock()
        if len(text) > LONGEST_TEXT or len(files) > MOST_FILES or len(set(files)) != len(files):
            raise MessageRefused("invalid", "too long, too many files, or one file twice")
        text = clean(text).text
        if not text and not files:
            raise MessageRefused("invalid", "there is nothing to say")
        if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
            raise MessageRefused("invalid", "a key has 1 to 64 printable characters")
        words = Words(who.id, who.name, text, key, tuple(files))
        said, changed = self._store.say(conversation, words, lambda standing: policy.say(standing, who, now), now)
        if said.new:
            self._live.tell(Logged(changed.conversation.channel, changed.conversation.address))
            log.info("handoff.said", conversation=conversation, agent=who.id)
        return said

    def note(self, conversation: ConversationId, agent: AgentId, text: str, mentions: Sequence[AgentId] = ()) -> Note:
        """Tell colleagues something; customers never see it. Raises MessageRefused (`invalid`), ConversationUnknown."""
        who, now, text = self._agent(agent), self._clock(), _note(text)
        if not text:
            raise MessageRefused("invalid", "there is nothing in the note")
        known = [mention for mention in dict.fromkeys(mentions) if self._agents.agent(mention) is not None]
        note = self._store.add_note(conversation, who, text, known, now)
        self._tell_of(conversation)
        return note

    def snooze(self, conversation: ConversationId, agent: AgentId, until: datetime) -> Handoff:
        """Out of sight until then, or until the customer writes. Raises NotOpen, NotYours, ConversationUnknown;
        ValueError for a time past."""
        who, now = self._agent(agent), self._clock()
        return self._change(conversation, lambda standing: policy.snooze(standing, who, until, now), now)

    def wake(self, conversation: ConversationId, agent: AgentId | None = None) -> Handoff | None:
        """In sight again."""
        now = self._clock()
        by = agent if agent is not None else policy.SYSTEM
        return self._changed(conversation, lambda standing: policy.wake(standing, by, now), now).handoff

    def noticed(self, conversation: ConversationId) -> Handoff | None:
        """Somebody was told that this customer waits (a topic in the agents' group, a notification on a desk)."""
        now = self._clock()
        return self._changed(conversation, lambda standing: policy.notice(standing, now), now).handoff

    # -- reads ---------------------------------------------------------------------------------------------------------

    def standing(self, conversation: ConversationId) -> Standing:
        """Where it stands. Raises ConversationUnknown."""
        standing = self._store.standing(conversation)
        if standing is None:
            raise ConversationUnknown
        return standing

    def queue(self, after: str | None = None, limit: int = 50) -> Page:
        """Who waits, most pressing first. Raises ValueError for a cursor that is none."""
        return self._store.queue_page(after, _page_size(limit))

    def held(self, agent: AgentId | None = None, after: str | None = None, limit: int = 50) -> Page:
        """What this agent (None: anyone) holds. Raises ValueError for a cursor that is none."""
        return self._store.held_page(agent, after, _page_size(limit))

    def notes(self, conversation: ConversationId) -> Sequence[Note]:
        return self._store.notes(conversation)

    def events(self, conversation: ConversationId) -> Sequence[Event]:
        """The audit log, oldest first."""
        return self._store.events(conversation)

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _agent(self, agent: AgentId) -> Agent:
        found = self._agents.agent(agent)
        if found is None:
            raise AgentAway("the agent")
        return found

    def _change(self, conversation: ConversationId, decide: Decide, now: datetime) -> Handoff:
        handoff = self._changed(conversation, decide, now).handoff
        assert handoff is not None
        return handoff

    def _changed(self, conversation: ConversationId, decide: Decide, now: datetime) -> Changed:
        acts: list[str] = []

        def noting(standing: Standing) -> Change | None:
            change = decide(standing)
            if change is not None:
                acts.append(change.what.value)
            return change

        changed = self._store.change(conversation, noting, now, self._alerts)
        if changed.changed:
            here, handoff = changed.conversation, changed.handoff
            assert handoff is not None
            log.info("handoff.changed", conversation=here.id, act=acts[-1], state=handoff.state.value)
            self._live.tell(HandedOver(here.channel, here.address, here.id))
        return changed

    def _tell_of(self, conversation: ConversationId) -> None:
        standing = self._store.standing(conversation)
        if standing is not None:
            here = standing.conversation
            self._live.tell(HandedOver(here.channel, here.address, here.id))

    def _say(self, response: str, standing: Standing, **values: str) -> Reply:
        return self._wording.say(response, standing.conversation.language, **values)

    def _with_way_back(self, response: str, standing: Standing) -> Reply:
        said = self._say(response, standing)
        return Reply(said.text, [Button("", self._say("label_back_to_bot", standing).text, "/back_to_bot")], response)

    def _asking_for_rating(self, standing: Standing, handoff: HandoffId) -> Reply:
        buttons = [
            Button(
                "",
                self._say(f"label_rate_{score}", standing).text,
                f'/rate{{"handoff": "{handoff}", "score": "{score}"}}',
            )
            for score in range(5, 0, -1)
        ]
        return Reply(self._say("utter_handoff_rate", standing).text, buttons, "utter_handoff_rate")


def online(agents: Sequence[Agent]) -> list[Agent]:
    """Those who are there."""
    return [agent for agent in agents if agent.presence is Presence.ONLINE]


def _note(text: str) -> str:
    if len(text) > LONGEST_NOTE:
        raise MessageRefused("invalid", "a note has at most 4000 characters")
    return clean(text).text


def _page_size(limit: int) -> int:
    return max(1, min(limit, LARGEST_PAGE))
