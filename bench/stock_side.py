"""Stock Rasa: `rasa run` and `rasa run actions` with the pipeline and policies that Rasa itself falls back to.

The configuration is read from the installed Rasa (`default_config.yml`, the one in its documentation); domain, rules,
NLU data and actions are the project's.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from rich.progress import Progress, TimeElapsedColumn

from bench.side import BENCH_HOME, BenchFailed, Side, console, environment, free_port
from bot.settings import PROJECT

DOCUMENTED_EPOCHS = 100
_EPOCHS = re.compile(rb"Epochs:[^\r\n]*?(\d+)/\d+ \[")
_DATA = [PROJECT / "domain.yml", PROJECT / "data" / "nlu.yml", PROJECT / "data" / "rules.yml"]


class StockSide(Side):
    name = "stock Rasa"

    def __init__(self, home: Path, epochs: int) -> None:
        super().__init__(home)
        self._epochs = epochs
        self._actions_port = free_port()
        self._config = stock_config(epochs)

    def prepare(self) -> None:
        self._write("config.yml", self._config)
        self._write("credentials.yml", {"rest": None})
        self._write(
            "endpoints.yml",
            {
                "action_endpoint": {"url": f"http://127.0.0.1:{self._actions_port}/webhook"},
                "tracker_store": {"type": "SQL", "dialect": "sqlite", "db": str(self.home / "tracker.db")},
            },
        )
        self._model = self._trained()
        # The actions use the embeddings of the questions that the FAQ knows; a second start has them.
        shutil.copytree(BENCH_HOME / "thiqa" / "cache", self.home / "cache")

    def _trained(self) -> Path:
        digest = hashlib.sha256(json.dumps(self._config).encode())
        for path in _DATA:
            digest.update(path.read_bytes())
        model = BENCH_HOME / f"stock-{digest.hexdigest()[:12]}.tar.gz"
        if model.exists():
            console.print(f"[dim]Stock Rasa: the model of this data is there ({model.name}).[/]")
            return model
        console.print(
            f"Stock Rasa: training DIET for {self._epochs} epochs, once for this data: about half a minute an epoch on "
            "two cores. Shorten with --stock-epochs, or leave stock out with --skip-stock."
        )
        part = model.with_name(f".{model.stem.removesuffix('.tar')}.part.tar.gz")
        command = [sys.executable, "-m", "rasa", "train", "--skip-validation", "--config", "config.yml"]
        command += ["--domain", str(_DATA[0]), "--data", *map(str, _DATA[1:])]
        command += ["--out", str(part.parent), "--fixed-model-name", part.name]
        self._train(command)
        if not part.exists():
            raise BenchFailed(f"Stock Rasa could not be trained; see {self.log}")
        return part.replace(model)

    def _train(self, command: Sequence[str]) -> None:
        """Run, with DIET's progress shown and all output in the log."""
        with (
            self.log.open("wb") as log,
            Progress(*Progress.get_default_columns(), TimeElapsedColumn(), console=console) as progress,
        ):
            task = progress.add_task("DIET", total=self._epochs)
            process = subprocess.Popen(
                command, cwd=self.home, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            assert process.stdout is not None
            try:
                while output := os.read(process.stdout.fileno(), 1 << 16):
                    log.write(output)
                    for done in _EPOCHS.findall(output):
                        progress.update(task, completed=int(done))
            finally:
                process.terminate()  # where it has not ended: this run is being stopped
                process.wait()

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        (self.home / name).write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")

    def commands(self) -> Sequence[Sequence[str]]:
        rasa = [sys.executable, "-m", "rasa", "run"]
        return [
            [*rasa, "actions", "--actions", "actions", "--port", str(self._actions_port)],
            [
                *rasa,
                *("--model", str(self._model), "--endpoints", "endpoints.yml", "--credentials", "credentials.yml"),
                *("--interface", "127.0.0.1", "--port", str(self.port)),
            ],
        ]

    def settings(self) -> Mapping[str, str]:
        return {"THIQA_HOME": str(self.home)}  # of the actions

    def ready_urls(self) -> Sequence[str]:
        return [f"http://127.0.0.1:{self._actions_port}/health", f"http://127.0.0.1:{self.port}/"]


def stock_config(epochs: int) -> dict[str, Any]:
    """Rasa's default configuration with so many epochs wherever it trains for the documented number."""
    text = resources.files("rasa.engine.recipes.config_files").joinpath("default_config.yml").read_text("utf-8")
    config: dict[str, Any] = yaml.safe_load(text)
    config.update(assistant_id="stock", language="ar")
    for component in [*config["pipeline"], *config["policies"]]:
        if "epochs" in component:
            component["epochs"] = epochs
    return config
