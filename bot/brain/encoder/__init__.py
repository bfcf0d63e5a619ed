"""Sentence embeddings. `Encoder` is all that the rest knows of the engine behind it (docs/nlu.md, "The encoder")."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Encoder", "Vectors", "cache_folder", "shared_encoder"]

Vectors = npt.NDArray[np.float32]


class Encoder(Protocol):
    """Turns texts into vectors of unit length; the same text always gives the same vector."""

    name: str  # names the engine and its weights: vectors of different names do not compare
    size: int

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row a text, `size` columns. May be called from several threads. Never raises for odd text: what the
        engine cannot read (lone surrogates, NUL) is replaced, and what it would not finish reading is cut."""


def cache_folder() -> Path:
    """What is made once and may be deleted: `cache` in THIQA_HOME (default `var`)."""
    return Path(os.environ.get("THIQA_HOME") or "var") / "cache"


@lru_cache(maxsize=1)
def shared_encoder() -> Encoder:
    """The process's one encoder, made (a few seconds, the first time) and loaded on first use."""
    from bot.brain.encoder.e5 import E5Encoder

    return E5Encoder.of_project(cache_folder())
