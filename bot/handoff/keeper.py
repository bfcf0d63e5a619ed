"""Looks after who waits: a place in the queue, an offer to the next agent, honest news, and nobody forgotten.

Any number of keepers may run, in any number of processes: each thing is judged again under the conversation's lock, so it
is done once. A round looks at a bounded number of conversations; what is left over comes in the next ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from bot.conversations.live import HandedOver, LiveEvents
from bot.conversations.model import Button, Reply
from bot.conversations.ports import Clock, Wording
from bot.errors import AgentAway, AssistantFailed, HandoffRefused, ShopError
from bot.handoff import policy, routing
from bot.handoff.desk import HandoffDesk
from bot.handoff.expectation import Expectation, worth_telling
from bot.handoff.hours import after_support_hours
from bot.handoff.model import WAITING, Act, Agent, AgentId, Handoff, Presence, Reason
from bot.handoff.ports import Agents, Change, Decide, HandoffStore, Pressing, Standing, Waiting
from bot.handoff.priority import Rank, Urgency, rank
from bot.handoff.service import BACK_TO_BOT, HandoffService
from bot.orders.model import CustomerId, Policies, Store
from bot.orders.policy import tier_share
from bot.orders.ports import OrderBackend
from bot.outreach.shop import LastKnownStore

log = structlog.get_logger()

FIRST_REPLY = timedelta(minutes=15)  # of support hours
WARN_BEFORE = timedelta(minutes=5)
NOTICED_WITHIN = timedelta(minutes=1)
ASK_AGAIN = timedelta(minutes=2)  # whoever let an offer pass is asked again, where nobody else took it
PROMISE_WITHIN = timedelta(minutes=30)
OFFERS_COUNT_FOR = timedelta(hours=12)  # for whose turn it is
_BATCH = 100
_OFFERS_LOOKED_AT = 5  # pages of the queue a round, for agents with room


class HandoffKeeper:
    """`unnoticed(n)` hears how many wait of whom nobody was told. `alerts`: the channels over which people hear."""

    def __init__(
        self,
        store: HandoffStore,
        desk: HandoffDesk,
        service: HandoffService,
        agents: Agents,
        shop: OrderBackend,
        wording: Wording,
        clock: Clock,
        live: LiveEvents,
        alerts: Sequence[str] = (),
        *,
        unnoticed: Callable[[int], None] = lambda number: None,
        first_reply: timedelta = FIRST_REPLY,
        offer_lasts: timedelta = policy.OFFER_LASTS,
        gone_after: timedelta = routing.GONE_AFTER,
    ) -> None:
        self._store, self._desk, self._service, self._agents = store, desk, service, agents
        self._shop, self._wording, self._clock, self._live = shop, wording, clock, live
        self._alerts, self._report = tuple(alerts), unnoticed
        self._first_reply, self._offer_lasts, self._gone_after = first_reply, offer_lasts, gone_after
        self._known_store = LastKnownStore(shop.store, clock)
        self._told_up_to = self._awaited_up_to = 0  # ids: where the next look goes on

    def run_once(self) -> bool:
        """One round; returns whether anything was done. Raises StorageUnavailable."""
        now = self._clock()
        store = self._known_store()
        steps = [
            self._rank(now, store),
            self._enqueue_promises(now),
            self._free_those_of_gone_agents(now),
            self._pass_offers_on(now),
            self._offer(now),
            self._warn_of_replies(now),
            self._tell(now, store),
            self._wake(now),
            self._watch(now),
        ]
        return any(steps)

    # -- a place in the queue ------------------------------------------------------------------------------------------

    def _rank(self, now: datetime, store: Store | None) -> bool:
        found = self._store.unranked(_BATCH)
        policies = self._policies() if found else None
        for waiting, pressing in found:
            handoff = waiting.handoff
            urgency = Urgency(
                handoff.asked_at,
                handoff.reason,
                pressing.severity,
                pressing.tension,
                self._tier(waiting.customer, policies),
                pressing.promise_due,
                handoff.reopens is not None,
                handoff.taken_at is not None,
            )
            due = after_support_hours(handoff.asked_at, self._first_reply, store) if store else None
            self._settle(waiting, self._ranking(rank(urgency), due, pressing, now), now)
        return bool(found)

    @staticmethod
    def _ranking(place: Rank, due: datetime | None, pressing: Pressing, now: datetime) -> Decide:
        def decide(standing: Standing) -> Change | None:
            handoff = standing.handoff
            if handoff is None or handoff.state not in WAITING:
                return None
            topic = handoff.topic or ("privacy" if handoff.reason is Reason.PRIVACY else pressing.topic)
            ranked = replace(handoff, rank_at=place.at, why=place.why, ranked_at=now, topic=topic)
            if ranked.reply_due_at is None:
                ranked = replace(ranked, reply_due_at=due)
            return Change(ranked, Act.ASKED, policy.SYSTEM, silent=True)

        return decide

    def _policies(self) -> Policies | None:
        try:
            return self._shop.policies()
        except ShopError:
            return None

    def _tier(self, customer: str | None, policies: Policies | None) -> float:
        """0 where it is not known: nobody waits longer for that."""
        if customer is None or policies is None:
            return 0.0
        try:
            person = self._shop.customer(CustomerId(customer))
        except ShopError:
            return 0.0
        return tier_share(person.points, policies) if person else 0.0

    def _enqueue_promises(self, now: datetime) -> bool:
        """People owe an answer soon, and the conversation is the bot's: it is brought before them."""
        done = False
        for conversation in self._store.promises_due(now, now + PROMISE_WITHIN, _BATCH):
            done |= self._tried(partial(self._desk.enqueue, conversation, Reason.PROMISE))
        return done

    # -- agents --------------------------------------------------------------------------------------------------------

    def _free_those_of_gone_agents(self, now: datetime) -> bool:
        found = self._store.unanswered(self._awaited_up_to, _BATCH)
        self._awaited_up_to = found[-1].handoff.id if len(found) == _BATCH else 0
        agents = {agent.id: agent for agent in self._agents.agents()} if found else {}
        done = False
        for waiting in found:
            agent = waiting.handoff.agent
            if agent is not None and routing.is_gone(agents.get(agent), now, self._gone_after):
                log.info("handoff.agent_gone", conversation=waiting.conversation.id, agent=agent)
                done |= self._tried(partial(self._desk.release, waiting.conversation.id, agent))
        return done

    def _pass_offers_on(self, now: datetime) -> bool:
        done = False
        for conversation in self._store.offers_over(now, _BATCH):
            done |= self._tried(partial(self._desk.expire_offer, conversation))
        return done

    def _offer(self, now: datetime) -> bool:
        agents = self._agents.agents()
        load = dict(self._store.load())
        room = sum(max(0, a.cap - load.get(a.id, 0)) for a in agents if a.presence is Presence.ONLINE)
        offered_at = dict(self._store.offered_lately(now - OFFERS_COUNT_FOR)) if room else {}
        after: tuple[datetime, int] | None = None
        done = False
        for _ in range(_OFFERS_LOOKED_AT):
            if not room:
                break
            page = self._store.unoffered(after, _BATCH)
            for waiting in page:
                agent = self._next(waiting, agents, load, offered_at, now)
                if agent is None or not self._offered(waiting, agent):
                    continue
                load[agent.id], offered_at[agent.id] = load.get(agent.id, 0) + 1, now
                room, done = room - 1, True
            if len(page) < _BATCH or page[-1].handoff.rank_at is None:
                break
            after = (page[-1].handoff.rank_at, page[-1].handoff.id)
        return done

    @staticmethod
    def _next(
        waiting: Waiting,
        agents: Sequence[Agent],
        load: Mapping[AgentId, int],
        offered_at: Mapping[AgentId, datetime],
        now: datetime,
    ) -> Agent | None:
        handoff, language = waiting.handoff, waiting.conversation.language
        found = routing.next_agent(handoff, language, agents, load, offered_at)
        if found is not None or not handoff.passed:
            return found
        # Everyone let it pass. Whoever was asked longest ago is asked again, after a while.
        rested = [agent for agent in handoff.passed if agent in offered_at and now - offered_at[agent] < ASK_AGAIN]
        return routing.next_agent(replace(handoff, passed=rested), language, agents, load, offered_at)

    def _offered(self, waiting: Waiting, agent: Agent) -> bool:
        return self._tried(partial(self._desk.offer, waiting.conversation.id, agent.id, self._offer_lasts))

    def _wake(self, now: datetime) -> bool:
        done = False
        for conversation in self._store.snoozed_until(now, _BATCH):
            done |= self._tried(partial(self._desk.wake, conversation))
        return done

    # -- the first reply -----------------------------------------------------------------------------------------------

    def _warn_of_replies(self, now: datetime) -> bool:
        done = False
        for waiting in self._store.replies_due(now + WARN_BEFORE, _BATCH):
            if waiting.handoff.warned_at is None or _late(waiting.handoff, now):
                done |= self._settle(waiting, lambda standing: _reply_due(standing, now), now)
        return done

    # -- honest waiting ------------------------------------------------------------------------------------------------

    def _tell(self, now: datetime, store: Store | None) -> bool:
        found = self._store.waiting_after(self._told_up_to, _BATCH)
        self._told_up_to = found[-1].handoff.id if len(found) == _BATCH else 0
        expected = self._service.expectation(now, None, store) if found else None
        done = False
        for waiting in found:
            handoff = waiting.handoff
            if expected is None or not worth_telling(handoff.told, handoff.told_at, expected, now):
                continue
            try:
                telling = self._telling(waiting, expected, now)
            except AssistantFailed as failed:  # a wording that is missing keeps nobody else waiting
                log.error("handoff.not_told", conversation=waiting.conversation.id, reason=str(failed))
                continue
            done |= self._settle(waiting, telling, now)
        return done

    def _telling(self, waiting: Waiting, expected: Expectation, now: datetime) -> Decide:
        language = waiting.conversation.language
        news = self._service.news(waiting.handoff, language, now, expected)
        said = self._wording.say(news.response, language, **news.values)
        way_back = Button("", self._wording.say("label_back_to_bot", language).text, BACK_TO_BOT)
        says = [Reply(said.text, [way_back], news.response)]

        def decide(standing: Standing) -> Change | None:
            handoff = standing.handoff
            if handoff is None or handoff.id != waiting.handoff.id or handoff.state not in WAITING:
                return None
            if not worth_telling(handoff.told, handoff.told_at, expected, now):
                return None
            told = replace(handoff, told=dict(news.told), told_at=now)
            return Change(told, Act.ASKED, policy.SYSTEM, says=says, silent=True)

        return decide

    # -- nobody forgotten ----------------------------------------------------------------------------------------------

    def _watch(self, now: datetime) -> bool:
        """Whoever waits a minute and nobody was told: an alert, and a number that stays until somebody sees to them."""
        done = False
        for waiting in self._store.unnoticed(now - NOTICED_WITHIN, self._alerts, _BATCH):
            done |= self._settle(waiting, lambda standing: _unnoticed(standing, now), now)
            log.error("handoff.unnoticed", conversation=waiting.conversation.id)
        self._report(self._store.count_unnoticed(now - NOTICED_WITHIN))
        return done

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _settle(self, waiting: Waiting, decide: Decide, now: datetime) -> bool:
        """Write what is still so under the lock."""
        here = waiting.conversation
        try:
            changed = self._store.change(here.id, decide, now, self._alerts)
        except HandoffRefused as refused:
            log.warning("handoff.not_kept", conversation=here.id, reason=type(refused).__name__)
            return False
        if changed.changed:
            self._live.tell(HandedOver(here.channel, here.address, here.id))
        return changed.changed

    @staticmethod
    def _tried(act: Callable[[], object]) -> bool:
        """Do it; what has changed in the meantime is left as it is now."""
        try:
            act()
        except (HandoffRefused, AssistantFailed) as refused:
            if not isinstance(refused, AgentAway):
                log.info("handoff.moved_on", reason=type(refused).__name__)
            return False
        return True


def _late(handoff: Handoff, now: datetime) -> bool:
    return handoff.reply_due_at is not None and handoff.reply_due_at <= now


def _reply_due(standing: Standing, now: datetime) -> Change | None:
    """The first reply is nearly due: people are warned. It is late: that is on record."""
    handoff = standing.handoff
    if handoff is None or handoff.first_reply_at is not None or handoff.sla is not None:
        return None
    if handoff.reply_due_at is None or (handoff.warned_at is not None and not _late(handoff, now)):
        return None
    late = _late(handoff, now)
    what = Act.REPLY_LATE if late else Act.REPLY_LATE_SOON
    due = handoff.reply_due_at.isoformat()
    alert = {"event": "handoff.reply_late" if late else "handoff.reply_due", "due_at": due}
    noted = replace(handoff, warned_at=handoff.warned_at or now, sla="broken" if late else None)
    return Change(noted, what, policy.SYSTEM, handoff.agent, {"due_at": due}, alert=alert)


def _unnoticed(standing: Standing, now: datetime) -> Change | None:
    handoff = standing.handoff
    if handoff is None or handoff.state not in WAITING or handoff.noticed_at or handoff.missed_at:
        return None
    alert = {"event": "handoff.unnoticed", "asked_at": handoff.asked_at.isoformat()}
    return Change(replace(handoff, missed_at=now), Act.UNNOTICED, policy.SYSTEM, alert=alert)
