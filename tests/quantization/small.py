"""A network that is quantized in no time, and images for it."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIDE = 8


def network() -> onnx.ModelProto:
    """Two convolutions with ReLU6, a residual addition, pooling and a fully connected layer."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(0, 0.3, (8, 3, 3, 3)),
        "b1": rng.normal(0, 0.2, 8),
        "w2": rng.normal(0, 0.2, (8, 8, 3, 3)),
        "b2": rng.normal(0, 0.2, 8),
        "w3": rng.normal(0, 0.3, (4, 8)),
        "b3": rng.normal(0, 0.1, 4),
    }
    constants = {name: value.astype(np.float32) for name, value in weights.items()}
    constants |= {"low": np.float32(0), "high": np.float32(6), "flat": np.array([0, 8], np.int64)}
    pads = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Transpose", ["image"], ["nchw"], name="transpose", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["nchw"], ["float"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "scale"], ["x"], name="scale"),
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="conv_1", **pads),
        helper.make_node("Clip", ["c1", "low", "high"], ["a1"], name="clip_1"),
        helper.make_node("Conv", ["a1", "w2", "b2"], ["c2"], name="conv_2", **pads),
        helper.make_node("Add", ["a1", "c2"], ["sum"], name="add"),
        helper.make_node("GlobalAveragePool", ["sum"], ["pooled"], name="pool"),
        helper.make_node("Reshape", ["pooled", "flat"], ["features"], name="flatten"),
        helper.make_node("Gemm", ["features", "w3", "b3"], ["logits"], name="gemm", transB=1),
    ]
    constants["scale"] = np.float32(64.0)
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", SIDE, SIDE, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", [image], [logits], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def images(count: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
