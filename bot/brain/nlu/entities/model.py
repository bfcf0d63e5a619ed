"""What is read out of a message: one entity and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Entity"]


@dataclass(frozen=True)
class Entity:
    """`text` is `message[start:end]` as written; `value` the normal form (docs/nlu.md). `more` holds what a kind adds,
    such as the currency of an amount."""

    kind: str
    start: int
    end: int
    text: str
    value: str
    more: Mapping[str, str] = field(default_factory=dict)
