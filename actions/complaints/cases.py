"""Which case a message means, and a person for it."""

from __future__ import annotations

from rasa_sdk.events import SlotSet

from actions.context import Events, Talk
from actions.handover import hand_over
from bot.complaints import words
from bot.complaints.answers import CaseAnswers
from bot.complaints.model import Case
from bot.complaints.service import case_number_in
from bot.handoff.model import Reason


def case_here(talk: Talk) -> Case | None:
    """The case that a button or a word of this message means."""
    customer = talk.services.proofs.customer_of(talk.turn)
    named = talk.entity("case") or case_number_in(talk.text)
    number = case_number_in(str(named)) if named else None
    return talk.services.complaints.find(talk.turn, customer, number)


def to_person(talk: Talk, case: Case, why: str, reason: Reason = Reason.COMPLAINT) -> Events:
    """A person decides, and comes as soon as one can."""
    due = talk.services.complaints.to_person(talk.turn, case, why)
    talk.say("utter_case_to_person", case_number=case.number, due=talk.hour(due))
    return [*hand_over(talk, reason), SlotSet("offer", None), SlotSet("case", case.number)]


def about_words(talk: Talk, case: Case) -> str:
    return words.about_words(talk.services.wording, talk.language, case.kind, case.order_number)


def answers(talk: Talk) -> CaseAnswers:
    return CaseAnswers(talk.services.shop.store(), talk.services.orders.today(talk.turn.now), talk.figures)
