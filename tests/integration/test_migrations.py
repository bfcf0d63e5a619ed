"""Migrations make exactly the tables that the code uses, whoever runs them and however often."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from bot.errors import ConfigurationError
from bot.storage import database as database_module
from bot.storage.database import Database
from bot.storage.tables import metadata
from tests.databases import KINDS, empty_url


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with empty_url(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def empty(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


def tables_in(database: Database) -> set[str]:
    with database.engine.connect() as c:
        return set(sa.inspect(c).get_table_names())


def test_migrations_make_exactly_the_tables_of_the_code(empty: Database) -> None:
    empty.migrate()
    with empty.engine.connect() as c:
        assert compare_metadata(MigrationContext.configure(c, opts={"compare_type": True}), metadata) == []
        assert tables_in(empty) == {*metadata.tables, "alembic_version"}
        for name, table in metadata.tables.items():
            made = {index["name"] for index in sa.inspect(c).get_indexes(name)}
            assert {index.name for index in table.indexes} <= made


def test_migrating_again_changes_nothing(empty: Database) -> None:
    empty.migrate()
    before = tables_in(empty)
    empty.migrate()
    assert tables_in(empty) == before


def test_downgrading_leaves_nothing_and_migrating_again_works(empty: Database) -> None:
    empty.migrate()
    config = Config()
    config.set_main_option("script_location", str(Path(database_module.__file__).parent / "migrations"))
    with empty.write() as c:
        config.attributes["connection"] = c
        command.downgrade(config, "base")
    assert tables_in(empty) == {"alembic_version"}
    empty.migrate()
    assert tables_in(empty) == {*metadata.tables, "alembic_version"}


def test_a_migration_that_fails_leaves_nothing_behind(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade = command.upgrade

    def break_off(config: Config, revision: str) -> None:
        upgrade(config, revision)
        raise RuntimeError("power cut")

    monkeypatch.setattr(command, "upgrade", break_off)
    with pytest.raises(RuntimeError):
        empty.migrate()
    assert tables_in(empty) == set()


def _migrate(url: str, start: multiprocessing.synchronize.Event, ends: multiprocessing.queues.Queue[str]) -> None:
    try:
        database = Database(url)
        start.wait(30)
        database.migrate()
        database.ping()
        database.close()
        ends.put("done")
    except BaseException as error:
        ends.put(repr(error))


def test_six_processes_that_start_at_once_all_find_the_schema(url: str) -> None:
    fork = multiprocessing.get_context("fork")
    start, ends = fork.Event(), fork.Queue()
    processes = [fork.Process(target=_migrate, args=(url, start, ends)) for _ in range(6)]
    for process in processes:
        process.start()
    start.set()
    assert [ends.get(timeout=60) for _ in processes] == ["done"] * 6
    for process in processes:
        process.join(10)
    database = Database(url)
    assert tables_in(database) == {*metadata.tables, "alembic_version"}
    database.close()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ConfigurationError) as error:
        Database(f"sqlite:///{tmp_path / 'file' / 'under' / 'thiqa.db'}")
    assert error.value.what == "THIQA_DATABASE_URL" and error.value.remedy


def test_a_file_that_is_no_database_or_cannot_be_opened_is_a_clear_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\n" * 100)
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "notes.txt", tmp_path / "folder"):
        database = Database(f"sqlite:///{path}")
        with pytest.raises(ConfigurationError) as error:
            database.migrate()
        assert error.value.what == "THIQA_DATABASE_URL" and "cannot be used" in error.value.problem
        database.close()


def test_a_read_only_database_is_a_clear_error_at_once(tmp_path: Path) -> None:
    path = tmp_path / "thiqa.db"
    first = Database(f"sqlite:///{path}")
    first.ping()
    first.close()
    database = Database(f"sqlite:///file:{path}?mode=ro&uri=true")
    with pytest.raises(ConfigurationError) as error:
        database.migrate()
    assert "readonly" in error.value.problem
    database.close()


@pytest.mark.parametrize("url", ["", "nonsense", "oracle://x", "mysql://root@localhost/x", "postgresql+nothing://x"])
def test_an_address_of_no_known_database_is_a_clear_error(url: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Database(url)
    assert error.value.what == "THIQA_DATABASE_URL"


def test_waits_from_before_the_desk_keep_their_meaning(empty: Database) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database_module.__file__).parent / "migrations"))
    with empty.write() as c:
        config.attributes["connection"] = c
        command.upgrade(config, "0005")
        for number in range(4):
            c.execute(
                sa.text(
                    "INSERT INTO conversations (id, channel, address, owner, language, last_number, opted_out,"
                    " created_at, active_at) VALUES (:id, 'rest', :id, 'bot', 'ar', 0, false, '2026-01-01', '2026-01-01')"
                ),
                {"id": f"c{number}"},
            )
        times = "'2026-01-01 10:00:00'"
        for number, (taken, by, ended) in enumerate(
            [("NULL", "NULL", "NULL"), (times, "'s'", "NULL"), (times, "'s'", times), ("NULL", "NULL", times)]
        ):
            c.execute(
                sa.text(
                    "INSERT INTO handoffs (conversation_id, reason, asked_at, taken_at, taken_by, ended_at)"
                    f" VALUES ('c{number}', 'asked', {times}, {taken}, {by}, {ended})"
                )
            )
        command.upgrade(config, "head")
        states = c.execute(sa.text("SELECT state FROM handoffs ORDER BY conversation_id")).scalars().all()
        ranked = c.execute(sa.text("SELECT count(*) FROM handoffs WHERE rank_at = asked_at")).scalar_one()
    assert states == ["queued", "taken", "closed", "withdrawn"] and ranked == 4
