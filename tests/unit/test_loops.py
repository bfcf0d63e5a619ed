"""A loop works at once when woken, survives every failure and stops when told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from bot.errors import StorageUnavailable
from bot.scheduler import loops
from bot.scheduler.loops import Loop


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)


def test_a_loop_works_without_a_pause_while_there_is_work() -> None:
    left = 50
    started = time.monotonic()

    def step() -> bool:
        nonlocal left
        left -= 1
        return left > 0

    loop = Loop("busy", step, idle=10.0)
    loop.start()
    until(lambda: left <= 0)
    loop.stop()
    assert loop.join(5) and time.monotonic() - started < 5


def test_waking_ends_the_pause_and_a_wake_during_a_step_is_not_lost() -> None:
    steps = 0
    in_step, go_on = threading.Event(), threading.Event()

    def step() -> bool:
        nonlocal steps
        steps += 1
        in_step.set()
        go_on.wait(5)
        return False

    loop = Loop("idle", step, idle=60.0)
    loop.start()
    assert in_step.wait(5)
    loop.wake()
    go_on.set()
    until(lambda: steps == 2)
    loop.wake()
    until(lambda: steps == 3)
    loop.stop()
    assert loop.join(5)


@pytest.mark.parametrize(
    "error", [StorageUnavailable("locked"), RuntimeError("bug"), SystemExit(1), KeyboardInterrupt()]
)
def test_a_loop_survives_every_failure(error: BaseException) -> None:
    steps = 0

    def step() -> bool:
        nonlocal steps
        steps += 1
        if steps < 4:
            raise error
        return False

    loop = Loop("failing", step, idle=0.001)
    loop.start()
    until(lambda: steps >= 5)
    loop.stop()
    assert loop.join(5)


def test_a_loop_survives_thousands_of_failures_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "_LONGEST_PAUSE", 0.0)
    failures = 0

    def step() -> bool:
        nonlocal failures
        failures += 1
        raise StorageUnavailable("gone")

    loop = Loop("failing", step, idle=0.5)
    loop.start()
    until(lambda: failures > 2_000)
    loop.stop()
    assert loop.join(5)


def test_failures_are_tried_again_with_growing_pauses() -> None:
    times: list[float] = []

    def step() -> bool:
        times.append(time.monotonic())
        raise StorageUnavailable("gone")

    loop = Loop("failing", step, idle=0.02)
    loop.start()
    until(lambda: len(times) >= 4)
    loop.stop()
    assert loop.join(5)
    assert times[1] - times[0] >= 0.04 and times[2] - times[1] >= 0.08 and times[3] - times[2] >= 0.16


def test_a_stop_lets_the_present_step_end_and_starts_no_other() -> None:
    began, may_end = threading.Event(), threading.Event()
    ended: list[int] = []

    def step() -> bool:
        began.set()
        may_end.wait(5)
        ended.append(1)
        return True

    loop = Loop("stopping", step, idle=1.0)
    loop.start()
    assert began.wait(5)
    loop.stop()
    assert not loop.join(0.05), "it ends its step first"
    may_end.set()
    assert loop.join(5)
    assert ended == [1]


def test_a_loop_that_was_never_started_can_be_stopped() -> None:
    loop = Loop("unused", lambda: False, idle=1.0)
    loop.stop()
    assert loop.join(0.1)
