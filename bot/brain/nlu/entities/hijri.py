"""Days of the Hijri calendar, by Umm al-Qura, the calendar that Saudi Arabia and most shops of the Gulf reckon by."""

from __future__ import annotations

from datetime import date

from hijridate import Gregorian, Hijri

__all__ = ["day_of", "is_year"]


def is_year(word: str) -> bool:
    """Whether a word is a Hijri year of our times: 1447."""
    return len(word) == 4 and word.isdecimal() and word.startswith("14")


def day_of(day: int, month: int, year: int | None, today: date) -> date | None:
    """The day of our calendar; without a year the nearest to `today`. None for a day that a month does not have, and
    for years that the tables do not hold (before 1343 and after 1500)."""
    try:
        years = [year] if year is not None else _years_near(today)
    except OverflowError:
        return None
    days = [found for other in years if (found := _day(day, month, other))]
    return min(days, key=lambda one: abs(one - today), default=None)


def _years_near(today: date) -> list[int]:
    this = Gregorian.fromdate(today).to_hijri().year
    return [this - 1, this, this + 1]


def _day(day: int, month: int, year: int) -> date | None:
    try:
        found = Hijri(year, month, day).to_gregorian()
    except (ValueError, OverflowError):
        return None
    return date(found.year, found.month, found.day)
