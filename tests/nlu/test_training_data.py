"""The training messages: enough of them, none twice, and the test set is not made of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import regex
import yaml

from bot.brain.evaluation import EMOTIONS, read_lines, same_entity
from bot.brain.nlu.entities import extract
from bot.settings import PROJECT
from bot.text import normalize

VARIETIES = ("msa", "gulf", "egy", "lev", "mag", "en", "arabizi", "mix")
FULL = ("msa", "gulf", "egy", "en")  # those in which every intent has 15 messages or more
TEST_SET = PROJECT / "tests/nlu/test_set.jsonl"


class Example(NamedTuple):
    text: str
    intent: str
    lang: str
    emotion: str
    topic: str | None


def _read() -> Iterator[Example]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for block in yaml.load((PROJECT / "data/nlu.yml").read_text(encoding="utf-8"), loader)["nlu"]:
        labels = block["metadata"]
        for line in block["examples"].splitlines():
            assert line.startswith("- "), line
            yield Example(line[2:], block["intent"], labels["lang"], labels["emotion"], labels.get("topic"))


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return list(_read())


def _plain(text: str) -> str:
    return str(regex.sub(r"[^\p{L}\d]+", " ", normalize(text))).strip()


def _trigrams(text: str) -> frozenset[str]:
    padded = f"  {_plain(text)} "
    return frozenset(padded[at : at + 3] for at in range(len(padded) - 2))


def test_every_intent_has_fifteen_messages_in_the_main_varieties(examples: list[Example]) -> None:
    counts = Counter((example.intent, example.lang) for example in examples)
    intents = {example.intent for example in examples}
    assert {(i, v): counts[i, v] for i in intents for v in FULL if counts[i, v] < 15} == {}


def test_every_intent_is_covered_in_every_variety(examples: list[Example]) -> None:
    counts = Counter((example.intent, example.lang) for example in examples)
    intents = {example.intent for example in examples}
    assert {(i, v): counts[i, v] for i in intents for v in VARIETIES if counts[i, v] < 10} == {}


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
    assert len(lines) >= 420
    assert {example.intent for example in examples} <= {intent for line in lines for intent in line["intent"]}
    assert {line["lang"] for line in lines} == set(VARIETIES)
    assert {line["emotion"] for line in lines} == set(EMOTIONS)
    assert {line["topic"] for line in lines if "topic" in line} == {one.topic for one in examples if one.topic}
    known = {example.intent for example in examples}
    assert all(set(line["intent"]) <= known for line in lines)


def test_the_test_set_is_not_copied_from_the_training_data(examples: list[Example]) -> None:
    """No test message of four words or more shares 75 % of its character trigrams with a training message; shorter
    ones (greetings, thanks) do not stand in it letter by letter."""
    trained = [_trigrams(example.text) for example in examples]
    exact = {_plain(example.text) for example in examples}
    near = []
    for line in read_lines(TEST_SET):
        if len(_plain(line["text"]).split()) < 4:
            if _plain(line["text"]) in exact:
                near.append(line["text"])
            continue
        own = _trigrams(line["text"])
        alike = (other for other in trained if 0.75 * len(own) < len(other) < len(own) / 0.75)
        if any(len(own & other) > 0.75 * len(own | other) for other in alike):
            near.append(line["text"])
    assert near == []


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
