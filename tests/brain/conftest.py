"""A model of the product's domain and rules whose understanding is scripted: it trains in seconds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from tests.brain.scripted import HEARD
from tests.brain.worlds import PROJECT

NLU = "version: '3.1'\nnlu:\n- intent: greet\n  examples: |\n    - hello\n    - hi\n"


def train_core(folder: Path, domain: Path, rules: Path) -> Path:
    """A model of `domain` and `rules` as config.yml has it, with `ScriptedUnderstanding` for all the NLU."""
    from rasa.model_training import train

    config: dict[str, Any] = yaml.safe_load((PROJECT / "config.yml").read_text("utf-8"))
    config["pipeline"] = [{"name": "tests.brain.scripted.ScriptedUnderstanding"}]
    (folder / "config.yml").write_text(yaml.safe_dump(config), "utf-8")
    (folder / "nlu.yml").write_text(NLU, "utf-8")
    trained = train(
        domain=str(domain),
        config=str(folder / "config.yml"),
        training_files=[str(rules), str(folder / "nlu.yml")],
        output=str(folder),
        fixed_model_name="core",
    )
    assert trained.model, "the rules could not be trained on"
    return Path(trained.model)


@pytest.fixture(scope="session")
def core_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product's own domain and rules."""
    return train_core(tmp_path_factory.mktemp("core"), PROJECT / "domain.yml", PROJECT / "data" / "rules.yml")


@pytest.fixture(autouse=True)
def _numbers_by_chance_are_the_same_in_every_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.randbelow", lambda above: 7)


@pytest.fixture(autouse=True)
def _nothing_heard() -> Iterator[None]:
    HEARD.clear()
    yield
    HEARD.clear()


@pytest.fixture(autouse=True, scope="session")
def _quiet() -> None:
    """Rasa's debug lines of thousands of turns would take longer than the turns."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
