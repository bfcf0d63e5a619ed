"""The product as customers' systems meet it: `thiqa run` in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from bot.settings import PROJECT
from bot.storage.database import Database

TOKEN = "token-of-the-tests"
THIQA = str(Path(sys.executable).parent / "thiqa")
# Long enough for a start that finds the training data changed and trains on a busy machine.
START_TIMEOUT = 600.0
STOP_TIMEOUT = 60.0


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment without settings of this machine's own Thiqa."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("THIQA_")}
    return {**kept, "TF_CPP_MIN_LOG_LEVEL": "3", "RASA_TELEMETRY_ENABLED": "false", **extra}


def link_trained(home: Path, trained_home: Path) -> Path:
    """Make `home` a state folder that shares the trained model and the embeddings."""
    home.mkdir(parents=True, exist_ok=True)
    for name in ("models", "cache"):
        if not (home / name).exists():
            (home / name).symlink_to(trained_home / name, target_is_directory=True)
    return home


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One `thiqa run` and its state folder; `start()` brings it up, `restart()` keeps port and folder."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = clean_environment(
            THIQA_HOME=str(home),
            THIQA_HOST="127.0.0.1",
            THIQA_PORT=str(self.port),
            THIQA_REST_TOKEN=TOKEN,
            THIQA_LOG_FORMAT="json",
            **environment,
        )
        self.process: subprocess.Popen[bytes] | None = None
        self._log = home / "server.log"
        self._database: Database | None = None

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self, wait: bool = True) -> Server:
        assert self.process is None or self.process.poll() is not None, "it runs already"
        with self._log.open("ab") as log:
            # The folder is empty: a `.env` of the project is nobody's setting here.
            self.process = subprocess.Popen(
                [THIQA, "run"], cwd=self.home, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout: float = START_TIMEOUT) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"thiqa run ended with {self.process.returncode}:\n{self.log()[-4000:]}")
            if self.is_ready():
                return
            time.sleep(0.2)
        raise AssertionError(f"not ready after {timeout:.0f} s:\n{self.log()[-4000:]}")

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=3).status_code == 200
        except requests.RequestException:
            return False

    def kill(self) -> None:
        """SIGKILL: no goodbye, nothing tidied."""
        self._end(signal.SIGKILL)

    def stop(self) -> int | None:
        """SIGTERM, as an operator stops it; the exit status, or None where it did not run."""
        return self._end(signal.SIGTERM)

    def restart(self) -> Server:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        return self.start()

    def close(self) -> None:
        """End everything, whatever state it is in."""
        try:
            self.stop()
        finally:
            if self._database is not None:
                self._database.close()

    def _end(self, how: signal.Signals) -> int | None:
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else None
        self.process.send_signal(how)
        try:
            return self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(STOP_TIMEOUT)

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def database(self) -> Database:
        """The server's own database, opened beside it."""
        if self._database is None:
            url = self.environment.get("THIQA_DATABASE_URL") or f"sqlite:///{self.home / 'thiqa.db'}"
            self._database = Database(url)
        return self._database

    # -- the REST channel ----------------------------------------------------------------------------------------------

    def request(
        self, body: Any, headers: Mapping[str, str] | None = None, timeout: float = 90.0, **arguments: Any
    ) -> requests.Response:
        """POST to the webhook as it is, whatever comes back. `body` None: give `data=` yourself."""
        sent = {"Authorization": f"Bearer {TOKEN}", **(headers or {})}
        if body is not None:
            arguments["json"] = body
        return requests.post(f"{self.url}/webhooks/rest/webhook", headers=sent, timeout=timeout, **arguments)

    def post(self, sender: str, message: str, **metadata: Any) -> list[dict[str, Any]]:
        """Send a customer's message and return the replies; anything but 200 fails the test."""
        body: dict[str, Any] = {"sender": sender, "message": message}
        if metadata:
            body["metadata"] = metadata
        response = self.request(body)
        assert response.status_code == 200, f"{response.status_code}: {response.text[:500]}"
        replies: list[dict[str, Any]] = response.json()
        return replies


def train_into(home: Path) -> None:
    """Have the model of the present data in `home`, trained in a process of its own: Rasa's imports stay out of ours."""
    code = (
        "import sys; from pathlib import Path; from bot.brain.training import ensure_model; "
        "ensure_model(Path(sys.argv[1]), print)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(home)],
        cwd=PROJECT,
        env=clean_environment(THIQA_HOME=str(home)),
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, f"training failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
