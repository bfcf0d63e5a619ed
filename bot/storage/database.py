"""The database behind everything: SQLite (one file, WAL) or PostgreSQL.

`read()` and `write()` are the only ways in. On SQLite a write transaction takes the write lock when it begins, so two
writers queue instead of failing half-way. Database errors come out as StorageUnavailable.
"""

from __future__ import annotations

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
_MIGRATION_LOCK = 7_405_221  # any constant: the key of PostgreSQL's advisory lock around migrations


class Database:
    """A pool of connections. Opens none before it is first used."""

    def __init__(self, url: str, busy_ms: int = _BUSY_MS) -> None:
        self.url = url
        self._busy_ms = busy_ms
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

    def _engine(self, parsed: Any) -> Engine:
        if self.dialect == "postgresql":
            return sa.create_engine(
                parsed,
                future=True,
                pool_pre_ping=True,
                pool_size=10,
                connect_args={"connect_timeout": 5, "application_name": "thiqa"},
            )
        if self.dialect != "sqlite":
            raise exc.ArgumentError(self.dialect)
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(
            parsed,
            future=True,
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

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view. Keep it short."""
        with self._translate(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all of it is stored when the block ends, or none if it raises."""
        with self._translate(), self.engine.connect().execution_options(write=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def _translate(self) -> Iterator[None]:
        try:
            yield
        except (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError) as error:
            # The statement and its parameters stay out of the message: they hold customers' words.
            raise StorageUnavailable(
                type(error.orig).__name__ if getattr(error, "orig", None) else "pool exhausted"
            ) from error

    @property
    def is_postgresql(self) -> bool:
        return bool(self.dialect == "postgresql")

    def ping(self) -> None:
        """Raises StorageUnavailable unless the database answers."""
        with self.read() as connection:
            connection.execute(sa.text("SELECT 1"))

    def migrate(self) -> None:
        """Bring the schema up to date. Safe when several processes start at once: one migrates, the rest wait."""
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
                        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
                    config.attributes["connection"] = connection
                    command.upgrade(config, "head")
                return
            except StorageUnavailable:
                if time.monotonic() > deadline or self.is_postgresql:
                    raise
                time.sleep(0.1)

    def close(self) -> None:
        self.engine.dispose()
