"""Writes trained weights as ONNX, about two megabytes: tables in 8 bits, the rest in 16."""

import numpy as np
import onnx  # type: ignore[import-not-found]
from onnx import TensorProto, helper, numpy_helper

from tests.eval.training.features import Floats
from tests.eval.training.network import DILATIONS, WIDTH, Weights

_OPSET = 17
_WHOLE = 127


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def half(self, name: str, value: Floats) -> str:
        return self.add(
            "Cast", self.constant(name, value.astype(np.float16)), to=TensorProto.FLOAT
        )

    def table(self, name: str, values: Floats) -> tuple[str, str]:
        """A table in 8 bits, and its scale; rare outliers are cut."""
        scale = np.float32(np.percentile(np.abs(values), 99.99) / _WHOLE)
        whole = np.clip(np.round(values / scale), -_WHOLE, _WHOLE).astype(np.int8)
        return self.constant(name, whole), self.constant(f"{name}_scale", np.array(scale))

    def rows(self, table: tuple[str, str], ids: str) -> str:
        floats = self.add("Cast", self.add("Gather", table[0], ids), to=TensorProto.FLOAT)
        return self.add("Mul", floats, table[1])


def to_onnx(weights: Weights) -> bytes:
    """The network with inputs ids, before, after (int32, one row) and output scores."""
    graph = _Graph()
    values = {name: np.asarray(value, np.float32) for name, value in weights.items()}
    characters = graph.table("characters", values["characters"])
    pairs = graph.table("pairs", values["pairs"])
    parts = [
        graph.rows(characters, "ids"),
        graph.rows(pairs, "before"),
        graph.rows(pairs, "after"),
    ]
    hidden = graph.add("Concat", *parts, axis=2)
    hidden = graph.add("MatMul", hidden, graph.half("in_w", values["in_w"]))
    hidden = graph.add("Relu", graph.add("Add", hidden, graph.half("in_b", values["in_b"])))
    hidden = graph.add("Transpose", hidden, perm=[0, 2, 1])
    for layer, step in enumerate(DILATIONS):
        kernel = values[f"conv{layer}_w"].reshape(3, WIDTH, WIDTH).transpose(2, 1, 0)
        turned = graph.add(
            "Conv",
            hidden,
            graph.half(f"conv{layer}_w", np.ascontiguousarray(kernel)),
            graph.half(f"conv{layer}_b", values[f"conv{layer}_b"]),
            dilations=[step],
            pads=[step, step],
        )
        hidden = graph.add("Add", hidden, graph.add("Relu", turned))
    hidden = graph.add("Transpose", hidden, perm=[0, 2, 1])
    scores = graph.add("MatMul", hidden, graph.half("out_w", values["out_w"]))
    last = helper.make_node("Add", [scores, graph.half("out_b", values["out_b"])], ["scores"])
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT32, [1, "length"])
        for name in ("ids", "before", "after")
    ]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, "length", None])]
    body = helper.make_graph(
        [*graph.nodes, last], "tagger", inputs, outputs, initializer=graph.constants
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
