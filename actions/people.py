"""The way to a person, and matters that a person takes up."""

from __future__ import annotations

import regex
from rasa_sdk.events import FollowupAction, SlotSet

from actions import complaints
from actions.context import PERSON, Events, Talk, ThiqaAction, leave_form, offer_person
from actions.handover import hand_over
from bot.handoff.model import Reason
from bot.text import normalize

# "No, not this one", said of the order that proof was asked for.
_ANOTHER = regex.compile(
    r"(?:مو|مب|مهو|ماهو|ما هو|مش|مهوش|ماشي|ليس|ليست|موش) ?(?:هذا|هذي|هذه|هاذ|هاد|هادا|هيدا|هاي|هذاك|ده|دي|دا|هو|هي)|غيره|غيرها|واحد ثاني|واحد تاني"
    r"|طلب ثاني|طلب تاني|طلب اخر|اوردر تاني|\b(?:not (?:this|that|it)|wrong (?:one|order|number)|another (?:one|order)|different (?:one|order)"
    r"|other (?:one|order)|mesh (?:da|di|dah|hay|hayda)|msh (?:da|di|dah)|mo (?:hatha|hadha|hay)|machi (?:hada|hadi|hadak))\b"
)


class AskHuman(ThiqaAction):
    """At once, never argued with."""

    def name(self) -> str:
        return "action_ask_human"

    def handle(self, talk: Talk) -> Events:
        draft = talk.tracker.get_slot("complaint")
        if isinstance(draft, dict) and draft.get("kind"):
            return complaints.draft_to_person(talk, draft)
        return hand_over(talk)


class DeleteMyData(ThiqaAction):
    """Showing, exporting and erasing personal data is a person's work."""

    def name(self) -> str:
        return "action_delete_my_data"

    def handle(self, talk: Talk) -> Events:
        talk.say("utter_delete_my_data")
        return hand_over(talk, Reason.PRIVACY)


class OfferPerson(ThiqaAction):
    """Matters with two or three things that help, or an apology of their own, and then a person: the response is the
    intent's."""

    def name(self) -> str:
        return "action_offer_person"

    def handle(self, talk: Talk) -> Events:
        if (events := complaints.other_choice(talk)) is not None:
            return events
        talk.say(f"utter_{talk.intent}", [talk.button("label_person", PERSON)])
        return [*leave_form(), *(complaints.remind(talk) or offer_person())]


class Accept(ThiqaAction):
    """ "Yes": to what was offered last, if anything was."""

    def name(self) -> str:
        return "action_accept"

    def handle(self, talk: Talk) -> Events:
        offer = talk.tracker.get_slot("offer")
        if offer == "person":
            return [*hand_over(talk), SlotSet("offer", None)]
        if offer == "case":
            return complaints.accept(talk)
        if offer == "complain":
            return [SlotSet("offer", None), *complaints.ComplainAnyway().handle(talk)]
        if offer == "change":
            return complaints.change_by_person(talk)
        talk.say("utter_anything_else")
        return []


class Decline(ThiqaAction):
    """ "No": to what was offered or asked last."""

    def name(self) -> str:
        return "action_decline"

    def handle(self, talk: Talk) -> Events:
        offer = talk.tracker.get_slot("offer")
        if offer == "case" and not talk.tracker.active_loop.get("name"):
            return complaints.NotEnough().handle(talk)
        if offer == "complain" and len(talk.text.split()) > 2:  # "no, I have not got it": it is still wrong
            return [SlotSet("offer", None), *complaints.ComplainAnyway().handle(talk)]
        if offer and offer != "case":
            talk.say("utter_declined")
            if offer == "person" and (waiting := talk.services.complaints.waiting(talk.turn)):
                return complaints.offers_of(talk, waiting)
        elif talk.tracker.active_loop.get("name"):
            if talk.tracker.get_slot("order_number") and _ANOTHER.search(normalize(talk.text)):
                return [SlotSet("order_number", None), SlotSet("proof", None), FollowupAction("order_form")]
            talk.say("utter_nevermind")
            return [SlotSet("offer", None), SlotSet("complaint", None), *leave_form()]
        else:
            talk.say("utter_anything_else")
        return [SlotSet("offer", None)]
