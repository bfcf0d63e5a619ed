"""The database behind everything: SQLite (one file, WAL) or PostgreSQL.

`read()` and `write()` are the only ways in. On SQLite a write transaction takes the write lock when it begins, so two
writers queue instead of failing half-way. Database errors come out as StorageUnavailable.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.url import make_url

from bot.errors import ConfigurationError, StorageUnavailable

_BUSY_MS = 5000
# Errors of what was asked, not of the database: asking again does not help.
_WRONG_QUESTION = (exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError)
_MIGRATION_LOCK = 7_405_221  # any constant: the key of PostgreSQL's advisory lock around migrations


def _unusable(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        "THIQA_DATABASE_URL",
        f"the database file cannot be used ({error})",
        "Name a file in a folder that Thiqa may write to, on a disk with room.",
    )


class Database:
    """A pool of connections. Opens none before it is first used."""

    def __init__(self, url: str, busy_ms: int = _BUSY_MS) -> None:
        self.url = url
        self._busy_ms = busy_ms
        self._writer = threading.Lock()
        try:
            parsed = make_url(url)
            self.dialect = parsed.get_backend_name()
            self.engine: Engine = self._engine(parsed)
        except (exc.ArgumentError, exc.NoSuchModuleError, ImportError):
            raise ConfigurationError(
                "THIQA_DATABASE_URL",
                "it is not a database address that Thiqa knows",
                "Use sqlite:///file or postgresql://user@host/name.",
            ) from None
        except OSError as error:
            raise _unusable(error) from None

    def _engine(self, parsed: Any) -> Engine:
        if self.dialect == "postgresql":
            return self._postgresql(parsed)
        if self.dialect != "sqlite":
            raise exc.ArgumentError(self.dialect)
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(
            parsed,
            future=True,
            hide_parameters=True,  # they hold customers' words
            connect_args={"timeout": self._busy_ms / 1000, "check_same_thread": False},
            poolclass=sa.pool.QueuePool,
            pool_size=10,
        )

        @sa.event.listens_for(engine, "connect")
        def _pragmas(connection: Any, _record: Any) -> None:
            connection.isolation_level = None  # transactions are begun below, not by the driver
            for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL", f"busy_timeout={self._busy_ms}"):
                connection.execute(f"PRAGMA {pragma}")

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            write = connection.get_execution_options().get("write")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

        return engine

    def _postgresql(self, parsed: Any) -> Engine:
        engine = sa.create_engine(
            parsed,
            future=True,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=10,
            # A server that vanished without a word is noticed in 10 seconds, not when TCP gives up.
            connect_args={
                "connect_timeout": 5,
                "application_name": "thiqa",
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "tcp_user_timeout": 10_000,
            },
        )

        @sa.event.listens_for(engine, "connect")
        def _limits(connection: Any, _record: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = {self._busy_ms}")
            connection.commit()

        return engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view. Keep it short."""
        with self._translate(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all of it is stored when the block ends, or none if it raises."""
        with (
            self._translate(),
            self._queue(),
            self.engine.connect().execution_options(write=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _queue(self) -> Iterator[None]:
        """SQLite lets writers poll for its lock, and some starve: within this process they queue."""
        if self.is_postgresql:
            yield
            return
        if not self._writer.acquire(timeout=self._busy_ms / 1000):
            raise StorageUnavailable("database is locked by another thread")
        try:
            yield
        finally:
            self._writer.release()

    @contextmanager
    def _translate(self) -> Iterator[None]:
        try:
            yield
        except exc.TimeoutError as error:
            raise StorageUnavailable("pool exhausted") from error
        except exc.DBAPIError as error:
            if isinstance(error, _WRONG_QUESTION) and not error.connection_invalidated:
                raise
            # The first line alone: what follows may quote the statement, and with it customers' words.
            reason = str(error.orig).partition("\n")[0][:200] if isinstance(error, exc.OperationalError) else ""
            raise StorageUnavailable(reason or type(error.orig).__name__) from error

    @property
    def is_postgresql(self) -> bool:
        return bool(self.dialect == "postgresql")

    def ping(self) -> None:
        """Raises StorageUnavailable unless the database answers."""
        with self.read() as connection:
            connection.execute(sa.text("SELECT 1"))

    def migrate(self) -> None:
        """Bring the schema up to date. Safe when several processes start at once: one migrates, the rest wait.

        Raises ConfigurationError for a file that cannot be used, and StorageUnavailable.
        """
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        deadline = time.monotonic() + 60
        while True:
            try:
                with (
                    self._translate(),
                    self.engine.connect().execution_options(write=True) as connection,
                    connection.begin(),
                ):
                    if self.is_postgresql:
                        connection.execute(sa.text("SET LOCAL lock_timeout = 60000"))
                        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
                    config.attributes["connection"] = connection
                    command.upgrade(config, "head")
                return
            except StorageUnavailable as error:
                if not self.is_postgresql and "locked" not in str(error):
                    raise _unusable(error) from error
                if time.monotonic() > deadline or self.is_postgresql:
                    raise
                time.sleep(0.1)

    def close(self) -> None:
        self.engine.dispose()
