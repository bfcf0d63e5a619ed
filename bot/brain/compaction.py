"""A conversation's memory cut to a constant size, so that turn 500 costs what turn 5 costs.

RulePolicy looks back only to the user message that its rules match and, within a form, to the message that started it.
So the last few turns are kept as they were, and everything before them is replaced by what it left behind: slot values
and the active loop. Cutting is done on events because Rasa itself replays events (`copy()`, forms, slot extraction).
The rules of today would do with one kept turn; rules that reach further back need two or three, and five leaves room
(tests/brain/test_compaction.py plays long conversations against both).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rasa.shared.core.constants import ACTION_LISTEN_NAME, REQUESTED_SLOT
from rasa.shared.core.events import (
    ActionExecuted,
    ActionExecutionRejected,
    ActiveLoop,
    BotUttered,
    Event,
    LoopInterrupted,
    SlotSet,
    UserUttered,
)
from rasa.shared.core.slots import Slot
from rasa.shared.core.trackers import DialogueStateTracker

KEEP_TURNS = 5
_RANKING = 3
_BOT_METADATA = ("utter_action", "source_id")

_EVENT_TYPES: dict[str, type[Event]] = {}


def compact(tracker: DialogueStateTracker, slots: Iterable[Slot], keep: int = KEEP_TURNS) -> list[Event]:
    """The events that stand for the whole history of `tracker`."""
    events = tracker.applied_events()
    users = [place for place, event in enumerate(events) if isinstance(event, UserUttered)]
    cut = users[-keep] if len(users) > keep else 0
    while cut > 0 and not _is_listen(events[cut]):
        cut -= 1
    tail = _squeeze(events[cut:])
    if cut == 0:
        return tail
    return [*_summary(tracker.sender_id, events[:cut], list(slots)), *tail]


def _is_listen(event: Event) -> bool:
    return isinstance(event, ActionExecuted) and event.action_name == ACTION_LISTEN_NAME


def _summary(sender: str, head: Sequence[Event], slots: list[Slot]) -> list[Event]:
    """What `head` left behind: slots off their initial value, and the active loop with the message that began it."""
    then = DialogueStateTracker.from_events(sender, list(head), slots=slots)
    initial = {slot.name: slot.initial_value for slot in slots}
    at = head[-1].timestamp
    # What a form asks for comes with its form; it also outlives one that a new session ended.
    loop = then.active_loop if then.active_loop and then.active_loop.name else None
    changed = [
        SlotSet(name, slot.value, timestamp=at)
        for name, slot in then.slots.items()
        if slot.value != initial.get(name) and not (loop and name == REQUESTED_SLOT)
    ]
    summary: list[Event] = [ActionExecuted(ACTION_LISTEN_NAME, timestamp=at), *changed]
    if loop is None:
        return summary
    trigger = _trigger(head, loop.name)
    if trigger is not None:
        summary += [trigger]
    summary += [
        ActionExecuted(loop.name, timestamp=at),
        ActiveLoop(loop.name, timestamp=at),
        SlotSet(REQUESTED_SLOT, then.get_slot(REQUESTED_SLOT), timestamp=at),
    ]
    if loop.rejected:
        summary.append(ActionExecutionRejected(loop.name, timestamp=at))
    if loop.is_interrupted:
        summary.append(LoopInterrupted(True, timestamp=at))
    return summary


def _trigger(head: Sequence[Event], loop: str) -> UserUttered | None:
    starts = [place for place, event in enumerate(head) if isinstance(event, ActiveLoop) and event.name == loop]
    before = [event for event in head[: starts[-1]] if isinstance(event, UserUttered)] if starts else []
    return before[-1] if before else None


def _squeeze(events: Sequence[Event]) -> list[Event]:
    """Drop what a long form piles up between two actions: all but the last value of a slot and the last bot message."""
    result: list[Event] = []
    run: dict[object, Event] = {}
    for event in events:
        if isinstance(event, SlotSet):
            run.pop(event.key, None)
            run[event.key] = event
        elif isinstance(event, BotUttered):
            run.pop(BotUttered, None)
            run[BotUttered] = event
        else:
            result += [*run.values(), event]
            run.clear()
    return [*result, *run.values()]


def to_json(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Events as stored: without the parts of parse results and bot messages that nothing reads again."""
    return [_slim(event.as_dict()) for event in events]


def from_json(stored: Iterable[dict[str, Any]]) -> list[Event]:
    """The events again. Unlike Rasa's own way it does not search all event classes for each event."""
    if not _EVENT_TYPES:
        pending: list[type[Event]] = [Event]
        while pending:
            kind = pending.pop()
            pending += kind.__subclasses__()
            if getattr(kind, "type_name", None):
                _EVENT_TYPES[kind.type_name] = kind
    return [_EVENT_TYPES[item["event"]]._from_parameters(dict(item)) for item in stored]


def _slim(item: dict[str, Any]) -> dict[str, Any]:
    if item["event"] == UserUttered.type_name and item.get("parse_data"):
        parse = {
            key: value for key, value in item["parse_data"].items() if key not in ("response_selector", "text_tokens")
        }
        parse["intent_ranking"] = parse.get("intent_ranking", [])[:_RANKING]
        return {**item, "parse_data": parse}
    if item["event"] == BotUttered.type_name:
        metadata = item.get("metadata") or {}
        return {**item, "metadata": {key: metadata[key] for key in _BOT_METADATA if key in metadata}}
    return item
