"""Wrong passwords make the next try wait, longer each time and never for ever."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.agents import lockout
from bot.agents.lockout import ACCOUNT, ADDRESS, LockoutRule, Tries, address_key, short_address

START = datetime(2026, 11, 20, 10, 0, tzinfo=timezone.utc)
RULES = st.sampled_from([ACCOUNT, ADDRESS, LockoutRule(1, timedelta(seconds=1), timedelta(hours=1), timedelta(days=1))])
SECONDS = st.floats(0, 200_000, allow_nan=False).map(lambda s: timedelta(seconds=s))


def test_five_tries_are_free_and_the_sixth_waits() -> None:
    tries = None
    for _ in range(5):
        assert lockout.wait(ACCOUNT, tries, START) == timedelta(0)
        tries = lockout.begun(ACCOUNT, tries, START)
    assert lockout.wait(ACCOUNT, tries, START) == timedelta(seconds=30)
    assert lockout.wait(ACCOUNT, tries, START + timedelta(seconds=30)) == timedelta(0)


@given(RULES, st.integers(0, 10_000))
def test_the_wait_grows_with_each_try_and_has_an_end(rule: LockoutRule, count: int) -> None:
    assert timedelta(0) <= rule.delay(count) <= rule.delay(count + 1) <= rule.longest


@given(RULES, st.lists(SECONDS, max_size=60))
def test_whoever_waits_as_told_gets_in_and_nobody_gets_in_earlier(rule: LockoutRule, pauses: list[timedelta]) -> None:
    tries, now = None, START
    for pause in pauses:
        now += pause
        wait = lockout.wait(rule, tries, now)
        if wait > timedelta(0):
            assert lockout.wait(rule, tries, now + wait / 2) > timedelta(0)
            assert lockout.wait(rule, tries, now + wait) == timedelta(0)
        else:
            tries = lockout.begun(rule, tries, now)


@given(st.lists(st.floats(0, 60, allow_nan=False), min_size=1, max_size=400))
def test_one_account_is_not_guessed_at_more_than_about_a_hundred_times_a_day(pauses: list[float]) -> None:
    """However the guesser spreads it: the free tries, the doublings, and then one in a quarter of an hour."""
    tries, now, let_through = None, START, 0
    end, turn = START + timedelta(hours=23), 0
    while now < end:
        if lockout.wait(ACCOUNT, tries, now) == timedelta(0):
            tries = lockout.begun(ACCOUNT, tries, now)
            let_through += 1
        now += timedelta(seconds=pauses[turn % len(pauses)] + 20)
        turn += 1
    assert let_through <= 5 + 5 + 23 * 4


def test_a_quiet_day_starts_anew() -> None:
    tries = Tries(400, START)
    assert lockout.wait(ACCOUNT, tries, START + timedelta(hours=24)) == timedelta(0)
    assert lockout.begun(ACCOUNT, tries, START + timedelta(hours=24)).count == 1


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("testclient", "unknown"),
        ("", "unknown"),
    ],
)
def test_of_an_address_only_its_network_is_kept(address: str, kept: str) -> None:
    assert short_address(address) == kept


def test_one_ipv6_customer_counts_as_one_and_keys_tell_nothing() -> None:
    key = address_key(b"s", "2001:db8:1:2::1")
    assert key == address_key(b"s", "2001:db8:1:2:ffff::9") != address_key(b"s", "2001:db8:1:3::1")
    assert address_key(b"other", "2001:db8:1:2::1") != key and "2001" not in key
    assert lockout.account_key(b"s", "a@b.c") != lockout.account_key(b"s", "a@b.d")
    assert "@" not in lockout.account_key(b"s", "\ud800a@b.c")
