"""The linear models: one message read alone is read as among others, and confidence is fitted to what was held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, hstack

from bot.brain.nlu.linear import LinearModel, View, hinge, logistic
from bot.brain.nlu.ngrams import Ngrams, side_by_side

TEXTS = [
    *("وين طلبي", "where is my order", "طلبي تأخر كثير", "wen talabi 1042", "متى يوصل", "where is order 1004"),
    *("ابغى ارجع", "return please", "3ayez araga3", "ارجاع المنتج", "i want to return it", "رجعوا فلوسي"),
]
LABELS = ["track"] * 6 + ["return"] * 6


@pytest.fixture(scope="module")
def counters() -> list[Ngrams]:
    found = [Ngrams("content", "word", 1, 2, min_df=1), Ngrams("sound", "char_wb", 2, 4, min_df=1)]
    for counter in found:
        counter.fit(TEXTS)
    return found


@given(text=st.one_of(st.sampled_from(TEXTS), st.text(max_size=60)))
def test_one_row_is_what_the_table_of_rows_has(counters: list[Ngrams], text: str) -> None:
    for counter in counters:
        places, values = counter.row(text)
        alone = np.zeros(counter.size)
        alone[places] = values
        assert alone == pytest.approx(counter.rows([text]).toarray()[0], abs=1e-5)


@given(text=st.one_of(st.sampled_from(TEXTS), st.text(max_size=60)))
def test_a_message_read_alone_has_the_probabilities_that_it_has_among_others(counters: list[Ngrams], text: str) -> None:
    weights = [1.0, 0.5]
    table = hstack([w * c.rows(TEXTS) for w, c in zip(weights, counters, strict=True)], format="csr")
    model = LinearModel.fit([View(table, hinge(0.5))], LABELS)
    row = hstack([w * c.rows([text]) for w, c in zip(weights, counters, strict=True)], format="csr")
    alone = model.chances(*side_by_side([(c.row(text), c.size) for c in counters], weights))
    assert alone == pytest.approx(model.probabilities(row)[0], abs=1e-4)


def test_what_was_kept_counts_as_before(counters: list[Ngrams], tmp_path: Path) -> None:
    counters[0].save(tmp_path, "words")
    again = Ngrams.load(tmp_path, "words")
    for text in (*TEXTS, "", "nothing known"):
        assert again.row(text)[1] == pytest.approx(counters[0].row(text)[1])
        assert again.size == counters[0].size


def test_confidence_is_fitted_to_the_rows_held_out() -> None:
    """Where features know the labels of all but the held-out rows, cross-validation would find them reliable."""
    chance = np.random.default_rng(0)
    labels = np.array(["a", "b"])[chance.integers(0, 2, 600)]
    held = np.arange(600) % 3 == 0
    told = np.where(labels == "a", 1.0, -1.0)
    feature = np.where(held, chance.choice([-1.0, 1.0], 600), told)  # no better than chance on what was held out
    rows = csr_matrix(np.stack([feature, np.ones(600)], axis=1))
    sure = LinearModel.fit([View(rows, hinge(0.5))], labels.tolist()).probabilities(rows).max(axis=1).mean()
    modest = LinearModel.fit([View(rows, hinge(0.5))], labels.tolist(), held).probabilities(rows).max(axis=1).mean()
    assert modest < 0.65 < sure


def test_a_view_that_knows_the_training_messages_by_heart_does_not_drown_one_that_understands() -> None:
    chance = np.random.default_rng(1)
    labels = np.array(["a", "b", "c"])[chance.integers(0, 3, 900)]
    held = np.arange(900) % 3 == 0
    truth = np.eye(3)[np.searchsorted(["a", "b", "c"], labels)]
    honest = truth + chance.normal(0, 0.7, (900, 3))  # right mostly, on what is new too
    by_heart = np.where(held[:, np.newaxis], chance.normal(0, 1, (900, 3)), truth)
    views = [View(csr_matrix(honest), hinge(0.5)), View(by_heart, logistic(10.0))]
    model = LinearModel.fit(views, labels.tolist(), held)
    new = chance.integers(0, 3, 600)
    rows = np.concatenate([np.eye(3)[new] + chance.normal(0, 0.7, (600, 3)), chance.normal(0, 1, (600, 3))], axis=1)
    alone = LinearModel.fit(views[:1], labels.tolist(), held)
    right = (model.probabilities(rows).argmax(axis=1) == new).mean()
    assert right > (alone.probabilities(rows[:, :3]).argmax(axis=1) == new).mean() - 0.03


def test_one_label_is_always_that_label() -> None:
    model = LinearModel.fit([View(csr_matrix(np.ones((3, 2))), hinge(0.5))], ["a"] * 3)
    assert model.probabilities(np.ones((1, 2))).tolist() == [[1.0]]
