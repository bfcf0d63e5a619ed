"""A customer may send some messages at once and then so many a second, and never more; what is kept of it is bounded."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.connectors.webchat import limits
from bot.connectors.webchat.limits import RateLimit


class Seconds:
    """A monotonic clock in the test's hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


def test_a_burst_goes_through_and_the_next_waits(clock: Seconds) -> None:
    limit = RateLimit(3, 0.5, clock)
    assert [limit.wait("a") for _ in range(5)] == [0, 0, 0, 2, 2]


def test_who_waits_as_long_as_told_goes_on_and_who_comes_a_moment_early_does_not(clock: Seconds) -> None:
    limit = RateLimit(1, 0.5, clock)
    assert limit.wait("a") == 0
    wait = limit.wait("a")
    clock.at += wait - 0.01
    assert limit.wait("a") == 1
    clock.at += 0.01
    assert limit.wait("a") == 0


def test_being_refused_costs_nothing(clock: Seconds) -> None:
    limit = RateLimit(1, 1.0, clock)
    limit.wait("a")
    for _ in range(1000):
        assert limit.wait("a") == 1
    clock.at += 1
    assert limit.wait("a") == 0


def test_each_key_has_a_limit_of_its_own(clock: Seconds) -> None:
    limit = RateLimit(1, 1.0, clock)
    assert [limit.wait(key) for key in ("a", "b", "a", "b", "c")] == [0, 0, 1, 1, 0]


def test_while_the_clock_stands_only_the_burst_goes_through(clock: Seconds) -> None:
    limit = RateLimit(20, 100.0, clock)
    assert sum(limit.wait("a") == 0 for _ in range(10_000)) == 20


def test_a_long_silence_saves_up_no_more_than_the_burst(clock: Seconds) -> None:
    limit = RateLimit(5, 2.0, clock)
    limit.wait("a")
    clock.at += 10**9
    assert sum(limit.wait("a") == 0 for _ in range(100)) == 5


def test_the_wait_is_whole_seconds_and_never_none_where_it_is_refused(clock: Seconds) -> None:
    fast, slow = RateLimit(1, 1000.0, clock), RateLimit(1, 1 / 60, clock)
    fast.wait("a"), slow.wait("a")
    assert fast.wait("a") == 1
    assert slow.wait("a") == 60
    assert type(slow.wait("a")) is int


def test_any_number_of_keys_take_the_memory_of_fifty_thousand(clock: Seconds) -> None:
    limit = RateLimit(1, 1.0, clock)
    for number in range(limits._MOST_KEYS):
        limit.wait(f"visitor-{number:07}")
    tracemalloc.start()
    try:
        for number in range(limits._MOST_KEYS, limits._MOST_KEYS + 150_000):
            limit.wait(f"visitor-{number:07}")
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(limit._buckets) == limits._MOST_KEYS
    assert grown < 1000 * limits._MOST_KEYS, "the new ones replace the old"


def test_the_flood_of_other_keys_never_frees_one_that_goes_on(clock: Seconds, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that is forgotten is the one that was quiet longest, not the one that is refused just now."""
    monkeypatch.setattr(limits, "_MOST_KEYS", 100)
    limit = RateLimit(1, 0.001, clock)
    assert limit.wait("flooder") == 0
    for number in range(10_000):
        limit.wait(f"other-{number}")
        assert limit.wait("flooder") > 0


@given(
    burst=st.integers(1, 30),
    rate=st.floats(0.01, 50),
    steps=st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 20)), max_size=200),
)
def test_never_more_than_the_burst_and_the_rate_times_the_time_in_any_stretch(
    burst: int, rate: float, steps: Sequence[tuple[str, float]]
) -> None:
    clock = Seconds()
    limit = RateLimit(burst, rate, clock)
    taken: dict[str, list[float]] = {"a": [], "b": []}
    for key, pause in steps:
        clock.at += pause
        wait = limit.wait(key)
        assert wait >= 0
        if wait == 0:
            taken[key].append(clock.at)
    for times in taken.values():
        for first in range(len(times)):
            for last in range(first, len(times)):
                assert last - first + 1 <= burst + rate * (times[last] - times[first]) + 1e-6


@given(burst=st.integers(1, 30), rate=st.floats(0.01, 50), sent=st.integers(1, 100))
def test_who_waits_as_told_each_time_is_never_refused_twice(burst: int, rate: float, sent: int) -> None:
    clock = Seconds()
    limit = RateLimit(burst, rate, clock)
    for _ in range(sent):
        wait = limit.wait("a")
        if wait:
            clock.at += wait
            assert limit.wait("a") == 0
