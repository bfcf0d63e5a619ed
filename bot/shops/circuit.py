"""A circuit breaker: after several failures in a row, callers are spared the wait for the next one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Circuit:
    """Opens after `threshold` consecutive failures for `pause` seconds; then one probe at a time may go out.

    A probe that succeeds closes it, one that fails keeps it open for another pause. Thread-safe. `clock` counts seconds
    and never goes back.
    """

    def __init__(self, threshold: int = 5, pause: float = 15.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._threshold, self._pause, self._clock = threshold, pause, clock
        self._lock = threading.Lock()
        self._failures = 0
        self._probe_from = clock()  # no probe before this instant, while open

    @property
    def is_open(self) -> bool:
        """Whether the last `threshold` calls failed; also while a probe is out."""
        with self._lock:
            return self._failures >= self._threshold

    def acquire(self) -> bool:
        """Whether a call may go out now. After True the caller reports `succeeded` or `failed`."""
        with self._lock:
            if self._failures < self._threshold:
                return True
            now = self._clock()
            if now < self._probe_from:
                return False
            # This caller is the probe. One that never reports (its thread died) is replaced after another pause.
            self._probe_from = now + self._pause
            return True

    def succeeded(self) -> None:
        """The call was answered."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """The call was not answered."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._threshold:
                self._probe_from = self._clock() + self._pause
