"""Small talk, language, and messages that cannot be read."""

from __future__ import annotations

import re

from rasa_sdk.events import SlotSet

from actions import complaints
from actions.context import PERSON, Events, Talk, ThiqaAction, leave_form, offer_person
from bot.complaints.model import UNDER_WAY, CaseState
from bot.conversations.intake import LONGEST
from bot.conversations.model import ContactOptOut
from bot.feedback.model import SuggestionMade
from bot.text import normalize

# "Let me think about it": what was offered stays.
_THINKS = re.compile(
    r"فكر|برجع لكم|ارجع لكم|ارد عليكم|بعدين|وقت ثاني|وقت تاني|think|later|get back|nfakar|afaker|ba3dein"
)
_ENGLISH = re.compile(r"\b(english|eng|inglizi|engli[sz]i)\b|انجلي|انكلي|الانج")
_ARABIC = re.compile(r"\b(arabic|3arabi|arabi|3rby|3arby)\b|عرب")


# What comes on Telegram besides words: bot/connectors/telegram/handling.py.
_TELEGRAM = {
    "voice": "utter_telegram_voice",
    "video": "utter_telegram_video",
    "sticker": "utter_telegram_sticker",
    "document": "utter_telegram_document",
    "location": "utter_telegram_location",
    "contact": "utter_telegram_contact",
    "other": "utter_telegram_other",
    "file_too_large": "utter_telegram_file_too_large",
    "file_gone": "utter_telegram_file_gone",
    "not_image": "utter_telegram_not_image",
    "linked": "utter_telegram_linked",
    "link_refused": "utter_telegram_link_refused",
    "unlinked": "utter_telegram_unlinked",
}


def menu(talk: Talk) -> list[dict[str, str]]:
    """What most customers come for, as buttons."""
    return [
        talk.button("label_track", "/track_order"),
        talk.button("label_shipping", '/faq{"entry": "shipping_time"}'),
        talk.button("label_returns", '/faq{"entry": "return_policy"}'),
        talk.button("label_person", PERSON),
    ]


class Greet(ThiqaAction):
    def name(self) -> str:
        return "action_greet"

    def handle(self, talk: Talk) -> Events:
        talk.say("utter_greet", menu(talk), shop_name=talk.shop_name())
        if agreed := talk.services.handoff.agreed(talk.turn):
            talk.say("utter_agreed_reminder", agreed=agreed.agreed)
        waiting = talk.services.complaints.waiting(talk.turn)
        if waiting is None:
            return []
        about = complaints.about_words(talk, waiting)
        talk.say("utter_case_open_reminder", case_number=waiting.number, about=about)
        return complaints.offers_of(talk, waiting)


class Help(ThiqaAction):
    def name(self) -> str:
        return "action_help"

    def handle(self, talk: Talk) -> Events:
        talk.say("utter_help", menu(talk))
        return []


class BotChallenge(ThiqaAction):
    def name(self) -> str:
        return "action_bot_challenge"

    def handle(self, talk: Talk) -> Events:
        talk.say("utter_bot_challenge", [talk.button("label_person", PERSON)], shop_name=talk.shop_name())
        return complaints.remind(talk) or offer_person()


class Insult(ThiqaAction):
    """Calm, without a lecture; a person is at hand."""

    def name(self) -> str:
        return "action_insult"

    def handle(self, talk: Talk) -> Events:
        talk.say("utter_insult", [talk.button("label_person", PERSON)])
        return complaints.remind(talk) or offer_person()


class ChangeLanguage(ThiqaAction):
    """The language asked for, kept until another is asked for; the choice as buttons where none was named."""

    def name(self) -> str:
        return "action_change_language"

    def handle(self, talk: Talk) -> Events:
        asked = talk.entity("language") or _asked_language(talk.text)
        if asked not in ("ar", "en"):
            choices = [("label_arabic", "ar"), ("label_english", "en")]
            talk.say(
                "utter_ask_language",
                [talk.button(label, f'/change_language{{"language": "{code}"}}') for label, code in choices],
            )
            return []
        talk.say(f"utter_language_{asked}")
        return [SlotSet("language", asked), SlotSet("language_chosen", True)]  # offers stay on the table


def _asked_language(text: str) -> str | None:
    text = normalize(text)
    english, arabic = bool(_ENGLISH.search(text)), bool(_ARABIC.search(text))
    return None if english == arabic else "en" if english else "ar"


class OtherLanguage(ThiqaAction):
    """One honest line to a customer who writes neither Arabic nor English."""

    def name(self) -> str:
        return "action_other_language"

    def handle(self, talk: Talk) -> Events:
        code = str(talk.tracker.latest_message.get("language_code") or "")
        key = f"utter_other_language_{code if code in ('fr', 'ur') else 'other'}"
        talk.say(key, [talk.button("label_person", PERSON)])
        return offer_person()


class Nevermind(ThiqaAction):
    def name(self) -> str:
        return "action_nevermind"

    def handle(self, talk: Talk) -> Events:
        waiting = talk.services.complaints.waiting(talk.turn) if talk.tracker.get_slot("offer") == "case" else None
        if waiting and _THINKS.search(normalize(talk.text)):
            until = talk.services.complaints.offers_until(waiting)
            talk.say("utter_case_think", case_number=waiting.number, until=talk.day(until))
            return []
        if waiting:
            return complaints.DeclineOffers().handle(talk)
        open_ = talk.tracker.active_loop.get("name") or talk.tracker.get_slot("offer")
        talk.say("utter_nevermind" if open_ else "utter_nothing_open")
        return [SlotSet("offer", None), SlotSet("complaint", None), *leave_form()]


class StopMessages(ThiqaAction):
    def name(self) -> str:
        return "action_stop_messages"

    def handle(self, talk: Talk) -> Events:
        talk.turn.effects.append(ContactOptOut())
        talk.say("utter_stop_messages")
        return []


class Suggest(ThiqaAction):
    """A suggestion is kept under a number; its author hears when it is done."""

    def name(self) -> str:
        return "action_suggest"

    def handle(self, talk: Talk) -> Events:
        made = SuggestionMade(talk.text, talk.emotion)
        talk.turn.effects.append(made)
        talk.say("utter_suggest_noted", number=made.number)
        return []


class Notice(ThiqaAction):
    """A message that is not read for what it says: empty, too long, an image alone, a button of an earlier day, the end."""

    def name(self) -> str:
        return "action_notice"

    def handle(self, talk: Talk) -> Events:
        notice = talk.entity("notice")
        if notice == "too_long":
            talk.say("utter_too_long", limit=talk.figures.number(LONGEST))
        elif notice == "stale_button":
            talk.say("utter_stale_button")
        elif notice == "image":
            return self._picture(talk)
        elif notice == "ended":
            talk.say("utter_ended")
            return leave_form()
        elif notice in _TELEGRAM:
            talk.say(_TELEGRAM[str(notice)])
            if notice == "linked":
                return self._carried_over(talk)
        else:
            talk.say("utter_empty")
        return []

    @staticmethod
    def _carried_over(talk: Talk) -> Events:
        """The complaint that the customer left open elsewhere, and where it stands."""
        customer = talk.services.proofs.customer_of(talk.turn)
        cases = talk.services.complaints.of(talk.turn, customer) if customer else ()
        case = next((case for case in cases if case.state in UNDER_WAY), None)
        if case is not None:
            talk.say("utter_case_carried_over", case_number=case.number, about=complaints.about_words(talk, case))
        return []

    @staticmethod
    def _picture(talk: Talk) -> Events:
        """A picture alone belongs to the complaint spoken of, where there is one."""
        case = talk.services.complaints.find(talk.turn, talk.services.proofs.customer_of(talk.turn))
        if case is None or case.state not in UNDER_WAY or not talk.services.complaints.keep_picture(talk.turn, case):
            talk.say("utter_image_received")
            return []
        talk.say("utter_case_photo", case_number=case.number)
        return complaints.offers_of(talk, case) if case.state is CaseState.OPEN and case.offered else []
