"""`make bench`: Thiqa beside stock Rasa, measured over the REST channel in the same run."""

from __future__ import annotations

import json
import os
import platform
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NoReturn

import psutil  # type: ignore[import-untyped]
import requests
import typer

from bench.report import print_report
from bench.script import CYCLE, Step, conversation
from bench.side import BENCH_HOME, BenchFailed, Side, Steps, console
from bench.stock_side import DOCUMENTED_EPOCHS, StockSide
from bench.thiqa_side import ThiqaSide

WINDOW = len(CYCLE)  # both windows hold the same messages


@dataclass(frozen=True)
class Turn:
    """One message: how long its answer took, and whether it was the right one."""

    kind: str
    seconds: float
    right: bool


@dataclass
class Round:
    """What one start of one side gave. Seconds and bytes; `steps` are milliseconds a turn."""

    ready: float
    first_answer: float
    turns: list[Turn] = field(default_factory=list)
    steps: dict[str, dict[str, float]] = field(default_factory=dict)
    turns_a_second: float = 0.0
    memory: int = 0

    def figures(self) -> dict[str, float]:
        """The figures that are compared, by name."""
        early, late = self.turns[:WINDOW], self.turns[-WINDOW:]
        figures = {
            "p50_early": _quantile(early, 50),
            "p95_early": _quantile(early, 95),
            "p50_late": _quantile(late, 50),
            "p95_late": _quantile(late, 95),
            "turns_a_second": self.turns_a_second,
            "memory": float(self.memory),
            "ready": self.ready,
            "first_answer": self.first_answer,
            "right": sum(turn.right for turn in self.turns) / len(self.turns),
        }
        figures["growth_p50"] = figures["p50_late"] / figures["p50_early"]
        figures["growth_p95"] = figures["p95_late"] / figures["p95_early"]
        for kind in dict.fromkeys(step.kind for step in CYCLE):
            figures[f"p50 {kind}"] = _quantile([turn for turn in self.turns if turn.kind == kind], 50)
        return figures


def _quantile(turns: Sequence[Turn], percent: int) -> float:
    return statistics.quantiles([turn.seconds for turn in turns], n=100, method="inclusive")[percent - 1]


def talk(side: Side, sender: str, steps: Sequence[Step]) -> list[Turn]:
    """Hold a conversation, one message after the other."""
    turns = []
    with requests.Session() as session:
        for step in steps:
            began = time.perf_counter()
            answer = side.say(session, sender, step.text)
            turns.append(Turn(step.kind, time.perf_counter() - began, bool(answer) and step.told in answer))
    return turns


def measure(side: Side, number: int, messages: int, senders: int) -> Round:
    """One round: start, warm up, one long conversation, many short ones at once, stop."""
    try:
        started = side.start()
        result = Round(started.ready, started.first_answer)
        talk(side, f"warm-up-{number}", CYCLE)
        script, name = conversation(messages), f"long-{number}"
        for window, part in (
            ("early", script[:WINDOW]),
            ("between", script[WINDOW:-WINDOW]),
            ("late", script[-WINDOW:]),
        ):
            before = side.steps()
            result.turns += talk(side, name, part)
            result.steps[window] = _per_turn(before, side.steps())
        result.turns_a_second = throughput(side, number, senders)
        result.memory = side.memory()
        return result
    finally:
        side.stop()


def throughput(side: Side, number: int, senders: int) -> float:
    """Turns a second while so many senders talk at once, each waiting for its answer."""
    gate = threading.Barrier(senders + 1)

    def one(sender: int) -> int:
        gate.wait()
        return len(talk(side, f"crowd-{number}-{sender}", CYCLE))

    with ThreadPoolExecutor(senders) as pool:
        waiting = [pool.submit(one, sender) for sender in range(senders)]
        gate.wait()
        began = time.perf_counter()
        turns = sum(future.result() for future in waiting)
        return turns / (time.perf_counter() - began)


def _per_turn(before: Steps, after: Steps) -> dict[str, float]:
    """Milliseconds a turn by step, between two accounts."""
    result = {}
    for step, (seconds, count) in after.items():
        seconds_before, count_before = before.get(step, (0.0, 0))
        if count > count_before:
            result[step] = 1000 * (seconds - seconds_before) / (count - count_before)
    return result


def main(
    messages: Annotated[int, typer.Option(min=2 * WINDOW, help="Length of the long conversation.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="Starts of each side, taken in turns; medians are compared.")] = 3,
    senders: Annotated[int, typer.Option(min=1, help="Senders at once, for turns a second.")] = 8,
    stock_epochs: Annotated[
        int, typer.Option(min=1, help="Training of stock Rasa; fewer than documented only misread more.")
    ] = DOCUMENTED_EPOCHS,
    skip_stock: Annotated[bool, typer.Option("--skip-stock", help="Measure Thiqa alone.")] = False,
) -> None:
    """Measure turn time, turns a second, memory and time to ready of Thiqa and of stock Rasa."""
    signal.signal(signal.SIGTERM, _leave)
    BENCH_HOME.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {
        "machine": machine(),
        "options": {"messages": messages, "rounds": rounds, "senders": senders, "window": WINDOW},
    }
    if not skip_stock:
        report["options"]["stock_epochs"] = stock_epochs
    with tempfile.TemporaryDirectory(prefix="thiqa-bench-") as folder:
        sides: list[Side] = [ThiqaSide(Path(folder) / "thiqa")]
        if not skip_stock:
            sides.append(StockSide(Path(folder) / "stock", stock_epochs))
        try:
            results = run(sides, rounds, messages, senders)
        except (BenchFailed, requests.RequestException) as failed:
            console.print(f"[bold red]{type(failed).__name__}[/]", str(failed), markup=True)
            raise typer.Exit(1) from None
    report["sides"] = {
        side.name: {"figures": _medians(found), "steps": _median_steps(found), "rounds": [asdict(one) for one in found]}
        for side, found in zip(sides, results, strict=True)
    }
    (BENCH_HOME / "results.json").write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", "utf-8")
    print_report(report, console)
    console.print(f"[dim]Written to {BENCH_HOME / 'results.json'}[/]")


def run(sides: Sequence[Side], rounds: int, messages: int, senders: int) -> list[list[Round]]:
    """Rounds of all sides in turns; the first start of each, which fills its state folder, does not count."""
    for side in sides:
        side.prepare()
        console.print(f"[dim]{side.name}: first start …[/]")
        try:
            side.start()
        finally:
            side.stop()
    results: list[list[Round]] = [[] for _ in sides]
    for number in range(1, rounds + 1):
        for side, found in zip(sides, results, strict=True):
            console.print(f"[dim]{side.name}: round {number} of {rounds} …[/]")
            found.append(measure(side, number, messages, senders))
    return results


def _medians(rounds: Sequence[Round]) -> dict[str, float]:
    figures = [one.figures() for one in rounds]
    return {name: statistics.median(one[name] for one in figures) for name in figures[0]}


def _median_steps(rounds: Sequence[Round]) -> dict[str, dict[str, float]]:
    windows = rounds[0].steps
    return {
        window: {step: statistics.median(one.steps[window][step] for one in rounds) for step in steps}
        for window, steps in windows.items()
    }


def machine() -> dict[str, Any]:
    """What was measured on, and how busy it was before."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    return {
        "at": datetime.now(timezone.utc).isoformat(timespec="minutes"),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "rasa": version("rasa"),
        "load_before": os.getloadavg()[0],
    }


def _leave(_signal: int, _frame: object) -> NoReturn:
    sys.exit(143)  # by way of every `finally`


if __name__ == "__main__":
    typer.run(main)
