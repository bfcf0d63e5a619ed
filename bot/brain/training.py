"""The trained model: made where it is missing, out of date or broken, and kept in THIQA_HOME."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import structlog

from bot.brain import progress
from bot.errors import ConfigurationError
from bot.settings import PROJECT

log = structlog.get_logger()

_INPUTS = (
    "config.yml",
    "domain.yml",
    "data",
    "bot/brain/nlu",
    "bot/brain/encoder",
    "bot/text.py",
    "bot/content/cities.yml",
)
_KEPT = 2
_REMEDY = "Run `uv run rasa data validate` to see why."


def fingerprint(project: Path = PROJECT) -> str:
    """What the model depends on, in twelve hex digits: training data, domain, configuration and NLU code."""
    digest = hashlib.sha256()
    for name in _INPUTS:
        path = project / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(project)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def model_path(home: Path) -> Path:
    """Where the model of the present data is, or would be."""
    return home / "models" / f"thiqa-{fingerprint()}.tar.gz"


def ensure_model(home: Path, announce: Callable[[str], None] = lambda text: None) -> Path:
    """The model of the present training data, trained if need be (about two minutes on two cores).

    Of several processes one trains and the rest wait. Raises ConfigurationError where the data cannot be trained on.
    """
    path = model_path(home)
    if is_whole(path):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with _only_one(path.parent / ".training"):
        if is_whole(path):
            return path
        if path.exists():
            log.warning("model.broken", model=path.name)
            path.unlink()
        announce("Training the model of this data: once, about two minutes.")
        train(path, announce)
        for old in sorted(path.parent.glob("thiqa-*.tar.gz"), key=lambda p: p.stat().st_mtime)[:-_KEPT]:
            old.unlink()
    return path


def is_whole(path: Path) -> bool:
    """Whether the file is a complete model archive: a half-written or damaged one is not loaded."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            return any(member.name.endswith("metadata.json") for member in archive)
    except (OSError, tarfile.TarError, EOFError, ValueError):
        return False


def train(path: Path, announce: Callable[[str], None] = lambda text: None) -> None:
    """Train into `path`, which appears only when it is complete."""
    announce("Loading Rasa …")
    os.environ["RASA_CACHE_DIRECTORY"] = str(
        path.parent.parent / "cache" / "rasa"
    )  # Rasa's default is shared by all who stand in this folder
    os.environ["LOG_LEVEL"] = "ERROR"  # without Rasa's own bars, one for each of its parts
    from rasa.engine.training import graph_trainer
    from rasa.model_training import train as rasa_train

    _read_data_once()
    part = path.with_name(f".{path.stem.removesuffix('.tar')}.part.tar.gz")
    try:
        graph_trainer.LoggingHook = _counting(graph_trainer.LoggingHook)
        with contextlib.redirect_stdout(io.StringIO()):
            result = rasa_train(
                domain=str(PROJECT / "domain.yml"),
                config=str(PROJECT / "config.yml"),
                training_files=[str(PROJECT / "data")],
                output=str(part.parent),
                fixed_model_name=part.name,
            )
    except (Exception, SystemExit) as error:
        log.error("model.training_failed", exc_info=error)
        raise ConfigurationError("the training data", f"Rasa could not train on it ({error})", _REMEDY) from error
    if result.model is None:
        raise ConfigurationError("the training data", "Rasa could not train on it", _REMEDY)
    Path(result.model).replace(path)


def _read_data_once() -> None:
    """Rasa reads and validates the training messages three times in one training, five seconds each."""
    from rasa.shared.importers import utils

    read = getattr(utils.training_data_from_paths, "__wrapped__", utils.training_data_from_paths)

    @wraps(read)
    def once(paths: Iterable[str], language: str) -> Any:
        key = (tuple(paths), language)
        if key not in kept:
            kept[key] = read(*key)
        return kept[key]

    kept: dict[tuple[tuple[str, ...], str], Any] = {}
    utils.training_data_from_paths = once


def _counting(hook: Any) -> Any:
    """Rasa's hook around each step of a training, telling how many are done."""
    if hook.__name__ == "CountingHook":
        return hook

    class CountingHook(hook):  # type: ignore[misc]
        def __init__(self, pruned_schema: Any) -> None:
            super().__init__(pruned_schema)
            self._done, self._total = 0, len(pruned_schema.nodes)

        def on_after_node(self, *args: Any, **kwargs: Any) -> None:
            super().on_after_node(*args, **kwargs)
            self._done += 1
            progress.tell("Training", self._done, self._total)

    return CountingHook


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
