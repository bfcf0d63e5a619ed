"""What the customer wants."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
from scipy.sparse import hstack

from bot.brain.encoder.adapters import held_out
from bot.brain.nlu import component, linear, ngrams, sounds
from bot.brain.nlu.component import Dense, dense_rows, source_fingerprint
from bot.brain.nlu.linear import LinearModel, View, hinge, logistic
from bot.brain.nlu.ngrams import Ngrams, side_by_side

__all__ = ["SparseDenseIntentClassifier", "intent_ngrams", "intent_views"]


def intent_ngrams() -> dict[str, Ngrams]:
    """The n-grams that intents are read by."""
    return {
        "words": Ngrams("content", "word", 1, 2),
        "characters": Ngrams("content", "char_wb", 2, 5),
        "sound_words": Ngrams("sound", "word", 1, 2),
        "sounds": Ngrams("sound", "char_wb", 2, 4),
    }


def intent_views(kinds: Mapping[str, Ngrams], texts: Sequence[str], units: Dense) -> list[View]:
    """The two views that an intent model is fitted to: n-grams, which are learned here, and sentence vectors."""
    counted = hstack([kind.fit(texts) for kind in kinds.values()], format="csr", dtype=np.float32)
    return [View(counted, hinge(0.5)), View(units, logistic(10.0))]


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class SparseDenseIntentClassifier(GraphComponent, IntentClassifier):
    """Words, character n-grams and sounds as one view of a message, the sentence vector as the other, in one linear model.

    The vector is centred on the mean of the training messages and brought back to unit length: e5's cosines all lie
    between 0.78 and 0.92, and their differences are what counts.
    """

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {
            "ranking_length": 10,
        }

    def __init__(self, config: dict[str, Any], model_storage: ModelStorage, resource: Resource) -> None:
        self._config, self._storage, self._resource = config, model_storage, resource
        self._ngrams = intent_ngrams()
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
        labels = [str(message.get(INTENT)) for message in messages]
        held = np.array([held_out(text) for text in texts])
        self._model = LinearModel.fit(intent_views(self._ngrams, texts, self._units(dense)), labels, held)
        self._persist()
        return self._resource

    def _units(self, dense: Dense) -> Dense:
        """Vectors centred on the training data's mean and brought back to unit length."""
        centred = dense - self._mean
        return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6), np.float32)

    def process(self, messages: list[Message]) -> list[Message]:
        """Set `intent`, `intent_ranking` and `familiar` (how much of its letters was ever seen together, 0 to 1) on each
        message; nothing where the model was never trained."""
        if self._model is None or not messages:
            return messages
        weights = [1.0] * (len(self._ngrams) + 1)
        for message, vector in zip(messages, self._units(dense_rows(messages, len(self._mean))), strict=True):
            text = str(message.get(TEXT) or "")
            rows = [(counter.row(text), counter.size) for counter in self._ngrams.values()]
            rows.append(((np.arange(len(vector)), vector), len(vector)))
            chances = self._model.chances(*side_by_side(rows, weights))
            best = np.argsort(-chances, kind="stable")[: self._config["ranking_length"]]
            ranking = [{"name": self._model.labels[place], "confidence": float(chances[place])} for place in best]
            message.set(INTENT, dict(ranking[0]), add_to_output=True)
            message.set(INTENT_RANKING_KEY, ranking, add_to_output=True)
            message.set("familiar", self._ngrams["characters"].familiar(text, 4), add_to_output=True)
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
