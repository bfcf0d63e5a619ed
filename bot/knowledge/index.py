"""Which entry answers a question, and how sure that is.

Questions are compared by meaning (embeddings, centred on the mean of all question variants, because the encoder's
cosines crowd together) and by words (TF-IDF of characters, words and consonant skeletons). Kernel ridge regression
over all that the content says (variants, keywords, sentences of the answers, and messages that no entry answers)
gives each entry a score. A logistic regression turns the score, its lead over the next entry and the best variant's
similarities into the probability that the entry is right.

Nothing is trained beforehand. Both steps are solved while the index is built, in a second or two: leaving a row out of
a ridge regression has a closed form, so every variant is scored as if it were a new question, and the probabilities
are fitted to that. An entry added to the FAQ is found as soon as the index is built again.

Building takes time with the cube of the rows: 1 s for 2,000 (40 entries of 28 variants), 10 s for 6,000.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from bot.knowledge.letters import skeleton
from bot.knowledge.model import Entry, Finding, Match, Outcome
from bot.knowledge.ports import Embedder, Vectors
from bot.text import normalize

# Chosen by what they cost on messages written by others than the FAQ's authors (614 questions and 474 that no entry
# answers; seen while the content grew): a wrong answer is much worse than asking back. From 0.6 on 99 % of the answers
# to questions are right, and raising it further only loses answers; but from 0.6 to 0.7 a quarter of the answers to
# what no entry answers disappears. Below 0.12 lie 3 % of the questions and 70 % of everything else.
# tests/data/faq_questions.jsonl, kept apart, gives the same picture and guards it.
ANSWER_FROM = 0.70
ASK_FROM = 0.12
# Two entries are offered when asking back; a third only where it is about as likely as the second.
THIRD_FROM = 0.03
THIRD_OF_SECOND = 0.5

LONGEST_QUESTION = 500  # characters; what a customer writes beyond that does not change what is asked

# How much a row may be wrong about its entry (ridge), by its kind: a keyword alone or a sentence of the answer says
# less about how people ask.
_RIDGE, _RIDGE_KEYWORD, _RIDGE_ANSWER = 1.0, 4.0, 5.0
# Weights of the three word similarities; meaning weighs 1.
_CHARACTERS, _WORDS, _SKELETONS = 0.6, 0.3, 0.4
_LEXICAL = _CHARACTERS + _WORDS + _SKELETONS
# An off-topic example as close to a variant as this is the same question: the entry wins.
_SAME_QUESTION = 0.7

_PLACEHOLDER = re.compile(r"\{\w+\}")
_SENTENCE = re.compile(r"[\n.?؟]+")

Matrix = npt.NDArray[np.float64]


class KnowledgeIndex:
    """Immutable after building; `find` may be called from several threads."""

    def __init__(self, entries: Sequence[Entry], off_topic: Sequence[str], embedder: Embedder) -> None:
        """Embeds every variant, keyword and sentence: pass an embedder that remembers what it has seen."""
        self.entries: Mapping[str, Entry] = {entry.id: entry for entry in entries}
        self._entries = tuple(entries)
        self._embedder = embedder
        if not entries:
            return
        variants = [(i, q) for i, entry in enumerate(entries) for listed in entry.questions.values() for q in listed]
        keywords = [(i, k) for i, entry in enumerate(entries) for listed in entry.keywords.values() for k in listed]
        answers = [(i, s) for i, entry in enumerate(entries) for a in entry.answer.values() for s in _sentences(a)]
        others = [(-1, message) for message in off_topic]
        rows = variants + others + keywords + answers

        vectors = embedder.encode([text for _, text in rows])
        self._mean = vectors[: len(variants)].mean(axis=0)
        self._words = _Words([text for _, text in rows])
        meaning, words = self._centred(vectors), self._words.of([text for _, text in rows])

        mine = slice(0, len(variants))
        theirs = slice(len(variants), len(variants) + len(others))
        alike = np.asarray((words[theirs] @ words[mine].T).todense())
        same = (meaning[theirs] @ meaning[mine].T + alike) / 2 > _SAME_QUESTION
        kept = np.ones(len(rows), bool)
        kept[theirs] = ~same.any(axis=1)

        self._meaning, self._lexical = meaning[kept], words[kept].T.tocsr()
        owner = np.array([i for i, _ in rows])[kept]
        asked = len(variants) + int(kept[theirs].sum())  # rows that are whole questions: variants, then off-topic
        # Where each entry's variants begin: they lie together, in the order of the entries.
        self._starts = np.searchsorted(owner[: len(variants)], np.arange(len(entries)))
        self._variants = len(variants)
        ridge = np.full(len(owner), _RIDGE_ANSWER)
        ridge[: asked + len(keywords)] = _RIDGE_KEYWORD
        ridge[:asked] = _RIDGE
        self._solve(owner, asked, ridge)

    def find(self, question: str, vector: Vectors | None = None) -> Finding:
        """What to do with a question. `vector`: its embedding by the same embedder, where the caller has it."""
        matches = self.rank(question, vector)
        if not matches or matches[0].score < ASK_FROM:
            return Finding(Outcome.UNKNOWN, matches[:1])
        if matches[0].score >= ANSWER_FROM:
            return Finding(Outcome.ANSWER, matches[:1])
        offered = matches[:2]
        if len(matches) > 2 and matches[2].score >= max(THIRD_FROM, THIRD_OF_SECOND * matches[1].score):
            offered = matches[:3]
        return Finding(Outcome.ASK_BACK, offered)

    def rank(self, question: str, vector: Vectors | None = None) -> list[Match]:
        """Every entry with the probability that it answers, best first. Empty for a question without a word."""
        question = question.strip()[:LONGEST_QUESTION]
        if not self._entries or not any(c.isalnum() for c in question):
            return []
        if vector is None:
            vector = self._embedder.encode([question])[0]
        meaning = self._centred(vector[np.newaxis]) @ self._meaning.T
        lexical = np.asarray((self._words.of([question]) @ self._lexical).todense())
        scores = (meaning + _LEXICAL * lexical) @ self._weights
        chances = self._chances(self._features(scores, meaning, lexical))[0]
        return [Match(self._entries[i], float(chances[i])) for i in np.argsort(-chances, kind="stable")]

    def _solve(self, owner: npt.NDArray[np.int64], asked: int, ridge: Matrix) -> None:
        meaning = self._meaning @ self._meaning.T
        lexical = np.asarray((self._lexical.T @ self._lexical).todense())
        truth = np.zeros((len(owner), len(self._entries)))
        truth[owner >= 0, owner[owner >= 0]] = 1
        inverse = np.linalg.inv(meaning + _LEXICAL * lexical + np.diag(ridge))
        self._weights = inverse @ truth
        # What each row would score had it not been there (Rasmussen & Williams, Gaussian Processes, eq. 5.12).
        alone = (truth - self._weights / np.diag(inverse)[:, np.newaxis])[:asked]
        np.fill_diagonal(meaning, -1)
        np.fill_diagonal(lexical, 0)
        features = self._features(alone, meaning[:asked], lexical[:asked])

        # The best three of each: what is far behind would only teach that far behind is wrong.
        best = np.argsort(-alone, axis=1)[:, :3]
        samples = np.take_along_axis(features, best[:, :, np.newaxis], axis=1).reshape(-1, features.shape[2])
        right = (best == owner[:asked, np.newaxis]).ravel()
        # Off-topic messages count as much in all as questions do: what comes here is about as often one as the other.
        off_topic = owner[:asked] < 0
        weight = np.where(off_topic, (~off_topic).sum() / max(1, off_topic.sum()), 1.0).repeat(best.shape[1])
        self._centre, self._spread = samples.mean(axis=0), samples.std(axis=0) + 1e-9
        if right.all() or not right.any():  # nothing to tell apart from: never sure, so it asks back
            self._slope, self._bias = np.zeros(samples.shape[1]), 0.0
            return
        model = LogisticRegression().fit((samples - self._centre) / self._spread, right, sample_weight=weight)
        self._slope, self._bias = model.coef_[0], float(model.intercept_[0])

    def _features(self, scores: Matrix, meaning: Matrix, lexical: Matrix) -> Matrix:
        """[question, entry, feature]: the score, its lead, and the best variant's similarity by meaning and words."""
        if scores.shape[1] == 1:
            lead = scores
        else:
            ordered = np.sort(scores, axis=1)
            first, second = ordered[:, -1:], ordered[:, -2:-1]
            lead = scores - np.where(scores >= first, second, first)
        closest = [np.maximum.reduceat(like[:, : self._variants], self._starts, axis=1) for like in (meaning, lexical)]
        return np.stack([scores, lead, *closest], axis=2)

    def _chances(self, features: Matrix) -> Matrix:
        logits = ((features - self._centre) / self._spread) @ self._slope + self._bias
        return np.asarray(1 / (1 + np.exp(-logits)))

    def _centred(self, vectors: Vectors) -> Matrix:
        moved = (vectors - self._mean).astype(np.float64)
        return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9))


class _Words:
    """Texts as sparse rows of unit length whose product is their similarity by characters, words and skeletons."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._parts = [
            (_CHARACTERS, normalize, TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)),
            (_WORDS, normalize, TfidfVectorizer(token_pattern=r"\w+", ngram_range=(1, 2), sublinear_tf=True)),
            (
                _SKELETONS,
                skeleton,
                TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, lowercase=False),
            ),
        ]
        for _, form, vectorizer in self._parts:
            vectorizer.fit([form(text) for text in texts])

    def of(self, texts: Sequence[str]) -> sparse.csr_matrix:
        blocks = [
            vectorizer.transform([form(text) for text in texts]) * (weight / _LEXICAL) ** 0.5
            for weight, form, vectorizer in self._parts
        ]
        return sparse.hstack(blocks, format="csr")


def _sentences(answer: str) -> list[str]:
    parts = (part.strip(" •") for part in _SENTENCE.split(_PLACEHOLDER.sub(" ", answer)))
    return [part for part in parts if len(part) > 15]
