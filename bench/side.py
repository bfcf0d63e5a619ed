"""What is measured: a side is one or more server processes that speak Rasa's REST channel."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import requests
from rich.console import Console

from bot.settings import PROJECT

console = Console()

BENCH_HOME = PROJECT / "var" / "bench"
"""Where trained models and results are kept between runs."""

_START_TIMEOUT = 300.0
_STOP_TIMEOUT = 30.0
_ANSWER_TIMEOUT = 60.0

Steps = Mapping[str, tuple[float, int]]
"""Seconds and turns by step of a turn, since the start."""


class BenchFailed(Exception):
    """A side does not do what is to be measured."""


@dataclass(frozen=True)
class Start:
    """Seconds from the start of the processes until they say they are ready, and until a first message is answered."""

    ready: float
    first_answer: float


class Side(ABC):
    """One of the compared. `home` is its own temporary state; `prepare` before the first `start`."""

    name: str

    def __init__(self, home: Path) -> None:
        home.mkdir()
        self.home = home
        self.port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @abstractmethod
    def prepare(self) -> None:
        """Train where need be, and lay out the state folder."""

    @abstractmethod
    def commands(self) -> Sequence[Sequence[str]]:
        """What to start: the arguments of each process."""

    @abstractmethod
    def ready_urls(self) -> Sequence[str]:
        """Addresses that all answer 200 once the side is ready."""

    def settings(self) -> Mapping[str, str]:
        """Environment of its processes, on top of `environment()`."""
        return {}

    def headers(self) -> Mapping[str, str]:
        """Headers of each message."""
        return {}

    def steps(self) -> Steps:
        """The server's own account of its time, where it keeps one."""
        return {}

    @property
    def log(self) -> Path:
        return self.home / "server.log"

    def start(self) -> Start:
        """Start, wait until ready, and have one message answered."""
        began = time.perf_counter()
        with self.log.open("ab") as log:
            for command in self.commands():
                # A folder of its own: a `.env` of the project is nobody's setting here. A session of its own: to be
                # ended with all it starts.
                process = subprocess.Popen(
                    list(command),
                    cwd=self.home,
                    env=environment(**self.settings()),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                self._processes.append(process)
        for url in self.ready_urls():
            self._wait(url, began + _START_TIMEOUT)
        ready = time.perf_counter() - began
        with requests.Session() as session:
            if not self.say(session, "first", "مرحبا"):
                raise BenchFailed(f"{self.name} is ready, but says nothing; see {self.log}")
        return Start(ready, time.perf_counter() - began)

    def _wait(self, url: str, deadline: float) -> None:
        while time.perf_counter() < deadline:
            if any(process.poll() is not None for process in self._processes):
                raise BenchFailed(f"{self.name} ended by itself:\n{self.log.read_text('utf-8', 'replace')[-3000:]}")
            with suppress(requests.RequestException):
                if requests.get(url, timeout=(1, _START_TIMEOUT)).status_code == 200:
                    return
            time.sleep(0.02)
        raise BenchFailed(f"{self.name} is not ready after {_START_TIMEOUT:.0f} s; see {self.log}")

    def say(self, session: requests.Session, sender: str, text: str) -> str:
        """One message over the REST channel; returns all that was answered."""
        answer = session.post(
            f"http://127.0.0.1:{self.port}/webhooks/rest/webhook",
            json={"sender": sender, "message": text},
            headers=dict(self.headers()),
            timeout=_ANSWER_TIMEOUT,
        )
        answer.raise_for_status()
        replies: list[dict[str, Any]] = answer.json()
        return "\n".join(str(reply.get("text") or "") for reply in replies)

    def memory(self) -> int:
        """Resident bytes of all its processes."""
        total = 0
        for process in self._processes:
            root = psutil.Process(process.pid)
            total += sum(one.memory_info().rss for one in [root, *root.children(recursive=True)])
        return total

    def stop(self) -> None:
        """End every process, by force where it does not go by itself."""
        for process in self._processes:
            _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_TIMEOUT
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            _signal(process, signal.SIGKILL)
            process.wait()
        self._processes.clear()


def _signal(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """To the process and all that it started and left behind."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, how)


def environment(**extra: str) -> dict[str, str]:
    """The environment without settings of this machine's own Thiqa; this project's code is found from any folder."""
    # OMP_WAIT_POLICY: `bot`, imported here, sets it for Thiqa; the other side does not get it by accident.
    kept = {k: v for k, v in os.environ.items() if not k.startswith("THIQA_") and k != "OMP_WAIT_POLICY"}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "RASA_TELEMETRY_ENABLED": "false", "SQLALCHEMY_SILENCE_UBER_WARNING": "1"}
    return {**kept, **quiet, "PYTHONPATH": str(PROJECT), "PYTHONWARNINGS": "ignore", **extra}


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
