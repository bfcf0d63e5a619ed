"""Rasa behind the `Assistant` port: one call a turn, everything it decides left in the turn."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog
from rasa.core.agent import Agent
from rasa.core.channels.channel import CollectingOutputChannel, UserMessage
from rasa.core.tracker_store import TrackerStore
from rasa.shared.core.events import BotUttered, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from bot.brain.choices import chosen, wanted
from bot.brain.graph_runner import DirectGraphRunner
from bot.brain.in_process_actions import InProcessActions
from bot.brain.requests import MOST_REQUESTS, Request, answer_and_requests, parts_of, requests_in
from bot.brain.scope import TurnAborted, TurnScope, current_scope
from bot.brain.tracker_store import NoLocks, TurnTrackerStore, memory_of
from bot.brain.wording import DomainWording, ResponseGenerator
from bot.complaints.service import case_number_in
from bot.conversations.model import Button, LanguageRead, Owner, OwnerChange, Reply, Turn
from bot.conversations.turn_in_progress import turn_in_progress
from bot.errors import AssistantFailed
from bot.formatting import Formatter
from bot.text import normalize

log = structlog.get_logger()

_SALAM = re.compile(
    r"\b[وف]?(?:ال)?سلاا?م(?:وا?)?\s*(?:الله\s*)?(?:و\s*)?علي?ك(?:م|و|وم|مو|ن)?\b|^السلام\b"
    # In Latin letters: "assalamu alaikum", "salam 3likom", "slm 3lkm", "essalem alaykoum".
    r"|\b(?:[ae]s{0,2}[\s-]?)?ss?[ae]{0,2}l[ae]{0,2}m[aou]{0,2}n?[\s'-]*(?:[ou][\s-]+)?[3'`]?[ae]{0,2}l[aey]{0,3}[iy]?k[oue]{0,2}m\b"
)


_A_NUMBER_ALONE = 3  # words around the number of a complaint that say nothing else


class _EmbeddedAgent(Agent):
    """Takes its tracker store as it is: Rasa would wrap it in one that hides failures in memory."""

    @staticmethod
    def _create_tracker_store(store: TrackerStore | None, domain: Any) -> TrackerStore:
        assert store is not None
        store.domain = domain
        return store


@dataclass(frozen=True)
class Heard:
    """What Rasa is told now, and the requests of the same message that wait their turn; `first`: the intent of the one
    that is told, where it is one of several."""

    text: str
    first: str | None = None
    later: Sequence[Request] = ()


class RasaAssistant:
    """May be called from several threads for different conversations; each thread has its own event loop."""

    def __init__(self, model: Path, wording: DomainWording, actions: InProcessActions, timeout: float) -> None:
        self._wording, self._actions, self._timeout = wording, actions, timeout
        self._threads = threading.local()
        self._agent = self._load(model)

    def _load(self, model: Path) -> Agent:
        agent = _EmbeddedAgent(
            generator=ResponseGenerator(self._wording),
            tracker_store=TurnTrackerStore(None),
            lock_store=NoLocks(),
            action_endpoint=self._actions,
        )
        agent.load_model(str(model))
        assert agent.processor is not None
        agent.processor.graph_runner = DirectGraphRunner(agent.processor.graph_runner)
        # It warns of intents that the domain does not know, which training refuses, and builds a domain to do so.
        agent.processor._check_for_unseen_features = lambda parse_data: None
        self._actions.use_domain(agent.domain)
        return agent

    def reload(self, model: Path) -> None:
        """Use another model from the next turn on; turns under way end with the one they began with."""
        self._agent = self._load(model)

    def parse(self, text: str) -> dict[str, Any]:
        """What Rasa's NLU reads in a text, outside any conversation."""
        parsed: dict[str, Any] = self._run(self._agent.parse_message(_typed(text)))
        return parsed

    def respond(self, turn: Turn) -> Sequence[Reply]:
        scope, agent = TurnScope(turn), self._agent
        token, turn_token = current_scope.set(scope), turn_in_progress.set(turn)
        try:
            replies: list[Reply] = self._run(asyncio.wait_for(self._answer(agent, turn, scope), self._timeout))
            turn.state_after = memory_of(scope, agent.tracker_store)
        except TurnAborted as aborted:
            raise AssistantFailed(str(aborted)) from aborted
        except asyncio.TimeoutError as error:
            raise AssistantFailed(f"no answer within {self._timeout} s") from error
        except AssistantFailed:
            raise
        except Exception as error:
            raise AssistantFailed(f"Rasa failed: {type(error).__name__}") from error
        finally:
            current_scope.reset(token)
            turn_in_progress.reset(turn_token)
        return replies

    async def _answer(self, agent: Agent, turn: Turn, scope: TurnScope) -> list[Reply]:
        """Say what the customer said, then what of earlier requests still waits; each is one message to Rasa."""
        scope.tracker = await agent.tracker_store.retrieve(turn.conversation.id)
        heard = await self._heard(agent, turn, scope.tracker)
        replies = await self._tell(agent, turn, scope, heard.text)
        tracker = scope.tracker
        if tracker is None:
            raise AssistantFailed("Rasa saved nothing")
        self._trace(turn, tracker)
        language = str(tracker.get_slot("language") or "ar")
        waiting = [*(tracker.get_slot("waiting_requests") or []), *heard.later][: MOST_REQUESTS - 1]
        if heard.later and _asks(tracker):
            replies.insert(0, self._noted(heard, language))
        offer = tracker.get_slot("offer")
        while waiting and not _asks(tracker) and not _handed_over(turn):
            said, intent = waiting.pop(0)
            topic = self._topic(intent, language)
            more = await self._tell(agent, turn, scope, said)
            if more:
                opening = self._wording.say("utter_next_request", language, topic=topic).text
                more[0] = replace(more[0], text=f"{opening}\n{more[0].text}")
            replies += more
            tracker = scope.tracker
        if offer and not tracker.get_slot("offer") and not _asks(tracker):
            tracker.update(SlotSet("offer", offer))  # a "yes" to what the first answer offered
        if _handed_over(turn):
            waiting = []  # people read all of it
        if (tracker.get_slot("waiting_requests") or []) != waiting:
            tracker.update(SlotSet("waiting_requests", waiting or None))
        if replies and turn.payload is None and said_salam(turn.message.text):
            salam = self._wording.say("utter_return_salam", language).text
            replies[0] = replace(replies[0], text=f"{salam}\n{replies[0].text}")
        return replies

    def _noted(self, heard: Heard, language: str) -> Reply:
        """That what else was asked for is not forgotten, said where an answer to a question is needed first."""
        topics = [self._topic(intent, language) for _, intent in heard.later]
        second = Formatter(language).list(topics)
        if heard.first is None:
            return self._wording.say("utter_request_added", language, second=second)
        return self._wording.say(
            "utter_requests_noted", language, first=self._topic(heard.first, language), second=second
        )

    def _topic(self, intent: str, language: str) -> str:
        return self._wording.say(f"label_intent_{intent}", language).text

    async def _heard(self, agent: Agent, turn: Turn, tracker: DialogueStateTracker | None) -> Heard:
        """What Rasa is told: a button's payload, the button that a typed word means, or the text; and the requests
        of a text with several."""
        if turn.payload is not None:
            return Heard(turn.payload)
        if button := chosen(turn.message.text, _offered(tracker)) or wanted(turn.message.text, _on_the_table(tracker)):
            return Heard(button["payload"])
        if (number := case_number_in(turn.message.text)) and len(turn.message.text.split()) <= _A_NUMBER_ALONE:
            return Heard(f'/complaint_status{{"case": "{number}"}}')
        text = _typed(turn.message.text)
        parsed = {part: await agent.parse_message(part) for part in parts_of(text)}
        if tracker is not None and tracker.active_loop_name:
            answer, later = answer_and_requests(text, parsed, tracker.get_slot("goal"))
            return Heard(answer, later=later)
        requests = requests_in(text, parsed)
        return Heard(requests[0][0], requests[0][1], requests[1:]) if requests else Heard(text)

    async def _tell(self, agent: Agent, turn: Turn, scope: TurnScope, text: str) -> list[Reply]:
        message = UserMessage(
            text,
            CollectingOutputChannel(),
            turn.conversation.id,
            input_channel=turn.conversation.channel,
            message_id=turn.message.id,
        )
        await agent.handle_message(message)
        return _replies(scope.tracker) if scope.tracker is not None else []

    @staticmethod
    def _trace(turn: Turn, tracker: DialogueStateTracker) -> None:
        language, variety = str(tracker.get_slot("language") or "ar"), tracker.get_slot("variety")
        if (language, variety) != (turn.conversation.language, turn.conversation.variety):
            turn.effects.append(LanguageRead(language, variety))
        heard = tracker.latest_message.parse_data if tracker.latest_message else {}
        intent, emotion = heard.get("intent") or {}, heard.get("emotion") or {}
        turn.trace.update(
            intent=intent.get("name"),
            confidence=round(float(intent.get("confidence") or 0.0), 3),
            emotion=emotion.get("name"),
            tension=round(float(tracker.get_slot("tension") or 0.0), 2),
            language=language,
            variety=variety,
        )

    def _run(self, work: Any) -> Any:
        loop = getattr(self._threads, "loop", None)
        if loop is None:
            loop = self._threads.loop = asyncio.new_event_loop()
        return loop.run_until_complete(work)


def said_salam(text: str) -> bool:
    """Whether a message holds the greeting of peace, which is always returned."""
    return _SALAM.search(normalize(text)) is not None


def _typed(text: str) -> str:
    """Typed text as Rasa may see it: Rasa takes a text that begins with "/" for an intent, from anyone."""
    return "\u2044" + text[1:] if text.startswith("/") else text


def _offered(tracker: DialogueStateTracker | None) -> list[Mapping[str, str]]:
    """The buttons of the last answer."""
    for event in reversed(tracker.events if tracker is not None else ()):
        if isinstance(event, UserUttered):
            break
        if isinstance(event, BotUttered) and event.data.get("buttons"):
            return list(event.data["buttons"])
    return []


def _on_the_table(tracker: DialogueStateTracker | None) -> list[Mapping[str, str]]:
    """The buttons of a complaint's offers that still wait for a choice, whatever was said since."""
    if tracker is None or tracker.active_loop_name or tracker.get_slot("offer") not in ("case", "complain"):
        return []
    for event in reversed(tracker.events):
        if isinstance(event, BotUttered):
            buttons = list(event.data.get("buttons") or ())
            if any(str(button["payload"]).startswith(("/choose", "/complain_anyway")) for button in buttons):
                return buttons
    return []


def _asks(tracker: DialogueStateTracker) -> bool:
    """Whether the assistant waits for an answer to a question of its own."""
    return bool(tracker.active_loop_name)


def _handed_over(turn: Turn) -> bool:
    return any(isinstance(effect, OwnerChange) and effect.to is not Owner.BOT for effect in turn.effects)


def _replies(tracker: DialogueStateTracker) -> list[Reply]:
    said: list[Reply] = []
    for event in reversed(tracker.events):
        if isinstance(event, UserUttered):
            break
        if isinstance(event, BotUttered) and (event.text or event.data.get("buttons")):
            buttons = [Button("", b["title"], b["payload"]) for b in event.data.get("buttons") or ()]
            said.append(
                Reply(event.text or "", buttons, event.metadata.get("utter_action"), event.metadata.get("source_id"))
            )
    return said[::-1]
