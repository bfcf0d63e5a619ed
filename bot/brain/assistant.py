"""Rasa behind the `Assistant` port: one call a turn, everything it decides left in the turn."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from rasa.core.agent import Agent
from rasa.core.channels.channel import CollectingOutputChannel, UserMessage
from rasa.core.tracker_store import TrackerStore
from rasa.shared.core.events import BotUttered, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from bot.brain.in_process_actions import InProcessActions
from bot.brain.scope import TurnAborted, TurnScope, current_scope
from bot.brain.tracker_store import NoLocks, TurnTrackerStore, memory_of
from bot.brain.wording import DomainWording, ResponseGenerator
from bot.conversations.model import Button, LanguageRead, Reply, Turn
from bot.conversations.turn_in_progress import turn_in_progress
from bot.errors import AssistantFailed
from bot.text import normalize

log = structlog.get_logger()

_SALAM = re.compile(
    r"\b[وف]?(?:ال)?سلاا?م(?:وا?)?\s*(?:الله\s*)?(?:و\s*)?علي?ك(?:م|و|وم|مو|ن)?\b|^السلام\b"
    # In Latin letters: "assalamu alaikum", "salam 3likom", "slm 3lkm", "essalem alaykoum".
    r"|\b(?:[ae]s{0,2}[\s-]?)?ss?[ae]{0,2}l[ae]{0,2}m[aou]{0,2}n?[\s'-]*(?:[ou][\s-]+)?[3'`]?[ae]{0,2}l[aey]{0,3}[iy]?k[oue]{0,2}m\b"
)


class _EmbeddedAgent(Agent):
    """Takes its tracker store as it is: Rasa would wrap it in one that hides failures in memory."""

    @staticmethod
    def _create_tracker_store(store: TrackerStore | None, domain: Any) -> TrackerStore:
        assert store is not None
        store.domain = domain
        return store


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
        scope = TurnScope(turn)
        agent = self._agent
        message = UserMessage(
            turn.payload or _typed(turn.message.text),
            CollectingOutputChannel(),
            turn.conversation.id,
            input_channel=turn.conversation.channel,
            message_id=turn.message.id,
        )
        token, turn_token = current_scope.set(scope), turn_in_progress.set(turn)
        try:
            self._run(asyncio.wait_for(agent.handle_message(message), self._timeout))
            turn.state_after = memory_of(scope, agent.tracker_store)
        except TurnAborted as aborted:
            raise AssistantFailed(str(aborted)) from aborted
        except asyncio.TimeoutError as error:
            raise AssistantFailed(f"no answer within {self._timeout} s") from error
        except Exception as error:
            raise AssistantFailed(f"Rasa failed: {type(error).__name__}") from error
        finally:
            current_scope.reset(token)
            turn_in_progress.reset(turn_token)
        if scope.tracker is None:
            raise AssistantFailed("Rasa saved nothing")
        return self._conclude(turn, scope.tracker)

    def _conclude(self, turn: Turn, tracker: DialogueStateTracker) -> list[Reply]:
        language, variety = str(tracker.get_slot("language") or "ar"), tracker.get_slot("variety")
        if (language, variety) != (turn.conversation.language, turn.conversation.variety):
            turn.effects.append(LanguageRead(language, variety))
        replies = _replies(tracker)
        heard = tracker.latest_message.parse_data if tracker.latest_message else {}
        intent = heard.get("intent") or {}
        turn.trace.update(
            intent=intent.get("name"),
            confidence=round(float(intent.get("confidence") or 0.0), 3),
            emotion=(heard.get("emotion") or {}).get("name")
            if isinstance(heard.get("emotion"), dict)
            else heard.get("emotion"),
            language=language,
            variety=variety,
        )
        if replies and turn.payload is None and said_salam(turn.message.text):
            salam = self._wording.say("utter_return_salam", language)
            replies[0] = Reply(
                f"{salam.text}\n{replies[0].text}", replies[0].buttons, replies[0].response, replies[0].source
            )
        return replies

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
