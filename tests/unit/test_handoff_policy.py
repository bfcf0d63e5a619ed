"""The rules of handing over, one by one: who may do what when, who is next, when people are there, what is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.conversations.model import Conversation, ConversationId, Owner
from bot.errors import AgentAway, AlreadyTaken, HandoffRefused, NotOpen, NotYours, OfferPassed
from bot.handoff import policy
from bot.handoff.expectation import (
    BETWEEN,
    MOST_TOLD,
    Expectation,
    Kind,
    expect,
    usual,
    worth_telling,
)
from bot.handoff.hours import after_support_hours, open_at, support_time, windows
from bot.handoff.model import Agent, AgentId, Handoff, HandoffId, Presence, Reason, Role, State, TeamId
from bot.handoff.ports import Standing
from bot.handoff.priority import Urgency, rank
from bot.handoff.routing import GONE_AFTER, is_gone, next_agent
from bot.orders.model import SpecialHours, Store, SupportHours
from tests.unit.orders import STORE

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
HERE = ConversationId("c")
SALMA = Agent(AgentId("salma"), "Salma", presence=Presence.ONLINE)
OMAR = Agent(AgentId("omar"), "Omar", presence=Presence.ONLINE)
LEAD = Agent(AgentId("huda"), "Huda", Role.LEAD, presence=Presence.ONLINE)


def handoff(state: State = State.QUEUED, **changes: Any) -> Handoff:
    held = {"agent": SALMA.id, "agent_name": SALMA.name} if state is State.TAKEN else {}
    offered = {"offered_to": SALMA.id, "offer_until": NOW + MINUTE} if state is State.OFFERED else {}
    values = {"id": HandoffId(1), "conversation": HERE, "reason": Reason.ASKED, "asked_at": NOW, "state": state}
    return Handoff(**{**values, **held, **offered, **changes})


def standing(state: State | None, last: Handoff | None = None, **changes: Any) -> Standing:
    open_ = handoff(state, **changes) if state else None
    owner = policy.owner_of(open_)
    return Standing(Conversation(HERE, "rest", "a", owner, "en", None, NOW), open_, last)


# -- who may do what when ----------------------------------------------------------------------------------------------

ACTS: dict[str, Any] = {
    "take": lambda s, a: policy.take(s, a, NOW),
    "accept": lambda s, a: policy.accept(s, a, NOW),
    "decline": lambda s, a: policy.decline(s, a, NOW),
    "transfer": lambda s, a: policy.transfer_to_team(s, a, TeamId("t"), "", NOW),
    "hand_back": lambda s, a: policy.hand_back(s, a, "", "", NOW),
    "close": lambda s, a: policy.close(s, a, "", "", None, NOW),
    "say": lambda s, a: policy.say(s, a, NOW),
    "snooze": lambda s, a: policy.snooze(s, a, NOW + MINUTE, NOW),
    "reopen": lambda s, a: policy.reopen(s, a, NOW),
}
BOT, QUEUED, OFFERED, TAKEN = None, State.QUEUED, State.OFFERED, State.TAKEN
# Who: s is Salma, who holds it or is offered it; o is Omar, an agent; l a lead. What: the state after, or why not.
TABLE: list[tuple[str, State | None, str, Any]] = [
    *[("take", state, who, TAKEN) for state in (BOT, QUEUED, OFFERED) for who in "sol"],
    *[("take", TAKEN, "s", "already"), ("take", TAKEN, "o", AlreadyTaken), ("take", TAKEN, "l", AlreadyTaken)],
    *[("accept", OFFERED, "s", TAKEN), ("accept", OFFERED, "o", OfferPassed), ("accept", OFFERED, "l", OfferPassed)],
    *[("accept", state, "o", OfferPassed) for state in (BOT, QUEUED, TAKEN)],
    *[("accept", TAKEN, "s", "already"), ("decline", OFFERED, "s", QUEUED), ("decline", OFFERED, "o", OfferPassed)],
    *[("decline", state, "s", OfferPassed) for state in (BOT, QUEUED, TAKEN)],
    *[("transfer", TAKEN, "s", QUEUED), ("transfer", TAKEN, "l", QUEUED), ("transfer", TAKEN, "o", NotYours)],
    *[("transfer", QUEUED, "l", QUEUED), ("transfer", QUEUED, "o", NotYours), ("transfer", BOT, "l", NotOpen)],
    *[
        ("hand_back", TAKEN, "s", State.RETURNED),
        ("hand_back", TAKEN, "l", State.RETURNED),
        ("hand_back", TAKEN, "o", NotYours),
    ],
    *[("hand_back", state, "l", NotOpen) for state in (BOT, QUEUED, OFFERED)],
    *[("close", TAKEN, "s", State.CLOSED), ("close", TAKEN, "o", NotYours), ("close", BOT, "s", NotOpen)],
    *[("close", QUEUED, "l", State.CLOSED), ("close", QUEUED, "o", NotYours), ("close", OFFERED, "l", State.CLOSED)],
    *[("say", TAKEN, "s", TAKEN), ("say", TAKEN, "o", NotYours), ("say", TAKEN, "l", NotYours)],
    *[("say", state, "s", NotOpen) for state in (BOT, QUEUED, OFFERED)],
    *[("snooze", TAKEN, "s", TAKEN), ("snooze", TAKEN, "l", NotYours), ("snooze", QUEUED, "s", NotOpen)],
    *[("reopen", BOT, "s", NotOpen), ("reopen", TAKEN, "o", AlreadyTaken), ("reopen", QUEUED, "o", TAKEN)],
]


@pytest.mark.parametrize(("act", "state", "who", "after"), TABLE)
def test_who_may_do_what_and_where_it_leads(act: str, state: State | None, who: str, after: Any) -> None:
    agent, before = {"s": SALMA, "o": OMAR, "l": LEAD}[who], standing(state)
    if isinstance(after, State):
        changed = ACTS[act](before, agent)
        assert changed.handoff.state is after and changed.by == agent.id
        assert changed.handoff.offered_to is None
        assert (changed.handoff.agent == agent.id) or after is not State.TAKEN
    elif after == "already":
        assert ACTS[act](before, agent) is None
    else:
        with pytest.raises(HandoffRefused) as refused:
            ACTS[act](before, agent)
        assert type(refused.value) is after and refused.value.code
        if isinstance(refused.value, AlreadyTaken):
            assert (refused.value.by, refused.value.name) == (SALMA.id, "Salma")


@pytest.mark.parametrize(
    ("state", "owner"),
    [
        (BOT, Owner.BOT),
        (QUEUED, Owner.QUEUE),
        (OFFERED, Owner.QUEUE),
        (TAKEN, Owner.AGENT),
        *[(s, Owner.BOT) for s in list(State)[3:]],
    ],
)
def test_the_owner_follows_from_the_state(state: State | None, owner: Owner) -> None:
    assert policy.owner_of(handoff(state) if state else None) is owner


@pytest.mark.parametrize(("hours", "possible"), [(0, True), (72, True), (73, False)])
def test_what_is_over_can_be_reopened_for_72_hours(hours: int, possible: bool) -> None:
    last = handoff(State.CLOSED, ended_at=NOW - timedelta(hours=hours), agent=SALMA.id)
    if possible:
        again = policy.reopen(standing(None, last), OMAR, NOW)
        assert again and again.handoff.reopens == last.id and again.handoff.agent == OMAR.id
    else:
        with pytest.raises(NotOpen):
            policy.reopen(standing(None, last), OMAR, NOW)


def test_nobody_is_passed_to_who_is_not_there() -> None:
    for presence in (Presence.AWAY, Presence.OFFLINE):
        with pytest.raises(AgentAway):
            policy.transfer_to_agent(standing(TAKEN), SALMA, replace(OMAR, presence=presence), "", NOW)


def test_an_offer_is_expired_only_when_its_time_is_over() -> None:
    assert policy.expire(standing(OFFERED), NOW) is None
    expired = policy.expire(standing(OFFERED), NOW + MINUTE)
    assert expired and (expired.handoff.state, expired.handoff.passed) == (QUEUED, [SALMA.id])
    for state in (BOT, QUEUED, TAKEN):
        assert policy.expire(standing(state), NOW + MINUTE) is None


def test_an_agent_who_is_gone_is_relieved_only_while_the_customer_waits() -> None:
    assert policy.release(standing(TAKEN), SALMA.id, NOW, []) is None
    assert policy.release(standing(TAKEN, waits_since=NOW), OMAR.id, NOW, []) is None
    freed = policy.release(standing(TAKEN, waits_since=NOW), SALMA.id, NOW, [])
    assert freed and freed.handoff.state is QUEUED and SALMA.id in freed.handoff.passed


def test_a_time_past_is_no_snooze() -> None:
    with pytest.raises(ValueError):
        policy.snooze(standing(TAKEN), SALMA, NOW, NOW)


# -- who is next -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("urgent", "minutes", "why"),
    [
        ({}, 0, []),
        ({"severity": 3}, 30, ["severity"]),
        ({"tension": 0.9}, 15, ["tension"]),
        ({"tension": 0.5}, 5, ["tension"]),
        ({"tier": 1.0}, 20, ["tier"]),
        ({"reason": Reason.ERROR}, 10, ["reason_error"]),
        ({"severity": 2, "tier": 0.5, "reopened": True}, 35, ["reopened", "severity", "tier"]),
        ({"promise_due": NOW + timedelta(minutes=30)}, 60, ["promise"]),
        ({"promise_due": NOW + timedelta(hours=5)}, 0, []),
    ],
)
def test_what_makes_a_wait_more_pressing_is_worth_minutes_of_waiting(
    urgent: dict[str, Any], minutes: int, why: list[str]
) -> None:
    place = rank(Urgency(**{"asked_at": NOW, "reason": Reason.ASKED, **urgent}))
    assert place.at == NOW - minutes * MINUTE
    assert sorted(line["what"] for line in place.why) == sorted(why)
    assert sum(line["minutes"] for line in place.why) == minutes


@given(st.integers(0, 3), st.floats(0, 1), st.floats(0, 1), st.integers(0, 600))
def test_nothing_makes_a_wait_less_pressing(severity: int, tension: float, tier: float, minutes: int) -> None:
    place = rank(Urgency(NOW, Reason.ASKED, severity, tension, tier, NOW + minutes * MINUTE))
    assert place.at <= NOW


def test_the_one_with_the_most_room_is_asked_and_among_equals_who_was_asked_longest_ago() -> None:
    asked = {SALMA.id: NOW, OMAR.id: NOW - MINUTE}
    both = [SALMA, OMAR]
    assert next_agent(handoff(), "ar", both, {}, asked) == OMAR
    assert next_agent(handoff(), "ar", both, {OMAR.id: 1}, asked) == SALMA
    assert next_agent(handoff(preferred=SALMA.id), "ar", both, {SALMA.id: 4}, asked) == SALMA
    assert next_agent(handoff(passed=[SALMA.id, OMAR.id]), "ar", both, {}, asked) is None
    assert next_agent(handoff(), "ar", both, {SALMA.id: 5, OMAR.id: 5}, asked) is None
    away = [replace(agent, presence=Presence.AWAY) for agent in both]
    assert next_agent(handoff(), "ar", away, {}, asked) is None


@pytest.mark.parametrize(
    ("agent", "waiting", "fits"),
    [
        ({"languages": {"en"}}, {}, False),
        ({"languages": {"ar", "en"}}, {}, True),
        ({"topics": {"privacy"}}, {"topic": "complaint"}, False),
        ({"topics": {"privacy"}}, {"topic": None}, True),
        ({"teams": {"t"}}, {"team": "t"}, True),
        ({"teams": {"u"}}, {"team": "t"}, False),
        ({}, {"team": "t"}, False),
    ],
)
def test_skills_and_teams(agent: dict[str, Any], waiting: dict[str, Any], fits: bool) -> None:
    skilled = replace(SALMA, **{name: frozenset(values) for name, values in agent.items()})
    assert (next_agent(handoff(**waiting), "ar", [skilled], {}, {}) is not None) is fits


@pytest.mark.parametrize(
    ("agent", "gone"),
    [
        (None, True),
        (replace(SALMA, presence=Presence.OFFLINE, seen_at=NOW - GONE_AFTER), True),
        (replace(SALMA, presence=Presence.OFFLINE, seen_at=NOW - GONE_AFTER + MINUTE), False),
        (replace(SALMA, presence=Presence.OFFLINE), True),
        (replace(SALMA, presence=Presence.AWAY, seen_at=NOW - timedelta(days=1)), False),
        (SALMA, False),
    ],
)
def test_who_is_gone(agent: Agent | None, gone: bool) -> None:
    assert is_gone(agent, NOW) is gone


# -- when people are there ---------------------------------------------------------------------------------------------


def store(zone: str, opens: time, closes: time, **changes: Any) -> Store:
    hours = SupportHours(frozenset(range(7)), opens, closes)
    return replace(STORE, timezone=ZoneInfo(zone), support_hours=hours, **changes)


def utc(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=timezone.utc)  # type: ignore[misc]


def test_a_night_shift_that_ends_at_midnight_goes_on_the_next_morning() -> None:
    here = store("Asia/Riyadh", time(9), time.max)
    assert open_at(utc(2026, 11, 20, 20, 59), here) and not open_at(utc(2026, 11, 20, 21, 0), here)
    assert after_support_hours(utc(2026, 11, 20, 20, 55), timedelta(minutes=15), here) - utc(
        2026, 11, 21, 6, 10
    ) < timedelta(seconds=1)


def test_a_window_across_midnight_is_two_that_touch() -> None:
    ramadan = [
        SpecialHours(date(2026, 2, 18), date(2026, 3, 19), SupportHours(frozenset(range(7)), time(20), time.max)),
        SpecialHours(date(2026, 2, 18), date(2026, 3, 19), SupportHours(frozenset(range(7)), time(0), time(2))),
    ]
    here = store("Asia/Riyadh", time(9), time(17), special_hours=ramadan)
    assert [(o.hour, c.hour) for o, c in windows(date(2026, 2, 20), here)] == [(21, 23), (17, 20)]
    assert not open_at(utc(2026, 2, 20, 9, 0), here), "the usual hours do not hold"
    assert open_at(utc(2026, 2, 20, 22, 0), here) and open_at(utc(2026, 3, 20, 9, 0), here)


def test_a_holiday_has_no_hours() -> None:
    here = store("Asia/Riyadh", time(9), time(17), holidays=frozenset({date(2026, 9, 23)}))
    assert not open_at(utc(2026, 9, 23, 8, 0), here)
    assert after_support_hours(utc(2026, 9, 22, 13, 50), timedelta(minutes=15), here) == utc(2026, 9, 24, 6, 5)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 28), 6), (date(2026, 3, 29), 5), (date(2026, 10, 25), 7)])
def test_on_the_day_the_clocks_change_the_hours_that_pass_count(day: date, hours: int) -> None:
    here = store("Europe/Berlin", time(0), time(6))
    midnight = datetime.combine(day, time(0), ZoneInfo("Europe/Berlin")).astimezone(timezone.utc)
    assert support_time(midnight, midnight + timedelta(hours=20), here) == timedelta(hours=hours)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)), st.integers(1, 3000))
def test_the_clock_and_its_inverse_agree(start: datetime, minutes: int) -> None:
    begin = start.replace(tzinfo=timezone.utc)
    here = store("Africa/Cairo", time(9), time(17), holidays=frozenset({date(2026, 4, 24)}))  # summer time begins there
    end = after_support_hours(begin, minutes * MINUTE, here)
    assert support_time(begin, end, here) == minutes * MINUTE


# -- what is said of the wait ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "kind"),
    [
        ((None, 2, 2), Kind.UNKNOWN),
        ((False, 2, 2), Kind.CLOSED),
        ((True, 2, 0), Kind.NOBODY),
        ((True, 2, 1), Kind.OPEN),
    ],
)
def test_what_can_be_expected(known: tuple[Any, int, int], kind: Kind) -> None:
    assert expect(*known, 3, []).kind is kind


def test_without_a_desk_nobody_is_missed() -> None:
    assert expect(True, 0, 0, 1, []) == Expectation(Kind.OPEN, 1)


@pytest.mark.parametrize(
    ("waits", "told"),
    [
        ([1, 2, 3, 4], (None, None)),
        ([0, 0, 0, 0, 0], (1, 1)),
        ([1, 2, 3, 4, 5], (3, 5)),
        ([12, 12, 12, 33, 33], (15, 35)),
        ([500] * 9, (None, None)),
    ],
)
def test_the_usual_wait_is_told_without_false_hope(waits: list[int], told: tuple[Any, Any]) -> None:
    assert usual([minutes * MINUTE for minutes in waits]) == told


OPEN_10 = {"kind": "open", "low": 5, "high": 10, "times": 1}


@pytest.mark.parametrize(
    ("told", "since", "expected", "worth"),
    [
        (None, None, Expectation(Kind.OPEN), True),
        (OPEN_10, BETWEEN - MINUTE, Expectation(Kind.CLOSED), False),
        (OPEN_10, BETWEEN, Expectation(Kind.CLOSED), True),
        (OPEN_10, BETWEEN, Expectation(Kind.NOBODY), True),
        (OPEN_10, BETWEEN, Expectation(Kind.UNKNOWN), False),
        (OPEN_10, BETWEEN, Expectation(Kind.OPEN, 0, 5, 10), False),
        (OPEN_10, BETWEEN + MINUTE, Expectation(Kind.OPEN, 0, 5, 10), True),
        (OPEN_10, BETWEEN, Expectation(Kind.OPEN, 0, 10, 20), True),
        ({**OPEN_10, "high": 40}, BETWEEN, Expectation(Kind.OPEN, 0, 30, 45), False),
        ({**OPEN_10, "times": MOST_TOLD}, timedelta(days=1), Expectation(Kind.CLOSED), False),
        ({**OPEN_10, "kind": "closed"}, timedelta(days=1), Expectation(Kind.CLOSED), False),
        ({**OPEN_10, "high": None}, timedelta(hours=2), Expectation(Kind.OPEN), False),
    ],
)
def test_news_is_told_and_nothing_else(told: Any, since: Any, expected: Expectation, worth: bool) -> None:
    assert worth_telling(told, NOW - since if since else None, expected, NOW) is worth
