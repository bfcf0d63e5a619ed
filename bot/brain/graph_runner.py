"""Runs a loaded model's graph by calling its nodes one after the other.

Rasa's own runner hands each run to dask and writes its inputs, tracker and all, into a log line that nobody reads; for
a message read in milliseconds that is a sixth of the time, and a turn runs the graph several times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from rasa.engine.runner.dask import DaskGraphRunner

__all__ = ["DirectGraphRunner"]

Step = tuple[str, Callable[..., Any], tuple[str, ...]]  # a node's name, what to call, and the nodes that it needs


class DirectGraphRunner:
    """Takes the place of the runner that Rasa loaded, with its nodes. May run in several threads at once."""

    def __init__(self, loaded: DaskGraphRunner) -> None:
        self._schema, self._nodes = loaded._graph_schema, loaded._instantiated_nodes
        self._steps = lru_cache(maxsize=32)(self._steps_to)

    def run(self, inputs: Mapping[str, Any] | None = None, targets: Sequence[str] | None = None) -> dict[str, Any]:
        """The outputs of `targets` by name, all of the graph's where none are given."""
        wanted = tuple(targets or self._schema.target_names)
        done: dict[str, tuple[str, Any]] = {name: (name, value) for name, value in (inputs or {}).items()}
        for name, call, needs in self._steps(wanted):
            done[name] = call(*(done[need] for need in needs))
        return dict(done[name] for name in wanted)

    def _steps_to(self, targets: tuple[str, ...]) -> list[Step]:
        """The nodes that `targets` depend on, each after those that it needs."""
        steps: list[Step] = []
        seen: set[str] = set()

        def visit(name: str) -> None:
            if name in seen or name not in self._nodes:  # the latter is an input
                return
            seen.add(name)
            needs = tuple(self._schema.nodes[name].needs.values())
            for need in needs:
                visit(need)
            steps.append((name, self._nodes[name], needs))

        for target in targets:
            visit(target)
        return steps
