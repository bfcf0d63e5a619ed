"""How a customer feels. The reader here learns from a few hundred messages without vectors, which takes a second."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.shared.nlu.training_data.features import Features
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.brain.messages import read_messages
from bot.brain.nlu.emotion import EmotionReader, cues

EMOTIONS = {"positive", "neutral", "frustrated", "angry"}
SOME = ["وين طلبي؟", "WHERE IS MY ORDER!!!", "شكرا جزيلا ❤️", "بقالي أسبوع مستني ومفيش رد..", "3ayez araga3 el order"]


def message(text: str, emotion: str | None = None, vector: np.ndarray[Any, Any] | None = None) -> Message:
    labels = {"metadata": {"example": {"emotion": emotion}}} if emotion else {}
    made = Message({"text": text, "intent": "any", **labels})
    if vector is not None:
        made.add_features(Features(vector.reshape(1, -1), "sentence", "text", "tests"))
    return made


def slice_of_the_data() -> list[Message]:
    """Every tenth calm message and every fourth of the others."""
    examples = list(read_messages())
    calm = [one for one in examples if one.emotion == "neutral"][::10]
    moved = [one for one in examples if one.emotion != "neutral"][::4]
    return [message(one.text, one.emotion) for one in calm + moved]


def untrained(folder: Path, **config: Any) -> EmotionReader:
    folder.mkdir(exist_ok=True)
    setting = {**EmotionReader.get_default_config(), **config}
    return EmotionReader(setting, LocalModelStorage.create(folder), Resource("emotion"))


def trained(folder: Path, messages: Iterable[Message], **config: Any) -> EmotionReader:
    reader = untrained(folder, **config)
    reader.train(TrainingData(list(messages)))
    return reader


def reloaded(reader: EmotionReader) -> EmotionReader:
    return EmotionReader.load(reader._config, reader._storage, reader._resource, None)


def readings(reader: EmotionReader, texts: Iterable[str]) -> list[dict[str, Any]]:
    return [one.get("emotion") for one in reader.process([message(text) for text in texts])]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> EmotionReader:
    return trained(tmp_path_factory.mktemp("emotion"), slice_of_the_data())


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("شكرا جزيلا، خدمتكم ممتازة", "positive"),
        ("thank you so much, great service", "positive"),
        ("كم سعر التوصيل إلى جدة", "neutral"),
        ("what sizes do you have", "neutral"),
        ("أنتم نصابين وحرامية!!! رجعوا فلوسي حالا", "angry"),
        ("YOU ARE THIEVES!!! GIVE ME MY MONEY BACK NOW", "angry"),
    ],
)
def test_a_plain_case_is_read(reader: EmotionReader, text: str, emotion: str) -> None:
    (found,) = readings(reader, [text])
    assert found["name"] == emotion


def test_a_reading_is_one_of_four_names_with_a_confidence(reader: EmotionReader) -> None:
    for found in readings(reader, SOME):
        assert set(found) == {"name", "confidence"}
        assert found["name"] in EMOTIONS
        assert type(found["confidence"]) is float
        assert 0.25 <= found["confidence"] <= 1.0


def test_the_reading_is_part_of_the_output(reader: EmotionReader) -> None:
    (read,) = reader.process([message("thanks")])
    assert "emotion" in read.as_dict(only_output_properties=True)


@pytest.mark.parametrize(
    ("calm", "loud"),
    [
        ("where is my order", "WHERE IS MY ORDER!!!!"),
        ("answer me please", "ANSWER ME!!!!!"),
        ("وين طلبي", "وييييين طلبي!!!!!!"),
    ],
)
def test_capitals_and_exclamation_marks_are_angrier_than_the_plain_words(
    reader: EmotionReader, calm: str, loud: str
) -> None:
    level = {"positive": 0, "neutral": 0, "frustrated": 1, "angry": 2}
    quiet, shouted = readings(reader, [calm, loud])
    assert level[shouted["name"]] > level[quiet["name"]]


def test_the_same_data_gives_the_same_scores(tmp_path: Path) -> None:
    few = slice_of_the_data()[::3]
    first = readings(trained(tmp_path / "first", few), SOME)
    np.random.random(7)  # whatever else the process draws must not count
    assert readings(trained(tmp_path / "second", few), SOME) == first


def test_training_leaves_the_process_s_random_numbers_alone(tmp_path: Path) -> None:
    np.random.seed(3)
    wanted = np.random.random()
    np.random.seed(3)
    trained(tmp_path, slice_of_the_data()[::20])
    assert np.random.random() == wanted


def test_what_was_saved_and_loaded_reads_the_same(reader: EmotionReader) -> None:
    assert readings(reloaded(reader), SOME) == readings(reader, SOME)


def test_nothing_of_the_model_on_disk_is_a_pickle_or_a_message(tmp_path: Path) -> None:
    told = "كلمةلاتتكرر في أي مكان"
    trained(tmp_path, [*slice_of_the_data()[::20], message(told, "neutral")])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert path.suffix not in {".pkl", ".pickle", ".joblib"}
        assert "كلمةلاتتكرر".encode() not in path.read_bytes()


def test_one_message_reads_the_same_alone_and_among_others(reader: EmotionReader) -> None:
    alone = [readings(reader, [text])[0] for text in SOME]
    for one, other in zip(alone, readings(reader, SOME), strict=True):
        assert one["name"] == other["name"]
        assert one["confidence"] == pytest.approx(other["confidence"], abs=1e-5)


def test_without_labels_there_is_no_model_and_messages_stay_as_they_are(tmp_path: Path) -> None:
    reader = trained(tmp_path, [message("where is my order"), message("thanks")])
    for one in (reader, reloaded(reader)):
        assert readings(one, SOME) == [None] * len(SOME)


def test_a_reader_never_trained_leaves_messages_as_they_are(tmp_path: Path) -> None:
    assert readings(untrained(tmp_path), SOME) == [None] * len(SOME)


def test_data_with_one_label_still_gives_a_reader(tmp_path: Path) -> None:
    reader = trained(tmp_path, [message(f"my order is {number}", "neutral") for number in range(200)])
    (found,) = readings(reader, ["my order is 7"])
    assert found["name"] == "neutral"


def test_sentence_vectors_count(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    sides = {"angry": drawn.normal(size=16).astype(np.float32), "neutral": drawn.normal(size=16).astype(np.float32)}
    told = [
        message(f"message {place}", name, side + drawn.normal(0, 0.3, 16).astype(np.float32))
        for place in range(300)
        for name, side in sides.items()
    ]
    reader = reloaded(trained(tmp_path, told))
    for name, side in sides.items():
        (read,) = reader.process([message("message", vector=side)])
        assert read.get("emotion")["name"] == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\t",
        "😡",
        "👨‍👩‍👧",
        "❤️",
        "!",
        "؟؟؟",
        "ـــــ",
        "\u064b",
        "\ud800",
        "a\0b",
        "_",
        "7",
        "ه" * 10_000,
        "لا! " * 2_500,
    ],
)
def test_odd_text_is_read_without_an_error(reader: EmotionReader, text: str) -> None:
    (found,) = readings(reader, [text])
    assert found["name"] in EMOTIONS
    assert 0.25 <= found["confidence"] <= 1.0


def test_a_message_without_text_is_read_as_an_empty_one(reader: EmotionReader) -> None:
    (read,) = reader.process([Message({})])
    assert read.get("emotion") == readings(reader, [""])[0]


def test_reading_keeps_no_words_of_customers(reader: EmotionReader) -> None:
    strings = reader._pipeline.vocab.strings
    before = len(strings)
    readings(reader, [f"كلمة{number} غريبة{number}" for number in range(50)])
    assert len(strings) == before


def test_cues_lie_between_0_and_1() -> None:
    for text in ["", "AAAA!!!!!!!??????", "ههههههههه....", "x" * 5000]:
        assert all(0.0 <= cue <= 1.0 for cue in cues(text))
