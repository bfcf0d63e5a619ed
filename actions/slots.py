"""Slots that are read from every message: language and variety, and what lasts one turn only."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.forms import ValidationAction

from bot.feelings import next_level


class ValidateSlotMappings(ValidationAction):
    """Runs after each message, before anything else."""

    async def extract_language(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> dict[str, Any]:
        read = tracker.latest_message.get("language")
        if read is None and not tracker.get_slot(
            "variety"
        ):  # the first words: a guess is better than the page's language
            read = tracker.latest_message.get("language_guess")
        if read not in ("ar", "en") or tracker.get_slot("language_chosen") or _is_button(tracker):
            return {}
        return {"language": read}

    async def extract_variety(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> dict[str, Any]:
        read = tracker.latest_message.get("variety")
        return {"variety": read} if read and not _is_button(tracker) else {}

    async def extract_tension(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> dict[str, Any]:
        felt = tracker.latest_message.get("emotion") or {}
        if _is_button(tracker) or not felt:
            return {}
        level = next_level(
            float(tracker.get_slot("tension") or 0), felt.get("name"), float(felt.get("confidence") or 0)
        )
        return {"tension": round(level, 3)}

    async def extract_misses(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> dict[str, Any]:
        return {} if _intent(tracker) == "nlu_fallback" else {"misses": 0}

    async def extract_offer(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> dict[str, Any]:
        if _intent(tracker) in ("affirm", "deny", "nevermind"):
            return {}
        # What was offered for a complaint stays on the table while something else is said.
        return {} if tracker.get_slot("offer") == "case" else {"offer": None}

    def validate_language(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> dict[str, Any]:
        return {"language": value}

    def validate_variety(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> dict[str, Any]:
        return {"variety": value}

    def validate_tension(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> dict[str, Any]:
        return {"tension": value}

    def validate_misses(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> dict[str, Any]:
        return {"misses": value}

    def validate_offer(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> dict[str, Any]:
        return {"offer": value}


def _intent(tracker: Tracker) -> str:
    return str((tracker.latest_message.get("intent") or {}).get("name") or "")


def _is_button(tracker: Tracker) -> bool:
    return str(tracker.latest_message.get("text") or "").startswith("/")
