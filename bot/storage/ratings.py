"""Ratings."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from bot.feedback.model import Rating
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.effects import insert_ignore


class SqlRatings:
    """Implements `feedback.model.RatingRecords`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def rate(self, channel: str, address: str, rating: Rating, now: datetime) -> bool:
        with self._db.write() as c:
            conversation = c.execute(
                sa.select(t.conversations.c.id).where(
                    t.conversations.c.channel == channel, t.conversations.c.address == address
                )
            ).scalar_one_or_none()
            if conversation is None:
                return False
            insert_ignore(
                c,
                t.ratings,
                conversation_id=conversation,
                key=rating.key,
                score=rating.score,
                comment=rating.comment,
                emotion=rating.emotion,
                at=now,
            )
            return True
