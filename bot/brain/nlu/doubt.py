"""When a message is not understood, and when two readings of it are about as likely."""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.constants import ENTITIES, INTENT
from rasa.shared.nlu.training_data.message import Message

from bot.brain.requests import FAMILIES

__all__ = ["OFFERED", "Doubt"]

# Not said to be of one family, and yet offered as a choice.
OFFERED = frozenset(FAMILIES) | {"complaint_service", "complaint_other", "complaint_status"}


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class Doubt(GraphComponent, IntentClassifier):
    """Sets the intent `nlu_fallback` where

    - the best one is less likely than `threshold`;
    - the message is made of letters that hardly ever stood together (below `familiar`) and holds no entity: of made-up
      words 96 % lie below 0.3, of messages that the model never saw 1 in 700;
    - with the two names under `alternatives`, where the second is likelier than the best less `margin`, both can be
      offered as a choice, and the choice would change what is done (two intents of one family are answered alike).
    """

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {"threshold": 0.25, "margin": 0.1, "familiar": 0.3}

    def __init__(self, config: dict[str, Any]) -> None:
        self._threshold, self._margin = float(config["threshold"]), float(config["margin"])
        self._familiar = float(config["familiar"])

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> Doubt:
        return cls(config)

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            ranking = message.get("intent_ranking") or []
            if not ranking:
                continue
            best, second = ranking[0], ranking[1] if len(ranking) > 1 else None
            close = second is not None and best["confidence"] - second["confidence"] < self._margin
            strange = float(message.get("familiar", 1.0)) < self._familiar and not message.get(ENTITIES)
            if strange:
                message.set(INTENT, {"name": "nlu_fallback", "confidence": 1.0}, add_to_output=True)
                continue
            if close and second is not None and self._worth_asking(best["name"], second["name"]):
                message.set("alternatives", [best["name"], second["name"]], add_to_output=True)
            elif best["confidence"] >= self._threshold:
                continue
            message.set(INTENT, {"name": "nlu_fallback", "confidence": 1 - best["confidence"]}, add_to_output=True)
        return messages

    @staticmethod
    def _worth_asking(one: str, other: str) -> bool:
        return {one, other} <= OFFERED and FAMILIES.get(one, one) != FAMILIES.get(other, other)
