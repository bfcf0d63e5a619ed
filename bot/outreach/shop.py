"""The shop, for what is scheduled: its time zone and hours hardly change, and are needed also while it is away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from bot.conversations.ports import Clock
from bot.errors import ShopError
from bot.orders.model import Store

log = structlog.get_logger()

_GOOD_FOR = timedelta(hours=1)


class LastKnownStore:
    """What `store` answered last, asked again after an hour."""

    def __init__(self, store: Callable[[], Store], clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._known: tuple[datetime, Store] | None = None

    def __call__(self) -> Store | None:
        """None while the shop has never answered."""
        now = self._clock()
        if self._known is not None and abs(now - self._known[0]) < _GOOD_FOR:
            return self._known[1]
        try:
            self._known = (now, self._store())
        except ShopError as error:
            log.warning("shop.hours_unknown", error=type(error).__name__)
        return self._known[1] if self._known else None
