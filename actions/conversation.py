"""Small talk, language, and messages that cannot be read."""

from __future__ import annotations

import re

from rasa_sdk.events import SlotSet

from actions.context import PERSON, Events, Talk, ThiqaAction, leave_form, offer_person
from bot.conversations.intake import LONGEST
from bot.conversations.model import ContactOptOut
from bot.text import normalize

_ENGLISH = re.compile(r"\b(english|eng|inglizi|engli[sz]i)\b|انجلي|انكلي|الانج")
_ARABIC = re.compile(r"\b(arabic|3arabi|arabi|3rby|3arby)\b|عرب")


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
        return []


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
        return offer_person()


class Insult(ThiqaAction):
    """Calm, without a lecture; a person is at hand."""

    def name(self) -> str:
        return "action_insult"

    def handle(self, talk: Talk) -> Events:
        talk.say("utter_insult", [talk.button("label_person", PERSON)])
        return offer_person()


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
        return [SlotSet("language", asked), SlotSet("language_chosen", True)]


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
        open_ = talk.tracker.active_loop.get("name") or talk.tracker.get_slot("offer")
        talk.say("utter_nevermind" if open_ else "utter_nothing_open")
        return [SlotSet("offer", None), *leave_form()]


class StopMessages(ThiqaAction):
    def name(self) -> str:
        return "action_stop_messages"

    def handle(self, talk: Talk) -> Events:
        talk.turn.effects.append(ContactOptOut())
        talk.say("utter_stop_messages")
        return []


class Notice(ThiqaAction):
    """A message that could not be read as it came: empty, too long, or a button of an earlier day."""

    def name(self) -> str:
        return "action_notice"

    def handle(self, talk: Talk) -> Events:
        notice = talk.entity("notice")
        if notice == "too_long":
            talk.say("utter_too_long", limit=talk.figures.number(LONGEST))
        elif notice == "stale_button":
            talk.say("utter_stale_button")
        else:
            talk.say("utter_empty")
        return []
