"""An evaluation as people look at it: tables in the terminal, and a page with charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from rich.console import Console
from rich.table import Table

from bot.brain.evaluation import EMOTIONS, Evaluation

__all__ = ["print_report", "write_page"]

_SHOWN_ERRORS, _SHOWN_CONFUSIONS = 20, 20
_TEMPLATE = "evaluation.html.j2"
_GOALS = {"accuracy": 0.90, "faq_topic_accuracy": 0.92, "entity_f1": 0.95, "emotion_macro_f1": 0.75, "oos_recall": 0.85}


def print_report(evaluation: Evaluation, console: Console) -> None:
    """The figures, accuracy by variety and intent, what was taken for what, and the worst errors."""
    report = evaluation.report()
    summary = Table(title=f"{report['n']} messages", show_header=False)
    for key, value in report.items():
        if key not in ("n", "by_lang", "by_intent"):
            summary.add_row(key, _cell(value))
    console.print(summary)
    for key, title in (("by_lang", "Accuracy by variety"), ("by_intent", "Accuracy by intent, lowest first")):
        if report.get(key):
            table = Table("name", "accuracy", "", title=title)
            for name, value in _lowest_first(report[key]):
                table.add_row(name, _cell(value), "█" * round(20 * value))
            console.print(table)
    if confusions := evaluation.confusions():
        table = Table("expected", "read as", "messages", title="Confusions, most frequent first")
        for wanted, guess, count in confusions[:_SHOWN_CONFUSIONS]:
            table.add_row(wanted, guess, str(count))
        console.print(table)
    if mistaken := _mistaken(evaluation):
        title = f"The {min(len(mistaken), _SHOWN_ERRORS)} most confident of {len(mistaken)} errors"
        table = Table("message", "expected", "read as", "confidence", title=title)
        for row in mistaken[:_SHOWN_ERRORS]:
            shown = str(row["text"]).replace("[", "\\[")[:80]
            table.add_row(shown, ", ".join(row["intent"]), str(row["predicted"]), _cell(row["confidence"]))
        console.print(table)


def write_page(evaluation: Evaluation, path: Path) -> None:
    """The same and more as one HTML file without scripts."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(default=True, default_for_string=True),
    )
    report = evaluation.report()
    names = sorted({*evaluation.gold, *evaluation.guessed})
    felt = Counter(evaluation.emotions)
    page = environment.get_template(_TEMPLATE).render(
        report=report,
        figures=[
            (name, report[name], _GOALS.get(name))
            for name in report
            if name not in ("n", "by_lang", "by_intent") and report[name] is not None
        ],
        by_lang=_lowest_first(report["by_lang"] or {}),
        by_intent=_lowest_first(report["by_intent"] or {}),
        names=names,
        matrix=Counter(zip(evaluation.gold, evaluation.guessed, strict=True)),
        totals=Counter(evaluation.gold),
        bins=evaluation.bins() if evaluation.lines else [],
        emotions=EMOTIONS if felt else (),
        felt=felt,
        confusions=evaluation.confusions()[:40],
        mistaken=_mistaken(evaluation)[:200],
    )
    path.write_text(page, encoding="utf-8")


def _mistaken(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [row for row in evaluation.errors if "predicted" in row]


def _lowest_first(shares: Mapping[str, float]) -> Sequence[tuple[str, float]]:
    return sorted(shares.items(), key=lambda pair: pair[1])


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
