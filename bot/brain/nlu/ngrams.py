"""Word and character n-gram features, and the forms of a text that they are counted in.

Fitting is scikit-learn's; what is kept is a list of n-grams and an array of weights, so that loading trusts no pickle.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import regex
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from bot.brain.nlu.sounds import sounds
from bot.text import normalize, western_digits

__all__ = [
    "FORMS",
    "LONGEST",
    "Form",
    "Ngrams",
    "Row",
    "side_by_side",
    "content_form",
    "letters_form",
    "sound_form",
    "surface_form",
]

Analyzer = Literal["word", "char_wb", "char"]
Row = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]  # columns, and their values
Form = Callable[[str], str]

_NUMBER = regex.compile(r"(?<![\p{L}\d])\d{2,}(?![\p{L}\d])")
_ELONGATION = regex.compile(r"(\p{L})\1{2,}")
_MARKS = regex.compile(r"[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0640]")
_NOT_LETTERS = regex.compile(r"[^\p{L}'\d]+")
_STANDALONE_DIGITS = regex.compile(r"(?<!\p{L})\d+(?!\p{L})")
LONGEST = 1000  # characters; a message's wish stands in its first lines, and n-grams of a book cost seconds


@lru_cache(maxsize=64)  # several n-grams are counted in one form
def content_form(text: str) -> str:
    """What is said, without how it is spelled; a number keeps only its length (1042 → 0000)."""
    return str(_NUMBER.sub(lambda found: "0" * min(len(found[0]), 12), normalize(text[:LONGEST])))


def letters_form(text: str) -> str:
    """Letters as they are written (ة, گ and hamza tell varieties apart), no numbers, marks or punctuation.

    Digits inside Latin words stay: they are Arabizi letters.
    """
    bare = _MARKS.sub("", western_digits(text[:LONGEST]).lower())
    bare = _ELONGATION.sub(r"\1\1", _STANDALONE_DIGITS.sub(" ", bare))
    return " ".join(_NOT_LETTERS.sub(" ", bare).split())


def surface_form(text: str) -> str:
    """How it is said: case, punctuation, emoji and elongation stay, an elongation as three letters."""
    bare = _MARKS.sub("", western_digits(text[:LONGEST]))
    return " ".join(_NUMBER.sub("0", _ELONGATION.sub(r"\1\1\1", bare)).split())


@lru_cache(maxsize=64)
def sound_form(text: str) -> str:
    """What is said, as it sounds: Arabic and Arabizi meet (`bot.brain.nlu.sounds`)."""
    return sounds(content_form(text))


FORMS: dict[str, Form] = {
    "content": content_form,
    "letters": letters_form,
    "sound": sound_form,
    "surface": surface_form,
}


def side_by_side(rows: Sequence[tuple[Row, int]], weights: Sequence[float]) -> Row:
    """One row of several, each given with the number of its columns and multiplied by its weight."""
    starts = np.cumsum([0, *(size for _, size in rows[:-1])])
    places = np.concatenate([row[0] + start for (row, _), start in zip(rows, starts, strict=True)])
    return places, np.concatenate([row[1] * weight for (row, _), weight in zip(rows, weights, strict=True)])


class Ngrams:
    """TF-IDF rows of unit length over one kind of n-gram of one form of the text."""

    def __init__(self, form: str, analyzer: Analyzer, low: int, high: int, min_df: int = 2) -> None:
        """`form` is a key of FORMS; n-grams have `low` to `high` words or characters, and those that stand in fewer
        than `min_df` training texts are left out."""
        self._setting: dict[str, Any] = {"form": form, "analyzer": analyzer, "low": low, "high": high}
        self._form = FORMS[form]
        self._terms = lru_cache(maxsize=4)(self._terms_of)  # a message is asked for its row, then how familiar it is
        self._vectorizer = self._make(min_df=min_df)

    def _make(self, **more: Any) -> TfidfVectorizer:
        setting = self._setting
        return TfidfVectorizer(
            analyzer=setting["analyzer"],
            ngram_range=(setting["low"], setting["high"]),
            sublinear_tf=True,
            lowercase=False,
            dtype=np.float32,
            token_pattern=r"[^\W_]+|[^\w\s]" if setting["analyzer"] == "word" else None,
            **more,
        )

    @cached_property
    def _analyze(self) -> Callable[[str], list[str]]:
        found: Callable[[str], list[str]] = self._vectorizer.build_analyzer()
        return found

    def _terms_of(self, text: str) -> list[str]:
        return self._analyze(self._form(text))

    def familiar(self, text: str, length: int) -> float:
        """The share of the text's different n-grams of `length` that are known; 1 where it has none."""
        terms = {term for term in self._terms(text) if len(term) == length}
        known = self._vectorizer.vocabulary_
        return sum(term in known for term in terms) / len(terms) if terms else 1.0

    @cached_property
    def _rarity(self) -> npt.NDArray[np.float32]:
        return np.asarray(self._vectorizer.idf_, np.float32)  # scikit-learn computes it anew whenever it is asked

    def fit(self, texts: Sequence[str]) -> csr_matrix:
        """Learn the n-grams of `texts`; returns their rows."""
        return self._vectorizer.fit_transform([self._form(text) for text in texts])

    @property
    def size(self) -> int:
        """How many n-grams are known: the columns of a row."""
        return len(self._vectorizer.vocabulary_)

    def rows(self, texts: Sequence[str]) -> csr_matrix:
        return self._vectorizer.transform([self._form(text) for text in texts])

    def row(self, text: str) -> Row:
        """The row of one text, the same as `rows` gives; several times faster, for messages as they come."""
        known = self._vectorizer.vocabulary_
        counts: dict[int, int] = {}
        for term in self._terms(text):
            place = known.get(term)
            if place is not None:
                counts[place] = counts.get(place, 0) + 1
        places = np.fromiter(counts.keys(), np.int64, len(counts))
        values = np.fromiter(counts.values(), np.float32, len(counts))
        values = (np.log(values) + 1) * self._rarity[places]
        length = float(np.sqrt(values @ values))
        return places, (values / length if length else values).astype(np.float32)

    def save(self, folder: Path, name: str) -> None:
        """Write `<name>.json` and `<name>.npy` into `folder`."""
        terms = self._vectorizer.get_feature_names_out().tolist()
        (folder / f"{name}.json").write_text(
            json.dumps({**self._setting, "terms": terms}, ensure_ascii=False), encoding="utf-8"
        )
        np.save(folder / f"{name}.npy", self._vectorizer.idf_.astype(np.float32), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, name: str) -> Ngrams:
        kept = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        self = cls(kept["form"], kept["analyzer"], kept["low"], kept["high"])
        self._vectorizer = self._make(vocabulary=kept["terms"])
        self._vectorizer.vocabulary_ = {term: place for place, term in enumerate(kept["terms"])}
        self._vectorizer.idf_ = np.load(folder / f"{name}.npy", allow_pickle=False)
        return self
