"""Orders: what is wanted, which order, whose it is, and the answer."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.forms import FormValidationAction

from actions import complaints
from actions.context import PERSON, Events, Talk, ThiqaAction, leave_form, offer_person, talk_in_form, turn_of
from bot.customers.proof import ProofUsed
from bot.errors import ShopError
from bot.orders.model import CustomerId, OrderNumber
from bot.orders.service import order_number_in, spelled_digits
from bot.text import normalize, western_digits

# What each intent wants done with an order; `bot.orders.answers` answers each goal.
GOALS = {
    "track_order": "track",
    "inform": "track",
    "refund_status": "refund",
    "cancel_order": "cancel",
    "change_order": "change",
    "change_address": "change",
    "return_item": "return",
    "request_invoice": "invoice",
    "loyalty_points": "points",
    "complaint_status": "case",
    **{intent: intent for intent in complaints.GOALS},
}
_MOSTLY_DIGITS = re.compile(r"[\s#\-+().]*\d[\d\s#\-+().]*")
_NAMED_NUMBER = re.compile(r"(?:#|ord\b|order|رقم|طلب\w*|الطلب\w*|اوردر\w*|كوموند\w*)\D{0,12}\d{3,}", re.IGNORECASE)


_CORRECTS = re.compile(
    r"قصدي|اقصد|قصدت|غلطت|عفوا|لا رقم|لا الرقم|لا طلب|\b(?:i mean\w*|i meant|meant|sorry|actually|oops|2asdi|asdi|qasdi|9asdi)\b"
)
# "1001 and 1002": two orders, and no number with its proof.
_TWO_ORDERS = re.compile(
    r"\d{3,10}\s*(?:و|and|&|,|،|\+|\bw\b)\s*(?:ال)?(?:طلب\w*|اوردر\w*|order|رقم|#)?\s*#?\d{3,10}"
    r"|(?:orders|طلبين|الطلبين|طلباتي|طلبات)\D{0,12}\d{3,10}\D{1,12}\d{3,10}",
    re.IGNORECASE,
)


def _granted(customer: CustomerId | None, talk: Talk, number: OrderNumber) -> bool:
    vouched = customer is None and talk.services.proofs.has_phone(talk.turn)
    if customer is None and not vouched:
        return False
    order = talk.services.orders.order(number)
    return talk.services.proofs.vouched(talk.turn, order) if vouched else bool(order and order.customer == customer)


def say_paused(talk: Talk, until: datetime) -> None:
    """Proof is paused: said openly, with the time it opens again and a person at hand."""
    local = until.astimezone(talk.services.shop.store().timezone)
    talk.say("utter_proof_paused", [talk.button("label_person", PERSON)], time=talk.figures.time(local))


_SAYS_ORDER = re.compile(
    r"طلب|اوردر|كوموند|شحن|\b(?:orders?|talab\w*|commande|parcel|package|shipment|packages|parcels)\b"
)
# "I don't have it", said when the order number is asked for.
_FORGOTTEN = re.compile(
    r"نسيت|نسيتو|ناسي|فاكر|متذكر|اتذكر|اذكر|متفكر|عقلت|ضيعت|مضيع|حذفت|مسحت|ما عندي|معنديش|ماعندي|ما معي|معيش|مو معي|مش معي"
    r"|مب عندي|ما ادري|مدري|معرفش|ما اعرف|مابعرف|ما بعرف|ماعرف|معرفتش|ما لقيت|مالقيت|مش لاقي|مالقاش|ما كاينش|ما لكيت"
    r"|\b(?:forg[eo]t\w*|lost (?:it|(?:the|my) (?:order )?number)|deleted|don'?t (?:have|know|remember)|can'?t (?:find|remember)|dont (?:have|know|remember)"
    r"|cant (?:find|remember)|no idea|not sure|nseet|nsit|mesh faker|msh faker|ma3rafsh|ma ba3ref|ma 3indi|ma 3ndi|m3ndish)\b"
)


class SetGoal(ThiqaAction):
    """Notes what is wanted and of which order; `order_step` says what comes next."""

    def name(self) -> str:
        return "action_set_goal"

    def handle(self, talk: Talk) -> Events:
        if (events := complaints.other_choice(talk)) is not None:
            return [*events, SlotSet("order_step", "stopped")]
        if number := complaints.names_its_order(talk):
            events = complaints.ask_kind(talk, complaints.word_before(talk) or {}, number)
            return [*events, SlotSet("order_step", "stopped")]
        if (events := self._given_late(talk)) is not None:
            return events
        if talk.intent == "inform" and not talk.entities("order_number"):
            return [SlotSet("order_step", "none_named")]
        customer = talk.services.proofs.customer_of(talk.turn)
        until = talk.services.proofs.paused(talk.turn) if customer is None else None
        if until:
            say_paused(talk, until)
            return [*leave_form(), SlotSet("order_step", "stopped"), *offer_person()]
        goal = GOALS.get(talk.intent, "track")
        number = self._number(talk, goal, customer)
        ready = number is not None and _granted(customer, talk, number)
        complaint = None
        if goal in complaints.GOALS:
            kind = complaints.GOALS[goal]
            kept = talk.tracker.get_slot("complaint")
            if ready and isinstance(kept, dict) and kept.get("finding") and kept.get("order") == number:
                complaint = kept  # the records said otherwise, and it is said again
            if not ready:
                complaints.say_sorry(talk, kind)
                complaint = complaints.begin(talk, kind)
        elif goal == "track" and not ready and talk.emotion in complaints.UPSET:
            complaint = complaints.note(talk)  # kept until it is known whether the order is late
        return [
            *leave_form(),
            SlotSet("goal", goal),
            SlotSet("order_number", number),
            SlotSet("proof", "granted" if ready else None),
            SlotSet("order_step", "ready" if ready else "ask"),
            *([SlotSet("offer", None)] if talk.tracker.get_slot("offer") != "case" else []),
            SlotSet("complaint", complaint),
            *self._another(talk),
        ]

    @staticmethod
    def _given_late(talk: Talk) -> Events | None:
        """The order number or the proof of a complaint that were asked for in an earlier session and come only now."""
        kept = complaints.waits_for_its_order(talk)
        if kept is None or not (talk.intent == "inform" or _MOSTLY_DIGITS.fullmatch(western_digits(talk.text))):
            return None
        goal = SlotSet("goal", f"complaint_{kept['kind']}")
        before = talk.tracker.get_slot("order_number")
        numbers = [n for n in map(order_number_in, talk.entities("order_number")) if n]
        if numbers and (not before or numbers[0] == before or _NAMED_NUMBER.search(western_digits(talk.text))):
            ready = _granted(talk.services.proofs.customer_of(talk.turn), talk, numbers[0])
            given = {"order_number": numbers[0], "proof": "granted" if ready else None}
        elif before and (value := _proof_in(talk)):
            given = {"order_number": before, **_check_proof(talk, OrderNumber(before), value)}
            talk.turn.notes.add("read")
        else:
            return None
        paused = "requested_slot" in given
        step = "ready" if given["proof"] == "granted" else "stopped" if paused else "ask"
        slots = [SlotSet(name, value) for name, value in given.items() if name != "requested_slot"]
        return [*leave_form(), goal, *slots, SlotSet("order_step", step)]

    @staticmethod
    def _another(talk: Talk) -> Events:
        """A second order in the same message is asked about after the first."""
        named = [n for n in map(order_number_in, talk.entities("order_number")) if n]
        if len(named) < 2 or named[0] == named[1] or not _TWO_ORDERS.search(western_digits(talk.text)):
            return []
        intent = talk.intent if talk.intent in GOALS and talk.intent != "inform" else "track_order"
        waiting = list(talk.tracker.get_slot("waiting_requests") or [])
        return [SlotSet("waiting_requests", [*waiting, [f"/{intent}{json.dumps({'order_number': named[1]})}", intent]])]

    @staticmethod
    def _number(talk: Talk, goal: str, customer: CustomerId | None) -> OrderNumber | None:
        named = [n for n in map(order_number_in, talk.entities("order_number")) if n]
        if named:
            return named[0]
        if quoted := talk.turn.message.meta.get("quoted_order"):
            return OrderNumber(quoted)  # the message that this one replies to names it
        told = (complaints.word_before(talk) or {}).get("order")
        if told and goal in complaints.GOALS:
            return OrderNumber(told)  # "I have a problem with 1004", and now what is wrong with it
        before = talk.tracker.get_slot("order_number")
        if before and talk.tracker.active_loop.get("name"):
            return OrderNumber(before)  # another wish on the way to the proof is about the order named before
        if customer is None:
            return None
        mine = talk.services.orders.choices(customer)
        if mine and (goal == "points" or len(mine) == 1):
            return mine[0].number
        # The order spoken of stays the order meant ("why so late?", "when will it come?"), but "where is my order" or
        # the button for it may mean any.
        names_an_order = not talk.text or _SAYS_ORDER.search(normalize(talk.text))
        may_mean_any = talk.intent == "track_order" and names_an_order
        if may_mean_any or not before or talk.tracker.get_slot("proof") != "granted":
            return None
        return OrderNumber(before)


class AskOrderNumber(ThiqaAction):
    """The customer's own orders as buttons where they are proven, the number where not."""

    def name(self) -> str:
        return "action_ask_order_form_order_number"

    def handle(self, talk: Talk) -> Events:
        if "asked" in talk.turn.notes:
            return []
        customer = talk.services.proofs.customer_of(talk.turn)
        orders = talk.services.orders.choices(customer) if customer else []
        if not orders:
            talk.say("utter_ask_order_number", [talk.button("label_person", PERSON)])
            return []
        answers = talk.services.orders.answers(talk.turn.now, talk.language)
        talk.turn.effects.append(ProofUsed())
        choices = []
        for order in orders:
            label = talk.services.wording.say(
                "utter_order_choice_label", talk.language, order_number=order.number, items=answers.items(order)
            )
            choices.append({"title": label.text, "payload": "/inform" + json.dumps({"order_number": order.number})})
        talk.say("utter_ask_order_choice", choices)
        return []


class AskProof(ThiqaAction):
    """Asks for proof; while proof is paused, the form has ended before this."""

    def name(self) -> str:
        return "action_ask_order_form_proof"

    def handle(self, talk: Talk) -> Events:
        if "asked" not in talk.turn.notes:
            talk.say(
                "utter_ask_proof",
                [talk.button("label_person", PERSON)],
                order_number=str(talk.tracker.get_slot("order_number")),
            )
        return []


class ValidateOrderForm(FormValidationAction):
    """Reads order number and proof from whatever the customer writes, in one message or several."""

    def name(self) -> str:
        return "validate_order_form"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> Events:
        with turn_of(tracker):
            events: Events = await super().run(dispatcher, tracker, domain)
            return events

    async def extract_order_number(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> dict[str, Any]:
        talk = talk_in_form(dispatcher, tracker)
        requested = tracker.get_slot("requested_slot")
        if "read" in talk.turn.notes:
            return {}  # it was the proof of a complaint that waited
        if requested == "proof" and (corrected := _corrected(talk)):
            return {"order_number": corrected}
        if requested == "order_number" and talk.intent not in _DROPS_IT and _does_not_know(talk.text):
            return {"order_number": "forgotten"}
        if _leads_elsewhere(talk, requested):
            return {}
        number = next((n for n in map(order_number_in, talk.entities("order_number")) if n), None)
        if requested == "proof":
            # A bare number now is the proof asked for; one that is called an order number changes the order.
            named = talk.entity("order_number") if not talk.text else _NAMED_NUMBER.search(western_digits(talk.text))
            return {"order_number": number} if number and named else {}
        if number:
            return {"order_number": number}
        contact = talk.entity("phone") or talk.entity("email")  # who gives that has no number at hand
        if requested == "order_number" and talk.intent == "inform" and talk.text and not contact:
            return {"order_number": talk.text}
        return {}

    async def extract_proof(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> dict[str, Any]:
        talk = talk_in_form(dispatcher, tracker)
        requested = tracker.get_slot("requested_slot")
        if (
            "read" in talk.turn.notes
            or _leads_elsewhere(talk, requested)
            or (requested == "proof" and _corrected(talk))
        ):
            return {}
        if contact := talk.entity("email") or talk.entity("phone"):
            return {"proof": contact}
        numbers = talk.entities("order_number")
        if requested == "proof":
            if _NAMED_NUMBER.search(spelled_digits(western_digits(talk.text))) and len(numbers) < 2:
                return {}
            return {"proof": proof} if (proof := _proof_in(talk)) else {}
        # "1001 4567": the second number of four digits is the proof that will be asked for; "1001 and 1002" is not.
        if len(numbers) < 2 or len(numbers[1]) != 4 or _TWO_ORDERS.search(western_digits(talk.text)):
            return {}
        return {"proof": numbers[1]}

    async def validate_order_number(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> dict[str, Any]:
        talk = talk_in_form(dispatcher, tracker)
        if value == "forgotten":
            talk.say("utter_order_number_forgotten", [talk.button("label_person", PERSON)])
            return {"order_number": None, "offer": "person", "requested_slot": None}
        number = order_number_in(str(value))
        if number is None:
            talk.say("utter_order_number_invalid", [talk.button("label_person", PERSON)])
            talk.turn.notes.add("asked")
            return {"order_number": None}
        try:
            granted = _granted(talk.services.proofs.customer_of(talk.turn), talk, number)
        except ShopError:
            return _shop_failed(talk)
        return {"order_number": number, "proof": "granted"} if granted else {"order_number": number}

    async def validate_proof(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> dict[str, Any]:
        talk = talk_in_form(dispatcher, tracker)
        number = tracker.get_slot("order_number")
        if value == "granted" or not number:
            return {"proof": value if value == "granted" else None}
        return _check_proof(talk, OrderNumber(number), str(value))


def _proof_in(talk: Talk) -> str | None:
    """What a message gives as proof: an e-mail, a phone, or its last digits."""
    if contact := talk.entity("email") or talk.entity("phone"):
        return contact
    digits = re.findall(r"\d[\d\s\-]*", spelled_digits(western_digits(talk.text)))
    return str(digits[-1]).strip() if digits else None


def _check_proof(talk: Talk, number: OrderNumber, value: str) -> dict[str, Any]:
    """The slots after a proof was given; what is wrong with it is said."""
    try:
        order = talk.services.orders.order(number)
    except ShopError:
        return _shop_failed(talk)
    outcome = talk.services.proofs.check(talk.turn, number, order, value)
    if outcome.granted:
        return {"proof": "granted"}
    talk.turn.notes.add("asked")
    if outcome.paused_until:
        say_paused(talk, outcome.paused_until)
        return {"proof": None, "offer": "person", "requested_slot": None}
    talk.say(
        "utter_proof_refused",
        [talk.button("label_person", PERSON)],
        tries=talk.figures.counted(outcome.tries_left, "try", nominative=True),
    )
    return {"proof": None}


def _shop_failed(talk: Talk) -> dict[str, Any]:
    talk.say_shop_unavailable()
    talk.turn.notes.add("asked")
    return {"proof": None, "offer": "person", "requested_slot": None}


def _corrected(talk: Talk) -> OrderNumber | None:
    """The order number that a message puts in the place of the one named before ("I mean 1002"), or None."""
    if not _CORRECTS.search(normalize(talk.text)):
        return None
    return next((n for n in map(order_number_in, talk.entities("order_number")) if n), None)


def _does_not_know(text: str) -> bool:
    return not re.search(r"\d", text) and _FORGOTTEN.search(normalize(text)) is not None


def _leads_elsewhere(talk: Talk, requested: str | None) -> bool:
    """Whether a message in the form wants something else, whatever numbers it holds."""
    if requested is None or _MOSTLY_DIGITS.fullmatch(western_digits(talk.text)) or talk.entity("email"):
        return False
    goal = GOALS.get(talk.intent)
    if talk.intent == "inform" or goal == talk.tracker.get_slot("goal"):
        return False
    return goal is not None or talk.intent in _NOT_DATA


_DROPS_IT = {"nevermind", "ask_human", "goodbye", "stop_messages", "change_language"}

_NOT_DATA = {
    "ask_human", "nevermind", "goodbye", "change_language", "stop_messages", "delete_my_data", "insult", "faq",
    "product_question", "voucher", "payment_problem", "account_problem", "complaint_service", "complaint_other",
    "complaint_status", "other_language", "notice",
}  # fmt: skip


class ServeOrder(ThiqaAction):
    """Answers about the order, once it is known whose it is."""

    def name(self) -> str:
        return "action_serve_order"

    def handle(self, talk: Talk) -> Events:
        number = talk.tracker.get_slot("order_number")
        if talk.tracker.get_slot("proof") != "granted" or not number:
            return []  # the form ended without proof and has said why
        order = talk.services.orders.order(OrderNumber(number))
        customer = talk.services.proofs.customer_of(talk.turn)
        if order is None or order.customer != customer:
            talk.say("utter_ask_proof", order_number=str(number))
            return [SlotSet("proof", None)]
        talk.turn.effects.append(ProofUsed())
        goal = str(talk.tracker.get_slot("goal") or "track")
        if goal in complaints.GOALS:
            return complaints.serve(talk, order, complaints.GOALS[goal])
        if goal == "case":
            return complaints.CaseStatus().handle(talk)
        if goal == "track" and (complained := complaints.late_and_upset(talk, order)) is not None:
            return complained
        person = talk.services.orders.customer(customer) if goal == "points" else None
        events: Events = []
        for line in talk.services.orders.answers(talk.turn.now, talk.language).for_goal(goal, order, person):
            events += talk.say_line(line)
        return [*events, *complaints.remind(talk)] if not any(e.get("name") == "offer" for e in events) else events


class AskAgain(ThiqaAction):
    """Says nothing itself: after a message that the form could not use, the form's own question comes again."""

    def name(self) -> str:
        return "action_ask_again"

    def handle(self, talk: Talk) -> Events:
        return []


class Inform(ThiqaAction):
    """Data that nobody asked for, and no order number in it."""

    def name(self) -> str:
        return "action_inform"

    def handle(self, talk: Talk) -> Events:
        if talk.entity("phone") and talk.services.proofs.has_phone(talk.turn):
            talk.say("utter_telegram_contact_saved", [talk.button("label_track", "/track_order")])
            return []
        if talk.entity("phone") or talk.entity("email"):  # alone they find no order; a person finds it by them
            talk.say("utter_order_number_forgotten", [talk.button("label_person", PERSON)])
            return offer_person()
        talk.say(
            "utter_anything_else", [talk.button("label_track", "/track_order"), talk.button("label_person", PERSON)]
        )
        return []
