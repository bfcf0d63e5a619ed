"""Actions of a made-up bot, one for each thing that an action can do; run in this process and behind HTTP alike."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import ActiveLoop, FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.forms import FormValidationAction
from rasa_sdk.interfaces import ActionExecutionRejection

from bot.conversations.model import ContactOptOut
from bot.conversations.turn_in_progress import turn_in_progress

Events = list[dict[str, Any]]


class ValidateSizeForm(FormValidationAction):
    def name(self) -> str:
        return "validate_size_form"

    async def extract_colour(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> dict[str, Any]:
        text = str(tracker.latest_message.get("text"))
        return {"colour": "red"} if "red" in text else {}

    def validate_size(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> dict[str, Any]:
        if value in ("S", "M", "L"):
            return {"size": value, "seen": sorted(domain["slots"])}
        dispatcher.utter_message(text=f"{value} is no size", buttons=[{"title": "M", "payload": "/size"}])
        return {"size": None}


class Everything(Action):
    def name(self) -> str:
        return "action_everything"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> Events:
        dispatcher.utter_message(text="plain")
        dispatcher.utter_message(response="utter_named", name="ليلى", buttons=[{"title": "نعم", "payload": "/yes"}])
        dispatcher.utter_message(image="https://example.com/a.png")
        dispatcher.utter_message(json_message={"kind": "card", "lines": [1, 2.5, None, True], "نص": "é"})
        dispatcher.utter_message(text="pick", buttons=[{"title": "A", "payload": '/pick{"n": "1"}'}])
        return [SlotSet("seen", {"n": (1, 2), "t": "x"})]


class Follow(Action):
    def name(self) -> str:
        return "action_follow"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> Events:
        dispatcher.utter_message(text="first")
        return [SlotSet("seen", tracker.latest_message["intent"]["name"]), FollowupAction("action_everything")]


class Remember(Action):
    """An effect, a reply and a slot, before something else goes wrong."""

    def name(self) -> str:
        return "action_remember"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> Events:
        turn = turn_in_progress.get()
        if turn:
            turn.effects.append(ContactOptOut())
        dispatcher.utter_message(text="it is done")
        return [SlotSet("seen", "done")]


class Reject(Action):
    def name(self) -> str:
        return "action_reject"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> Events:
        dispatcher.utter_message(text="never heard")
        raise ActionExecutionRejection(self.name(), "not now")


class Fail(Action):
    def name(self) -> str:
        return "action_fail"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> Events:
        dispatcher.utter_message(text="never heard")
        raise RuntimeError("broken on purpose")


class Leave(Action):
    def name(self) -> str:
        return "action_leave"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> Events:
        dispatcher.utter_message(text=f"left {tracker.active_loop.get('name')} at {tracker.get_slot('requested_slot')}")
        return [ActiveLoop(None), SlotSet("requested_slot", None)]
