"""What the knowledge base needs from others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into vectors that lie close together where the meanings do."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row a text, each of unit length; the same text always gives the same row."""
