"""Whatever customers, two agents, a lead, the bot, the keeper and kills do in whatever order: one owner at a time, one
handoff at most, and every message answered or in somebody's hands."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.conversations.model import Author, ConversationId, Owner, Turn
from bot.conversations.ports import Claimed
from bot.conversations.turns import LEASE
from bot.errors import Conflict, HandoffRefused
from bot.handoff.model import OPEN, AgentId, Presence, Reason, State, TeamId
from bot.handoff.policy import owner_of
from bot.storage import tables as t
from bot.storage.effects import count
from tests.databases import migrated
from tests.integration.test_handoff import LEAD, OMAR, SALMA
from tests.integration.test_handoff_keeper import Kept

AGENTS = st.sampled_from([SALMA, OMAR, LEAD])
CUSTOMERS = st.sampled_from(["noura", "adam"])


class Handoffs(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory())) / "here"
        folder.mkdir()
        self.core = Kept(self.stack.enter_context(migrated("sqlite", folder)))
        self.core.there(SALMA, OMAR, LEAD)
        self.core.assistant.before = self.think
        self.here: dict[str, ConversationId] = {}
        self.seen: dict[ConversationId, tuple[Owner, int]] = {}
        self.held: list[tuple[str, Claimed]] = []
        self.keys = 0
        self.interfere: Callable[[ConversationId], None] | None = None

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.finish()
            self.stack.close()

    def think(self, turn: Turn) -> None:
        if turn.message.text == "person":
            self.core.desk.ask(turn, Reason.ASKED)
        if self.interfere is not None:
            act, self.interfere = self.interfere, None
            act(turn.conversation.id)

    def refusing(self, act: Callable[[], object]) -> None:
        """What is refused changes nothing."""
        before = self.picture()
        try:
            act()
        except HandoffRefused:
            assert self.picture() == before

    def picture(self) -> object:
        with self.core.database.read() as c:
            return [c.execute(table.select()).all() for table in (t.conversations, t.handoffs, t.handoff_events)]

    # -- what may happen -----------------------------------------------------------------------------------------------

    @rule(who=CUSTOMERS, text=st.sampled_from(["hello", "person", "reem@example.com"]))
    def write(self, who: str, text: str) -> None:
        self.here[who] = self.core.receive(text, who).conversation

    @rule(who=CUSTOMERS)
    def go_back(self, who: str) -> None:
        if who in self.here:
            log = self.core.store.log(self.here[who])
            buttons = [b for m in log for b in m.buttons if b.payload == "/back_to_bot"]
            if buttons:
                self.core.receive(buttons[-1].id, who)

    @rule()
    def turn(self) -> None:
        self.core.runner.run_once()

    @rule(agent=AGENTS)
    def turn_with_a_takeover_in_it(self, agent: AgentId) -> None:
        self.interfere = lambda here: self.refusing(lambda: self.core.people.take(here, agent))
        self.core.runner.run_once()
        self.interfere = None

    @rule()
    def a_worker_takes_a_message_and_dies(self) -> None:
        name = f"killed {len(self.held)}"
        claimed = self.core.store.claim(name, self.core.clock(), self.core.clock() + LEASE)
        if claimed:
            self.held.append((name, claimed))
            self.core.clock.move(LEASE + timedelta(milliseconds=1))

    @precondition(lambda self: self.held)
    @rule()
    def and_rises_from_the_dead(self) -> None:
        name, claimed = self.held.pop()
        try:
            replies = self.core.assistant.respond(claimed.turn) if claimed.turn.conversation.owner is Owner.BOT else []
            self.core.store.commit(name, claimed, replies, self.core.clock())
        except Conflict:
            self.core.store.release(name, claimed, counted=False)

    @rule(
        agent=AGENTS,
        who=CUSTOMERS,
        act=st.sampled_from(["take", "accept", "decline", "reopen", "close", "hand_back", "offer", "say", "wake"]),
    )
    def agent_acts(self, agent: AgentId, who: str, act: str) -> None:
        if who not in self.here:
            return
        people, here = self.core.people, self.here[who]
        if act == "say":
            self.keys += 1
            self.refusing(lambda: people.say(here, agent, "from a person", f"k{self.keys}"))
        else:
            self.refusing(lambda: getattr(people, act)(here, agent))

    @rule(agent=AGENTS, to=AGENTS, who=CUSTOMERS, team=st.booleans())
    def transfer(self, agent: AgentId, to: AgentId, who: str, team: bool) -> None:
        if who in self.here:
            target = {"team": TeamId("billing")} if team else {"to": to}
            self.refusing(lambda: self.core.people.transfer(self.here[who], agent, **target))  # type: ignore[arg-type]

    @rule(agent=AGENTS, there=st.booleans())
    def come_and_go(self, agent: AgentId, there: bool) -> None:
        self.core.team.put(agent, presence=Presence.ONLINE if there else Presence.OFFLINE, seen_at=self.core.clock())

    @rule(seconds=st.sampled_from([1, 60, 400]))
    def keep(self, seconds: int) -> None:
        self.core.round(timedelta(seconds=seconds))

    # -- what always holds ---------------------------------------------------------------------------------------------

    @invariant()
    def one_owner_and_one_handoff_at_most(self) -> None:
        if not hasattr(self, "core"):
            return
        for here in self.here.values():
            standing = self.core.people.standing(here)
            assert standing.conversation.owner is owner_of(standing.handoff)
            with self.core.database.read() as c:
                mine = (t.handoffs.c.conversation_id == here, t.handoffs.c.state.in_([s.value for s in OPEN]))
                assert count(c, t.handoffs, *mine) == (1 if standing.handoff else 0)
            if standing.handoff is not None:
                assert (standing.handoff.agent is not None) == (standing.handoff.state is State.TAKEN)
                assert (standing.handoff.offered_to is not None) == (standing.handoff.state is State.OFFERED)

    @invariant()
    def the_bot_is_silent_while_people_have_it(self) -> None:
        """Of what was said in the last step: nothing by the bot to who is with an agent, no answer to who waits."""
        if not hasattr(self, "core"):
            return
        for here in self.here.values():
            owner, log = self.core.owner(here), self.core.store.log(here)
            owner_before, length = self.seen.get(here, (Owner.BOT, 0))
            said = [m.text for m in log[length:] if m.author is Author.BOT]
            if owner is Owner.AGENT:
                assert set(said) <= {"utter_already_with_agent.ar"}
            if owner_before is not Owner.BOT and owner is not Owner.BOT:
                assert not any(text.startswith("re:") for text in said)
            self.seen[here] = (owner, len(log))

    def finish(self) -> None:
        """Everything comes to rest: every message has its turn, and no words of the bot stand in an agent's time."""
        self.core.clock.move(2 * LEASE)
        self.core.run_all()
        with self.core.database.read() as c:
            assert count(c, t.inbox, t.inbox.c.done_at.is_(None)) == 0
        for here in self.here.values():
            log = self.core.store.log(here)
            assert [m.number for m in log] == list(range(1, len(log) + 1))
            replied = {m.reply_to for m in log if m.author is Author.BOT and m.text.startswith("re:")}
            assert len(replied) == sum(m.author is Author.BOT and m.text.startswith("re:") for m in log), "none twice"
            assert all(m.meta["agent"] in (SALMA, OMAR, LEAD) for m in log if m.author is Author.AGENT)


Handoffs.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestHandoffs = Handoffs.TestCase
