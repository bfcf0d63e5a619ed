"""Whether it is right again: a rating, and a word about it."""

from __future__ import annotations

import json
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.events import FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.forms import FormValidationAction

from actions.complaints.cases import case_here, to_person
from actions.complaints.details import LEADS_AWAY
from actions.complaints.status import no_case
from actions.context import Events, Talk, ThiqaAction, talk_in_form, turn_of
from actions.handover import hand_over
from bot.complaints.model import Case
from bot.feedback.model import CaseRated, HandoffRated
from bot.handoff.model import Reason

_NO_COMMENT = (LEADS_AWAY - {"thank"}) | {
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


class CaseRight(ThiqaAction):
    """It is right again."""

    def name(self) -> str:
        return "action_case_right"

    def handle(self, talk: Talk) -> Events:
        case = case_here(talk)
        if case is None:
            return no_case(talk)
        talk.say("utter_case_right", rating_buttons(talk, case))
        return [SlotSet("case", case.number)]


class CaseNotRight(ThiqaAction):
    """It is not: a person takes it up with everything that is known."""

    def name(self) -> str:
        return "action_case_not_right"

    def handle(self, talk: Talk) -> Events:
        case = case_here(talk)
        if case is None:
            return no_case(talk)
        talk.say("utter_case_not_right")
        return to_person(talk, case, "not_right", Reason.LOW_RATING)


def rating_buttons(talk: Talk, case: Case) -> list[dict[str, str]]:
    return [
        talk.button(f"label_rate_{score}", "/rate" + json.dumps({"case": case.number, "score": str(score)}))
        for score in (5, 4, 3, 2, 1)
    ]


class Rate(ThiqaAction):
    """1 to 5 for how a case or a conversation with people was handled; 1 and 2 bring a person."""

    def name(self) -> str:
        return "action_rate"

    def handle(self, talk: Talk) -> Events:
        case, score = case_here(talk), talk.entity("score")
        if (handoff := talk.entity("handoff")) and score in ("1", "2", "3", "4", "5"):
            return _people_rated(talk, handoff, int(score))
        if case is None or score not in ("1", "2", "3", "4", "5"):
            return no_case(talk)
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
