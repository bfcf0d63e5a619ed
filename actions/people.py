"""The way to a person, and matters that a person takes up."""

from __future__ import annotations

from rasa_sdk.events import SlotSet

from actions.context import PERSON, Events, Talk, ThiqaAction, leave_form, offer_person
from bot.handoff.model import Reason


def hand_over(talk: Talk, reason: Reason = Reason.ASKED) -> Events:
    """Move the conversation to the queue in this turn, and tell the real state: hours, and who waits before."""
    response, values = talk.services.handoff.announcement(talk.turn.now, talk.language)
    talk.services.handoff.ask(talk.turn, reason)
    talk.say(response, [talk.button("label_back_to_bot", "/back_to_bot")], **values)
    return leave_form()


class AskHuman(ThiqaAction):
    """At once, never argued with."""

    def name(self) -> str:
        return "action_ask_human"

    def handle(self, talk: Talk) -> Events:
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
        talk.say(f"utter_{talk.intent}", [talk.button("label_person", PERSON)])
        return [*leave_form(), *offer_person()]


class Accept(ThiqaAction):
    """ "Yes": to what was offered last, if anything was."""

    def name(self) -> str:
        return "action_accept"

    def handle(self, talk: Talk) -> Events:
        if talk.tracker.get_slot("offer") == "person":
            return [*hand_over(talk), SlotSet("offer", None)]
        talk.say("utter_anything_else")
        return []


class Decline(ThiqaAction):
    """ "No": to what was offered or asked last."""

    def name(self) -> str:
        return "action_decline"

    def handle(self, talk: Talk) -> Events:
        if talk.tracker.get_slot("offer"):
            talk.say("utter_declined")
        elif talk.tracker.active_loop.get("name"):
            talk.say("utter_nevermind")
            return [SlotSet("offer", None), *leave_form()]
        else:
            talk.say("utter_anything_else")
        return [SlotSet("offer", None)]
