"""Support hours as a clock: when so much of them has passed. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.orders.model import Store

_LONGEST_LOOK = 60  # days; a shop without hours for so long has none


def after_support_hours(start: datetime, duration: timedelta, store: Store) -> datetime:
    """The moment at which `duration` of the shop's support hours has passed since `start`, in UTC terms of `start`.

    Where a shop has no support hours, `duration` counts around the clock.
    """
    hours, left = store.support_hours, duration
    day = start.astimezone(store.timezone).date()
    for _ in range(_LONGEST_LOOK):
        if day.weekday() in hours.days:
            opens = datetime.combine(day, hours.opens, store.timezone).astimezone(start.tzinfo)
            closes = datetime.combine(day, hours.closes, store.timezone).astimezone(start.tzinfo)
            begin = max(start, opens)
            if begin < closes:
                if closes - begin >= left:
                    return begin + left
                left -= closes - begin
        day += timedelta(days=1)
    return start + duration
