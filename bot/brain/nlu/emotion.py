"""How the customer feels, read from the wording and from how it is written."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import regex
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from scipy.sparse import csr_matrix, hstack

from bot.brain.nlu import component, linear, ngrams
from bot.brain.nlu.component import Dense, dense_rows, labelled, source_fingerprint
from bot.brain.nlu.linear import LinearModel
from bot.brain.nlu.ngrams import LONGEST, Ngrams

__all__ = ["EmotionReader", "cues"]

_ELONGATED = regex.compile(r"(\p{L})\1{2,}")
_LOUD = regex.compile(r"\b\p{Lu}{3,}\b")


def cues(text: str) -> list[float]:
    """Marks of feeling that n-grams see poorly, each between 0 and 1."""
    text = text[:LONGEST]
    letters = sum(1 for sign in text if sign.isalpha()) or 1
    return [
        min(text.count("!"), 5) / 5,
        min(text.count("?") + text.count("؟"), 5) / 5,
        float("!!" in text),
        float(bool(regex.search(r"[?؟]{2,}|[!؟?]*(?:!؟|!\?|\?!|؟!)", text))),
        min(len(_ELONGATED.findall(text)), 3) / 3,
        min(len(_LOUD.findall(text)), 4) / 4,
        sum(1 for sign in text if sign.isupper()) / letters,
        float(".." in text or "…" in text),
        min(len(text), 200) / 200,
    ]


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class EmotionReader(GraphComponent, IntentClassifier):
    """Adds `emotion` to a message: `{"name": positive|neutral|frustrated|angry, "confidence": 0…1}`."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {"strength": 0.1, "dense_weight": 1.5}

    def __init__(self, config: dict[str, Any], model_storage: ModelStorage, resource: Resource) -> None:
        self._config, self._storage, self._resource = config, model_storage, resource
        self._words = Ngrams("surface", "word", 1, 2)
        self._characters = Ngrams("surface", "char_wb", 1, 4)
        self._mean: Dense = np.zeros(0, np.float32)
        self._model: LinearModel | None = None

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> EmotionReader:
        return cls(config, model_storage, resource)

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str:
        return source_fingerprint(linear, ngrams, component)

    def train(self, training_data: TrainingData) -> Resource:
        """Fit to the messages whose metadata has `emotion`, and persist."""
        messages, emotions = labelled(training_data, "emotion")
        with self._storage.write_to(self._resource) as folder:
            if messages:
                texts = [str(message.get(TEXT)) for message in messages]
                _, sentence = messages[0].get_dense_features(TEXT)
                dense = dense_rows(messages, sentence.features.shape[-1] if sentence is not None else 0)
                self._mean = dense.mean(axis=0)
                rows = self._join(texts, self._words.fit(texts), self._characters.fit(texts), dense)
                self._model = LinearModel.fit(rows, emotions, self._config["strength"], folds=2, balanced=True)
                self._words.save(folder, "words")
                self._characters.save(folder, "characters")
                self._model.save(folder, "model")
                (folder / "mean.json").write_text(json.dumps(self._mean.tolist()))
        return self._resource

    def _join(self, texts: list[str], words: csr_matrix, characters: csr_matrix, dense: Dense) -> csr_matrix:
        centred = dense - self._mean
        length = np.linalg.norm(centred, axis=1, keepdims=True)
        unit = self._config["dense_weight"] * centred / np.maximum(length, 1e-6)
        seen = np.asarray([cues(text) for text in texts], np.float32)
        return hstack([words, characters, csr_matrix(unit.astype(np.float32)), csr_matrix(seen)], format="csr")

    def process(self, messages: list[Message]) -> list[Message]:
        if self._model is None or not messages:
            return messages
        texts = [str(message.get(TEXT) or "") for message in messages]
        rows = self._join(
            texts, self._words.rows(texts), self._characters.rows(texts), dense_rows(messages, len(self._mean))
        )
        for message, chances in zip(messages, self._model.probabilities(rows), strict=True):
            best = int(np.argmax(chances))
            found = {"name": self._model.labels[best], "confidence": float(chances[best])}
            message.set("emotion", found, add_to_output=True)
        return messages

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> EmotionReader:
        self = cls(config, model_storage, resource)
        with model_storage.read_from(resource) as folder:
            if (folder / "model.npz").exists():
                self._words = Ngrams.load(folder, "words")
                self._characters = Ngrams.load(folder, "characters")
                self._model = LinearModel.load(folder, "model")
                self._mean = np.asarray(json.loads((folder / "mean.json").read_text()), np.float32)
        return self
