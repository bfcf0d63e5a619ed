"""The encoder as an ONNX graph in 8 bits, built from a layer's matrices.

Weights are int8 with a scale for each output; what flows between layers is quantised as it comes. A post-norm BERT with exact GELU; sentences are the mean over their tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

__all__ = ["build"]

Floats = npt.NDArray[np.float32]
_OPSET = 20
_MOST = 127


def build(layers: Sequence[dict[str, Any]], heads: int, epsilon: float) -> ModelProto:
    """A graph from `x` [1, tokens, hidden] (embedded tokens) to `sentence` [1, hidden], not normalised. One text at a
    time: the scale of what flows would depend on the others. `layers` are those of `PackedModel.layer`."""
    graph = _Graph()
    hidden = int(layers[0]["q"].shape[0])
    size = hidden // heads
    graph.keep("axis_1", np.array([1], np.int64))
    graph.keep("split_heads", np.array([0, 0, 3, heads, size], np.int64))
    graph.keep("join_heads", np.array([0, 0, hidden], np.int64))
    graph.keep("first", np.int64(0))
    graph.keep("second", np.int64(1))
    graph.keep("third", np.int64(2))
    x = "x"
    for place, layer in enumerate(layers):
        x = _layer(graph, f"l{place}", layer, x, size, epsilon)
    graph.add("ReduceMean", x, "axis_1", keepdims=0, outputs=["sentence"])
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "encoder",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "tokens", hidden])],
            [helper.make_tensor_value_info("sentence", TensorProto.FLOAT, [1, hidden])],
            graph.kept,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=9,
    )
    checker.check_model(model)
    return model


def _layer(graph: _Graph, name: str, layer: dict[str, Any], x: str, size: int, epsilon: float) -> str:
    near = np.float32(1 / np.sqrt(size))  # the attention's scale, inside the query
    rows = np.concatenate([layer["q"] * near, layer["k"], layer["v"]])
    offset = np.concatenate([layer["q.b"] * near, layer["k.b"], layer["v.b"]])
    mixed = graph.linear(f"{name}.qkv", x, rows, offset)
    parted = graph.add("Reshape", mixed, "split_heads")  # [1, tokens, 3, heads, size]
    moved = graph.add("Transpose", parted, perm=[2, 0, 3, 1, 4])  # [3, 1, heads, tokens, size]
    query, key, value = (graph.add("Gather", moved, which, axis=0) for which in ("first", "second", "third"))
    likeness = graph.add("MatMul", query, graph.add("Transpose", key, perm=[0, 1, 3, 2]))
    attention = graph.add("Softmax", likeness, axis=-1)
    seen = graph.add("Transpose", graph.add("MatMul", attention, value), perm=[0, 2, 1, 3])
    seen = graph.linear(f"{name}.ao", graph.add("Reshape", seen, "join_heads"), layer["ao"], layer["ao.b"])
    x = graph.norm(f"{name}.aln", graph.add("Add", x, seen), layer["aln.w"], layer["aln.b"], epsilon)
    inner = graph.add("Gelu", graph.linear(f"{name}.fi", x, layer["fi"], layer["fi.b"]))
    outer = graph.linear(f"{name}.fo", inner, layer["fo"], layer["fo.b"])
    return graph.norm(f"{name}.oln", graph.add("Add", x, outer), layer["oln.w"], layer["oln.b"], epsilon)


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.kept: list[Any] = []

    def keep(self, name: str, value: Any) -> str:
        self.kept.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, *inputs: str, outputs: Sequence[str] = (), **attributes: Any) -> str:
        """A node with one output; returns its name."""
        names = list(outputs) or [f"{kind}_{len(self.nodes)}"]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0]

    def norm(self, name: str, x: str, weight: Floats, bias: Floats, epsilon: float) -> str:
        kept = self.keep(f"{name}.w", np.array(weight)), self.keep(f"{name}.b", np.array(bias))
        return self.add("LayerNormalization", x, *kept, axis=-1, epsilon=epsilon)

    def linear(self, name: str, x: str, weight: Floats, bias: Floats) -> str:
        """x · weightᵀ + bias with `weight` [out, in] in 8 bits and x quantised on the way."""
        scale = np.maximum(np.abs(weight).max(axis=1), 1e-8) / _MOST
        whole = np.clip(np.rint(weight / scale[:, np.newaxis]), -_MOST, _MOST).astype(np.int8)
        self.keep(f"{name}.w", np.ascontiguousarray(whole.T))
        self.keep(f"{name}.scale", scale.astype(np.float32))
        self.keep(f"{name}.zero", np.zeros(len(scale), np.int8))
        self.keep(f"{name}.b", np.asarray(bias, np.float32))
        quantised = [f"{name}.x", f"{name}.x.scale", f"{name}.x.zero"]
        self.add("DynamicQuantizeLinear", x, outputs=quantised)
        product = self.add("MatMulInteger", quantised[0], f"{name}.w", quantised[2], f"{name}.zero")
        real = self.add("Cast", product, to=TensorProto.FLOAT)
        scaled = self.add("Mul", real, self.add("Mul", quantised[1], f"{name}.scale"))
        return self.add("Add", scaled, f"{name}.b")
