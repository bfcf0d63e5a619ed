"""What the components share: what a model on disk depends on besides the training data, and access to features."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from types import ModuleType

import numpy as np
import numpy.typing as npt
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

__all__ = ["dense_rows", "labelled", "metadata", "source_fingerprint"]

Dense = npt.NDArray[np.float32]


def source_fingerprint(*modules: ModuleType) -> str:
    """Changes when the code of `modules` does; Rasa itself looks only at the component's own class."""
    return hashlib.sha256("\0".join(inspect.getsource(module) for module in modules).encode()).hexdigest()


def metadata(message: Message, key: str) -> str | None:
    """A label of a training message: that of the example, or else that of its block."""
    kept = message.get("metadata") or {}
    for level in ("example", "intent"):
        labels = kept.get(level)
        if isinstance(labels, dict) and labels.get(key):
            return str(labels[key])
    return None


def labelled(training_data: TrainingData, key: str) -> tuple[list[Message], list[str]]:
    """The training messages whose metadata has `key`, and its values."""
    pairs = [(message, metadata(message, key)) for message in training_data.intent_examples if message.get(TEXT)]
    return [message for message, label in pairs if label], [label for _, label in pairs if label]


def dense_rows(messages: Sequence[Message], size: int) -> Dense:
    """The sentence vectors that the featurizers before put on `messages`; zeros where there is none."""
    rows = np.zeros((len(messages), size), np.float32)
    for row, message in zip(rows, messages, strict=True):
        _, sentence = message.get_dense_features(TEXT)
        if sentence is not None:
            row[:] = np.asarray(sentence.features, np.float32).reshape(-1)[:size]
    return rows
