"""The FAQ searched with the real encoder, by questions that its authors never saw.

tests/data/faq_questions.jsonl: `topic` is the right topic, null where no entry answers (then `kind` says what it is).
"""

from __future__ import annotations

import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bot.brain.encoder import shared_encoder
from bot.brain.encoder.cache import EmbeddingCache
from bot.errors import ConfigurationError
from bot.knowledge.content import load_entries, load_off_topic
from bot.knowledge.index import ASK_FROM, KnowledgeIndex
from bot.knowledge.model import Entry, Finding, Outcome
from bot.knowledge.ports import Embedder
from bot.knowledge.service import KnowledgeService
from bot.orders.model import Customer, CustomerId, Order, OrderNumber, Policies, Product, Store
from bot.text import normalize
from tests.unit.test_knowledge_content import POLICIES, PRODUCTS, STORE

QUESTIONS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "faq_questions.jsonl").read_text(encoding="utf-8").splitlines()
]


class FakeShop:
    """An OrderBackend with a store, policies and products, and no orders."""

    policy = POLICIES

    def store(self) -> Store:
        return STORE

    def policies(self) -> Policies:
        return self.policy

    def products(self) -> list[Product]:
        return PRODUCTS

    def order(self, number: OrderNumber) -> Order | None:
        return None

    def orders_of(self, customer: CustomerId) -> list[Order]:
        return []

    def customer(self, customer: CustomerId) -> Customer | None:
        return None


@pytest.fixture(scope="module")
def embedder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    cache = request.config.cache
    return EmbeddingCache(shared_encoder(), cache.mkdir("embeddings") if cache else tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def index(embedder: Embedder) -> KnowledgeIndex:
    return KnowledgeIndex(load_entries(), load_off_topic(), embedder)


@pytest.fixture(scope="module")
def found(index: KnowledgeIndex, embedder: Embedder) -> list[tuple[dict[str, Any], Finding, str]]:
    """Each held-out message, what was found, and the topic ranked first."""
    vectors = embedder.encode([row["text"] for row in QUESTIONS])
    result = []
    for row, vector in zip(QUESTIONS, vectors, strict=True):
        first = index.rank(row["text"], vector)[0].entry.topic
        result.append((row, index.find(row["text"], vector), first))
    return result


def _share(hits: list[bool]) -> float:
    return sum(hits) / len(hits)


def test_the_held_out_questions_are_not_in_the_content() -> None:
    content = {normalize(q) for entry in load_entries() for listed in entry.questions.values() for q in listed}
    content |= {normalize(message) for message in load_off_topic()}
    assert not content & {normalize(row["text"]) for row in QUESTIONS}


def test_the_right_topic_comes_first(found: list[tuple[dict[str, Any], Finding, str]]) -> None:
    questions = [(row, topic) for row, _, topic in found if row["topic"]]
    assert len(questions) >= 240
    assert _share([row["topic"] == topic for row, topic in questions]) >= 0.90
    for variety in {row["lang"] for row, _ in questions}:
        assert _share([row["topic"] == topic for row, topic in questions if row["lang"] == variety]) >= 0.80, variety


def test_what_is_answered_is_answered_rightly(found: list[tuple[dict[str, Any], Finding, str]]) -> None:
    answered = [
        finding.matches[0].entry.topic == row["topic"]
        for row, finding, _ in found
        if row["topic"] and finding.outcome is Outcome.ANSWER
    ]
    assert _share(answered) >= 0.98
    assert len(answered) >= 0.66 * sum(1 for row, _, _ in found if row["topic"])


def test_what_is_asked_back_offers_the_right_entry(found: list[tuple[dict[str, Any], Finding, str]]) -> None:
    asked = [(row, finding) for row, finding, _ in found if row["topic"] and finding.outcome is Outcome.ASK_BACK]
    assert all(2 <= len({match.entry.id for match in finding.matches}) <= 3 for _, finding in asked)
    assert _share([row["topic"] in {m.entry.topic for m in finding.matches} for row, finding in asked]) >= 0.90


def test_what_no_entry_answers_is_not_answered(found: list[tuple[dict[str, Any], Finding, str]]) -> None:
    others = [finding.outcome for row, finding, _ in found if row["topic"] is None]
    assert len(others) >= 120
    assert _share([outcome is Outcome.ANSWER for outcome in others]) <= 0.04
    assert _share([outcome is Outcome.UNKNOWN for outcome in others]) >= 0.68


def _drones(en: str = "Drones don't deliver our orders.") -> Entry:
    return Entry(
        id="drones",
        topic="shipping_time",
        source="/help/drones",
        reviewed=date(2026, 11, 1),
        questions={
            "ar": ["هل التوصيل بالدرون متاح؟", "توصلون بالدرون", "في توصيل بطيارة مسيرة"],
            "en": ["Do you deliver by drone?", "is drone delivery available", "will a drone bring it"],
        },
        keywords={"ar": ["درون", "طيارة مسيرة"], "en": ["drone"]},
        answer={"ar": "لا نوصل بالطائرات المسيّرة.", "en": en},
    )


@pytest.mark.parametrize("question", ["do you ship with drones?", "بتوصلوا بالدرون ولا لا", "can I get drone delivery"])
def test_an_added_entry_is_found_without_training(index: KnowledgeIndex, embedder: Embedder, question: str) -> None:
    """Even though an off-topic example asks nearly the same."""
    grown = KnowledgeIndex([*index.entries.values(), _drones()], load_off_topic(), embedder)
    finding = grown.find(question)
    assert finding.outcome is not Outcome.UNKNOWN
    assert finding.matches[0].entry.id == "drones"


@pytest.mark.parametrize("question", ["", "   ", "😂😂", "؟؟؟!!", "\u200b\u202e"])
def test_a_message_without_words_is_unknown(index: KnowledgeIndex, question: str) -> None:
    assert index.find(question) == Finding(Outcome.UNKNOWN, [])


def test_a_huge_message_is_searched_by_its_beginning(index: KnowledgeIndex) -> None:
    started = time.perf_counter()
    assert index.find("How much is shipping? " + "a" * 100_000).matches
    assert time.perf_counter() - started < 2


def test_a_shop_with_no_or_one_entry(embedder: Embedder) -> None:
    assert KnowledgeIndex([], load_off_topic(), embedder).find("hello").outcome is Outcome.UNKNOWN
    alone = KnowledgeIndex([_drones()], load_off_topic(), embedder)
    assert alone.find("is drone delivery possible").outcome is not Outcome.UNKNOWN
    assert alone.find("what is the weather").outcome is not Outcome.ANSWER


def test_scores_are_probabilities_best_first(index: KnowledgeIndex) -> None:
    scores = [match.score for match in index.rank("كم رسوم التوصيل")]
    assert len(scores) == len(index.entries)
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_the_service_answers_with_the_shops_figures_of_the_moment(index: KnowledgeIndex) -> None:
    shop = FakeShop()
    service = KnowledgeService(index, shop)
    finding = service.find("How long do I have to return an item?", "en")
    assert finding.outcome is Outcome.ANSWER
    entry = finding.matches[0].entry
    assert "14 days" in service.answer(entry, "en")
    assert "14 يومًا" in service.answer(entry, "ar")
    shop.policy = Policies(**{**vars(POLICIES), "return_days": 2})
    assert "2 days" in service.answer(entry, "fr")
    assert "خلال يومين" in service.answer(entry, "ar")
    assert service.title(entry, "ar") == entry.questions["ar"][0]
    assert service.entry(entry.id) is entry
    assert service.entry("none") is None


def test_an_answer_without_its_figure_says_what_is_missing(index: KnowledgeIndex) -> None:
    shop = FakeShop()
    shop.policy = Policies(**{**vars(POLICIES), "delivery_days": {}})
    with pytest.raises(ConfigurationError, match="delivery_riyadh"):
        KnowledgeService(index, shop).answer(index.entries["shipping_time"], "ar")


def test_an_unanswered_question_is_recorded_with_what_came_nearest(index: KnowledgeIndex) -> None:
    service = KnowledgeService(index, FakeShop())
    asked = "what is the tallest mountain"
    finding = service.find(asked, "en")
    record = service.unanswered(asked, "en", finding)
    assert finding.outcome is Outcome.UNKNOWN
    assert (record.text, record.language) == (asked, "en")
    assert record.nearest in index.entries and record.score is not None and record.score < ASK_FROM
    assert service.unanswered("؟", "ar", service.find("؟", "ar")).nearest is None
