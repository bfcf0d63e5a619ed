"""Threads that keep working until they are told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from bot.errors import StorageUnavailable

log = structlog.get_logger()

_LONGEST_PAUSE = 5.0


class Loop:
    """Calls `step` again and again in a thread of its own.

    `step` returns whether there was work; without work the loop sleeps until `wake()` or for `idle` seconds. A failing
    step is logged and tried again with growing pauses: a loop never dies.
    """

    def __init__(self, name: str, step: Callable[[], object], idle: float) -> None:
        self._name, self._step, self._idle = name, step, idle
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        """Ask the loop to end after its present step."""
        self._stop.set()
        self._wake.set()

    def join(self, timeout: float) -> bool:
        """Wait for the end; returns whether it came."""
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            self._wake.clear()
            try:
                worked = self._step()
                failures = 0
            except StorageUnavailable as error:
                failures += 1
                worked = False
                log.warning("loop.storage_unavailable", loop=self._name, reason=str(error))
            except BaseException:  # a library's SystemExit would end the thread without a word
                failures += 1
                worked = False
                log.exception("loop.failed", loop=self._name)
            if not worked and not self._stop.is_set():
                pause = min(_LONGEST_PAUSE, self._idle * 2 ** min(failures, 10)) if failures else self._idle
                self._wake.wait(pause)
