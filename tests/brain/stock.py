"""Rasa as it comes, beside which the product's way of running it is held."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rasa.core.agent import Agent
from rasa.core.channels.channel import CollectingOutputChannel, UserMessage
from rasa.core.tracker_store import InMemoryTrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig

from bot.brain.scope import TurnAborted
from bot.brain.wording import DomainWording, ResponseGenerator
from bot.conversations.model import Button, Reply, Turn
from bot.conversations.turn_in_progress import turn_in_progress
from bot.errors import AssistantFailed


class WholeHistory(InMemoryTrackerStore):
    """Rasa's own store; what it saved last can be looked at without reading it all again."""

    saved: DialogueStateTracker | None = None

    async def save(self, tracker: DialogueStateTracker) -> None:
        await super().save(tracker)
        self.saved = tracker


class StockRasa:
    """Rasa as it comes, with everything that was ever said; implements the `Assistant` port for the comparison."""

    def __init__(self, model: Path, wording: DomainWording, actions: EndpointConfig) -> None:
        self.memory = WholeHistory(Domain.empty())
        self._agent = Agent(generator=ResponseGenerator(wording), tracker_store=self.memory, action_endpoint=actions)
        self._agent.load_model(str(model))
        self.domain = self._agent.domain
        self._loop = asyncio.new_event_loop()
        self.lines: list[dict[str, Any]] = []  # what Rasa sent in the last turn, as it sent it

    def respond(self, turn: Turn) -> Sequence[Reply]:
        channel, before = CollectingOutputChannel(), (dict(self.memory.store), self.memory.saved)
        message = UserMessage(turn.payload or turn.message.text, channel, turn.conversation.id)
        token = turn_in_progress.set(turn)
        try:
            self._loop.run_until_complete(self._agent.handle_message(message))
        except TurnAborted as aborted:
            self.memory.store, self.memory.saved = before
            raise AssistantFailed(str(aborted)) from aborted
        finally:
            turn_in_progress.reset(token)
        # This channel puts the buttons of a message into a line of their own.
        said: list[Reply] = []
        self.lines = channel.messages
        for line in self.lines:
            buttons = [Button("", b["title"], b["payload"]) for b in line.get("buttons") or ()]
            said.append(Reply(line.get("text") or "", buttons))
        return said

    def forget(self) -> None:
        """Begin anew."""
        self.memory.store, self.memory.saved = {}, None

    def age(self, seconds: float) -> None:
        if "c" in self.memory.store:
            stored = json.loads(self.memory.store["c"])
            for event in stored["events"]:
                event["timestamp"] -= seconds
            self.memory.store["c"] = json.dumps(stored)

    def close(self) -> None:
        self._loop.close()
