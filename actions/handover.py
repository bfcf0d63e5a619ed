"""From the bot to people."""

from __future__ import annotations

from actions.context import Events, Talk, leave_form
from bot.handoff.model import Reason


def hand_over(talk: Talk, reason: Reason = Reason.ASKED) -> Events:
    """Move the conversation to the queue in this turn, and tell the real state: hours, and who waits before."""
    if waiting := talk.services.complaints.waiting(talk.turn):  # the complaint goes with its customer
        due = talk.services.complaints.to_person(talk.turn, waiting, reason.value)
        talk.say("utter_case_to_person", case_number=waiting.number, due=talk.hour(due))
    announced = talk.services.handoff.announcement(talk.turn.now, talk.language)
    talk.services.handoff.ask(talk.turn, reason, announced.told)
    talk.say(announced.response, [talk.button("label_back_to_bot", "/back_to_bot")], **announced.values)
    return leave_form()
