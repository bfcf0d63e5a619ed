"""A Rasa component that understands by table, so that tests of what is decided need no trained NLU."""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message

HEARD: dict[str, dict[str, Any]] = {}


def hear(text: str, intent: str, *, writes: str = "ar", variety: str | None = None, **entities: str | list[str]) -> str:
    """From now on `text` is understood so. An entity may have several values. Returns the text."""
    found = [
        {"entity": name, "value": value, "start": 0, "end": len(text)}
        for name, values in entities.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    HEARD[text] = {
        "intent": {"name": intent, "confidence": 0.9},
        "entities": found,
        "language": writes,
        "variety": variety,
        "emotion": {"name": "neutral", "confidence": 0.9},
    }
    return text


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class ScriptedUnderstanding(GraphComponent, IntentClassifier):
    """What `hear` said of a text; anything else is not understood."""

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> ScriptedUnderstanding:
        return cls()

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            if message.get("intent"):
                continue  # a button's payload, read by Rasa itself
            heard = HEARD.get(message.get(TEXT) or "", {"intent": {"name": "nlu_fallback", "confidence": 0.9}})
            for key, value in heard.items():
                message.set(key, value, add_to_output=True)
        return messages
