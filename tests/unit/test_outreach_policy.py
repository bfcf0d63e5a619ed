"""When a message that nobody asked for may be said: never at night, never two a day, never into others' talk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.complaints.model import CaseState
from bot.conversations.model import ConversationId, Owner
from bot.outreach.model import Outreach, OutreachId, OutreachKind
from bot.outreach.policy import (
    NIGHT,
    ONE_A_DAY,
    PAUSE,
    Contact,
    Drop,
    Later,
    Quiet,
    Reason,
    Say,
    Verdict,
    after_quiet,
    when,
)

RIYADH = ZoneInfo("Asia/Riyadh")
NOON = datetime(2026, 11, 20, 9, 0, tzinfo=timezone.utc)  # 12:00 in Riyadh
CONTACT = Contact("webchat", Owner.BOT, case=CaseState.RESOLVED)


def planned(kind: OutreachKind = OutreachKind.CASE_CHECK, due_at: datetime = NOON, days: float = 3) -> Outreach:
    return Outreach(OutreachId(1), ConversationId("c"), None, kind, {}, due_at, due_at + timedelta(days=days))


def local(year: int, month: int, day: int, hour: int, minute: int = 0, zone: ZoneInfo = RIYADH) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=zone).astimezone(timezone.utc)


IN_TEN = Later(NOON + PAUSE)


@pytest.mark.parametrize(
    ("contact", "verdict"),
    [
        (CONTACT, Say()),
        (replace(CONTACT, channel="telegram"), Say()),
        (replace(CONTACT, channel="rest"), Drop(Reason.CHANNEL)),
        (replace(CONTACT, channel="terminal"), Drop(Reason.CHANNEL)),
        (replace(CONTACT, opted_out=True), Drop(Reason.OPTED_OUT)),
        (replace(CONTACT, unreachable=True), Drop(Reason.UNREACHABLE)),
        (replace(CONTACT, case=CaseState.WITH_PERSON), Drop(Reason.MOVED_ON)),
        (replace(CONTACT, case=CaseState.OPEN), Drop(Reason.MOVED_ON)),
        (replace(CONTACT, case=CaseState.CLOSED), Drop(Reason.MOVED_ON)),
        (replace(CONTACT, case=None), Drop(Reason.MOVED_ON)),
        (replace(CONTACT, owner=Owner.QUEUE), IN_TEN),
        (replace(CONTACT, owner=Owner.AGENT), IN_TEN),
        (replace(CONTACT, busy=True), IN_TEN),
        (replace(CONTACT, wrote_at=NOON - timedelta(minutes=9)), IN_TEN),
        (replace(CONTACT, wrote_at=NOON - PAUSE), Say()),
        (replace(CONTACT, told_at=NOON - timedelta(hours=20)), Later(NOON + timedelta(hours=4))),
        (replace(CONTACT, told_at=NOON - ONE_A_DAY), Say()),
    ],
)
def test_whom_and_when_a_case_check_is_told(contact: Contact, verdict: Verdict) -> None:
    assert when(planned(), contact, NOON, RIYADH) == verdict


@pytest.mark.parametrize("kind", [kind for kind in OutreachKind if kind.service])
def test_an_answer_to_what_was_asked_for_is_told_also_to_who_opted_out_and_was_told_today(kind: OutreachKind) -> None:
    contact = replace(CONTACT, opted_out=True, told_at=NOON - timedelta(hours=1))
    assert when(planned(kind), contact, NOON, RIYADH) == Say()
    night = local(2026, 11, 20, 23)
    assert when(planned(kind), contact, night, RIYADH) == Later(local(2026, 11, 21, 9)), "but never at night"
    for channel in ("rest", "terminal"):
        assert when(planned(kind), replace(contact, channel=channel), NOON, RIYADH) == Drop(Reason.CHANNEL)
    assert when(planned(kind), replace(contact, unreachable=True), NOON, RIYADH) == Drop(Reason.UNREACHABLE)


def test_whoever_complains_again_is_not_asked_whether_it_is_right_now() -> None:
    kept = planned(OutreachKind.PROMISE_KEPT)
    assert when(kept, replace(CONTACT, case=CaseState.OPEN), NOON, RIYADH) == Drop(Reason.MOVED_ON)
    for state in (None, CaseState.RESOLVED, CaseState.CLOSED):
        assert when(kept, replace(CONTACT, case=state), NOON, RIYADH) == Say()


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        (local(2026, 11, 20, 9), local(2026, 11, 20, 9)),
        (local(2026, 11, 20, 20, 59), local(2026, 11, 20, 20, 59)),
        (local(2026, 11, 20, 21), local(2026, 11, 21, 9)),
        (local(2026, 11, 20, 23, 59), local(2026, 11, 21, 9)),
        (local(2026, 11, 21, 0), local(2026, 11, 21, 9)),
        (local(2026, 11, 21, 8, 59), local(2026, 11, 21, 9)),
        (local(2026, 12, 31, 22), local(2027, 1, 1, 9)),
    ],
)
def test_the_night_of_the_shop_ends_at_nine_by_its_own_clock(moment: datetime, allowed: datetime) -> None:
    assert after_quiet(moment, RIYADH) == allowed


@pytest.mark.parametrize(
    ("zone", "evening", "morning_utc"),
    [
        # Cairo goes to summer time on 24 April 2026 at midnight and back on 29 October.
        ("Africa/Cairo", (2026, 4, 23, 22), datetime(2026, 4, 24, 6, tzinfo=timezone.utc)),
        ("Africa/Cairo", (2026, 10, 29, 22), datetime(2026, 10, 30, 7, tzinfo=timezone.utc)),
        ("Europe/London", (2026, 3, 28, 23), datetime(2026, 3, 29, 8, tzinfo=timezone.utc)),
        ("Europe/London", (2026, 10, 24, 23), datetime(2026, 10, 25, 9, tzinfo=timezone.utc)),
    ],
)
def test_the_morning_after_the_clocks_change_is_nine_by_the_new_clock(
    zone: str, evening: tuple[int, int, int, int], morning_utc: datetime
) -> None:
    there = ZoneInfo(zone)
    year, month, day, hour = evening
    assert after_quiet(local(year, month, day, hour, zone=there), there) == morning_utc


def test_quiet_hours_may_also_lie_within_a_day() -> None:
    siesta = Quiet(time(13), time(16))
    assert after_quiet(local(2026, 11, 20, 14), RIYADH, siesta) == local(2026, 11, 20, 16)
    assert after_quiet(local(2026, 11, 20, 23), RIYADH, siesta) == local(2026, 11, 20, 23)


def test_what_would_be_due_again_in_the_night_waits_for_the_morning() -> None:
    evening = local(2026, 11, 20, 20, 55)
    assert when(planned(), replace(CONTACT, busy=True), evening, RIYADH) == Later(local(2026, 11, 21, 9))
    told = replace(CONTACT, told_at=local(2026, 11, 19, 22))
    assert when(planned(), told, local(2026, 11, 20, 20), RIYADH) == Later(local(2026, 11, 21, 9))


def test_nothing_is_said_before_it_is_due_nor_after_it_is_worth_it() -> None:
    assert when(planned(), CONTACT, NOON - timedelta(hours=1), RIYADH) == Later(NOON)
    assert when(planned(days=1), CONTACT, NOON + timedelta(days=1), RIYADH) == Say()
    late = NOON + timedelta(days=1, seconds=1)
    assert when(planned(days=1), CONTACT, late, RIYADH) == Drop(Reason.TOO_LATE)


def test_a_clock_that_was_set_back_makes_nobody_wait_for_longer_than_a_day() -> None:
    ahead = replace(CONTACT, told_at=NOON + timedelta(days=400))
    assert when(planned(), ahead, NOON, RIYADH) == Later(NOON + ONE_A_DAY)
    assert when(planned(), replace(CONTACT, wrote_at=NOON + timedelta(days=400)), NOON, RIYADH) == Say()


ZONES = st.sampled_from(
    [
        "Asia/Riyadh",
        "Africa/Cairo",
        "Asia/Beirut",
        "Asia/Gaza",
        "Europe/London",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "UTC",
    ]
).map(ZoneInfo)
MOMENTS = st.datetimes(datetime(2010, 1, 1), datetime(2035, 1, 1)).map(lambda d: d.replace(tzinfo=timezone.utc))


@settings(max_examples=300, deadline=None)
@given(MOMENTS, ZONES)
def test_the_end_of_the_night_is_near_ahead_and_by_day(moment: datetime, zone: ZoneInfo) -> None:
    allowed = after_quiet(moment, zone)
    assert moment <= allowed <= moment + timedelta(hours=37)  # where a whole calendar day was left out
    assert not NIGHT.covers(allowed.astimezone(zone).time())


@settings(max_examples=200, deadline=None)
@given(
    MOMENTS,
    ZONES,
    st.lists(
        st.tuples(st.sampled_from(list(OutreachKind)), st.integers(0, 5 * 24 * 60), st.integers(0, 4 * 24 * 60)),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.booleans(), max_size=40),
    st.booleans(),
)
def test_never_at_night_never_two_a_day_and_it_always_ends(
    start: datetime,
    zone: ZoneInfo,
    plans: Sequence[tuple[OutreachKind, int, int]],
    busy: Sequence[bool],
    opted_out: bool,
) -> None:
    """Plays a customer's planned messages to the end, with a conversation that is busy now and then."""
    waiting = []
    for number, (kind, after, minutes) in enumerate(plans):
        due = start + timedelta(minutes=after)
        until = due + timedelta(minutes=minutes)
        waiting.append(Outreach(OutreachId(number), ConversationId("c"), None, kind, {}, due, until))
    told_at, said, looks = None, [], iter(busy)
    for _ in range(len(plans) * 40 + len(busy)):
        if not waiting:
            break
        waiting.sort(key=lambda outreach: outreach.due_at)
        first = waiting.pop(0)
        now = first.due_at
        contact = replace(CONTACT, told_at=told_at, busy=next(looks, False), opted_out=opted_out)
        verdict = when(first, contact, now, zone)
        if isinstance(verdict, Say):
            said.append((first.kind, now))
            told_at = now
        elif isinstance(verdict, Later):
            assert verdict.at > now
            waiting.append(replace(first, due_at=verdict.at))
    assert not waiting, "it goes on for ever"
    assert all(not NIGHT.covers(at.astimezone(zone).time()) for _, at in said)
    cared = [at for kind, at in said if not kind.service]
    assert all(later - earlier >= ONE_A_DAY for earlier, later in zip(cared, cared[1:], strict=False))
    assert not (opted_out and cared)


@pytest.mark.parametrize("kind", [kind for kind in OutreachKind if kind.service])
def test_who_waits_for_a_person_hears_what_was_promised_and_a_person_is_not_spoken_over(kind: OutreachKind) -> None:
    assert when(planned(kind), replace(CONTACT, owner=Owner.QUEUE), NOON, RIYADH) == Say()
    assert when(planned(kind), replace(CONTACT, owner=Owner.AGENT), NOON, RIYADH) == IN_TEN
