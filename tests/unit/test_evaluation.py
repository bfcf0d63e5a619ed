"""The report of `thiqa eval nlu`, on parses made up for it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bot.brain.evaluation import Evaluation, best_intent, evaluate, read_lines, same_entity
from bot.brain.evaluation_report import print_report, write_page
from bot.errors import ConfigurationError

KEYS = [
    *("n", "accuracy", "macro_f1", "by_lang", "by_intent", "emotion_accuracy", "emotion_macro_f1"),
    *("faq_topic_accuracy", "entity_f1", "oos_recall", "ece", "ms_per_message_p50"),
]


def parse_of(**answers: dict[str, Any]) -> Any:
    return lambda text: answers[text]


def understood(name: str, confidence: float = 1.0, **more: Any) -> dict[str, Any]:
    ranking = [{"name": name, "confidence": confidence}]
    return {"intent": ranking[0], "intent_ranking": ranking, "entities": [], **more}


def test_the_report_has_every_key_of_the_contract_in_its_order() -> None:
    report = evaluate(parse_of(a=understood("greet")), [{"text": "a", "intent": ["greet"]}]).report()
    assert list(report) == KEYS
    json.dumps(report)


def test_what_the_file_has_no_labels_for_is_null() -> None:
    report = evaluate(parse_of(a=understood("greet")), [{"text": "a", "intent": ["greet"]}]).report()
    missing = [key for key, value in report.items() if value is None]
    assert missing == [
        *("by_lang", "emotion_accuracy", "emotion_macro_f1", "faq_topic_accuracy", "entity_f1", "oos_recall"),
    ]


def test_any_acceptable_intent_counts_and_accuracy_is_before_fallback() -> None:
    fallback = {"name": "nlu_fallback", "confidence": 0.3}
    parses = {
        "a": understood("greet"),
        "b": {"intent": fallback, "intent_ranking": [fallback, {"name": "thank", "confidence": 0.2}], "entities": []},
        "c": understood("deny", 0.9),
    }
    lines = [
        {"text": "a", "intent": ["help", "greet"], "lang": "en"},
        {"text": "b", "intent": ["thank"], "lang": "gulf"},
        {"text": "c", "intent": ["affirm"], "lang": "gulf"},
    ]
    evaluation = evaluate(parse_of(**parses), lines)
    report, errors = evaluation.report(), evaluation.errors
    assert report["accuracy"] == pytest.approx(2 / 3, abs=1e-4)
    assert report["by_lang"] == {"en": 1.0, "gulf": 0.5}
    assert report["by_intent"] == {"help": 1.0, "thank": 1.0, "affirm": 0.0}
    assert [(row["text"], row["predicted"], row["confidence"]) for row in errors] == [("c", "deny", 0.9)]


def test_out_of_scope_is_recalled_by_its_intent_or_by_fallback() -> None:
    parses = {
        "a": understood("out_of_scope"),
        "b": {**understood("greet", 0.1), "intent": {"name": "nlu_fallback", "confidence": 0.3}},
        "c": understood("greet"),
    }
    lines = [{"text": text, "intent": ["out_of_scope"]} for text in parses]
    assert evaluate(parse_of(**parses), lines).report()["oos_recall"] == pytest.approx(2 / 3, abs=1e-4)


def test_emotions_and_topics_are_compared() -> None:
    parses = {
        "a": understood("faq", emotion={"name": "angry", "confidence": 1}),
        "b": understood("faq", emotion={"name": "neutral", "confidence": 1}),
    }
    lines = [
        {"text": "a", "intent": ["faq"], "emotion": "angry", "topic": "warranty"},
        {"text": "b", "intent": ["faq"], "emotion": "positive", "topic": "privacy"},
    ]
    report = evaluate(parse_of(**parses), lines, topic_of=lambda text: "warranty").report()
    assert (report["emotion_accuracy"], report["emotion_macro_f1"], report["faq_topic_accuracy"]) == (0.5, 0.5, 0.5)


def test_entity_f1_counts_missing_and_superfluous_ones() -> None:
    entities = [
        {"entity": "order_number", "text": "١٠٤٢", "value": "1042"},
        {"entity": "city", "text": "الرياض", "value": "Riyadh"},
    ]
    line = {"text": "a", "intent": ["inform"], "entities": {"order_number": "1042", "phone": "0551234567"}}
    report = evaluate(parse_of(a=understood("inform") | {"entities": entities}), [line]).report()
    assert report["entity_f1"] == 0.5


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    parses = {"a": understood("greet", 0.75), "b": understood("greet", 0.75)}
    lines = [{"text": "a", "intent": ["greet"]}, {"text": "b", "intent": ["thank"]}]
    assert evaluate(parse_of(**parses), lines).report()["ece"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("name", "expected", "text", "value", "same"),
    [
        ("order_number", "١٠٤٢", "1042", "1042", True),
        ("order_number", "#1042", "1042", "1042", True),
        ("order_number", "1042", "1043", "1043", False),
        ("phone", "0551234567", "٠٥٥١٢٣٤٥٦٧", "+966551234567", True),
        ("phone", "+966551234567", "055 123 4567", "+966551234567", True),
        ("amount", "420 ريال", "٤٢٠ ريالًا", "420", True),
        ("amount", "420.00", "420 ريال", "420", True),
        ("city", "رياض", "الرياض", "Riyadh", True),
        ("city", "Riyadh", "بالرياض", "Riyadh", True),
        ("product", "السماعه", "سماعة", "HP-210", True),
        ("product", "سماعة", "عطر", "PF-OUD", False),
    ],
)
def test_the_written_or_the_normal_form_of_an_entity_counts(
    name: str, expected: str, text: str, value: str, same: bool
) -> None:
    assert same_entity(name, expected, {"entity": name, "text": text, "value": value}) is same
    assert not same_entity(name, expected, {"entity": "date", "text": text, "value": value})


def test_an_answer_without_intent_is_wrong_and_not_an_error() -> None:
    assert best_intent({}) == ("", 0.0)
    assert (
        evaluate(lambda text: {}, [{"text": "a", "intent": ["greet"], "entities": {"city": "x"}}]).report()["accuracy"]
        == 0.0
    )


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("{", "is not JSON"),
        ("[]", "has no text"),
        ('{"intent": ["greet"]}', "has no text"),
        ('{"text": "a"}', "has no list of acceptable intents"),
        ('{"text": "a", "intent": []}', "has no list of acceptable intents"),
        ('{"text": "a", "intent": ["greet"], "emotion": "sad"}', "emotion is 'sad'"),
        ('{"text": "a", "intent": ["greet"], "lang": 3}', "lang is not a string"),
        ('{"text": "a", "intent": ["greet"], "entities": ["1042"]}', "entities are not an object"),
    ],
)
def test_a_broken_line_is_named_by_its_number(tmp_path: Path, bad: str, told: str) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text('{"text": "hi", "intent": "greet"}\n\n' + bad + "\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"line 3: {told}"):
        read_lines(file)


def test_files_that_cannot_be_read_or_hold_nothing_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n", encoding="utf-8")
    (tmp_path / "latin.jsonl").write_bytes(b"\xff\xfe\xe9")
    for name in ("none.jsonl", "empty.jsonl", "latin.jsonl"):
        with pytest.raises(ConfigurationError, match=name):
            read_lines(tmp_path / name)


def test_one_intent_may_be_written_without_its_list(tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text('\ufeff{"text": "hi", "intent": "greet"}\r\n', encoding="utf-8")
    assert read_lines(file) == [{"text": "hi", "intent": ["greet"]}]


def misread() -> Evaluation:
    """One message read wrongly, with what markup of a terminal or of a page would eat."""
    line = {"text": "وين [bold]طلبي <b>1004</b>", "intent": ["track_order"], "lang": "gulf", "emotion": "angry"}
    parsed = understood("greet", 0.9) | {"emotion": {"name": "neutral"}}
    return evaluate(parse_of(**{line["text"]: parsed}), [line])


def test_the_printed_report_shows_figures_confusions_and_the_worst_errors() -> None:
    console = Console(file=io.StringIO(), width=160)
    print_report(misread(), console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "track_order" in printed and "greet" in printed and "[bold]" in printed and "gulf" in printed
    assert "Confusions" in printed


def test_the_page_shows_every_error_and_runs_nothing_that_a_message_holds(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    write_page(misread(), page)
    text = page.read_text("utf-8")
    assert "&lt;b&gt;1004&lt;/b&gt;" in text and "<b>1004</b>" not in text
    assert "track_order read as greet: 1 of 1" in text and "<circle" in text and "<script" not in text
    assert "angry" in text


def test_the_page_of_a_file_without_labels_is_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    write_page(evaluate(parse_of(a=understood("greet")), [{"text": "a", "intent": ["greet"]}]), page)
    assert "Emotion" not in page.read_text("utf-8")


def test_confusions_are_counted_most_frequent_first() -> None:
    parses = {"a": understood("greet"), "b": understood("greet"), "c": understood("deny"), "d": understood("thank")}
    lines = [{"text": text, "intent": ["thank"]} for text in "abcd"]
    assert evaluate(parse_of(**parses), lines).confusions() == [("thank", "greet", 2), ("thank", "deny", 1)]
