"""Thiqa: `thiqa run` with its settings as they come."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

import requests

from bench.side import BENCH_HOME, Side, Steps, environment
from bot.brain.training import model_path

_TOKEN = "bench"
_STEP = re.compile(r'^thiqa_turn_seconds_(sum|count)\{step="(\w+)"\} (\S+)$', re.MULTILINE)


class ThiqaSide(Side):
    name = "Thiqa"

    def prepare(self) -> None:
        trained = BENCH_HOME / "thiqa"
        subprocess.run(
            [sys.executable, "-m", "bot.cli", "train"],
            env=environment(THIQA_HOME=str(trained)),
            cwd=self.home,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        (self.home / "models").mkdir()
        shutil.copy2(model_path(trained), self.home / "models")
        shutil.copytree(trained / "cache", self.home / "cache")

    def commands(self) -> Sequence[Sequence[str]]:
        return [[sys.executable, "-m", "bot.cli", "run"]]

    def settings(self) -> Mapping[str, str]:
        return {"THIQA_HOME": str(self.home), "THIQA_PORT": str(self.port), "THIQA_REST_TOKEN": _TOKEN}

    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {_TOKEN}"}

    def ready_urls(self) -> Sequence[str]:
        return [f"http://127.0.0.1:{self.port}/readyz"]

    def steps(self) -> Steps:
        text = requests.get(f"http://127.0.0.1:{self.port}/metrics", timeout=10).text
        found: dict[str, dict[str, float]] = {}
        for what, step, value in _STEP.findall(text):
            found.setdefault(step, {})[what] = float(value)
        return {step: (values["sum"], int(values["count"])) for step, values in found.items()}
