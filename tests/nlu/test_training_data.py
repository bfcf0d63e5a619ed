"""The training messages: enough of them, none twice, and the test set is not made of them."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
import regex
from sklearn.feature_extraction.text import CountVectorizer

from bot.brain.evaluation import EMOTIONS, read_lines, same_entity
from bot.brain.messages import VARIETIES, Example, read_messages
from bot.brain.nlu.entities import extract
from bot.settings import PROJECT
from bot.text import normalize

BORDERING = {
    *("complaint_late", "track_order", "faq", "return_item", "complaint_damaged", "refund_status"),
    *("complaint_refund_delay", "voucher", "loyalty_points", "complaint_service", "out_of_scope"),
}
TEST_SET = PROJECT / "tests/nlu/test_set.jsonl"


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return list(read_messages())


def _plain(text: str) -> str:
    return str(regex.sub(r"[^\p{L}\d]+", " ", normalize(text))).strip()


def _trigrams(text: str) -> frozenset[str]:
    padded = f"  {_plain(text)} "
    return frozenset(padded[at : at + 3] for at in range(len(padded) - 2))


def test_every_intent_has_fifteen_messages_in_every_variety(examples: list[Example]) -> None:
    counts = Counter((example.intent, example.lang) for example in examples)
    intents = {example.intent for example in examples}
    assert {(i, v): counts[i, v] for i in intents for v in VARIETIES if counts[i, v] < 15} == {}


def test_intents_that_border_each_other_have_three_hundred_and_the_others_a_hundred_and_fifty(
    examples: list[Example],
) -> None:
    counts = Counter(example.intent for example in examples)
    assert {name: n for name, n in counts.items() if n < (300 if name in BORDERING else 150)} == {}


def test_every_faq_topic_is_covered_in_every_variety(examples: list[Example]) -> None:
    topics = {example.topic for example in examples if example.topic}
    have = {(example.topic, example.lang) for example in examples}
    assert len(topics) == 22
    assert [(topic, variety) for topic in topics for variety in VARIETIES if (topic, variety) not in have] == []


def test_labels_are_known_ones(examples: list[Example]) -> None:
    assert {example.lang for example in examples} == set(VARIETIES)
    assert {example.emotion for example in examples} == set(EMOTIONS)
    assert all((example.intent == "faq") == (example.topic is not None) for example in examples)


def test_no_message_stands_twice(examples: list[Example]) -> None:
    counts = Counter(normalize(example.text) for example in examples)
    assert [text for text, count in counts.items() if count > 1] == []


def test_no_message_looks_like_entity_markup(examples: list[Example]) -> None:
    """Rasa would read `[words](name)` as an annotation and cut it out of the text."""
    assert [example.text for example in examples if regex.search(r"\][({]", example.text)] == []


def test_the_test_set_covers_every_intent_variety_and_topic(examples: list[Example]) -> None:
    lines = read_lines(TEST_SET)
    assert len(lines) >= 900
    assert {example.intent for example in examples} <= {intent for line in lines for intent in line["intent"]}
    assert {line["lang"] for line in lines} == set(VARIETIES)
    assert {line["emotion"] for line in lines} == set(EMOTIONS)
    assert {line["topic"] for line in lines if "topic" in line} == {one.topic for one in examples if one.topic}
    known = {example.intent for example in examples}
    assert all(set(line["intent"]) <= known for line in lines)


def test_the_test_set_is_not_copied_from_the_training_data(examples: list[Example]) -> None:
    """No test message of four words or more shares 75 % of its character trigrams with a training message; shorter
    ones (greetings, thanks) do not stand in it letter by letter."""
    trained, tested = [_plain(one.text) for one in examples], [_plain(line["text"]) for line in read_lines(TEST_SET)]
    assert [text for text in tested if len(text.split()) < 4 and text in set(trained)] == []
    trigrams = CountVectorizer(analyzer=_trigrams, binary=True, lowercase=False, dtype=np.int32)
    known = trigrams.fit_transform(trained + tested)
    shared = (known[len(trained) :] @ known[: len(trained)].T).tocoo()
    sizes = np.asarray(known.sum(axis=1)).ravel()
    either = sizes[len(trained) + shared.row] + sizes[shared.col] - shared.data
    near = {tested[row] for row in shared.row[shared.data > 0.75 * either] if len(tested[row].split()) >= 4}
    assert near == set()


def test_the_test_set_is_one_json_object_a_line_and_no_text_twice() -> None:
    rows = [json.loads(line) for line in TEST_SET.read_text(encoding="utf-8").splitlines()]
    counts = Counter(normalize(row["text"]) for row in rows)
    assert [text for text, count in counts.items() if count > 1] == []


def test_entities_of_the_test_set_are_found() -> None:
    """F1 of 0.95, without the model: entities are rules."""
    hits = expected = found = 0
    for line in read_lines(TEST_SET):
        left = [{"entity": one.kind, "text": one.text, "value": one.value} for one in extract(line["text"])]
        found += len(left)
        for name, forms in line["entities"].items():
            for form in forms if isinstance(forms, list) else [forms]:
                expected += 1
                match = next((one for one in left if same_entity(name, form, one)), None)
                if match:
                    left.remove(match)
                    hits += 1
    assert 2 * hits / (expected + found) >= 0.95
