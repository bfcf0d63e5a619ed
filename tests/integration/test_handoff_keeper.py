"""The keeper: offers pass on, the gone are relieved, late replies are warned of, and nobody waits in the dark."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.conversations.model import Owner, Turn
from bot.handoff.expectation import BETWEEN, MOST_TOLD
from bot.handoff.keeper import ASK_AGAIN, FIRST_REPLY, HandoffKeeper
from bot.handoff.model import Act, AgentId, Handoff, Presence, Reason, State, TeamId
from bot.handoff.policy import OFFER_LASTS, TRANSFER_LASTS
from bot.handoff.routing import GONE_AFTER
from bot.handoff.service import HandoffService
from bot.orders.model import Policies, Store
from bot.storage import tables as t
from bot.storage.database import Database
from tests.integration.conversations import ALERTS, START
from tests.integration.test_handoff import MINUTE, OMAR, SALMA, Desk
from tests.unit.orders import POLICIES, STORE

SECOND = timedelta(seconds=1)


class OpenShop:
    """A shop that tells its hours and policies."""

    def __init__(self) -> None:
        self.now: Store = STORE

    def store(self) -> Store:
        return self.now

    def policies(self) -> Policies:
        return POLICIES

    def customer(self, customer: str) -> Any:
        return None


class Kept(Desk):
    """A desk with its keeper. Nobody is there until a test says so."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        for agent in list(self.team.known):
            self.team.put(agent, presence=Presence.OFFLINE, seen_at=START)
        self.shop: Any = OpenShop()
        self.desk = HandoffService(self.records, self.shop, self.wording, ALERTS, self.team)
        self.runner = self.make_runner("kept")
        self.unnoticed = 0
        self.keeper = HandoffKeeper(
            self.records,
            self.people,
            self.desk,
            self.team,
            self.shop,
            self.wording,
            self.clock,
            self.live,
            ALERTS,
            unnoticed=self.count,
        )

    def count(self, number: int) -> None:
        self.unnoticed = number

    def there(self, *agents: AgentId) -> None:
        for agent in agents:
            self.team.put(agent, presence=Presence.ONLINE, seen_at=self.clock())

    def round(self, later: timedelta = timedelta()) -> None:
        self.clock.move(later)
        self.keeper.run_once()

    def handoff(self, conversation: Any) -> Handoff:
        found = self.people.standing(conversation).handoff
        assert found
        return found

    def alerts(self) -> list[str]:
        return [row.body["event"] for row in self.outbox_rows() if row.channel in ALERTS]


@pytest.fixture
def core(database: Database) -> Kept:
    return Kept(database)


# -- offers ------------------------------------------------------------------------------------------------------------


def test_an_offer_that_is_not_taken_in_time_passes_on_and_comes_back_after_a_rest(core: Kept) -> None:
    core.there(SALMA, OMAR)
    here = core.ask().conversation
    core.round()
    first = core.handoff(here)
    assert first.state is State.OFFERED and first.offer_until == core.clock() + OFFER_LASTS
    core.round(OFFER_LASTS - SECOND)
    assert core.handoff(here).offered_to == first.offered_to
    core.round(SECOND)
    second = core.handoff(here)
    assert second.state is State.OFFERED and {first.offered_to, second.offered_to} == {SALMA, OMAR}
    core.round(OFFER_LASTS)
    assert core.handoff(here).state is State.QUEUED, "both let it pass: it is there for whoever looks"
    core.round(ASK_AGAIN)
    assert core.handoff(here).offered_to == first.offered_to
    assert core.owner(here) is Owner.QUEUE


def test_offers_go_round_and_nobody_gets_more_than_they_can_hold(core: Kept) -> None:
    core.there(SALMA, OMAR)
    for agent in (SALMA, OMAR):
        core.team.put(agent, cap=2)
    asked = [core.ask(f"c{number}").conversation for number in range(5)]
    core.round()
    offered = [core.handoff(here).offered_to for here in asked]
    assert offered.count(SALMA) == offered.count(OMAR) == 2 and offered[4] is None
    assert offered[0] != offered[1], "in turn"


def test_who_does_not_speak_the_language_or_is_of_another_team_is_not_asked(core: Kept) -> None:
    core.there(SALMA, OMAR)
    core.team.put(SALMA, languages=frozenset({"en"}))
    here = core.ask().conversation
    core.round()
    assert core.handoff(here).offered_to == OMAR
    core.people.accept(here, OMAR)
    core.people.transfer(here, OMAR, team=TeamId("billing"))
    core.round()
    assert core.handoff(here).state is State.QUEUED
    core.team.put(OMAR, teams=frozenset({TeamId("billing")}))
    core.round()
    assert core.handoff(here).offered_to == OMAR


def test_a_colleague_who_does_not_answer_a_transfer_loses_it_to_the_queue(core: Kept) -> None:
    core.there(SALMA, OMAR)
    received = core.ask()
    here = received.conversation
    core.people.take(here, SALMA)
    core.people.transfer(here, SALMA, to=OMAR, note="knows refunds")
    assert core.handoff(here).offered_to == OMAR and core.owner(here) is Owner.QUEUE
    assert core.said(received)[-1] == "utter_handoff_transferred.ar"
    core.round(TRANSFER_LASTS)
    assert core.handoff(here).offered_to == SALMA


def test_whoever_comes_back_within_72_hours_is_offered_to_who_knows_them(core: Kept) -> None:
    core.there(SALMA, OMAR)
    here = core.ask().conversation
    core.people.take(here, OMAR)
    core.people.close(here, OMAR)
    core.clock.move(timedelta(hours=71))
    core.there(SALMA, OMAR)
    core.team.put(OMAR, cap=1)
    core.ask(text="it broke again")
    core.round()
    again = core.handoff(here)
    assert (again.offered_to, again.preferred) == (OMAR, OMAR) and again.reopens is not None
    core.people.decline(here, OMAR)
    core.round()
    assert core.handoff(here).offered_to == SALMA


# -- agents who are gone -----------------------------------------------------------------------------------------------


def test_the_customer_of_an_agent_who_is_gone_comes_to_another_and_is_told(core: Kept) -> None:
    core.there(SALMA)
    received = core.ask()
    here = received.conversation
    core.people.take(here, SALMA)
    core.people.say(here, SALMA, "one moment", "k")
    core.team.put(SALMA, presence=Presence.OFFLINE)
    core.round(GONE_AFTER + MINUTE)
    assert core.owner(here) is Owner.AGENT, "nobody waits for an answer"
    core.write("hello?")
    core.there(OMAR)
    core.round()
    gone = core.handoff(here)
    assert (gone.state, gone.offered_to) == (State.OFFERED, OMAR)
    assert core.said(received)[-1] == "utter_handoff_agent_gone.ar"
    assert (Act.LEFT, "system", SALMA) in core.acts(here) and "handoff.agent_gone" in core.alerts()
    core.round()
    assert core.said(received).count("utter_handoff_agent_gone.ar") == 1


def test_an_agent_who_is_away_for_a_moment_keeps_the_conversation(core: Kept) -> None:
    core.there(SALMA)
    here = core.ask().conversation
    core.people.take(here, SALMA)
    core.write("hello?")
    core.team.put(SALMA, presence=Presence.OFFLINE, seen_at=core.clock())
    core.round(GONE_AFTER - SECOND)
    assert core.owner(here) is Owner.AGENT
    core.team.put(SALMA, presence=Presence.AWAY)
    core.round(GONE_AFTER)
    assert core.owner(here) is Owner.AGENT


def test_a_snoozed_conversation_wakes_by_the_clock_or_by_the_customer(core: Kept) -> None:
    core.there(SALMA)
    here = core.ask().conversation
    core.people.take(here, SALMA)
    core.people.snooze(here, SALMA, core.clock() + MINUTE)
    assert core.records.load().get(SALMA, 0) == 0, "it is no load"
    core.round()
    assert core.handoff(here).snoozed_until
    core.round(MINUTE)
    assert core.handoff(here).snoozed_until is None
    core.people.snooze(here, SALMA, core.clock() + MINUTE)
    core.write("I am back")
    assert core.handoff(here).snoozed_until is None


# -- the first reply ---------------------------------------------------------------------------------------------------


def test_people_are_warned_before_a_first_reply_is_late_and_lateness_is_on_record(core: Kept) -> None:
    here, other = core.ask("a").conversation, core.ask("b").conversation
    core.round()
    assert core.handoff(here).reply_due_at == START + FIRST_REPLY
    core.round(timedelta(minutes=9))
    assert "handoff.reply_due" not in core.alerts()
    core.round(MINUTE)
    core.round()
    assert core.alerts().count("handoff.reply_due") == 2
    core.people.take(other, SALMA)
    core.people.say(other, SALMA, "hello", "k")
    assert core.handoff(other).sla == "met"
    core.round(timedelta(minutes=6))
    assert core.handoff(here).sla == "broken" and core.alerts().count("handoff.reply_late") == 1
    core.people.take(here, SALMA)
    core.people.say(here, SALMA, "sorry", "k")
    assert core.handoff(here).sla == "broken"


def test_time_outside_support_hours_does_not_count_for_the_first_reply(core: Kept) -> None:
    core.clock.at = START.replace(hour=13, minute=50)  # Friday, ten minutes before the shop closes for two days
    here = core.ask().conversation
    core.round()
    assert core.handoff(here).reply_due_at == START.replace(day=23, hour=6, minute=5)
    core.round(timedelta(hours=40))
    assert "handoff.reply_due" not in core.alerts()


# -- the queue's order -------------------------------------------------------------------------------------------------


def test_who_is_angry_comes_before_who_has_waited_a_little_longer_and_the_queue_says_why(core: Kept) -> None:
    calm = core.ask("calm").conversation
    core.clock.move(5 * MINUTE)

    def angry(turn: Turn) -> None:
        turn.trace["tension"] = 0.9
        core.desk.ask(turn, Reason.ASKED)

    core.assistant.before = angry
    furious = core.receive("a person!", "furious").conversation
    core.run_all()
    core.round()
    page = core.people.queue()
    assert [entry.handoff.conversation for entry in page.entries] == [furious, calm]
    assert page.entries[0].handoff.why == [{"what": "tension", "minutes": 15}]


# -- honest waiting ----------------------------------------------------------------------------------------------------


def test_who_was_told_nothing_is_told_the_real_state_at_once(core: Kept) -> None:
    received = core.ask()
    core.round()
    assert core.said(received) == ["re: a person please", "utter_handoff_nobody.ar"]
    core.round()
    assert len(core.said(received)) == 2


def test_a_change_is_told_once_and_never_nags(core: Kept) -> None:
    received = core.ask()
    core.round()
    core.there(SALMA)
    core.team.put(SALMA, cap=0)
    core.round(BETWEEN - SECOND)
    assert core.said(received)[1:] == ["utter_handoff_nobody.ar"]
    core.round(SECOND)
    core.round(BETWEEN)
    assert core.said(received)[1:] == ["utter_handoff_nobody.ar", "utter_handoff_team_back.ar"]
    for _ in range(10):
        core.team.put(SALMA, presence=Presence.OFFLINE)
        core.round(BETWEEN)
        core.team.put(SALMA, presence=Presence.ONLINE)
        core.round(BETWEEN)
    assert len(core.said(received)) == 1 + MOST_TOLD


def test_closing_time_is_told_to_who_still_waits(core: Kept) -> None:
    core.there(SALMA)
    core.team.put(SALMA, cap=0)
    core.clock.at = START.replace(hour=13, minute=45)
    received = core.ask()
    core.round()
    core.round(20 * MINUTE)
    assert core.said(received)[1:] == ["utter_handoff_open_first.ar", "utter_handoff_closed_meanwhile.ar"]


def test_the_usual_wait_is_told_where_enough_is_known_of_it(core: Kept) -> None:
    core.there(SALMA)
    for number in range(5):
        here = core.ask(f"c{number}").conversation
        core.clock.move((number + 1) * MINUTE)
        core.people.take(here, SALMA)
    announced = core.desk.announcement(core.clock(), "en")
    assert (announced.response, announced.values["wait"]) == ("utter_handoff_wait", "3 to 5 minutes")


# -- nobody forgotten --------------------------------------------------------------------------------------------------


def test_who_waits_a_minute_with_nobody_told_raises_an_alert_once(core: Kept) -> None:
    received = core.ask()
    core.round(MINUTE + SECOND)
    core.round(MINUTE)
    assert core.alerts().count("handoff.unnoticed") == 1 and core.unnoticed == 1
    core.people.take(received.conversation, SALMA)
    core.round()
    assert core.unnoticed == 0


@pytest.mark.parametrize("how", ["delivered", "offered", "group"])
def test_whose_alert_arrived_or_who_was_offered_to_an_agent_is_not_forgotten(core: Kept, how: str) -> None:
    here = core.ask().conversation
    if how == "delivered":
        with core.database.write() as c:
            c.execute(t.outbox.update().where(t.outbox.c.channel == ALERTS[0]).values(sent_at=START))
    elif how == "offered":
        core.there(SALMA)
        core.round()
    else:
        core.people.noticed(here)
    core.round(2 * MINUTE)
    assert "handoff.unnoticed" not in core.alerts() and core.unnoticed == 0


# -- promises ----------------------------------------------------------------------------------------------------------


def test_a_promise_of_people_that_falls_due_brings_its_conversation_before_them_once(core: Kept) -> None:
    received = core.receive("hello")
    core.run_all()
    here = received.conversation
    with core.database.write() as c:
        c.execute(
            t.promises.insert().values(
                id="p",
                key="p",
                conversation_id=here,
                kind="person_decides",
                what={},
                owner="agent",
                state="open",
                made_at=START,
                due_at=START + timedelta(minutes=40),
            )
        )
    core.round()
    assert core.owner(here) is Owner.BOT
    core.round(11 * MINUTE)
    assert core.handoff(here).reason is Reason.PROMISE
    core.round(BETWEEN)
    assert core.said(received) == ["re: hello"], "who does not wait is told nothing of a wait"
    core.write("hello?")
    [acknowledged] = [m for m in core.log(received) if m.buttons]
    core.receive(acknowledged.buttons[0].id)
    core.run_all()
    core.round(MINUTE)
    assert core.owner(here) is Owner.BOT, "no loop between bot and queue"


# -- size --------------------------------------------------------------------------------------------------------------


def test_five_thousand_who_wait_are_listed_in_pages_and_kept_in_bounded_rounds(core: Kept) -> None:
    core.there(SALMA)
    with core.database.write() as c:
        rows = range(5000)
        made = {"channel": "rest", "language": "ar", "last_number": 0, "opted_out": False, "created_at": START}
        c.execute(
            t.conversations.insert(),
            [{"id": f"c{n}", "address": f"a{n}", "owner": "queue", "active_at": START, **made} for n in rows],
        )
        asked = {"reason": "asked", "state": "queued", "asked_at": START}
        c.execute(
            t.handoffs.insert(),
            [{"conversation_id": f"c{n}", **asked, "rank_at": START + n * SECOND} for n in rows],
        )
    statements: list[str] = []
    sa.event.listen(core.database.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    seen, after = [], None
    for _ in range(3):
        page = core.people.queue(after, 50)
        seen += [entry.handoff.conversation for entry in page.entries]
        after = page.after
    assert seen == [f"c{n}" for n in range(150)] and after
    assert len(statements) < 3 * 60, "a constant number a line"
    statements.clear()
    core.round()
    assert len(statements) < 5000
    assert core.people.queue(limit=10_000).after, "a page has an end"
