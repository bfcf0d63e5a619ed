"""How well messages are understood, measured on a file of labelled ones.

A file has one JSON object a line: `text`, `intent` (a list of acceptable ones) and optionally `lang`, `emotion`,
`topic` and `entities` (`{name: written or normal form}`, or a list of them). The report is the contract of
`thiqa eval nlu`: what a file has no labels for is null.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import regex

from bot.errors import ConfigurationError
from bot.text import normalize

__all__ = ["EMOTIONS", "Evaluation", "best_intent", "evaluate", "read_lines", "same_entity"]

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


@dataclass
class Evaluation:
    """What came of the messages of one file. `report` is the contract; the rest is for people to look at."""

    lines: list[Line] = field(default_factory=list)
    guessed: list[str] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)  # milliseconds
    emotions: list[tuple[str, str]] = field(default_factory=list)  # as labelled, as read
    topics: list[bool] = field(default_factory=list)
    caught: list[bool] = field(default_factory=list)  # out of scope, and neither taken for something else nor answered
    entities: list[tuple[int, int, int]] = field(default_factory=list)  # met, missing, found without being expected
    errors: list[dict[str, Any]] = field(default_factory=list)  # worst (most confident) first

    @property
    def right(self) -> list[bool]:
        return [guess in line["intent"] for line, guess in zip(self.lines, self.guessed, strict=True)]

    @property
    def gold(self) -> list[str]:
        """The intent that would have been right: of several acceptable ones the guessed one."""
        return [
            guess if guess in line["intent"] else str(line["intent"][0])
            for line, guess in zip(self.lines, self.guessed, strict=True)
        ]

    def report(self) -> dict[str, Any]:
        """The figures, under the names of the contract."""
        by_lang: dict[str, list[bool]] = defaultdict(list)
        by_intent: dict[str, list[bool]] = defaultdict(list)
        for line, correct in zip(self.lines, self.right, strict=True):
            by_intent[str(line["intent"][0])].append(correct)
            if line.get("lang"):
                by_lang[str(line["lang"])].append(correct)
        met, missing, extra = (sum(part) for part in zip(*self.entities, strict=True)) if self.entities else (0, 0, 0)
        return {
            "n": len(self.lines),
            "accuracy": _share(self.right),
            "macro_f1": _macro_f1(self.gold, self.guessed),
            "by_lang": {name: _share(marks) for name, marks in sorted(by_lang.items())} or None,
            "by_intent": {name: _share(marks) for name, marks in sorted(by_intent.items())} or None,
            "emotion_accuracy": _share([wanted == felt for wanted, felt in self.emotions]),
            "emotion_macro_f1": _macro_f1([wanted for wanted, _ in self.emotions], [felt for _, felt in self.emotions]),
            "faq_topic_accuracy": _share(self.topics),
            "entity_f1": _f1(met, met + missing, met + extra) if self.entities else None,
            "oos_recall": _share(self.caught),
            "ece": _calibration_error(self.bins()) if self.lines else None,
            "ms_per_message_p50": round(median(self.times), 2) if self.times else None,
        }

    def bins(self) -> list[tuple[int, float, float]]:
        """Calibration in ten bins of confidence: how many messages, their mean confidence, the share read rightly."""
        bins: dict[int, list[int]] = defaultdict(list)
        for place, sure in enumerate(self.confidence):
            bins[min(int(sure * _BINS), _BINS - 1)].append(place)
        right = self.right
        return [
            (
                len(places),
                sum(self.confidence[place] for place in places) / len(places),
                sum(right[place] for place in places) / len(places),
            )
            for _, places in sorted(bins.items())
        ]

    def confusions(self) -> list[tuple[str, str, int]]:
        """What was taken for what, and how often; most often first."""
        counted = Counter(pair for pair in zip(self.gold, self.guessed, strict=True) if pair[0] != pair[1])
        return [(wanted, guess, count) for (wanted, guess), count in counted.most_common()]


def evaluate(
    model_parse: Parse, lines: Iterable[Line], topic_of: Callable[[str], str | None] = lambda text: None
) -> Evaluation:
    """Parse every line and compare.

    `model_parse` gives Rasa's parse of a text; `topic_of` the FAQ topic that would be answered. Lines are as
    `read_lines` gives them.
    """
    found = Evaluation()
    for line in lines:
        begun = time.perf_counter()
        parsed = model_parse(str(line["text"]))
        found.times.append((time.perf_counter() - begun) * 1000)
        best, sure = best_intent(parsed)
        found.lines.append(line)
        found.guessed.append(best)
        found.confidence.append(sure)
        wrong = {} if best in line["intent"] else {"predicted": best, "confidence": round(sure, 4)}
        if list(line["intent"]) == [_OUT_OF_SCOPE]:
            final = str((parsed.get("intent") or {}).get("name") or "")
            found.caught.append(final in (_OUT_OF_SCOPE, _FALLBACK))
        wrong |= _compare_labels(found, line, parsed, topic_of)
        if wrong:
            found.errors.append({**line, **wrong})
    found.errors.sort(key=lambda row: -float(row.get("confidence", 0.0)))
    return found


def _compare_labels(
    found: Evaluation, line: Line, parsed: Mapping[str, Any], topic_of: Callable[[str], str | None]
) -> dict[str, Any]:
    """Emotion, topic and entities, where the line has them; returns what was wrong."""
    wrong: dict[str, Any] = {}
    if line.get("emotion"):
        felt = _emotion(parsed) or ""
        found.emotions.append((str(line["emotion"]), felt))
        if felt != line["emotion"]:
            wrong["predicted_emotion"] = felt
    if line.get("topic"):
        topic = topic_of(str(line["text"]))
        found.topics.append(topic == line["topic"])
        if topic != line["topic"]:
            wrong["predicted_topic"] = topic
    if line.get("entities") is not None:
        read = list(parsed.get("entities") or [])
        found.entities.append(_compare_entities(line["entities"], read))
        if any(found.entities[-1][1:]):
            wrong["predicted_entities"] = [
                {key: entity.get(key) for key in ("entity", "text", "value")} for entity in read
            ]
    return wrong


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


def _calibration_error(bins: Sequence[tuple[int, float, float]]) -> float:
    """Expected calibration error over bins of equal width: how far confidence and accuracy lie apart (Guo et al.,
    "On Calibration of Modern Neural Networks", 2017)."""
    return round(sum(n * abs(sure - right) for n, sure, right in bins) / sum(n for n, _, _ in bins), 4)
