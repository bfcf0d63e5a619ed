"""What every action works with: the turn under way, the services, and a way to speak."""

from __future__ import annotations

import importlib
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import structlog
from rasa_sdk import Action, Tracker
from rasa_sdk.events import ActiveLoop, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from bot.conversations.model import (
    AssistantState,
    Author,
    Conversation,
    ConversationId,
    Message,
    MessageId,
    Owner,
    Turn,
)
from bot.conversations.turn_in_progress import turn_in_progress
from bot.errors import ShopError
from bot.feelings import TENSE
from bot.formatting import Formatter
from bot.orders.answers import Line
from bot.services import Services

log = structlog.get_logger()

Events = list[dict[str, Any]]

_services: Services | None = None

PERSON = "/ask_human"


def provide(services: Services) -> None:
    """Hand the actions their services; `bootstrap` does this."""
    global _services
    _services = services


def services() -> Services:
    """The services; under `rasa run actions`, where nobody has wired them, they are wired on the first call."""
    if _services is None:
        importlib.import_module("bot.bootstrap").wire_actions()
    assert _services is not None
    return _services


class Talk:
    """One action's view of the conversation."""

    def __init__(self, dispatcher: CollectingDispatcher, tracker: Tracker, turn: Turn) -> None:
        self.dispatcher, self.tracker, self.turn = dispatcher, tracker, turn
        self.services = services()

    @property
    def language(self) -> str:
        return str(self.tracker.get_slot("language") or "ar")

    @property
    def figures(self) -> Formatter:
        return Formatter(self.language)

    @property
    def text(self) -> str:
        """What the customer typed; a button's payload does not count."""
        text = str(self.tracker.latest_message.get("text") or "")
        return "" if text.startswith("/") else text

    @property
    def intent(self) -> str:
        return str((self.tracker.latest_message.get("intent") or {}).get("name") or "")

    @property
    def emotion(self) -> str:
        """What the latest message sounds like: positive, neutral, frustrated or angry."""
        return str((self.tracker.latest_message.get("emotion") or {}).get("name") or "neutral")

    @property
    def tense(self) -> bool:
        """Whether the customer has been angry for a while, and should not be asked anything twice."""
        return float(self.tracker.get_slot("tension") or 0) >= TENSE

    def entities(self, name: str) -> list[str]:
        """Values of an entity in the latest message, in order."""
        found = self.tracker.latest_message.get("entities") or []
        return [str(e.get("value")) for e in found if e.get("entity") == name]

    def entity(self, name: str) -> str | None:
        return next(iter(self.entities(name)), None)

    def label(self, key: str) -> str:
        return self.services.wording.say(key, self.language).text

    def button(self, label: str, payload: str) -> dict[str, str]:
        return {"title": self.label(label), "payload": payload}

    def say(self, response: str, buttons: Sequence[dict[str, str]] = (), **values: str) -> None:
        """Utter a response. A value that is the key of a label is said in its words."""
        filled = {key: self.label(value) if value.startswith("label_") else value for key, value in values.items()}
        self.dispatcher.utter_message(response=response, buttons=list(buttons), **filled)

    def say_line(self, line: Line) -> Events:
        """Utter one line of an order answer; offers a person where the line does."""
        self.say(line.response, [self.button("label_person", PERSON)] if line.person else [], **line.values)
        return offer_person() if line.person else []

    def say_shop_unavailable(self) -> Events:
        self.say("utter_shop_unavailable", [self.button("label_person", PERSON)])
        return offer_person()

    def day(self, moment: datetime) -> str:
        """The day of a moment in the shop's time zone: "الأحد 22 نوفمبر"."""
        zone = self.services.shop.store().timezone
        return self.figures.date(moment.astimezone(zone).date(), self.services.orders.today(self.turn.now))

    def hour(self, moment: datetime) -> str:
        """A day with its time: "الأحد 22 نوفمبر، 2 مساءً"."""
        local = moment.astimezone(self.services.shop.store().timezone)
        return f"{self.day(moment)}{'،' if self.language == 'ar' else ','} {self.figures.time(local)}"

    def shop_name(self) -> str:
        return self.services.shop.store().name[self.language]


def talk_in_form(dispatcher: CollectingDispatcher, tracker: Tracker) -> Talk:
    """The view of a form's validation, whose `run` holds the turn (`turn_of`)."""
    turn = turn_in_progress.get()
    assert turn is not None
    return Talk(dispatcher, tracker, turn)


def offer_person() -> Events:
    """Remember that a plain "yes" now means a person."""
    return [SlotSet("offer", "person")]


def leave_form() -> Events:
    """End a form that is under way; harmless where none is."""
    return [ActiveLoop(None), SlotSet("requested_slot", None)]


class ThiqaAction(Action, ABC):
    """Slots in, a service call, events out. A shop that cannot be asked is said so, here for all."""

    @abstractmethod
    def name(self) -> str:
        """The action's name in domain.yml."""

    @abstractmethod
    def handle(self, talk: Talk) -> Events:
        """Do it."""

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        with turn_of(tracker) as turn:
            talk = Talk(dispatcher, tracker, turn)
            try:
                return self.handle(talk)
            except ShopError as error:
                log.warning("action.shop_failed", action=self.name(), error=type(error).__name__)
                dispatcher.messages.clear()
                return [*talk.say_shop_unavailable(), *leave_form()]


@contextmanager
def turn_of(tracker: Tracker) -> Iterator[Turn]:
    """The turn under way. Rasa's own action server knows none: there each action has a turn of its own, whose effects
    are written when it ends."""
    under_way = turn_in_progress.get()
    if under_way is not None:
        yield under_way
        return
    turn = _turn_of_its_own(tracker)
    token = turn_in_progress.set(turn)
    try:
        yield turn
    finally:
        turn_in_progress.reset(token)
    if turn.effects:
        services().effects.write(turn)


def _turn_of_its_own(tracker: Tracker) -> Turn:
    now = services().clock()
    conversation = ConversationId(str(uuid.uuid5(uuid.NAMESPACE_URL, tracker.sender_id)))
    message = Message(
        MessageId(str(uuid.uuid4())),
        conversation,
        0,
        Author.CUSTOMER,
        str(tracker.latest_message.get("text") or ""),
        now,
    )
    language = str(tracker.get_slot("language") or "ar")
    return Turn(
        Conversation(conversation, "rasa", tracker.sender_id, Owner.BOT, language, None, now),
        message,
        None,
        AssistantState(None, 0),
        now,
    )
