"""Vectors that were computed before, so that training and start-up embed only what is new."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bot.brain.encoder import Encoder, Vectors

__all__ = ["EmbeddingCache"]


class EmbeddingCache:
    """Vectors by text, in a SQLite file that may be deleted at any time and shared by several processes."""

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self._encoder = encoder
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "embeddings.db"

    def encode(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> Vectors:
        """Like `Encoder.encode`, computing only what was never seen; `progress(done, total)` counts those."""
        keys = [hashlib.sha256(f"{self._encoder.name}\0{text}".encode()).digest() for text in texts]
        result = np.zeros((len(texts), self._encoder.size), np.float32)
        connection = sqlite3.connect(self._path, timeout=30)
        try:
            connection.execute("CREATE TABLE IF NOT EXISTS embeddings (key BLOB PRIMARY KEY, vector BLOB)")
            missing: dict[bytes, list[int]] = {}
            for place, key in enumerate(keys):
                found = connection.execute("SELECT vector FROM embeddings WHERE key = ?", (key,)).fetchone()
                if found:
                    result[place] = np.frombuffer(found[0], np.float16)
                else:
                    missing.setdefault(key, []).append(place)
            todo = list(missing.items())
            for start in range(0, len(todo), 64):
                batch = todo[start : start + 64]
                vectors = self._encoder.encode([texts[places[0]] for _, places in batch]).astype(np.float16)
                for (key, places), vector in zip(batch, vectors, strict=True):
                    result[places] = vector
                    connection.execute("INSERT OR IGNORE INTO embeddings VALUES (?, ?)", (key, vector.tobytes()))
                connection.commit()
                if progress:
                    progress(min(start + 64, len(todo)), len(todo))
        finally:
            connection.close()
        return result
