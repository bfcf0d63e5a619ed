"""What the encoder learned from this project's messages: low-rank additions to its matrices (`tools/tune_encoder.py`).

`adapters.npz` holds for each tuned matrix `<layer>.<name>.a` [rank, in] and `<layer>.<name>.b` [out, rank] as half
floats; the matrix becomes W + b · a. `adapters.json` says what they were trained on, how they did, and their checksum.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from bot.errors import ConfigurationError

__all__ = ["FILE", "Adapters", "checksum", "held_out"]

FILE = Path(__file__).with_name("adapters.npz")


def held_out(text: str) -> bool:
    """Whether a training message is one of the tenth that the encoder was never tuned on. Those tell how sure a
    classifier over its vectors may be; the choice is by the text alone, so that it stays when others are added."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[0] % 10 == 0


def checksum(path: Path) -> str:
    """SHA-256 in hex digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Adapters:
    """Read and verified, ready to be merged."""

    def __init__(self, path: Path = FILE) -> None:
        """Raises ConfigurationError where the file is missing or is not the one that its description names."""
        about = path.with_suffix(".json")
        try:
            self.about: dict[str, Any] = json.loads(about.read_text(encoding="utf-8"))
            self.checksum = checksum(path)
            if self.checksum != self.about["sha256"]:
                raise ValueError("its checksum is not the one that adapters.json names")
            with np.load(path, allow_pickle=False) as kept:
                self._parts = {name: kept[name].astype(np.float32) for name in kept.files}
        except (OSError, ValueError, KeyError) as error:
            raise ConfigurationError(
                str(path), f"cannot be used ({error})", "Restore it and adapters.json from the repository."
            ) from error

    def merge(self, place: int, layer: dict[str, Any]) -> dict[str, Any]:
        """Layer number `place` (`PackedModel.layer`) with what was learned added."""
        merged = dict(layer)
        for name in layer:
            if f"{place}.{name}.a" in self._parts:
                merged[name] = layer[name] + self._parts[f"{place}.{name}.b"] @ self._parts[f"{place}.{name}.a"]
        return merged
