"""The figures as tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.stock_side import DOCUMENTED_EPOCHS

AIM = 1.2
"""The most that the last messages of a long conversation may cost, beside its first."""

_BUSY = 0.5


def print_report(report: dict[str, Any], console: Console) -> None:
    """What was found, with ratios against stock where it was measured."""
    machine, options, sides = report["machine"], report["options"], report["sides"]
    console.print(
        f"\n{machine['at']} · {machine['cpu']}, {machine['cores']} cores, {machine['memory'] / 2**30:.0f} GB · "
        f"{machine['system']} · Python {machine['python']}, Rasa {machine['rasa']}"
    )
    if machine["load_before"] > _BUSY:
        console.print(
            f"[yellow]The machine was busy before the start (load {machine['load_before']:.1f}): "
            "times are too long, ratios less certain.[/]"
        )
    if options.get("stock_epochs", DOCUMENTED_EPOCHS) < DOCUMENTED_EPOCHS:
        console.print(
            f"[yellow]Stock Rasa was trained for {options['stock_epochs']} epochs instead of the documented "
            f"{DOCUMENTED_EPOCHS}: it misreads more than it would; its speed, memory and start are the same.[/]"
        )
    _comparison(options, {name: side["figures"] for name, side in sides.items()}, console)
    _steps(sides["Thiqa"]["steps"], console)


def _comparison(options: dict[str, Any], figures: dict[str, dict[str, float]], console: Console) -> None:
    first, last = f"1–{options['window']}", f"{options['messages'] - options['window'] + 1}–{options['messages']}"
    rows: list[tuple[str, str, Callable[[float], str]]] = [
        (f"turn p50, messages {first}", "p50_early", _milliseconds),
        (f"turn p95, messages {first}", "p95_early", _milliseconds),
        (f"turn p50, messages {last}", "p50_late", _milliseconds),
        (f"turn p95, messages {last}", "p95_late", _milliseconds),
        (f"growth p50 (aim ≤ {AIM})", "growth_p50", "{:.2f}".format),
        (f"growth p95 (aim ≤ {AIM})", "growth_p95", "{:.2f}".format),
        (f"turns a second, {options['senders']} senders", "turns_a_second", "{:.1f}".format),
        ("resident memory", "memory", lambda value: f"{value / 2**20:.0f} MB"),
        ("time to ready", "ready", "{:.1f} s".format),
        ("time to first answer", "first_answer", "{:.1f} s".format),
        ("right answers", "right", "{:.0%}".format),
    ]
    rows += [(f"turn p50, {name[4:]}", name, _milliseconds) for name in figures["Thiqa"] if name.startswith("p50 ")]
    table = Table(title=f"Medians of {options['rounds']} rounds")
    table.add_column("")
    for name in figures:
        table.add_column(name, justify="right")
    if len(figures) > 1:
        table.add_column("stock / Thiqa", justify="right")
    for title, key, shown in rows:
        values = [side[key] for side in figures.values()]
        ratio = f"{values[1] / values[0]:.2f}" if len(values) > 1 and values[0] else ""
        table.add_row(title, *map(shown, values), *([ratio] if len(values) > 1 else []))
    console.print(table)


def _steps(windows: dict[str, dict[str, float]], console: Console) -> None:
    table = Table(title="Thiqa by step: mean of a turn, from /metrics")
    table.add_column("step")
    for name in ("early", "late"):
        table.add_column(f"{name} messages", justify="right")
    for step in ("wait", "think", "commit", "turn"):
        table.add_row(step, *(f"{windows[name].get(step, 0.0):.1f} ms" for name in ("early", "late")))
    console.print(table)


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"
