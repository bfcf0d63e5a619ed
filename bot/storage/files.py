"""Customers' files, in the database: one place to back up, and every process sees them."""

from __future__ import annotations

import re
import uuid
from datetime import datetime

import sqlalchemy as sa

from bot.conversations.model import FileId
from bot.files.model import Image
from bot.storage import tables as t
from bot.storage.database import Database

_ID = re.compile(r"[0-9a-f-]{36}")


class SqlFiles:
    """Implements `files.model.FileStore`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def keep(self, channel: str, address: str, image: Image, now: datetime) -> FileId:
        file = FileId(str(uuid.uuid4()))
        with self._db.write() as c:
            c.execute(
                t.files.insert().values(
                    id=file,
                    channel=channel,
                    address=address,
                    media_type=image.media_type,
                    width=image.width,
                    height=image.height,
                    content=image.content,
                    created_at=now,
                )
            )
        return file

    def image(self, channel: str, address: str, file: FileId) -> Image | None:
        if not _ID.fullmatch(file):
            return None
        with self._db.read() as c:
            row = c.execute(
                sa.select(t.files).where(
                    t.files.c.id == file, t.files.c.channel == channel, t.files.c.address == address
                )
            ).first()
        return Image(bytes(row.content), row.media_type, row.width, row.height) if row else None

    def drop_unsent(self, before: datetime) -> int:
        with self._db.write() as c:
            dropped = c.execute(t.files.delete().where(t.files.c.message_id.is_(None), t.files.c.created_at < before))
            return int(dropped.rowcount)
