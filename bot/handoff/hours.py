"""Support hours as a clock: when people answer, on usual days, holidays and in Ramadan. Pure.

Hours are the shop's local ones; everything is counted in real time, so a day on which the clocks change has an hour more
or less of them.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from bot.orders.model import Store, SupportHours

_LONGEST_LOOK = 60  # days; a shop without hours for so long has none

Window = tuple[datetime, datetime]


def hours_on(day: date, store: Store) -> list[SupportHours]:
    """The hours that hold on that day: none on a holiday, the special ones where there are some, else the usual ones."""
    if day in store.holidays:
        return []
    special = [special.hours for special in store.special_hours if special.first <= day <= special.last]
    return [hours for hours in special or [store.support_hours] if day.weekday() in hours.days]


def current_hours(moment: datetime, store: Store) -> SupportHours:
    """The hours to tell a customer now: those of a special time in its days, else the usual ones."""
    day = moment.astimezone(store.timezone).date()
    special = [special.hours for special in store.special_hours if special.first <= day <= special.last]
    return special[0] if special else store.support_hours


def windows(day: date, store: Store) -> list[Window]:
    """When people answer on a day of the shop: from and to in UTC, in order, none touching another."""
    found: list[Window] = []
    for hours in hours_on(day, store):
        opens = datetime.combine(day, hours.opens, store.timezone).astimezone(timezone.utc)
        closes = datetime.combine(day, hours.closes, store.timezone).astimezone(timezone.utc)
        if opens < closes:
            found.append((opens, closes))
    joined: list[Window] = []
    for opens, closes in sorted(found):
        if joined and opens <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(closes, joined[-1][1]))
        else:
            joined.append((opens, closes))
    return joined


def open_at(moment: datetime, store: Store) -> bool:
    """Whether people answer at that moment."""
    day = moment.astimezone(store.timezone).date()
    return any(opens <= moment < closes for opens, closes in windows(day, store))


def after_support_hours(start: datetime, duration: timedelta, store: Store) -> datetime:
    """The moment at which `duration` of the shop's support hours has passed since `start`, in UTC terms of `start`.

    Where a shop has no support hours, `duration` counts around the clock.
    """
    left = duration
    day = start.astimezone(store.timezone).date()
    for _ in range(_LONGEST_LOOK):
        for opens, closes in windows(day, store):
            begin = max(start, opens)
            if begin < closes:
                if closes - begin >= left:
                    return (begin + left).astimezone(start.tzinfo)
                left -= closes - begin
        day += timedelta(days=1)
    return start + duration


def support_time(start: datetime, end: datetime, store: Store) -> timedelta:
    """How much of the time from `start` to `end` people were there; of the first 60 days."""
    passed = timedelta()
    day, last = start.astimezone(store.timezone).date(), end.astimezone(store.timezone).date()
    for _ in range(_LONGEST_LOOK):
        if day > last:
            break
        for opens, closes in windows(day, store):
            passed += max(timedelta(), min(end, closes) - max(start, opens))
        day += timedelta(days=1)
    return passed
