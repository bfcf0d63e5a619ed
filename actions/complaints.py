"""Complaints: an apology for this one, the facts, a case, what can be done about it, and whether it is right again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.events import FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.forms import FormValidationAction

from actions.context import PERSON, Events, Talk, ThiqaAction, leave_form, talk_in_form, turn_of
from actions.handover import hand_over
from bot.compensation.model import Given, Offer, Option, PersonReason
from bot.complaints import words
from bot.complaints.answers import CaseAnswers
from bot.complaints.facts import ABOUT_ITEMS, Finding, check
from bot.complaints.model import UNDER_WAY, Case, CaseState, EvidenceAdded, Kind
from bot.complaints.service import accepted_in, case_number_in
from bot.conversations.model import FileId
from bot.errors import CapReached, ShopError, ShopRefused
from bot.feedback.model import CaseRated, HandoffRated
from bot.handoff.model import Reason
from bot.orders.answers import method_label
from bot.orders.catalogue import find_products
from bot.orders.model import Item, Order, OrderNumber
from bot.outreach.policy import PUSH_CHANNELS

# Kinds that are about an order, by the goal that `actions.orders` finds the order for.
GOALS = {
    f"complaint_{kind.value}": kind
    for kind in (
        *(Kind.LATE, Kind.NOT_RECEIVED, Kind.REFUND_DELAY, Kind.BILLING),
        *(Kind.DAMAGED, Kind.WRONG_ITEM, Kind.MISSING_ITEM, Kind.QUALITY),
    )
}
_ASKED_FOR_DETAILS = ABOUT_ITEMS | {Kind.BILLING, Kind.SERVICE}
ASKED_IN_ITS_OWN_WORDS = {kind.value for kind in _ASKED_FOR_DETAILS}
_WORDS_THAT_TELL = 6  # a message of so many words has said what is wrong
_KINDS_OFFERED = ("late", "damaged", "wrong_item", "missing_item", "quality", "refund_delay", "billing", "service")


# -- the first answer --------------------------------------------------------------------------------------------------


def say_sorry(talk: Talk, kind: Kind) -> None:
    """An apology for what went wrong, in the tone that the customer needs."""
    angry = talk.emotion == "angry" or talk.tense
    talk.say(f"utter_sorry_{kind.value}{'_angry' if angry else ''}")


def begin(talk: Talk, kind: Kind) -> dict[str, Any]:
    """What is kept of a complaint until its order is known."""
    picture = (talk.turn.message.meta.get("image") or {}).get("id")
    return {"kind": kind.value, "details": talk.text, "emotion": talk.emotion, "picture": picture}


def forget_draft() -> Events:
    """It is a case now."""
    return [SlotSet(name, None) for name in ("complaint", "complaint_item", "complaint_details")]


def draft_of(talk: Talk, kind: Kind) -> Mapping[str, Any]:
    """What was kept of the complaint that is being served."""
    kept = talk.tracker.get_slot("complaint")
    if isinstance(kept, dict) and kind.value in (kept.get("kind"), kept.get("seen")):
        return kept
    return begin(talk, kind)


def serve(talk: Talk, order: Order, kind: Kind) -> Events:
    """Go on with a complaint about an order that is proven the customer's: facts, then what is still to be asked, then
    the case."""
    draft = {**draft_of(talk, kind), "order": order.number}
    insists = bool(draft.get("finding")) and draft_of(talk, kind).get("order") == order.number
    if insists:  # told what the records say, and complained again: believed
        return insist(talk, order, {**draft, "details": f"{draft['details']}\n{talk.text}".strip()})
    events: Events = []
    seen, finding = check(kind, order, talk.services.orders.today(talk.turn.now))
    if finding.agrees and not talk.tracker.get_slot("complaint"):
        say_sorry(talk, seen)  # the order was known, so nothing was said yet
    if not finding.agrees and not draft.get("anyway"):
        line = answers(talk).differs(finding, order)
        wrong = talk.button("label_still_wrong", "/complain_anyway")
        talk.say(line.response, [wrong, talk.button("label_person", PERSON)], **line.values)
        pending = {**draft, "finding": finding.value, "seen": seen.value}
        return [SlotSet("complaint", pending), SlotSet("offer", "complain")]
    draft["kind"] = seen.value
    events += [SlotSet("complaint", draft), SlotSet("complaint_item", None), SlotSet("complaint_details", None)]
    item = item_named(talk, order, str(draft["details"])) if seen in ABOUT_ITEMS else None
    details = str(draft["details"]) if tells(seen, str(draft["details"])) else None
    if item is None and seen in ABOUT_ITEMS and (told := told_before(talk, order, seen)):
        return [*events, SlotSet("complaint", None), *again(talk, told, str(draft["details"]))]
    if item is not None:
        events.append(SlotSet("complaint_item", item.sku))
    if details is not None:
        events.append(SlotSet("complaint_details", details))
    if (seen in ABOUT_ITEMS and item is None) or details is None:
        return [*events, FollowupAction("complaint_form")]
    return [*events, *open_case(talk, order, draft, item, details)]


def told_before(talk: Talk, order: Order, kind: Kind) -> Case | None:
    """The open case of this conversation that a further word without the name of an item is about."""
    case = talk.services.complaints.waiting(talk.turn)
    return case if case and case.order_number == order.number and case.kind is kind else None


def tells(kind: Kind, details: str) -> bool:
    """Whether a message says enough for a decision."""
    return kind not in _ASKED_FOR_DETAILS or len(details.split()) >= _WORDS_THAT_TELL


def item_named(talk: Talk, order: Order, text: str) -> Item | None:
    """The item of an order that a text names; the only one where there is but one."""
    skus = {item.sku for item in order.items}
    products = talk.services.shop.products()
    if len(order.items) == 1:
        clear = find_products(text, products) if text else []
        another = len(clear) == 1 and clear[0].sku not in skus
        return None if another else order.items[0]  # what was not in the order is asked about, not replaced silently
    named = find_products(text, [p for p in products if p.sku in skus]) if text else []
    return next((item for item in order.items if item.sku == named[0].sku), None) if len(named) == 1 else None


def answers(talk: Talk) -> CaseAnswers:
    return CaseAnswers(talk.services.shop.store(), talk.services.orders.today(talk.turn.now), talk.figures)


# -- the case and its offers -------------------------------------------------------------------------------------------


def open_case(talk: Talk, order: Order | None, draft: Mapping[str, Any], item: Item | None, details: str) -> Events:
    """Open the case, or find the one that is open, say what the records say, and offer what can be done."""
    kind = Kind(draft["kind"])
    customer = talk.services.proofs.customer_of(talk.turn)
    done = forget_draft()
    known = talk.services.complaints.known(talk.turn, kind, customer, order, item)
    if known is not None:
        keep_picture(talk, known, draft)
        return [*done, *again(talk, known, details)]
    case, reason = talk.services.complaints.open(
        talk.turn,
        kind,
        customer,
        order,
        item,
        details,
        str(draft.get("emotion") or "neutral"),
        to_person=bool(draft.get("anyway")) and draft.get("finding") != Finding.BELIEVED.value,
    )
    keep_picture(talk, case, draft)
    if order is not None and (line := answers(talk).facts(kind, order, item)):
        talk.say(line.response, (), **line.values)
    talk.say("utter_case_opened_photo" if kind in ABOUT_ITEMS else "utter_case_opened", case_number=case.number)
    if reason is not None:
        return [*done, *to_person(talk, case, reason.value)]
    return [*done, *say_offers(talk, case, "utter_case_offers")]


def keep_picture(talk: Talk, case: Case, draft: Mapping[str, Any]) -> None:
    """Put the picture that came with the first word of a complaint with its case."""
    if picture := draft.get("picture"):
        talk.turn.effects.append(EvidenceAdded(case.id, FileId(str(picture))))


def again(talk: Talk, case: Case, details: str) -> Events:
    """A complaint that is known: its state, and what still stands; what was made good and is not, goes to a person."""
    talk.say("utter_case_known", case_number=case.number, opened=talk.day(case.opened_at))
    if case.state is CaseState.RESOLVED:
        return to_person(talk, case, "again")
    talk.services.complaints.repeated(talk.turn, case, details)
    if case.state is CaseState.OPEN and case.offered:
        return offers_of(talk, case)
    return to_person(talk, case, "again")


def offers_of(talk: Talk, case: Case) -> Events:
    """Offer anew what stands; what has run out, as it can be offered today."""
    if not talk.services.complaints.expired(case, talk.turn.now):
        return say_offers(talk, case, "utter_case_offers_again")
    talk.say("utter_offer_expired", case_number=case.number)
    fresh = talk.services.complaints.offer_again(talk.turn, case, 0, "offered")
    return say_offers(talk, fresh, "utter_case_offers") if fresh else to_person(talk, case, "expired")


def say_offers(talk: Talk, case: Case, lead: str) -> Events:
    """The offers as buttons, with a way to more and to none."""
    offers = talk.services.complaints.offers(case)
    nothing = talk.button("label_no_remedy", f"/decline_offers{_of(case)}")
    more = talk.button("label_not_enough", f"/not_enough{_of(case)}")
    if len(offers) == 1:
        accept = talk.button("label_accept", choose_payload(case, offers[0].option))
        talk.say("utter_case_offer_single", [accept, more, nothing], offer=offer_words(talk, offers[0]))
    else:
        choices = [
            {"title": offer_words(talk, offer), "payload": choose_payload(case, offer.option)} for offer in offers
        ]
        talk.say(lead, [*choices, more, nothing], case_number=case.number)
    return [SlotSet("offer", "case"), SlotSet("case", case.number)]


def _of(case: Case) -> str:
    return json.dumps({"case": case.number})


def choose_payload(case: Case, option: Option) -> str:
    return "/choose" + json.dumps({"case": case.number, "option": option.value})


def offer_words(talk: Talk, offer: Offer) -> str:
    return words.offer_words(talk.services.wording, talk.language, offer)


def to_person(talk: Talk, case: Case, why: str, reason: Reason = Reason.COMPLAINT) -> Events:
    """A person decides, and comes as soon as one can."""
    due = talk.services.complaints.to_person(talk.turn, case, why)
    talk.say("utter_case_to_person", case_number=case.number, due=talk.hour(due))
    return [*hand_over(talk, reason), SlotSet("offer", None), SlotSet("case", case.number)]


def remind(talk: Talk) -> Events:
    """After something else on the way: what was offered for the complaint is still there."""
    if talk.tracker.get_slot("offer") != "case":
        return []
    case = talk.services.complaints.waiting(talk.turn)
    return say_offers(talk, case, "utter_case_offers_again") if case else [SlotSet("offer", None)]


def case_here(talk: Talk) -> Case | None:
    """The case that a button or a word of this message means."""
    customer = talk.services.proofs.customer_of(talk.turn)
    named = talk.entity("case") or case_number_in(talk.text)
    number = case_number_in(str(named)) if named else None
    return talk.services.complaints.find(talk.turn, customer, number)


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
        return list(domain_slots) if Kind(draft.get("kind", "other")) in ABOUT_ITEMS else ["complaint_details"]

    async def extract_complaint_item(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> dict[str, Any]:
        talk = talk_in_form(dispatcher, tracker)
        if tracker.get_slot("requested_slot") != "complaint_item" or _elsewhere(talk):
            return {}
        return {"complaint_item": talk.entity("product") or talk.text}

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
        return {"complaint_item": chosen.sku if chosen else None}


_LEADS_AWAY = {
    *("ask_human", "nevermind", "goodbye", "change_language", "stop_messages", "delete_my_data", "bot_challenge"),
    *("faq", "track_order", "loyalty_points", "voucher", "other_language", "complaint_status", "greet", "thank"),
    *("cancel_order", "change_address", "help"),
}
_SURE = 0.6
_A_BARE_NO = 2  # words; a longer one says what is wrong


def _elsewhere(talk: Talk) -> bool:
    """Whether a message wants something else than to answer the question asked."""
    if talk.intent == "notice":
        return not talk.turn.message.meta.get("image")
    if talk.intent == "deny" and len(talk.text.split()) <= _A_BARE_NO:
        return True
    sure = float((talk.tracker.latest_message.get("intent") or {}).get("confidence") or 0)
    return talk.intent in _LEADS_AWAY and sure >= _SURE


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
        talk.say("utter_ask_case_item", buttons, order_number=str(talk.tracker.get_slot("order_number")))
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
        details = talk.tracker.get_slot("complaint_details")
        return open_case(talk, order, draft, item, str(details or draft.get("details") or ""))


class ComplainAnyway(ThiqaAction):
    """The records say otherwise, and the customer still says that something is wrong: believed, and decided by people."""

    def name(self) -> str:
        return "action_complain_anyway"

    def handle(self, talk: Talk) -> Events:
        draft = talk.tracker.get_slot("complaint")
        number = (draft or {}).get("order")
        order = talk.services.orders.order(OrderNumber(number)) if number else None
        if not draft or order is None or order.customer != talk.services.proofs.customer_of(talk.turn):
            talk.say("utter_stale_button")
            return [SlotSet("complaint", None)]
        return insist(talk, order, draft)


def insist(talk: Talk, order: Order, draft: Mapping[str, Any]) -> Events:
    """Against the records, a person decides."""
    kept = {**draft, "anyway": True, "kind": draft.get("seen") or draft["kind"]}
    return open_case(talk, order, kept, None, str(draft.get("details") or talk.text))


def draft_to_person(talk: Talk, draft: Mapping[str, Any]) -> Events:
    """A person is wanted before there is a case: what was said so far becomes one, so that nothing need be told again."""
    customer = talk.services.proofs.customer_of(talk.turn)
    number = draft.get("order") or (
        talk.tracker.get_slot("order_number") if talk.tracker.get_slot("proof") == "granted" else None
    )
    order = talk.services.orders.order(OrderNumber(str(number))) if number and customer else None
    if order is not None and order.customer != customer:
        order = None
    kind, details = Kind(draft["kind"]), str(talk.tracker.get_slot("complaint_details") or draft.get("details") or "")
    done = forget_draft()
    known = talk.services.complaints.known(talk.turn, kind, customer, order, None)
    if known is not None:
        return [*done, *to_person(talk, known, "asked", Reason.ASKED)]
    emotion = str(draft.get("emotion") or "neutral")
    case, _ = talk.services.complaints.open(talk.turn, kind, customer, order, None, details, emotion, to_person=True)
    return [*done, *to_person(talk, case, "asked", Reason.ASKED)]


# -- choosing ----------------------------------------------------------------------------------------------------------


class Choose(ThiqaAction):
    """What the customer picked is done first, then said."""

    def name(self) -> str:
        return "action_choose"

    def handle(self, talk: Talk) -> Events:
        case = case_here(talk)
        if case is None:
            talk.say("utter_stale_button")
            return []
        option = talk.entity("option")
        offers = talk.services.complaints.offers(case)
        picked = next((offer for offer in offers if offer.option.value == option), None)
        if picked is None:
            return self._not_on_the_table(talk, case, option)
        if talk.services.complaints.expired(case, talk.turn.now):
            return offers_of(talk, case)
        return give(talk, case, picked)

    @staticmethod
    def _not_on_the_table(talk: Talk, case: Case, option: str | None) -> Events:
        if case.accepted and case.accepted.get("option") == option:
            talk.say("utter_given_already", case_number=case.number)
            return say_status(talk, case)
        if case.offered:
            return say_offers(talk, case, "utter_case_offers_again")
        return say_status(talk, case)


def give(talk: Talk, case: Case, offer: Offer) -> Events:
    """Give what was accepted and say what was done; where it cannot be, say that, and what else can."""
    named = offer_words(talk, offer)
    order = talk.services.orders.order(case.order_number) if case.order_number else None
    if order is None:
        return to_person(talk, case, "no_order")
    try:
        given, more = talk.services.complaints.give(talk.turn, case, offer, order)
    except ShopRefused as refused:
        code = refused.code if refused.code in ("out_of_stock", "exceeds_paid", "not_paid") else "not_possible"
        why = f"label_refused_{code}"
        talk.say("utter_given_refused", offer=named, why=why, case_number=case.number)
        left = talk.services.complaints.offer_again(talk.turn, case, case.step, "refused", [offer.option])
        return say_offers(talk, left, "utter_case_offers_more") if left else to_person(talk, case, "refused")
    except CapReached as reached:
        if reached.cap == "case":  # it was settled on another device meanwhile
            talk.say("utter_given_already", case_number=case.number)
            return say_status(talk, case_here(talk) or case)
        talk.say("utter_case_person_first", case_number=case.number)
        return to_person(talk, case, PersonReason.OVER_CAP.value)
    except ShopError:
        due = talk.services.complaints.give_later(talk.turn, case, offer)
        here = talk.turn.conversation.channel in PUSH_CHANNELS
        pending = "utter_given_pending" if here else "utter_given_pending_ask"
        talk.say(pending, offer=named, due=talk.hour(due), case_number=case.number)
        return [SlotSet("offer", None)]
    say_given(talk, given, order)
    if more is not None:
        return say_offers(talk, more, "utter_case_offers_besides")
    other = talk.services.complaints.waiting(talk.turn)
    if other is not None and other.id != case.id:  # a complaint from before still waits
        return say_offers(talk, other, "utter_case_offers_again")
    return [SlotSet("offer", None), SlotSet("case", case.number)]


def say_given(talk: Talk, given: Given, order: Order) -> None:
    """What was done, with everything there is to know about it."""
    offer, figures = given.grant.offer, talk.figures
    today = talk.services.orders.today(talk.turn.now)
    values = {"case_number": str(given.grant.number)}
    if offer.option in (Option.REFUND, Option.SHIPPING_REFUND, Option.VOUCHER):
        values["amount"] = figures.money(offer.amount.amount, offer.amount.currency)
    if offer.option in (Option.REFUND, Option.SHIPPING_REFUND):
        payment = order.payment
        values["method"] = method_label("bank_transfer" if payment == "cash_on_delivery" else payment)
    if given.due_on is not None:
        values["due"] = figures.date(given.due_on, today)
    if offer.option is Option.VOUCHER and given.valid_until:
        values["code"], values["until"] = str(given.reference), figures.date(given.valid_until, today)
    if offer.option is Option.POINTS:
        values["points"] = figures.counted(offer.points or 0, "point", nominative=True)
        values["balance"] = figures.counted(given.points or 0, "point", nominative=True)
    if offer.option in (Option.RESEND, Option.EXCHANGE, Option.MISSING_PART):
        sent = [i for i in order.items if given.grant.item in (None, i.sku)]
        values["items"] = figures.list([item.name[talk.language] for item in sent])
        values["new_order"] = str(given.reference)
    talk.say(f"utter_given_{offer.option.value}", (), **values)


def accept(talk: Talk) -> Events:
    """A plain "yes" to what was offered: done where there is one offer, asked which where there are more."""
    case = case_here(talk)
    if case is None or not case.offered:
        return say_status(talk, case) if case else _no_case(talk)
    offers = talk.services.complaints.offers(case)
    if len(offers) > 1 or talk.services.complaints.expired(case, talk.turn.now):
        return offers_of(talk, case)
    return give(talk, case, offers[0])


class NotEnough(ThiqaAction):
    """On to the next round that the policy allows; after the last, to a person with the whole story."""

    def name(self) -> str:
        return "action_not_enough"

    def handle(self, talk: Talk) -> Events:
        case = case_here(talk)
        if case is None or not (case.state in UNDER_WAY or case.offered):
            return say_status(talk, case) if case else _no_case(talk)
        return not_enough(talk, case)


def not_enough(talk: Talk, case: Case) -> Events:
    if talk.entity("why") == "compare":
        talk.say("utter_case_compare")
    if case.state is CaseState.WITH_PERSON:
        return say_status(talk, case)
    if case.state is CaseState.RESOLVED:
        return to_person(talk, case, "not_enough")
    following = talk.services.complaints.offer_again(talk.turn, case, case.step + 1, "not_enough")
    if following is None:
        return to_person(talk, case, "not_enough")
    return say_offers(talk, following, "utter_case_offers_more")


class DeclineOffers(ThiqaAction):
    """The customer needs nothing."""

    def name(self) -> str:
        return "action_decline_offers"

    def handle(self, talk: Talk) -> Events:
        case = case_here(talk)
        if case is None or not (case.state is CaseState.OPEN or case.offered):
            return say_status(talk, case) if case else _no_case(talk)
        talk.services.complaints.decline(talk.turn, case)
        talk.say("utter_case_declined", case_number=case.number)
        return [SlotSet("offer", None)]


# -- what became of it -------------------------------------------------------------------------------------------------


class CaseStatus(ThiqaAction):
    """ "What became of my complaint?" in any later conversation."""

    def name(self) -> str:
        return "action_case_status"

    def handle(self, talk: Talk) -> Events:
        case = case_here(talk)
        if case is None:
            return _no_case(talk)
        named = talk.entity("case") or case_number_in(talk.text)
        if named and (again_open := talk.services.complaints.reopen(talk.turn, case)):
            return say_offers(talk, again_open, "utter_case_offers_again")
        return say_status(talk, case)


def _no_case(talk: Talk) -> Events:
    """None that may be told here: the order and its proof show whose it is."""
    if talk.services.proofs.customer_of(talk.turn) is None:
        talk.say("utter_case_none")
        return [
            SlotSet("goal", "case"),
            SlotSet("order_number", None),
            SlotSet("proof", None),
            FollowupAction("order_form"),
        ]
    talk.say("utter_case_none")
    return []


def say_status(talk: Talk, case: Case) -> Events:
    """Where a case stands; what still waits for the customer is offered again."""
    values = {"case_number": str(case.number), "about": about_words(talk, case)}
    if case.state is CaseState.WITH_PERSON:
        due = talk.services.complaints.person_due(case)
        values["opened"] = talk.day(case.opened_at)
        if due is not None and due > talk.turn.now:
            talk.say("utter_case_status_with_person", (), due=talk.hour(due), **values)
        else:
            talk.say("utter_case_status_with_person_overdue", [talk.button("label_person", PERSON)], **values)
        return []
    if case.state is CaseState.OPEN:
        talk.say("utter_case_status_open", (), opened=talk.day(case.opened_at), **values)
        return offers_of(talk, case) if case.offered else []
    closed = talk.day(case.closed_at or case.updated_at)
    if case.state is CaseState.RESOLVED and case.accepted:
        done = talk.figures.list([offer_words(talk, offer) for offer in accepted_in(case)])
        talk.say("utter_case_status_resolved", (), done=done, closed=closed, **values)
        say_vouchers(talk, case)
    else:
        talk.say("utter_case_status_closed", (), closed=closed, **values)
    return []


def say_vouchers(talk: Talk, case: Case) -> None:
    """A voucher's code is told whenever its customer asks."""
    today = talk.services.orders.today(talk.turn.now)
    for entry in talk.services.compensation.done_for(case.id):
        if entry.option is Option.VOUCHER and entry.reference and entry.valid_until:
            amount = talk.figures.money(entry.amount.amount, entry.amount.currency)
            until = talk.figures.date(entry.valid_until, today)
            talk.say("utter_given_voucher", amount=amount, code=entry.reference, until=until, case_number=case.number)


def about_words(talk: Talk, case: Case) -> str:
    return words.about_words(talk.services.wording, talk.language, case.kind, case.order_number)


# -- complaints without an order ---------------------------------------------------------------------------------------


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
        kinds = [talk.button(f"label_intent_complaint_{kind}", f"/complaint_{kind}") for kind in _KINDS_OFFERED]
        talk.say("utter_complaint_ask_kind", [*kinds, talk.button("label_person", PERSON)])
        return leave_form()


# -- afterwards --------------------------------------------------------------------------------------------------------


def rating_buttons(talk: Talk, case: Case) -> list[dict[str, str]]:
    return [
        talk.button(f"label_rate_{score}", "/rate" + json.dumps({"case": case.number, "score": str(score)}))
        for score in (5, 4, 3, 2, 1)
    ]


class CaseRight(ThiqaAction):
    """It is right again."""

    def name(self) -> str:
        return "action_case_right"

    def handle(self, talk: Talk) -> Events:
        case = case_here(talk)
        if case is None:
            return _no_case(talk)
        talk.say("utter_case_right", rating_buttons(talk, case))
        return [SlotSet("case", case.number)]


class CaseNotRight(ThiqaAction):
    """It is not: a person takes it up with everything that is known."""

    def name(self) -> str:
        return "action_case_not_right"

    def handle(self, talk: Talk) -> Events:
        case = case_here(talk)
        if case is None:
            return _no_case(talk)
        talk.say("utter_case_not_right")
        return to_person(talk, case, "not_right", Reason.LOW_RATING)


class Rate(ThiqaAction):
    """1 to 5 for how a case was handled; 1 and 2 bring a person."""

    def name(self) -> str:
        return "action_rate"

    def handle(self, talk: Talk) -> Events:
        case, score = case_here(talk), talk.entity("score")
        if (handoff := talk.entity("handoff")) and score in ("1", "2", "3", "4", "5"):
            return _people_rated(talk, handoff, int(score))
        if case is None or score not in ("1", "2", "3", "4", "5"):
            return _no_case(talk)
        talk.turn.effects.append(CaseRated(case.id, f"case:{case.number}", int(score), "", None))
        if int(score) <= 2:
            talk.say("utter_rated_low")
            return to_person(talk, case, f"rated_{score}", Reason.LOW_RATING)
        talk.say("utter_rated_high" if int(score) >= 4 else "utter_rated_middle")
        return [SlotSet("case", case.number), SlotSet("comment", None), FollowupAction("comment_form")]


def _people_rated(talk: Talk, handoff: str, score: int) -> Events:
    """How people answered; low scores bring one again, the same one where they are there."""
    talk.turn.effects.append(HandoffRated(f"handoff:{handoff}", score))
    if score <= 2:
        talk.say("utter_rated_low")
        return hand_over(talk, Reason.LOW_RATING)
    talk.say("utter_handoff_rated")
    return []


class ValidateCommentForm(FormValidationAction):
    """A free word after a rating; anything that is plainly something else ends it."""

    def name(self) -> str:
        return "validate_comment_form"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> Events:
        with turn_of(tracker):
            events: Events = await super().run(dispatcher, tracker, domain)
            return events

    async def extract_comment(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> dict[str, Any]:
        talk = talk_in_form(dispatcher, tracker)
        if tracker.get_slot("requested_slot") != "comment" or not talk.text:
            return {}
        return {} if talk.intent in _NO_COMMENT else {"comment": talk.text}


_NO_COMMENT = (_LEADS_AWAY - {"thank"}) | {
    *("affirm", "deny", "inform", "product_question", "request_invoice", "return_item", "refund_status"),
    *(
        "complaint_late",
        "complaint_not_received",
        "complaint_damaged",
        "complaint_wrong_item",
        "complaint_missing_item",
    ),
    *("complaint_quality", "complaint_refund_delay", "complaint_billing", "complaint_other", "change_order", "notice"),
}


class AskComment(ThiqaAction):
    """Says nothing: the word was invited together with the thanks for the rating."""

    def name(self) -> str:
        return "action_ask_comment_form_comment"

    def handle(self, talk: Talk) -> Events:
        return []


class TakeComment(ThiqaAction):
    def name(self) -> str:
        return "action_take_comment"

    def handle(self, talk: Talk) -> Events:
        comment, case = talk.tracker.get_slot("comment"), case_here(talk)
        if not comment or case is None:
            return [SlotSet("comment", None)]
        talk.turn.effects.append(CaseRated(case.id, f"case:{case.number}", None, str(comment), talk.emotion))
        talk.say("utter_comment_thanks")
        return [SlotSet("comment", None)]
