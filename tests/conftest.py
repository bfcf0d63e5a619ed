"""Fixtures that several folders of tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import logs
from bot.settings import PROJECT
from bot.storage.database import Database
from tests.databases import KINDS, migrated
from tests.e2e.server import train_into


@pytest.fixture(autouse=True)
def _logs_as_in_production() -> None:
    """The same for every test, whatever the one before set; without it a logged exception is drawn with all its
    local variables, which takes seconds."""
    logs.configure("INFO", "json")


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of each kind in turn, migrated and empty."""
    with migrated(request.param, tmp_path) as database:
        yield database


@pytest.fixture(scope="session")
def trained_home() -> Path:
    """A folder with `models/` and `cache/` of the present training data, kept between runs."""
    home = PROJECT / "var" / "test"
    for name in ("models", "cache"):
        (home / name).mkdir(parents=True, exist_ok=True)
    train_into(home)
    return home
