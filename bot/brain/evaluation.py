"""How well messages are understood, measured on a file of labelled ones.

A file has one JSON object a line: `text`, `intent` (a list of acceptable ones) and optionally `lang`, `emotion`,
`topic` and `entities` (`{name: written or normal form}`, or a list of them). The report is the contract of
`thiqa eval nlu`: what a file has no labels for is null.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import regex
from rich.console import Console
from rich.table import Table

from bot.errors import ConfigurationError
from bot.text import normalize

__all__ = ["EMOTIONS", "best_intent", "evaluate", "print_report", "read_lines", "same_entity"]

EMOTIONS = ("positive", "neutral", "frustrated", "angry")
_FALLBACK, _OUT_OF_SCOPE = "nlu_fallback", "out_of_scope"
_BINS = 10  # of the calibration error
_ARTICLE = regex.compile(r"(?<!\p{L})(?:و|ف)?(?:بال|لل|عال|هال|كال|ال)(?=\p{L}{2})|(?<!\p{L})(?:el|al|il|l)[ -](?=\w)")

Line = Mapping[str, Any]
Parse = Callable[[str], Mapping[str, Any]]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The labelled messages of a JSONL file; blank lines are skipped.

    Raises ConfigurationError that names the line where the file cannot be read as such.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(str(path), f"cannot be read ({error})", "Give a UTF-8 file of JSON lines.") from error
    lines = [_line(path, number, raw) for number, raw in enumerate(text.split("\n"), 1) if raw.strip()]
    if not lines:
        raise ConfigurationError(str(path), "holds no message", "Give at least one JSON line with text and intent.")
    return lines


def _line(path: Path, number: int, raw: str) -> dict[str, Any]:
    where = f"{path}, line {number}"
    try:
        line = json.loads(raw)
    except ValueError as error:
        raise ConfigurationError(where, f"is not JSON ({error})", "Write one JSON object a line.") from error
    if not isinstance(line, dict) or not isinstance(line.get("text"), str):
        raise ConfigurationError(where, "has no text", 'Write {"text": "…", "intent": ["…"]}.')
    intents = line.get("intent")
    intents = [intents] if isinstance(intents, str) else intents
    if not isinstance(intents, list) or not intents or not all(isinstance(name, str) and name for name in intents):
        raise ConfigurationError(where, "has no list of acceptable intents", 'Write "intent": ["track_order"].')
    for key in ("lang", "topic", "emotion"):
        if line.get(key) is not None and not isinstance(line[key], str):
            raise ConfigurationError(where, f"{key} is not a string", f"Write a name, or leave {key} out.")
    if line.get("emotion") is not None and line["emotion"] not in EMOTIONS:
        raise ConfigurationError(where, f"emotion is {line['emotion']!r}", f"Use one of {', '.join(EMOTIONS)}.")
    entities = line.get("entities")
    if entities is not None and not isinstance(entities, dict):
        raise ConfigurationError(where, "entities are not an object", 'Write {"order_number": "1042"}.')
    return {**line, "intent": intents}


def best_intent(parsed: Mapping[str, Any]) -> tuple[str, float]:
    """Name and confidence of the likeliest intent, before any fallback took its place."""
    candidates = [*(parsed.get("intent_ranking") or []), parsed.get("intent") or {}]
    for candidate in candidates:
        if candidate.get("name") and candidate["name"] != _FALLBACK:
            return str(candidate["name"]), float(candidate.get("confidence") or 0.0)
    return "", 0.0


def same_entity(name: str, expected: str, found: Mapping[str, Any]) -> bool:
    """Whether an extracted entity is the expected one: its written form, without Arabic article or prefix, or its
    normal form."""
    if found.get("entity") != name:
        return False
    forms = {str(found.get("value") or ""), str(found.get("text") or "")}
    if name in ("order_number", "phone", "amount", "quantity"):
        wanted = _digits(expected)
        return bool(wanted) and wanted in {_digits(form) for form in forms} or _bare(expected) in map(_bare, forms)
    return _bare(expected) in {_bare(form) for form in forms}


def _digits(text: str) -> str:
    kept = regex.sub(r"[^\d.+]", "", normalize(text).replace("٫", "."))
    kept = kept[2:] if kept.startswith("00") else kept.lstrip("+")
    return str(regex.sub(r"\.0*$", "", kept))


def _bare(text: str) -> str:
    return " ".join(_ARTICLE.sub("", normalize(text)).split())


def _emotion(parsed: Mapping[str, Any]) -> str | None:
    found = parsed.get("emotion")
    return str(found.get("name")) if isinstance(found, Mapping) else (str(found) if found else None)


def evaluate(
    model_parse: Parse,
    lines: Iterable[Line],
    topic_of: Callable[[str], str | None] = lambda text: None,
    errors: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Parse every line and compare.

    `model_parse` gives Rasa's parse of a text; `topic_of` the FAQ topic that would be answered. Lines are as
    `read_lines` gives them. What was read wrongly is appended to `errors`, worst (most confident) first.
    """
    gold: list[str] = []
    guessed: list[str] = []
    right: list[bool] = []
    confidence: list[float] = []
    times: list[float] = []
    by_lang: dict[str, list[bool]] = defaultdict(list)
    by_intent: dict[str, list[bool]] = defaultdict(list)
    emotions: list[tuple[str, str]] = []
    topics: list[bool] = []
    caught: list[bool] = []
    hits = expected_count = found_count = 0
    any_entities = False
    wrong: list[dict[str, Any]] = []
    for line in lines:
        text, accepted = str(line["text"]), list(line["intent"])
        begun = time.perf_counter()
        parsed = model_parse(text)
        times.append((time.perf_counter() - begun) * 1000)
        best, sure = best_intent(parsed)
        correct = best in accepted
        gold.append(best if correct else accepted[0])
        guessed.append(best)
        right.append(correct)
        confidence.append(sure)
        by_intent[accepted[0]].append(correct)
        row: dict[str, Any] = {}
        if not correct:
            row.update(predicted=best, confidence=round(sure, 4))
        if line.get("lang"):
            by_lang[str(line["lang"])].append(correct)
        if accepted == [_OUT_OF_SCOPE]:
            final = str((parsed.get("intent") or {}).get("name") or "")
            caught.append(final in (_OUT_OF_SCOPE, _FALLBACK))
        if line.get("emotion"):
            felt = _emotion(parsed) or ""
            emotions.append((str(line["emotion"]), felt))
            if felt != line["emotion"]:
                row["predicted_emotion"] = felt
        if line.get("topic"):
            topic = topic_of(text)
            topics.append(topic == line["topic"])
            if topic != line["topic"]:
                row["predicted_topic"] = topic
        if line.get("entities") is not None:
            any_entities = True
            met, missing, extra = _compare_entities(line["entities"], list(parsed.get("entities") or []))
            hits, expected_count, found_count = hits + met, expected_count + met + missing, found_count + met + extra
            if missing or extra:
                row["predicted_entities"] = [
                    {key: entity.get(key) for key in ("entity", "text", "value")}
                    for entity in parsed.get("entities") or []
                ]
        if row:
            wrong.append({**line, **row})
    if errors is not None:
        errors.extend(sorted(wrong, key=lambda row: -float(row.get("confidence", 0.0))))
    return {
        "n": len(right),
        "accuracy": _share(right),
        "macro_f1": _macro_f1(gold, guessed),
        "by_lang": {name: _share(marks) for name, marks in sorted(by_lang.items())} or None,
        "by_intent": {name: _share(marks) for name, marks in sorted(by_intent.items())} or None,
        "emotion_accuracy": _share([wanted == felt for wanted, felt in emotions]),
        "emotion_macro_f1": _macro_f1([wanted for wanted, _ in emotions], [felt for _, felt in emotions]),
        "faq_topic_accuracy": _share(topics),
        "entity_f1": _f1(hits, expected_count, found_count) if any_entities else None,
        "oos_recall": _share(caught),
        "ece": _calibration_error(confidence, right),
        "ms_per_message_p50": round(median(times), 2) if times else None,
    }


def _compare_entities(expected: Mapping[str, Any], found: list[Mapping[str, Any]]) -> tuple[int, int, int]:
    """How many were met, missing, and found without being expected."""
    left, met, missing = list(found), 0, 0
    for name, forms in expected.items():
        for form in forms if isinstance(forms, list) else [forms]:
            match = next((entity for entity in left if same_entity(name, str(form), entity)), None)
            if match is None:
                missing += 1
            else:
                left.remove(match)
                met += 1
    return met, missing, len(left)


def _share(marks: Sequence[bool]) -> float | None:
    return round(sum(marks) / len(marks), 4) if marks else None


def _f1(hits: int, expected: int, found: int) -> float:
    return round(2 * hits / (expected + found), 4) if expected + found else 1.0


def _macro_f1(gold: Sequence[str], guessed: Sequence[str]) -> float | None:
    """The mean over the labels that the file has."""
    if not gold:
        return None
    scores = []
    for label in sorted(set(gold)):
        hits = sum(one == other == label for one, other in zip(gold, guessed, strict=True))
        scores.append(_f1(hits, gold.count(label), guessed.count(label)))
    return round(sum(scores) / len(scores), 4)


def _calibration_error(confidence: Sequence[float], right: Sequence[bool]) -> float | None:
    """Expected calibration error over ten bins of equal width: how far confidence and accuracy lie apart."""
    if not right:
        return None
    bins: dict[int, list[int]] = defaultdict(list)
    for place, sure in enumerate(confidence):
        bins[min(int(sure * _BINS), _BINS - 1)].append(place)
    apart = sum(
        abs(sum(confidence[place] for place in places) - sum(right[place] for place in places))
        for places in bins.values()
    )
    return round(apart / len(right), 4)


def print_report(
    report: Mapping[str, Any], errors: Sequence[Mapping[str, Any]] = (), console: Console | None = None
) -> None:
    """The report as tables, and the worst errors. To stderr unless a console is given: stdout belongs to the JSON."""
    console = console or Console(stderr=True)
    summary = Table(title=f"{report['n']} messages", show_header=False)
    for key, value in report.items():
        if key not in ("n", "by_lang", "by_intent"):
            summary.add_row(key, _cell(value))
    console.print(summary)
    for key, title in (("by_lang", "Accuracy by variety"), ("by_intent", "Accuracy by intent, lowest first")):
        if report.get(key):
            table = Table(title=title)
            table.add_column("name")
            table.add_column("accuracy", justify="right")
            table.add_column("")
            for name, value in sorted(report[key].items(), key=lambda pair: pair[1]):
                table.add_row(name, _cell(value), "█" * round(20 * value))
            console.print(table)
    mistaken = [row for row in errors if "predicted" in row]
    if mistaken:
        table = Table(title=f"The {min(len(mistaken), 20)} most confident of {len(mistaken)} errors")
        for column in ("message", "expected", "read as", "confidence"):
            table.add_column(column)
        for row in mistaken[:20]:
            shown = str(row["text"]).replace("[", "\\[")[:80]
            table.add_row(shown, ", ".join(row["intent"]), str(row["predicted"]), _cell(row["confidence"]))
        console.print(table)


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
