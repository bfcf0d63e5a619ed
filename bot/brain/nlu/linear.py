"""Linear classifiers over one or several views of a message, with calibrated probabilities.

A view is a table of features with its own solver. Each is solved by itself; what is added up are their scores, each
multiplied by a scale. The scales are those at which messages that were held out are least surprising: that weighs the
views and calibrates the softmax in one step. Solved together, features that were tuned on the training messages (the
sentence vectors) would be trusted for what they know by heart. Kept as plain numpy arrays and a JSON list of labels.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

__all__ = ["LinearModel", "View", "hinge", "logistic", "softmax"]

Array = npt.NDArray[Any]
Solver = Callable[[Any, Array], tuple[Array, Array]]  # rows and labels to weights [feature, label] and bias
_ENOUGH_HELD = 100


@dataclass(frozen=True)
class View:
    """`rows` has a row a message, sparse or dense."""

    rows: Any
    solve: Solver


def hinge(strength: float) -> Solver:
    """One against the rest with squared hinge loss: for thousands of sparse features. `strength` is the inverse of the
    regularisation."""

    def solve(rows: Any, labels: Array) -> tuple[Array, Array]:
        machine = LinearSVC(C=strength, random_state=0).fit(rows, labels)
        return _columns(machine.coef_, machine.intercept_)

    return solve


def logistic(strength: float) -> Solver:
    """Multinomial logistic regression: for some hundreds of dense features. It stops early, as regularisation."""

    def solve(rows: Any, labels: Array) -> tuple[Array, Array]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            machine = LogisticRegression(C=strength, max_iter=40, tol=1e-2).fit(rows, labels)
        return _columns(machine.coef_, machine.intercept_)

    return solve


def _columns(weights: Array, bias: Array) -> tuple[Array, Array]:
    if len(bias) == 1:  # scikit-learn keeps one row for two labels
        weights, bias = np.concatenate([-weights, weights]), np.concatenate([-bias, bias])
    return np.ascontiguousarray(weights.T, np.float32), np.asarray(bias, np.float32)


def softmax(scores: Array) -> Array:
    """Probabilities from scores, row by row."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


class LinearModel:
    """`fit` or `load` first; then `probabilities` gives one column a label, in the order of `labels`."""

    def __init__(self, labels: Sequence[str], weights: Array, bias: Array) -> None:
        """`weights` has a row a feature and a column a label."""
        self.labels = list(labels)
        self._weights, self._bias = weights, bias

    @classmethod
    def fit(
        cls,
        views: Sequence[View],
        labels: Sequence[str],
        held: npt.NDArray[np.bool_] | None = None,
        folds: int = 2,
    ) -> LinearModel:
        """Train on `views` of the same messages; the model reads their features side by side.

        The scales are fitted to the messages marked in `held`, by solutions of the others; where too few are marked, by
        cross-validation over `folds`. Mark them where features were themselves learned from the rest.
        """
        names = sorted(set(labels))
        wanted = np.asarray(labels)
        if len(names) < 2:  # nothing to tell apart: always the one label
            size = sum(view.rows.shape[1] for view in views)
            return cls(names, np.zeros((size, len(names)), np.float32), np.zeros(len(names), np.float32))
        truth = np.searchsorted(names, wanted)
        scales = np.ones(len(views))
        splits = cls._splits(truth, held, folds)
        if splits:
            tested = np.concatenate([test for _, test in splits])
            scores = [
                np.concatenate(
                    [_scores(view, *view.solve(view.rows[known], wanted[known]), test) for known, test in splits]
                )
                for view in views
            ]
            scales = _scales(scores, truth[tested])
        solved = [view.solve(view.rows, wanted) for view in views]
        weights = np.concatenate([scale * part for scale, (part, _) in zip(scales, solved, strict=True)])
        bias = np.sum([scale * part for scale, (_, part) in zip(scales, solved, strict=True)], axis=0)
        return cls(names, np.asarray(weights, np.float32), np.asarray(bias, np.float32))

    @staticmethod
    def _splits(truth: Array, held: npt.NDArray[np.bool_] | None, folds: int) -> list[tuple[Array, Array]]:
        """Pairs of the places that are learned from and those that are tested."""
        if held is not None and held.sum() >= _ENOUGH_HELD and set(truth[~held]) == set(truth):
            return [(np.flatnonzero(~held), np.flatnonzero(held))]
        rarest = int(np.bincount(truth).min())
        if rarest < 2:
            return []
        splitter = StratifiedKFold(min(folds, rarest), shuffle=True, random_state=0)
        return list(splitter.split(truth, truth))

    def probabilities(self, rows: Any) -> Array:
        """A row a message, a column a label."""
        return softmax(np.asarray(rows @ self._weights) + self._bias)

    def chances(self, places: Array, values: Array) -> Array:
        """The probabilities of one row, given as its columns and their values."""
        return np.asarray(softmax((values @ self._weights[places] + self._bias)[np.newaxis])[0])

    def save(self, folder: Path, name: str) -> None:
        """Write `<name>.npz` and `<name>.labels.json` into `folder`; weights as half floats."""
        np.savez(folder / f"{name}.npz", weights=self._weights.astype(np.float16), bias=self._bias)
        (folder / f"{name}.labels.json").write_text(json.dumps(self.labels), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, name: str) -> LinearModel:
        labels = json.loads((folder / f"{name}.labels.json").read_text(encoding="utf-8"))
        with np.load(folder / f"{name}.npz", allow_pickle=False) as kept:
            return cls(labels, kept["weights"].astype(np.float32), kept["bias"])


def _scores(view: View, weights: Array, bias: Array, places: Array) -> Array:
    return np.asarray(view.rows[places] @ weights) + bias


def _scales(scores: Sequence[Array], truth: Array) -> Array:
    """One a view, above nought."""

    def surprise(logarithms: Array) -> float:
        total = np.sum([np.exp(one) * part for one, part in zip(logarithms, scores, strict=True)], axis=0)
        chance = softmax(total)[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(chance, 1e-12)).mean())

    found = minimize(surprise, np.ones(len(scores)), method="Nelder-Mead", bounds=[(-6.0, 4.0)] * len(scores))
    return np.asarray(np.exp(found.x))
