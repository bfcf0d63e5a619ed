"""Of two at the same instant one wins, and the other is told by whom; threads on both databases, processes on
PostgreSQL."""

from __future__ import annotations

import multiprocessing
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.conversations.model import Author, ConversationId, Owner
from bot.errors import AlreadyTaken, HandoffRefused, NotOpen, NotYours, OfferPassed
from bot.handoff.model import Act, AgentId, State
from bot.handoff.policy import OFFER_LASTS
from bot.storage.database import Database
from tests.databases import migrated
from tests.integration.test_handoff import OMAR, SALMA, Desk

ROUNDS = 12


@pytest.fixture
def core(database: Database) -> Desk:
    return Desk(database)


def together(*acts: Callable[[], object]) -> list[object]:
    """Run all at the same instant; what each returned or raised."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        barrier.wait(10)
        try:
            return act()
        except HandoffRefused as refused:
            return refused

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def refused(results: Sequence[object]) -> list[HandoffRefused]:
    return [result for result in results if isinstance(result, HandoffRefused)]


def test_of_two_who_take_at_the_same_instant_one_wins_and_the_other_is_told_by_whom(core: Desk) -> None:
    for number in range(ROUNDS):
        here = core.ask(f"c{number}").conversation
        results = together(lambda: core.people.take(here, SALMA), lambda: core.people.take(here, OMAR))  # noqa: B023
        [loser] = refused(results)
        holder = core.people.standing(here).handoff
        assert isinstance(loser, AlreadyTaken) and holder and loser.by == holder.agent
        assert [act for act, _, _ in core.acts(here)].count(Act.TAKEN) == 1


def test_a_takeover_and_the_bots_answer_at_the_same_instant_leave_one_owner(core: Desk) -> None:
    for number in range(ROUNDS):
        received = core.receive("hello", f"c{number}")
        here = received.conversation
        together(core.runner.run_once, lambda: core.people.take(here, SALMA))  # noqa: B023
        said = core.said(received)
        core.run_all()
        assert core.owner(here) is Owner.AGENT
        assert core.said(received) == said, "nothing is said by the bot after the takeover"
        assert core.inbox.replies(received.message) is not None, "the message is answered, or the agent's"


def test_back_to_the_bot_and_a_take_at_the_same_instant_leave_one_owner(core: Desk) -> None:
    for number in range(ROUNDS):
        address = f"c{number}"
        received = core.ask(address)
        core.write("hello?", address)
        [way_back] = [m for m in core.log(received) if m.buttons]
        core.receive(way_back.buttons[0].id, address)
        here = received.conversation
        together(core.runner.run_once, lambda: core.people.take(here, SALMA))  # noqa: B023
        core.run_all()
        standing = core.people.standing(here)
        assert (standing.handoff is None) == (standing.conversation.owner is Owner.BOT)
        said = core.said(received)
        assert said[-1] in ("utter_back_to_bot.ar", "utter_already_with_agent.ar", "utter_waiting_acknowledged.ar")
        if standing.conversation.owner is Owner.AGENT and standing.handoff and standing.handoff.reason.value == "asked":
            assert "utter_back_to_bot.ar" not in said


def test_an_offer_that_is_accepted_as_it_passes_on_is_one_of_the_two(core: Desk) -> None:
    for number in range(ROUNDS):
        here = core.ask(f"c{number}").conversation
        core.people.offer(here, SALMA)
        until = core.people.standing(here).handoff
        assert until and until.offer_until
        before, core.clock.at = core.clock.at, until.offer_until

        def expire(conversation: ConversationId = here) -> object:
            core.people.expire_offer(conversation)
            return core.people.offer(conversation, OMAR)

        results = together(expire, lambda: core.people.take(here, SALMA))  # noqa: B023
        handoff = core.people.standing(here).handoff
        assert handoff is not None and handoff.state is State.TAKEN and handoff.agent == SALMA
        assert all(isinstance(each, NotOpen) for each in refused(results))
        core.clock.at = before


def test_a_late_acceptance_is_told_to_whom_the_offer_passed(core: Desk) -> None:
    here = core.ask().conversation
    core.people.offer(here, SALMA)
    core.clock.move(OFFER_LASTS)
    with pytest.raises(OfferPassed) as late:
        core.people.accept(here, SALMA)
    assert late.value.to is None, "its time is over, and it has not passed on yet"
    core.people.expire_offer(here)
    core.people.offer(here, OMAR)
    for _ in range(2):
        with pytest.raises(OfferPassed) as late:
            core.people.accept(here, SALMA)
        assert late.value.to == OMAR
        with pytest.raises(OfferPassed):
            core.people.decline(here, SALMA)
    core.people.accept(here, OMAR)
    assert core.people.accept(here, OMAR).agent == OMAR, "a double click changes nothing"


def test_a_close_and_a_transfer_at_the_same_instant_are_one_of_the_two(core: Desk) -> None:
    for number in range(ROUNDS):
        here = core.ask(f"c{number}").conversation
        core.people.take(here, SALMA)
        results = together(
            lambda: core.people.close(here, SALMA),  # noqa: B023
            lambda: core.people.transfer(here, SALMA, to=OMAR),  # noqa: B023
        )
        [loser] = refused(results)
        assert isinstance(loser, NotOpen | NotYours)
        standing = core.people.standing(here)
        assert (standing.conversation.owner, standing.handoff is None) in [(Owner.BOT, True), (Owner.QUEUE, False)]


def test_an_agents_words_and_the_customers_at_the_same_instant_are_both_in_the_log_in_one_order(core: Desk) -> None:
    received = core.ask()
    here = received.conversation
    core.people.take(here, SALMA)
    acts: list[Callable[[], object]] = []
    for number in range(5):
        acts.append(lambda n=number: core.people.say(here, SALMA, f"a{n}", f"k{n}"))
        acts.append(lambda n=number: core.receive(f"c{n}"))
    together(*acts)
    core.run_all()
    log = core.log(received)
    assert [m.number for m in log] == list(range(1, 13))
    said = [row.body["text"] for row in core.outbox_rows() if row.body.get("author") == "agent"]
    assert said == [m.text for m in log if m.author is Author.AGENT], "they leave in the order of the log"


# -- processes ---------------------------------------------------------------------------------------------------------


def _take_all(url: str, agent: str, conversations: Sequence[str], start: object, ends: object) -> None:
    database = Database(url)
    desk = Desk(database)
    start.wait(30)  # type: ignore[attr-defined]
    results = []
    for conversation in conversations:
        try:
            desk.people.take(ConversationId(conversation), AgentId(agent))
            desk.people.say(ConversationId(conversation), AgentId(agent), f"by {agent}", "k")
            results.append(agent)
        except AlreadyTaken as taken:
            results.append(taken.by)
    ends.put(results)  # type: ignore[attr-defined]
    database.close()


def _answer_all(url: str, start: object, ends: object) -> None:
    database = Database(url)
    runner = Desk(database).make_runner("another process")
    start.wait(30)  # type: ignore[attr-defined]
    for _ in range(200):
        runner.run_once()
    ends.put([])  # type: ignore[attr-defined]
    database.close()


def test_two_processes_of_agents_and_one_of_the_bot_never_answer_one_customer_twice(tmp_path: Path) -> None:
    with migrated("postgresql", tmp_path) as database:
        desk = Desk(database)
        received = [desk.receive("hello", f"c{number}") for number in range(30)]
        conversations = [each.conversation for each in received]
        database.close()
        fork = multiprocessing.get_context("fork")
        start, ends = fork.Event(), fork.Queue()
        processes = [
            fork.Process(target=_take_all, args=(database.url, SALMA, conversations, start, ends)),
            fork.Process(target=_take_all, args=(database.url, OMAR, conversations[::-1], start, ends)),
            fork.Process(target=_answer_all, args=(database.url, start, ends)),
        ]
        for process in processes:
            process.start()
        start.set()
        for _ in processes:
            ends.get(timeout=120)
        for process in processes:
            process.join(30)
        again = Desk(Database(database.url))
        again.run_all()
        for each in received:
            standing = again.people.standing(each.conversation)
            assert standing.handoff and standing.conversation.owner is Owner.AGENT
            authors = Counter(author for author, _ in again.talk(each))
            assert authors["agent"] == 1 and authors["bot"] <= 1
            assert again.talk(each)[-1] == ("agent", f"by {standing.handoff.agent}"), "and the bot is silent after it"
            assert [act for act, _, _ in again.acts(each.conversation)] == [Act.TAKEN]
        again.database.close()
