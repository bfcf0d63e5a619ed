"""How the customer feels, read from the wording and from how it is written: a spaCy text classifier.

The pipeline is a blank one with a tokenizer for surface forms and a `textcat` pipe. Its model adds two parts, as
spaCy's own ensemble does: a bag of word and character n-grams, and a small network over `Doc.tensor`, which holds the
message's sentence vector and its `cues`.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
import regex
import spacy
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from scipy.optimize import minimize_scalar
from spacy.attrs import ORTH
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import DummyTokenizer
from spacy.vocab import Vocab
from thinc.api import Adam, Linear, Model, Relu, SparseLinear_v2, add, chain, zero_init

from bot.brain.encoder.adapters import held_out
from bot.brain.nlu import component, linear, ngrams
from bot.brain.nlu.component import Dense, dense_rows, labelled, source_fingerprint
from bot.brain.nlu.linear import softmax
from bot.brain.nlu.ngrams import LONGEST, surface_form

__all__ = ["EmotionReader", "cues"]

_EMOTIONS = ("angry", "frustrated", "neutral", "positive")
_ELONGATED = regex.compile(r"(\p{L})\1{2,}")
_LOUD = regex.compile(r"\b\p{Lu}{3,}\b")
_WORD = regex.compile(r"\w+|[^\w\s]")
_LONGEST_NGRAM = 5  # characters
_ENOUGH_HELD = 100
_MIX = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying by it loses nothing

Keys = npt.NDArray[np.uint64]
Counted = tuple[Keys, Dense]
Layer = Model[Any, Any]


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


class _SurfaceTokenizer(DummyTokenizer):
    """Words and single signs of a text's surface form, which the Doc's text then is. Never an empty Doc."""

    def __call__(self, text: str, vocab: Vocab | None = None) -> Doc:
        """Without `vocab` the Doc gets one of its own: a shared one would keep every word that was ever read."""
        surface = surface_form(text).encode("utf-8", "replace").decode("utf-8")
        found = list(_WORD.finditer(surface))
        spaces = [surface[word.end() : word.end() + 1] == " " for word in found]
        words = [word[0] for word in found]
        return Doc(Vocab() if vocab is None else vocab, words=words or [" "], spaces=spaces or [False])


@spacy.registry.tokenizers("thiqa.SurfaceTokenizer.v1")
def _surface_tokenizer() -> Callable[[Language], _SurfaceTokenizer]:
    return lambda nlp: _SurfaceTokenizer()


def _counted(keys: Keys) -> Counted:
    """Each key once, and its count on a logarithmic scale, as a row of unit length."""
    once, counts = np.unique(keys, return_counts=True)
    weights = 1 + np.log(counts.astype(np.float32))
    return once, weights / np.linalg.norm(weights)


def _word_ngrams(doc: Doc) -> Counted:
    words = doc.to_array([ORTH]).astype(np.uint64).reshape(-1)
    return _counted(np.concatenate([words, words[:-1] * _MIX + words[1:]]))


def _character_ngrams(doc: Doc) -> Counted:
    """Also those that run across words, but no lone spaces."""
    signs = np.frombuffer(f" {doc.text} ".encode("utf-32-le"), np.uint32).astype(np.uint64)
    kinds, keys = [signs[signs != ord(" ")]], signs
    for length in range(2, _LONGEST_NGRAM + 1):
        keys = keys[:-1] * _MIX + signs[length - 1 :] + np.uint64(1)
        kinds.append(keys)
    return _counted(np.concatenate(kinds))


def _ngrams_of(doc: Doc) -> Counted:
    """Kept on the Doc, since training asks in each round."""
    kept: Counted | None = doc.user_data.get("ngrams")
    if kept is None:
        words, characters = _word_ngrams(doc), _character_ngrams(doc)
        kept = np.concatenate([words[0], characters[0]]), np.concatenate([words[1], characters[1]])
        doc.user_data["ngrams"] = kept
    return kept


def _ngrams() -> Layer:
    """A layer from Docs to what SparseLinear takes: keys, values and how many of them each Doc has."""

    def forward(model: Layer, docs: Sequence[Doc], is_train: bool) -> tuple[Any, Callable[[Any], list[Doc]]]:
        counted = [_ngrams_of(doc) for doc in docs]
        keys = np.concatenate([keys for keys, _ in counted])
        values = np.concatenate([values for _, values in counted])
        return (keys, values, np.array([len(keys) for keys, _ in counted], np.int32)), lambda _: []

    return Model("ngrams", forward)


def _tensors() -> Layer:
    """A layer from Docs to their tensors, one row each."""

    def forward(model: Layer, docs: Sequence[Doc], is_train: bool) -> tuple[Dense, Callable[[Any], list[Doc]]]:
        return np.stack([doc.tensor for doc in docs]), lambda _: []

    return Model("tensors", forward)


def _output() -> Layer:
    """A softmax for TextCategorizer, whose gradient it takes as that of the cross-entropy.

    In training, `offset` is added to the scores: what the labels' shares in the data explain, the layers below need
    not learn. In reading, scores are multiplied by `scale`, which makes the probabilities honest.
    """

    def forward(model: Layer, scores: Dense, is_train: bool) -> tuple[Dense, Callable[[Dense], Dense]]:
        seen = scores + np.asarray(model.attrs["offset"], np.float32) if is_train else scores * model.attrs["scale"]
        return softmax(seen), lambda gradient: gradient

    return Model("output", forward, attrs={"offset": 0.0, "scale": 1.0})


@spacy.registry.architectures("thiqa.EmotionModel.v1")
def _emotion_model(buckets: int, width: int, hidden: int, nO: int | None = None) -> Layer:
    """`buckets` n-gram weights a label (two n-grams may share one), and `hidden` units over tensors of `width`."""
    sparse: Layer = chain(_ngrams(), SparseLinear_v2(nO=nO, length=buckets))
    dense: Layer = chain(_tensors(), Relu(hidden, width, dropout=0.0), Linear(nO, hidden, init_W=zero_init))
    output = _output()
    model: Layer = chain(add(sparse, dense), output)
    model.set_ref("output", output)
    model.attrs["multi_label"] = False
    return model


def _blank(width: int, buckets: int, hidden: int) -> Language:
    model = {"@architectures": "thiqa.EmotionModel.v1", "width": width, "buckets": buckets, "hidden": hidden}
    pipeline = spacy.blank("ar", config={"nlp": {"tokenizer": {"@tokenizers": "thiqa.SurfaceTokenizer.v1"}}})
    pipeline.add_pipe("textcat", config={"model": model})
    return pipeline


def _textcat(pipeline: Language) -> Any:
    return pipeline.get_pipe("textcat")


def _scale(pipeline: Language, examples: Sequence[Example]) -> float:
    """The scale of the scores at which `examples`, which the pipeline was not trained on, are least surprising."""
    textcat = _textcat(pipeline)
    scores = np.log(np.maximum(textcat.predict([example.predicted for example in examples]), 1e-12))
    truth = [textcat.labels.index(max(example.reference.cats, key=example.reference.cats.get)) for example in examples]

    def surprise(logarithm: float) -> float:
        return -float(np.log(softmax(scores * np.exp(logarithm))[np.arange(len(truth)), truth] + 1e-12).mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(-2.0, 2.0), method="bounded").x))


@contextmanager
def _same_chances() -> Iterator[None]:
    """Inside, numpy's global generator, which thinc draws from, is seeded; after, it is as it was."""
    before = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(before)


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class EmotionReader(GraphComponent, IntentClassifier):
    """Adds `emotion` to a message: `{"name": positive|neutral|frustrated|angry, "confidence": 0…1}`."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {
            "buckets": 2**18,
            "hidden": 64,
            "dropout": 0.7,  # of the hidden units; much, since the vectors may know the training messages by heart
            "epochs": 6,
            "batch_size": 128,
            "learning_rate": 0.005,
            "balance": 0.5,  # 0: labels are as likely as in the data; 1: all as likely as each other
            "dense_weight": 1.5,  # length of the sentence vector beside the cues
        }

    def __init__(self, config: dict[str, Any], model_storage: ModelStorage, resource: Resource) -> None:
        self._config, self._storage, self._resource = config, model_storage, resource
        self._mean: Dense = np.zeros(0, np.float32)
        self._pipeline: Language | None = None

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> EmotionReader:
        return cls(config, model_storage, resource)

    @staticmethod
    def required_packages() -> list[str]:
        return ["spacy"]

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str:
        return source_fingerprint(sys.modules[__name__], linear, ngrams, component)

    def train(self, training_data: TrainingData) -> Resource:
        """Fit to the messages whose metadata has `emotion`, and persist."""
        messages, emotions = labelled(training_data, "emotion")
        with self._storage.write_to(self._resource) as folder:
            if messages:
                self._fit(messages, emotions)
                assert self._pipeline is not None
                self._pipeline.to_disk(folder / "pipeline")
                (folder / "mean.json").write_text(json.dumps(self._mean.tolist()))
        return self._resource

    def _fit(self, messages: list[Message], emotions: list[str]) -> None:
        """Train on all messages, and once more without the held-out ones, to learn from those how sure to be."""
        texts = [str(message.get(TEXT)) for message in messages]
        _, sentence = messages[0].get_dense_features(TEXT)
        vectors = dense_rows(messages, sentence.features.shape[-1] if sentence is not None else 0)
        self._mean = vectors.mean(axis=0)
        labels = sorted({*_EMOTIONS, *emotions})
        examples = self._examples(texts, vectors, emotions, labels)
        held = [example for text, example in zip(texts, examples, strict=True) if held_out(text)]
        others = [example for text, example in zip(texts, examples, strict=True) if not held_out(text)]
        self._pipeline = self._trained(examples, labels)
        if len(held) >= _ENOUGH_HELD and others:
            scale = _scale(self._trained(others, labels), held)
            _textcat(self._pipeline).model.get_ref("output").attrs["scale"] = scale

    def _examples(self, texts: list[str], vectors: Dense, emotions: list[str], labels: list[str]) -> list[Example]:
        """Each text as a Doc that is both what is read and what is wanted: n-grams kept on it serve both trainings."""
        tokenizer, vocab, examples = _SurfaceTokenizer(), Vocab(), []
        for text, tensor, emotion in zip(texts, self._tensors(texts, vectors), emotions, strict=True):
            doc = tokenizer(text, vocab)
            doc.tensor, doc.cats = tensor, {label: float(label == emotion) for label in labels}
            examples.append(Example(doc, doc))
        return examples

    def _tensors(self, texts: list[str], vectors: Dense) -> Dense:
        """A row a text: the vector, centred and of the length set, and the cues."""
        centred = vectors - self._mean
        length = np.linalg.norm(centred, axis=1, keepdims=True)
        seen = np.asarray([cues(text) for text in texts], np.float32)
        return np.hstack([self._config["dense_weight"] * centred / np.maximum(length, 1e-6), seen]).astype(np.float32)

    def _trained(self, examples: Sequence[Example], labels: list[str]) -> Language:
        """A pipeline fitted to `examples`, the same for the same examples in the same order."""
        config, order, examples = self._config, random.Random(0), list(examples)
        pipeline = _blank(examples[0].predicted.tensor.shape[-1], config["buckets"], config["hidden"])
        textcat = _textcat(pipeline)
        steps = config["epochs"] * ceil(len(examples) / config["batch_size"])
        rates = [config["learning_rate"] * (1 - step / steps) for step in range(steps)]
        optimizer = Adam(rates, L2=0.0, grad_clip=0.0, use_averages=False)
        with _same_chances():
            textcat.initialize(lambda: examples[:10], labels=labels)
            textcat.model.get_ref("output").attrs["offset"] = self._offset(examples, labels)
            for _ in range(config["epochs"]):
                order.shuffle(examples)
                for start in range(0, len(examples), config["batch_size"]):
                    batch = examples[start : start + config["batch_size"]]
                    textcat.update(batch, drop=config["dropout"], sgd=optimizer)
                    optimizer.step_schedules()
        return pipeline

    def _offset(self, examples: Sequence[Example], labels: list[str]) -> list[float]:
        """What the labels' shares add to the scores, as far as it is not to count in reading."""
        counts = np.array([sum(example.reference.cats[label] for example in examples) + 1 for label in labels])
        return [float(number) for number in self._config["balance"] * np.log(counts / counts.sum())]

    def process(self, messages: list[Message]) -> list[Message]:
        if self._pipeline is None or not messages:
            return messages
        texts = [str(message.get(TEXT) or "") for message in messages]
        docs = [self._pipeline.tokenizer(text) for text in texts]
        for doc, tensor in zip(docs, self._tensors(texts, dense_rows(messages, len(self._mean))), strict=True):
            doc.tensor = tensor
        textcat = _textcat(self._pipeline)
        for message, chances in zip(messages, textcat.predict(docs), strict=True):
            best = int(np.argmax(chances))
            found = {"name": textcat.labels[best], "confidence": float(chances[best])}
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
            if (folder / "pipeline").exists():
                self._pipeline = spacy.load(folder / "pipeline")
                self._mean = np.asarray(json.loads((folder / "mean.json").read_text()), np.float32)
        return self
