"""What a decision needs to know, asked: which item, how many of it, and what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.events import FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.forms import FormValidationAction

from actions.complaints.drafts import ALL_ITEMS, ASKED_IN_ITS_OWN_WORDS, UNCLEAR, item_named
from actions.complaints.opening import open_case
from actions.context import Events, Talk, ThiqaAction, talk_in_form, turn_of
from bot.complaints.facts import ABOUT_ITEMS
from bot.complaints.model import Kind
from bot.complaints.pieces import all_items_in, pieces_answered, pieces_in
from bot.errors import ShopError
from bot.orders.model import OrderNumber

LEADS_AWAY = {
    *("ask_human", "nevermind", "goodbye", "change_language", "stop_messages", "delete_my_data", "bot_challenge"),
    *("faq", "track_order", "loyalty_points", "voucher", "other_language", "complaint_status", "greet", "thank"),
    *("cancel_order", "change_address", "help"),
}
_SURE = 0.6
_MOST_BUTTONS = 8
_A_BARE_NO = 2  # words; a longer one says what is wrong


class ValidateComplaintForm(FormValidationAction):
    """Reads which item and what is wrong from whatever the customer writes or sends."""

    def name(self) -> str:
        return "validate_complaint_form"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> Events:
        with turn_of(tracker):
            events: Events = await super().run(dispatcher, tracker, domain)
            return events

    async def required_slots(
        self, domain_slots: list[str], dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[str]:
        draft = tracker.get_slot("complaint") or {}
        if Kind(draft.get("kind") or "other") not in ABOUT_ITEMS:
            return ["complaint_details"]
        several = int(draft.get("ordered") or 1) > 1
        return [slot for slot in domain_slots if several or slot != "complaint_pieces"]

    async def extract_complaint_item(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> dict[str, Any]:
        talk = talk_in_form(dispatcher, tracker)
        if tracker.get_slot("requested_slot") != "complaint_item" or _elsewhere(talk):
            return {}
        return {"complaint_item": talk.entity("product") or talk.text}

    async def extract_complaint_pieces(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> dict[str, Any]:
        talk = talk_in_form(dispatcher, tracker)
        if tracker.get_slot("requested_slot") != "complaint_pieces":
            return {}
        said = talk.entity("quantity") if not talk.text else talk.text
        if not said or (_elsewhere(talk) and pieces_answered(said, _ordered(tracker)) is None):
            return {}
        return {"complaint_pieces": said}

    async def extract_complaint_details(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> dict[str, Any]:
        talk = talk_in_form(dispatcher, tracker)
        if tracker.get_slot("requested_slot") != "complaint_details" or _elsewhere(talk):
            return {}
        if talk.turn.message.meta.get("image") and not talk.text:
            return {"complaint_details": "🖼"}  # the picture says it
        return {"complaint_details": talk.text} if talk.text else {}

    async def validate_complaint_item(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> dict[str, Any]:
        talk = talk_in_form(dispatcher, tracker)
        try:
            order = talk.services.orders.order(OrderNumber(str(tracker.get_slot("order_number"))))
            if order is None:
                return {"complaint_item": None}
            chosen = next((i for i in order.items if i.sku == value), None) or item_named(talk, order, str(value))
        except ShopError:
            talk.say_shop_unavailable()
            return {"complaint_item": None, "requested_slot": None}
        draft = tracker.get_slot("complaint") or {}
        if chosen is None and (value == ALL_ITEMS or all_items_in(str(value), len(order.items))):
            return {"complaint_item": ALL_ITEMS}
        if chosen is None:
            return _unclear(draft, str(value), "complaint_item", ALL_ITEMS)
        if chosen.quantity == 1:
            return {"complaint_item": chosen.sku}
        said = pieces_in(talk.text, chosen.quantity) if tracker.get_slot("complaint_pieces") is None else None
        pieces = {"complaint_pieces": said} if said else {}
        return {"complaint_item": chosen.sku, "complaint": {**draft, "ordered": chosen.quantity}, **pieces}

    async def validate_complaint_pieces(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> dict[str, Any]:
        ordered = _ordered(tracker)
        pieces = pieces_answered(str(value), ordered)
        if pieces is None and value == ALL_ITEMS:
            pieces = ordered
        if pieces is not None:
            return {"complaint_pieces": pieces}
        return _unclear(tracker.get_slot("complaint") or {}, str(value), "complaint_pieces", ordered)


def _ordered(tracker: Tracker) -> int:
    """How many of the item were ordered."""
    return int((tracker.get_slot("complaint") or {}).get("ordered") or 1)


def _unclear(draft: dict[str, Any], said: str, slot: str, anything: Any) -> dict[str, Any]:
    """An answer that does not say it: asked once more; after that a person takes it as it was told."""
    unclear = int(draft.get("unclear") or 0) + 1
    noted = {**draft, "unclear": unclear, "before": "\n".join(t for t in (draft.get("before"), said) if t)}
    return {slot: anything if unclear >= UNCLEAR else None, "complaint": noted}


def _elsewhere(talk: Talk) -> bool:
    """Whether a message wants something else than to answer the question asked."""
    if talk.intent == "notice":
        return not talk.turn.message.meta.get("image")
    if talk.intent == "deny" and len(talk.text.split()) <= _A_BARE_NO:
        return True
    sure = float((talk.tracker.latest_message.get("intent") or {}).get("confidence") or 0)
    return talk.intent in LEADS_AWAY and sure >= _SURE


class AskComplaintItem(ThiqaAction):
    """The order's items as buttons."""

    def name(self) -> str:
        return "action_ask_complaint_form_complaint_item"

    def handle(self, talk: Talk) -> Events:
        order = talk.services.orders.order(OrderNumber(str(talk.tracker.get_slot("order_number"))))
        items = order.items if order else ()
        buttons = [
            {"title": item.name[talk.language], "payload": "/inform" + json.dumps({"product": item.sku})}
            for item in items
        ]
        if len(buttons) > 1:
            buttons.append(talk.button("label_all_items", "/inform" + json.dumps({"product": ALL_ITEMS})))
        talk.say("utter_ask_case_item", buttons, order_number=str(talk.tracker.get_slot("order_number")))
        return []


class AskComplaintPieces(ThiqaAction):
    """How many of an item that was ordered more than once, as buttons."""

    def name(self) -> str:
        return "action_ask_complaint_form_complaint_pieces"

    def handle(self, talk: Talk) -> Events:
        order = talk.services.orders.order(OrderNumber(str(talk.tracker.get_slot("order_number"))))
        sku, ordered = talk.tracker.get_slot("complaint_item"), _ordered(talk.tracker)
        item = next((i.name[talk.language] for i in order.items if i.sku == sku), "") if order else ""
        buttons = [
            {"title": str(n), "payload": "/inform" + json.dumps({"quantity": str(n)})}
            for n in range(1, min(ordered, _MOST_BUTTONS + 1))
        ]
        buttons.append(talk.button("label_all_items", "/inform" + json.dumps({"quantity": ALL_ITEMS})))
        talk.say("utter_ask_case_pieces", buttons, item=item, ordered=talk.figures.number(ordered))
        return []


class AskComplaintDetails(ThiqaAction):
    def name(self) -> str:
        return "action_ask_complaint_form_complaint_details"

    def handle(self, talk: Talk) -> Events:
        kind = str((talk.tracker.get_slot("complaint") or {}).get("kind"))
        talk.say(f"utter_ask_case_details_{kind if kind in ASKED_IN_ITS_OWN_WORDS else 'late'}")
        return []


class OpenCase(ThiqaAction):
    """Runs when everything asked is answered."""

    def name(self) -> str:
        return "action_open_case"

    def handle(self, talk: Talk) -> Events:
        draft = talk.tracker.get_slot("complaint")
        if not draft:
            return []  # the form ended otherwise and has said why
        number, order, item = draft.get("order"), None, None
        if number:
            order = talk.services.orders.order(OrderNumber(number))
            customer = talk.services.proofs.customer_of(talk.turn)
            if order is None or order.customer != customer:
                return [SlotSet("complaint", None), SlotSet("proof", None), FollowupAction("order_form")]
            sku = talk.tracker.get_slot("complaint_item")
            item = next((i for i in order.items if i.sku == sku), None)
        if item is not None and (pieces := talk.tracker.get_slot("complaint_pieces")):
            item = replace(item, quantity=min(int(pieces), item.quantity))
        if int(draft.get("unclear") or 0) >= UNCLEAR:
            draft = {**draft, "anyway": True}
        details = talk.tracker.get_slot("complaint_details")
        return open_case(talk, order, draft, item, str(details or draft.get("details") or ""))
