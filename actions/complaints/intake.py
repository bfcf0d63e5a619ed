"""The first answer to a complaint: an apology for this one, the facts, and what is still to be asked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rasa_sdk.events import FollowupAction, SlotSet

from actions.complaints.cases import answers
from actions.complaints.choice import other_choice
from actions.complaints.drafts import (
    UPSET,
    begin,
    draft_of,
    forget_draft,
    item_named,
    note,
    said_already,
    say_sorry,
    tells,
    word_before,
)
from actions.complaints.opening import again, insist, open_case
from actions.context import PERSON, Events, Talk, ThiqaAction, leave_form
from bot.complaints.facts import ABOUT_ITEMS, Finding, check
from bot.complaints.model import Case, CaseState, Kind
from bot.complaints.pieces import pieces_in
from bot.orders.model import UNDER_WAY, Order, OrderNumber
from bot.orders.service import order_number_in
from bot.text import normalize

_ONLY_A_NUMBER = re.compile(
    r"(?:(?:رقم\w*|ال?طلب\w*|طلبي\w*|ال?اوردر\w*|هو|هي|هذا|order|number|no|my|the|its?|it's|is|talab\w*|ra2m\w*)[\s:#.]*)*\d{3,12}\W*"
)
_KINDS_OFFERED = ("late", "damaged", "wrong_item", "missing_item", "quality", "refund_delay", "billing", "service")


def serve(talk: Talk, order: Order, kind: Kind, begun: Mapping[str, Any] | None = None) -> Events:
    """Go on with a complaint about an order that is proven the customer's: facts, then what is still to be asked, then
    the case."""
    begun = begun or draft_of(talk, kind)
    draft = {**begun, "order": order.number}
    insists = bool(draft.get("finding")) and begun.get("order") == order.number
    if insists:  # told what the records say, and complained again: believed
        return insist(talk, order, {**draft, "details": f"{draft['details']}\n{talk.text}".strip()})
    seen, finding = check(kind, order, talk.services.orders.today(talk.turn.now))
    if finding.agrees and not said_already(talk):
        say_sorry(talk, seen, draft["emotion"])  # the order was known, so nothing was said yet
    if not finding.agrees and not draft.get("anyway"):
        line = answers(talk).differs(finding, order)
        wrong = talk.button("label_still_wrong", "/complain_anyway")
        talk.say(line.response, [wrong, talk.button("label_person", PERSON)], **line.values)
        pending = {**draft, "finding": finding.value, "seen": seen.value}
        return [SlotSet("complaint", pending), SlotSet("offer", "complain")]
    draft["kind"] = seen.value
    item = item_named(talk, order, str(draft["details"])) if seen in ABOUT_ITEMS else None
    details = str(draft["details"]) if tells(seen, str(draft["details"])) else None
    if item is None and seen in ABOUT_ITEMS and (told := told_before(talk, order, seen)):
        return [*forget_draft(), *again(talk, told, str(draft["details"]))]
    pieces = pieces_in(str(draft["details"]), item.quantity) if item and item.quantity > 1 else None
    if item and item.quantity > 1:
        draft["ordered"] = item.quantity
    events = [
        SlotSet("complaint", draft),
        SlotSet("complaint_item", item.sku if item else None),
        SlotSet("complaint_pieces", pieces),
        SlotSet("complaint_details", details),
    ]
    unknown = seen in ABOUT_ITEMS and (item is None or (item.quantity > 1 and pieces is None))
    if unknown or details is None:
        return [*events, FollowupAction("complaint_form")]
    if item and pieces:
        item = replace(item, quantity=pieces)
    return [*events, *open_case(talk, order, draft, item, details)]


def late_and_upset(talk: Talk, order: Order) -> Events | None:
    """Who asks angrily where a late order is, complains: an apology and what is offered, not only where it is. None where
    it is not so, or was complained of before and is not the customer's turn."""
    kept = word_before(talk) or note(talk)
    if kept["emotion"] not in UPSET or order.status not in UNDER_WAY:
        return None
    if check(Kind.LATE, order, talk.services.orders.today(talk.turn.now))[1] is not Finding.CONFIRMED:
        return None
    known = talk.services.complaints.known(talk.turn, Kind.LATE, order.customer, order, None)
    if known is not None and not (known.state is CaseState.OPEN and known.offered):
        return None
    return serve(talk, order, Kind.LATE, {**kept, "kind": Kind.LATE.value})


def told_before(talk: Talk, order: Order, kind: Kind) -> Case | None:
    """The open case of this conversation that a further word without the name of an item is about."""
    case = talk.services.complaints.waiting(talk.turn)
    return case if case and case.order_number == order.number and case.kind is kind else None


class ComplainOfService(ThiqaAction):
    """How somebody was treated: written down and decided by people."""

    def name(self) -> str:
        return "action_complain_of_service"

    def handle(self, talk: Talk) -> Events:
        say_sorry(talk, Kind.SERVICE)
        draft = begin(talk, Kind.SERVICE)
        number = talk.tracker.get_slot("order_number") if talk.tracker.get_slot("proof") == "granted" else None
        if number:
            draft["order"] = number
        events: Events = [*leave_form(), SlotSet("complaint", draft), SlotSet("complaint_details", None)]
        if not tells(Kind.SERVICE, talk.text):
            return [*events, FollowupAction("complaint_form")]
        order = talk.services.orders.order(OrderNumber(str(number))) if number else None
        return [*events, *open_case(talk, order, draft, None, talk.text)]


class ComplainOfOther(ThiqaAction):
    """ "I have a complaint": of what?"""

    def name(self) -> str:
        return "action_complain_of_other"

    def handle(self, talk: Talk) -> Events:
        if (events := other_choice(talk)) is not None:
            return events
        number = next((n for n in map(order_number_in, talk.entities("order_number")) if n), None)
        return [*leave_form(), *ask_kind(talk, note(talk, general=True), number)]


def ask_kind(talk: Talk, draft: Mapping[str, Any], number: OrderNumber | None) -> Events:
    """What is wrong, with that order where one was named; it is kept for whichever kind is chosen."""
    values = json.dumps({"order_number": number}) if number else ""
    kinds = [talk.button(f"label_intent_complaint_{kind}", f"/complaint_{kind}{values}") for kind in _KINDS_OFFERED]
    buttons = [*kinds, talk.button("label_person", PERSON)]
    if number:
        talk.say("utter_complaint_ask_kind_of_order", buttons, order_number=number)
    else:
        talk.say("utter_complaint_ask_kind", buttons)
    return [SlotSet("complaint", {**draft, "order": number})]


def names_its_order(talk: Talk) -> OrderNumber | None:
    """The order that a message names after "I have a problem", with nothing else in it; else None."""
    kept, numbers = word_before(talk), [n for n in map(order_number_in, talk.entities("order_number")) if n]
    if not kept or not kept.get("general") or len(numbers) != 1 or talk.tracker.active_loop.get("name"):
        return None
    return numbers[0] if talk.intent == "inform" or _ONLY_A_NUMBER.fullmatch(normalize(talk.text)) else None
