"""The entities as a component of Rasa's pipeline."""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.extractors.extractor import EntityExtractorMixin
from rasa.shared.nlu.constants import ENTITIES, TEXT
from rasa.shared.nlu.training_data.message import Message

from bot.brain.nlu.entities.extractor import current, extract

__all__ = ["PatternEntities"]


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=False)
class PatternEntities(GraphComponent, EntityExtractorMixin):
    """Puts what `extract` finds on the message, each with the written words under `text`."""

    @staticmethod
    def required_packages() -> list[str]:
        return ["spacy", "phonenumbers"]

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> PatternEntities:
        current()  # the first message should not wait for it
        return cls()

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            found = [
                {
                    "entity": entity.kind,
                    "start": entity.start,
                    "end": entity.end,
                    "value": entity.value,
                    "text": entity.text,
                    "confidence_entity": 1.0,
                    **entity.more,
                }
                for entity in extract(str(message.get(TEXT) or ""))
            ]
            message.set(ENTITIES, [*(message.get(ENTITIES) or []), *self.add_extractor_name(found)], add_to_output=True)
        return messages
