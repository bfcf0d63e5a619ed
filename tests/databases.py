"""Empty databases of every kind that Thiqa runs on, for the `database` fixture and whoever needs more than one."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine.url import URL

from bot.storage.database import Database

KINDS = ("sqlite", "postgresql")
_NO_POSTGRESQL = "PostgreSQL does not answer on 127.0.0.1:5432"


@contextmanager
def empty_url(kind: str, folder: Path) -> Iterator[str]:
    """The address of a database of `kind` with nothing in it, gone afterwards.

    Without a PostgreSQL server the test is skipped, on CI it fails.
    """
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'thiqa.db'}"
        return
    server = _postgresql()
    if server is None:
        if os.environ.get("CI"):
            pytest.fail(_NO_POSTGRESQL)
        pytest.skip(_NO_POSTGRESQL)
    schema = "thiqa_" + uuid.uuid4().hex[:12]
    engine = sa.create_engine(server, future=True, poolclass=sa.pool.NullPool)
    with engine.begin() as c:
        c.execute(sa.text(f"CREATE SCHEMA {schema}"))
    try:
        yield server.update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(hide_password=False)
    finally:
        with engine.begin() as c:
            c.execute(sa.text(f"DROP SCHEMA {schema} CASCADE"))


@contextmanager
def migrated(kind: str, folder: Path) -> Iterator[Database]:
    """A database of `kind` with today's schema and no rows."""
    with empty_url(kind, folder) as url:
        if kind == "sqlite":
            shutil.copy(_sqlite_template(folder.parent), folder / "thiqa.db")
        database = Database(url)
        if kind == "postgresql":
            database.migrate()
        try:
            yield database
        finally:
            database.close()


@lru_cache(maxsize=1)
def _sqlite_template(folder: Path) -> Path:
    """Migrated once: laying the schema down with every write forced to disk is slow."""
    path = folder / f"template-{uuid.uuid4().hex}.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    with database.engine.connect() as c:
        c.exec_driver_sql("COMMIT")
        c.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@lru_cache(maxsize=1)
def _postgresql() -> URL | None:
    """Where a server answers to a user without a password, or None."""
    for name in ("test", "postgres"):
        url = URL.create("postgresql", username=name, host="127.0.0.1", port=5432, database=name)
        engine = sa.create_engine(url, future=True, poolclass=sa.pool.NullPool, connect_args={"connect_timeout": 3})
        try:
            with engine.connect():
                return url
        except sa.exc.OperationalError:
            continue
    return None
