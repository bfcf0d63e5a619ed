"""Rasa's memory inside the turn's transaction: read from the turn, and left in the turn for its one commit."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog
from rasa.core.lock import TicketLock
from rasa.core.lock_store import InMemoryLockStore
from rasa.core.tracker_store import TrackerStore
from rasa.shared.core.events import ActionExecuted, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from bot.brain.compaction import compact, from_json, to_json
from bot.brain.scope import TurnScope, current_scope

log = structlog.get_logger()


class TurnTrackerStore(TrackerStore):
    """Holds nothing itself; outside a turn there is nothing to retrieve."""

    async def retrieve(self, sender_id: str) -> DialogueStateTracker | None:
        scope = current_scope.get()
        if scope is None:
            return None
        if scope.tracker is not None:
            return scope.tracker
        if not scope.turn.state.data:
            return None
        try:
            stored = json.loads(scope.turn.state.data)
            scope.said = dict(stored["said"])
            events = from_json(stored["events"])
            first = next((event for event in events if isinstance(event, (ActionExecuted, UserUttered))), None)
            if isinstance(first, UserUttered) or (events and first is None):
                raise ValueError("nothing listened before the customer spoke")
            return DialogueStateTracker.from_events(sender_id, events, slots=self.domain.slots, domain=self.domain)
        except (ValueError, KeyError, TypeError, AttributeError):
            # The log still has every word; only the place in a form is lost.
            log.exception("brain.memory_unreadable", conversation=sender_id)
            scope.said = {}
            return None

    def init_tracker(self, sender_id: str) -> DialogueStateTracker:
        """A new tracker, in the language that its conversation begins in."""
        tracker: DialogueStateTracker = super().init_tracker(sender_id)
        scope = current_scope.get()
        if scope is not None and (slot := tracker.slots.get("language")):
            slot.initial_value = scope.turn.conversation.language
            slot.reset()
        return tracker

    async def save(self, tracker: DialogueStateTracker) -> None:
        scope = current_scope.get()
        if scope is not None:
            scope.tracker = tracker


def memory_of(scope: TurnScope, store: TrackerStore) -> str | None:
    """What to keep of the turn's tracker, as text."""
    if scope.tracker is None:
        return None
    events = to_json(compact(scope.tracker, store.domain.slots))
    return json.dumps({"events": events, "said": scope.said}, ensure_ascii=False, separators=(",", ":"))


class NoLocks(InMemoryLockStore):
    """The conversation's lease is the lock; Rasa's own polls once a second."""

    @asynccontextmanager
    async def lock(
        self, conversation_id: str, lock_lifetime: float = 0, wait_time_in_seconds: float = 0
    ) -> AsyncGenerator[TicketLock, None]:
        yield TicketLock(conversation_id)
