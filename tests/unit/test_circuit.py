"""The circuit breaker, with a clock that the test moves."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bot.shops.circuit import Circuit


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit(threshold=5, pause=15.0, clock=clock)


def fail(circuit: Circuit, times: int) -> None:
    for _ in range(times):
        circuit.acquire()
        circuit.failed()


def test_a_new_circuit_lets_calls_out(circuit: Circuit) -> None:
    assert circuit.acquire() and not circuit.is_open


def test_four_failures_do_not_open_it(circuit: Circuit) -> None:
    fail(circuit, 4)
    assert circuit.acquire()


def test_a_success_starts_the_count_again(circuit: Circuit) -> None:
    fail(circuit, 4)
    circuit.succeeded()
    fail(circuit, 4)
    assert not circuit.is_open


def test_five_failures_open_it_for_the_pause(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 5)
    assert circuit.is_open and not circuit.acquire()
    clock.now = 14.99
    assert not circuit.acquire()
    clock.now = 15.0
    assert circuit.acquire()


def test_only_one_probe_goes_out_at_a_time(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 5)
    clock.now = 15.0
    assert [circuit.acquire() for _ in range(3)] == [True, False, False]


def test_a_probe_that_succeeds_closes_it(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 5)
    clock.now = 15.0
    circuit.acquire()
    circuit.succeeded()
    assert not circuit.is_open and circuit.acquire() and circuit.acquire()


def test_a_probe_that_fails_keeps_it_open_for_another_pause(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 5)
    clock.now = 15.0
    circuit.acquire()
    clock.now = 18.0
    circuit.failed()
    clock.now = 32.9
    assert not circuit.acquire()
    clock.now = 33.0
    assert circuit.acquire()


def test_a_probe_that_never_reports_is_replaced_after_a_pause(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 5)
    clock.now = 15.0
    assert circuit.acquire()
    clock.now = 30.0
    assert circuit.acquire()


def test_of_many_threads_one_gets_the_probe(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 5)
    clock.now = 15.0
    barrier = threading.Barrier(8)

    def acquire(_: int) -> bool:
        barrier.wait()
        return circuit.acquire()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(acquire, range(8))) == 1
