"""The customer's choice: what was picked is done first, then said; more, or nothing."""

from __future__ import annotations

import json

from rasa_sdk.events import SlotSet

from actions.complaints.cases import case_here, to_person
from actions.complaints.offers import offer_words, offers_of, say_offers
from actions.complaints.status import no_case, say_status
from actions.context import Events, Talk, ThiqaAction
from bot.compensation.model import Given, Offer, Option, PersonReason
from bot.complaints.model import UNDER_WAY, Case, CaseState
from bot.complaints.service import accepted_in
from bot.complaints.wishes import changes_mind
from bot.errors import CapReached, ShopError, ShopRefused
from bot.orders.answers import method_label
from bot.orders.model import Order
from bot.orders.remedies import VoucherState
from bot.outreach.policy import PUSH_CHANNELS


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


def accept(talk: Talk) -> Events:
    """A plain "yes" to what was offered: done where there is one offer, asked which where there are more."""
    case = case_here(talk)
    if case is None or not case.offered:
        return say_status(talk, case) if case else no_case(talk)
    offers = talk.services.complaints.offers(case)
    if len(offers) > 1 or talk.services.complaints.expired(case, talk.turn.now):
        return offers_of(talk, case)
    return give(talk, case, offers[0])


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
        values["items"] = figures.list(_sent(talk, given, order))
        values["new_order"] = str(given.reference)
    talk.say(f"utter_given_{offer.option.value}", (), **values)


def _sent(talk: Talk, given: Given, order: Order) -> list[str]:
    """What is sent again, in words, with how many where it is more than one."""
    grant = given.grant
    sent = [(i, grant.quantity if grant.item else i.quantity) for i in order.items if grant.item in (None, i.sku)]
    return [item.name[talk.language] + (f" × {pieces}" if pieces > 1 else "") for item, pieces in sent]


class NotEnough(ThiqaAction):
    """On to the next round that the policy allows; after the last, to a person with the whole story."""

    def name(self) -> str:
        return "action_not_enough"

    def handle(self, talk: Talk) -> Events:
        case = case_here(talk)
        changes = talk.entity("why") == "change" and case is not None and bool(case.accepted)
        if case is None or not (case.state in UNDER_WAY or case.offered or changes):
            return say_status(talk, case) if case else no_case(talk)
        return not_enough(talk, case)


def not_enough(talk: Talk, case: Case) -> Events:
    why = talk.entity("why")
    if why == "compare":
        talk.say("utter_case_compare")
    if case.state is CaseState.WITH_PERSON:
        return say_status(talk, case)
    if case.state is CaseState.RESOLVED or why in ("person", "change"):
        return to_person(talk, case, why or "not_enough")
    if why == "beyond":
        return beyond(talk, case)
    following = talk.services.complaints.offer_again(talk.turn, case, case.step + 1, "not_enough")
    if following is None:
        return to_person(talk, case, "not_enough")
    return say_offers(talk, following, "utter_case_offers_more")


def beyond(talk: Talk, case: Case) -> Events:
    """More than was offered, or something else: what the policy has of it in a later round; else said openly, with what
    can be had and a person, who may decide otherwise."""
    wished = talk.entity("option")
    step = talk.services.complaints.round_of(talk.turn, case, wished) if wished else None
    if step is None:
        talk.say("utter_case_beyond")
    following = talk.services.complaints.offer_again(talk.turn, case, step or case.step + 1, "not_enough")
    if following is not None:
        return say_offers(talk, following, "utter_case_offers_more")
    return say_offers(talk, case, "utter_case_offers_again", last=True)


def other_choice(talk: Talk) -> Events | None:
    """Something else is wanted in the place of what was accepted ("the refund instead of the voucher"): what was given
    cannot be taken back from here, so that is said, and a person is offered. None where a message means no such thing."""
    wanted = changes_mind(talk.text)
    if wanted is None or talk.tracker.active_loop.get("name"):
        return None
    case = case_here(talk)
    if case is None or not case.accepted or case.offered or case.state is CaseState.WITH_PERSON:
        return None
    latest = accepted_in(case)[-1]
    if latest.option.value == wanted:
        talk.say("utter_given_already", case_number=case.number)
        return say_status(talk, case)
    person = talk.button("label_person", "/not_enough" + json.dumps({"case": case.number, "why": "change"}))
    keep = talk.button("label_keep_it", "/deny")
    talk.say(_state_of(talk, case), [person, keep], offer=offer_words(talk, latest), case_number=case.number)
    return [SlotSet("offer", "change"), SlotSet("case", case.number)]


def change_by_person(talk: Talk) -> Events:
    """ "Yes" to a person who may change what was accepted."""
    case = case_here(talk)
    return to_person(talk, case, "change") if case else no_case(talk)


def _state_of(talk: Talk, case: Case) -> str:
    """What is true of what was accepted last: under way, not used yet, or done."""
    done = talk.services.compensation.done_for(case.id)
    latest = accepted_in(case)[-1].option
    given = next((entry for entry in done if entry.option is latest), None)
    if given is None:
        return "utter_change_under_way"
    if given.option is Option.VOUCHER and given.reference:
        voucher = talk.services.shop.voucher(given.reference)
        if voucher is not None and voucher.state is VoucherState.ACTIVE:
            return "utter_change_unused"
    return "utter_change_done"


class DeclineOffers(ThiqaAction):
    """The customer needs nothing."""

    def name(self) -> str:
        return "action_decline_offers"

    def handle(self, talk: Talk) -> Events:
        case = case_here(talk)
        if case is None or not (case.state is CaseState.OPEN or case.offered):
            return say_status(talk, case) if case else no_case(talk)
        talk.services.complaints.decline(talk.turn, case)
        talk.say("utter_case_declined", case_number=case.number)
        return [SlotSet("offer", None)]
