"""The project stays an ordinary Rasa project: its own commands work on it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.brain.training import model_path
from bot.settings import PROJECT
from tests.e2e.server import clean_environment, free_port, link_trained
from tests.e2e.wires import until

pytestmark = pytest.mark.slow

RASA = str(Path(sys.executable).parent / "rasa")
DEMO = json.loads((PROJECT / "bot" / "content" / "demo_shop.json").read_text("utf-8"))


def rasa(*arguments: str, home: Path, timeout: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [RASA, *arguments],
        cwd=PROJECT,
        env=clean_environment(THIQA_HOME=str(home), SQLALCHEMY_SILENCE_UBER_WARNING="1"),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@contextmanager
def running(log: Path, home: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A `rasa` command with an open stdin; ended with everything it started."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [RASA, *arguments],
            cwd=PROJECT,
            env=clean_environment(THIQA_HOME=str(home), SQLALCHEMY_SILENCE_UBER_WARNING="1", TERM="dumb"),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait(30)


@pytest.mark.timeout(300)
def test_the_training_data_are_valid_without_a_warning(trained_home: Path) -> None:
    done = rasa("data", "validate", "--fail-on-warnings", home=trained_home, timeout=280)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


@pytest.mark.timeout(300)
def test_the_test_stories_go_as_they_are_written(trained_home: Path, tmp_path: Path) -> None:
    done = rasa(
        *("test", "core", "--stories", "tests/stories", "--model", str(model_path(trained_home))),
        *("--out", str(tmp_path), "--no-plot", "--fail-on-prediction-errors"),
        home=trained_home,
        timeout=280,
    )
    failed = tmp_path / "failed_test_stories.yml"
    assert done.returncode == 0, failed.read_text("utf-8") if failed.exists() else done.stderr[-4000:]
    stories = (PROJECT / "tests" / "stories" / "test_stories.yml").read_text("utf-8").count("- story:")
    report = json.loads((tmp_path / "story_report.json").read_text("utf-8"))
    assert report["conversation_accuracy"] == {
        "accuracy": 1.0,
        "correct": stories,
        "with_warnings": 0,
        "total": stories,
    }


@pytest.mark.timeout(300)
def test_a_conversation_in_rasas_shell_with_rasas_own_action_server(trained_home: Path, tmp_path: Path) -> None:
    """An answer with the shop's own figure, and an effect that the action server writes by itself."""
    home = link_trained(tmp_path / "home", trained_home)
    actions, shell = free_port(), free_port()
    endpoints = tmp_path / "endpoints.yml"
    endpoints.write_text(f'action_endpoint:\n  url: "http://localhost:{actions}/webhook"\n')
    said = tmp_path / "shell.log"

    def heard() -> str:
        return said.read_text("utf-8", "replace")

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", actions)) == 0

    with (
        running(tmp_path / "actions.log", home, "run", "actions", "--actions", "actions", "--port", str(actions)),
        running(
            said,
            home,
            *("shell", "--model", str(model_path(trained_home)), "--endpoints", str(endpoints), "--port", str(shell)),
        ) as talk,
    ):
        assert talk.stdin is not None
        until(answers, 120)
        until(lambda: "Bot loaded" in heard(), 200)
        talk.stdin.write(b"what is your return policy?\n")
        talk.stdin.flush()
        days = DEMO["policies"]["return_days"]
        until(lambda: re.search(rf"\b{days}\s+days", heard()), 60)
        talk.stdin.write(b"I want to talk to a person\n")
        talk.stdin.flush()
        until(lambda: handoffs(home), 60)
    assert handoffs(home) == [("asked",)]
    assert "Traceback" not in heard()


def handoffs(home: Path) -> list[tuple[str]]:
    if not (home / "thiqa.db").exists():
        return []
    database = sqlite3.connect(home / "thiqa.db")
    try:
        return database.execute("SELECT reason FROM handoffs").fetchall()
    except sqlite3.OperationalError:
        return []  # not migrated yet
    finally:
        database.close()
