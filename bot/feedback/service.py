"""Ratings as they are kept: the free word together with what it sounds like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from bot.feedback.model import Rating, RatingRecords


class FeltRatings:
    """Implements `RatingRecords` over another: reads the emotion of a comment before it is stored. `feel` gives it, or
    None where it cannot be told."""

    def __init__(self, records: RatingRecords, feel: Callable[[str], str | None]) -> None:
        self._records, self._feel = records, feel

    def rate(self, channel: str, address: str, rating: Rating, now: datetime) -> bool:
        if rating.comment and rating.emotion is None:
            rating = replace(rating, emotion=self._feel(rating.comment))
        return self._records.rate(channel, address, rating, now)
