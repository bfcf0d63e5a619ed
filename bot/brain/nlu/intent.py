"""What the customer wants."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.constants import INTENT, INTENT_RANKING_KEY, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from scipy.sparse import csr_matrix, hstack

from bot.brain.nlu import component, linear, ngrams, sounds
from bot.brain.nlu.component import Dense, dense_rows, source_fingerprint
from bot.brain.nlu.linear import LinearModel
from bot.brain.nlu.ngrams import Ngrams

__all__ = ["SparseDenseIntentClassifier"]


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class SparseDenseIntentClassifier(GraphComponent, IntentClassifier):
    """Words, character n-grams, sounds and the sentence vector side by side, in one linear model.

    The vector is centred on the mean of the training messages and brought back to unit length: e5's cosines all lie
    between 0.78 and 0.92, and their differences are what counts.
    """

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {
            "strength": 0.5,  # inverse of the regularisation
            "dense_weight": 1.0,  # length of the sentence vector beside the n-grams' unit rows
            "sound_weight": 0.7,  # length of the rows that tell how words sound, so that Arabizi profits
            "folds": 2,  # of the cross-validation that calibrates the probabilities
            "ranking_length": 10,
        }

    def __init__(self, config: dict[str, Any], model_storage: ModelStorage, resource: Resource) -> None:
        self._config, self._storage, self._resource = config, model_storage, resource
        self._ngrams = {
            "words": Ngrams("content", "word", 1, 2),
            "characters": Ngrams("content", "char_wb", 2, 5),
            "sound_words": Ngrams("sound", "word", 1, 2),
            "sounds": Ngrams("sound", "char_wb", 2, 4),
        }
        self._mean: Dense = np.zeros(0, np.float32)
        self._model: LinearModel | None = None

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> SparseDenseIntentClassifier:
        return cls(config, model_storage, resource)

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str:
        return source_fingerprint(linear, ngrams, sounds, component)

    def train(self, training_data: TrainingData) -> Resource:
        """Fit to the messages that carry an intent, and persist."""
        messages = [message for message in training_data.intent_examples if message.get(TEXT)]
        texts = [str(message.get(TEXT)) for message in messages]
        sizes = [message.get_dense_features(TEXT)[1] for message in messages[:1]]
        size = int(sizes[0].features.shape[-1]) if sizes and sizes[0] is not None else 0
        dense = dense_rows(messages, size)
        self._mean = dense.mean(axis=0) if len(dense) else np.zeros(size, np.float32)
        rows = self._join([counter.fit(texts) for counter in self._ngrams.values()], dense)
        self._model = LinearModel.fit(
            rows, [str(message.get(INTENT)) for message in messages], self._config["strength"], self._config["folds"]
        )
        self._persist()
        return self._resource

    def _join(self, sparse: list[csr_matrix], dense: Dense) -> csr_matrix:
        centred = dense - self._mean
        length = np.linalg.norm(centred, axis=1, keepdims=True)
        unit = self._config["dense_weight"] * centred / np.maximum(length, 1e-6)
        weights = [self._config["sound_weight"] if "sound" in name else 1.0 for name in self._ngrams]
        counted = [weight * rows for weight, rows in zip(weights, sparse, strict=True)]
        return hstack([*counted, csr_matrix(unit)], format="csr", dtype=np.float32)

    def process(self, messages: list[Message]) -> list[Message]:
        """Set `intent` and `intent_ranking` on each message; nothing where the model was never trained."""
        if self._model is None or not messages:
            return messages
        texts = [str(message.get(TEXT) or "") for message in messages]
        counted = [counter.rows(texts) for counter in self._ngrams.values()]
        rows = self._join(counted, dense_rows(messages, len(self._mean)))
        for message, chances in zip(messages, self._model.probabilities(rows), strict=True):
            best = np.argsort(-chances, kind="stable")[: self._config["ranking_length"]]
            ranking = [{"name": self._model.labels[place], "confidence": float(chances[place])} for place in best]
            message.set(INTENT, dict(ranking[0]), add_to_output=True)
            message.set(INTENT_RANKING_KEY, ranking, add_to_output=True)
        return messages

    def _persist(self) -> None:
        assert self._model is not None
        with self._storage.write_to(self._resource) as folder:
            for name, counter in self._ngrams.items():
                counter.save(folder, name)
            self._model.save(folder, "model")
            (folder / "mean.json").write_text(json.dumps(self._mean.tolist()))

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> SparseDenseIntentClassifier:
        """As persisted. A missing or damaged file raises: an untrained classifier would answer everything wrongly."""
        self = cls(config, model_storage, resource)
        with model_storage.read_from(resource) as folder:
            self._ngrams = {name: Ngrams.load(folder, name) for name in self._ngrams}
            self._model = LinearModel.load(folder, "model")
            self._mean = np.asarray(json.loads((folder / "mean.json").read_text()), np.float32)
        return self
