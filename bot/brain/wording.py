"""What is said, from domain.yml: the right language, never the same wording twice in a row, nothing unfilled."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rasa.core.nlg.generator import NaturalLanguageGenerator
from rasa.shared.core.trackers import DialogueStateTracker

from bot.brain.scope import TurnAborted, TurnScope, current_scope
from bot.conversations.model import Reply
from bot.errors import AssistantFailed, ConfigurationError
from bot.promises.model import PromiseMade

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")

Variation = Mapping[str, Any]


class DomainWording:
    """Implements `conversations.ports.Wording` over the responses of a Rasa domain file."""

    def __init__(self, responses: Mapping[str, Sequence[Variation]]) -> None:
        self._responses = responses

    @classmethod
    def load(cls, path: Path) -> DomainWording:
        """Read the responses of domain.yml. Raises ConfigurationError."""
        try:
            responses = yaml.load(path.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))["responses"]
            if not isinstance(responses, Mapping):
                raise TypeError(type(responses))
        except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
            raise ConfigurationError(
                str(path), f"its responses cannot be read ({type(error).__name__})", "Restore or correct it."
            ) from error
        return cls(responses)

    def replace(self, other: DomainWording) -> None:
        """Say what `other` says from now on."""
        self._responses = other._responses

    def variations(self, response: str, language: str) -> list[Variation]:
        """The wordings of a response in a language; those without a language condition fit every language."""
        return [v for v in self._responses.get(response, ()) if _fits(v, language)]

    def choose(self, response: str, language: str, last: int | None) -> tuple[int, Variation]:
        """A wording that is not number `last`, where there is another. Raises AssistantFailed where there is none."""
        found = self.variations(response, language)
        if not found:
            raise AssistantFailed(f"{response} has no wording in {language}")
        places = [place for place in range(len(found)) if place != last or len(found) == 1]
        place = random.choice(places)
        return place, found[place]

    def say(self, response: str, language: str, **values: str) -> Reply:
        _, variation = self.choose(response, language, None)
        return Reply(fill(response, str(variation.get("text", "")), values), response=response)


def _fits(variation: Variation, language: str) -> bool:
    return all(c["value"] == language for c in variation.get("condition", ()) if c["name"] == "language")


def fill(response: str, text: str, values: Mapping[str, Any]) -> str:
    """Put the values in. Raises AssistantFailed for a value that is missing: no customer reads a brace."""

    def value(match: re.Match[str]) -> str:
        found = values.get(match.group(1))
        if found is None:
            raise AssistantFailed(f"{response} lacks a value for {match.group(1)}")
        return str(found)

    # Lines whose only value is empty disappear instead of leaving a gap.
    lines = [(line, _PLACEHOLDER.sub(value, line)) for line in text.split("\n")]
    kept = "\n".join(said for line, said in lines if said.strip() or not _PLACEHOLDER.search(line))
    return re.sub(r"\n{3,}", "\n\n", kept).strip()


class ResponseGenerator(NaturalLanguageGenerator):
    """Rasa's way to `DomainWording`. What cannot be said ends the turn: Rasa would silently say nothing."""

    def __init__(self, wording: DomainWording) -> None:
        self._wording = wording

    async def generate(
        self, utter_action: str, tracker: DialogueStateTracker, output_channel: str, **kwargs: Any
    ) -> dict[str, Any] | None:
        language = str(tracker.get_slot("language") or "ar")
        scope = current_scope.get()
        said = scope.said if scope else {}
        try:
            place, variation = self._wording.choose(utter_action, language, said.get(utter_action))
            filled = dict(
                variation,
                text=fill(utter_action, str(variation.get("text", "")), {**tracker.current_slot_values(), **kwargs}),
            )
            _promised(utter_action, variation, scope)
        except AssistantFailed as error:
            raise TurnAborted(str(error)) from error
        said[utter_action] = place
        filled.pop("condition", None)
        return filled


def _promised(response: str, variation: Variation, scope: TurnScope | None) -> None:
    """A response that commits is said together with its row in the ledger of promises, or not at all."""
    promise = (variation.get("metadata") or {}).get("promise")
    if promise is None or scope is None:
        return
    if not any(isinstance(effect, PromiseMade) and effect.kind.value == promise for effect in scope.turn.effects):
        raise AssistantFailed(f"{response} promises {promise}, and nobody has promised it")
