"""What became of a complaint, in any later conversation."""

from __future__ import annotations

from rasa_sdk.events import FollowupAction, SlotSet

from actions.complaints.cases import about_words, case_here
from actions.complaints.offers import offer_words, offers_of, say_offers
from actions.context import PERSON, Events, Talk, ThiqaAction
from bot.compensation.model import Option
from bot.complaints.model import Case, CaseState
from bot.complaints.service import accepted_in, case_number_in


class CaseStatus(ThiqaAction):
    """ "What became of my complaint?" in any later conversation."""

    def name(self) -> str:
        return "action_case_status"

    def handle(self, talk: Talk) -> Events:
        case = case_here(talk)
        if case is None:
            return no_case(talk)
        named = talk.entity("case") or case_number_in(talk.text)
        if named and (again_open := talk.services.complaints.reopen(talk.turn, case)):
            return say_offers(talk, again_open, "utter_case_offers_again")
        return say_status(talk, case)


def no_case(talk: Talk) -> Events:
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
