"""What a case is made good by: said with its buttons, and said again."""

from __future__ import annotations

import json

from rasa_sdk.events import SlotSet

from actions.complaints.cases import to_person
from actions.context import Events, Talk
from bot.compensation.model import Offer, Option
from bot.complaints import words
from bot.complaints.model import Case


def offers_of(talk: Talk, case: Case) -> Events:
    """Offer anew what stands; what has run out, as it can be offered today."""
    if not talk.services.complaints.expired(case, talk.turn.now):
        return say_offers(talk, case, "utter_case_offers_again")
    talk.say("utter_offer_expired", case_number=case.number)
    fresh = talk.services.complaints.offer_again(talk.turn, case, 0, "offered")
    return say_offers(talk, fresh, "utter_case_offers") if fresh else to_person(talk, case, "expired")


def say_offers(talk: Talk, case: Case, lead: str, last: bool = False) -> Events:
    """The offers as buttons, with a way to more and to none. `last`: there is no more, so the way is to a person."""
    offers = talk.services.complaints.offers(case)
    nothing = talk.button("label_no_remedy", f"/decline_offers{_of(case)}")
    more = talk.button("label_not_enough", f"/not_enough{_of(case)}")
    if last:
        more = talk.button("label_person", "/not_enough" + json.dumps({"case": case.number, "why": "person"}))
    if len(offers) == 1:
        accept = talk.button("label_accept", choose_payload(case, offers[0].option))
        talk.say("utter_case_offer_single", [accept, more, nothing], offer=offer_words(talk, offers[0]))
    else:
        choices = [
            {"title": offer_words(talk, offer), "payload": choose_payload(case, offer.option)} for offer in offers
        ]
        talk.say(lead, [*choices, more, nothing], case_number=case.number)
    return [SlotSet("offer", "case"), SlotSet("case", case.number)]


def remind(talk: Talk) -> Events:
    """After something else on the way: what was offered for the complaint is still there."""
    if talk.tracker.get_slot("offer") != "case":
        return []
    case = talk.services.complaints.waiting(talk.turn)
    return say_offers(talk, case, "utter_case_offers_again") if case else [SlotSet("offer", None)]


def _of(case: Case) -> str:
    return json.dumps({"case": case.number})


def choose_payload(case: Case, option: Option) -> str:
    return "/choose" + json.dumps({"case": case.number, "option": option.value})


def offer_words(talk: Talk, offer: Offer) -> str:
    return words.offer_words(talk.services.wording, talk.language, offer)
