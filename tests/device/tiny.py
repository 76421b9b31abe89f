"""Small ONNX models for tests of real engines, and numpy's own answer to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIDE, CLASSES = 8, 3
WEIGHTS = np.random.default_rng(1).standard_normal((CLASSES, 3, SIDE, SIDE)).astype(np.float32) / 100


def images(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def expected(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.einsum("nhwc,kchw->nk", pixels.astype(np.float32), WEIGHTS).astype(np.float32)


def save(
    path: Path,
    *,
    batch: str | int = "batch",
    dtype: int = TensorProto.UINT8,
    inputs: int = 1,
    quantized: bool = False,
    whole: bool = False,
) -> Path:
    """Write a model of one convolution as large as the image; ``quantized`` puts Q/DQ pairs around it.

    Only with one behind it, too (``whole``), does ONNX Runtime compute it in integers.
    """
    constants = {"w": WEIGHTS, "flat": np.array([0, CLASSES], np.int64)}
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
    ]
    source, weights = "nchw", "w"
    if quantized:
        scale = np.float32(np.abs(WEIGHTS).max() / 127)
        constants |= {
            # Not 1: OpenVINO sees that a pair which changes nothing can go, and computes in float.
            "step": np.array(1.25, np.float32),
            "u8": np.array(0, np.uint8),
            "scale": np.array(scale),
            "s8": np.array(0, np.int8),
            "wq": np.rint(WEIGHTS / scale).astype(np.int8),
        }
        del constants["w"]
        nodes += [
            helper.make_node("QuantizeLinear", ["nchw", "step", "u8"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "step", "u8"], ["dq"]),
            helper.make_node("DequantizeLinear", ["wq", "scale", "s8"], ["wdq"]),
        ]
        source, weights = "dq", "wdq"
    nodes.append(helper.make_node("Conv", [source, weights], ["conv"], kernel_shape=[SIDE, SIDE]))
    result = "conv"
    if whole:
        constants |= {"out": np.array(0.5, np.float32), "middle": np.array(128, np.uint8)}
        nodes.append(helper.make_node("QuantizeLinear", ["conv", "out", "middle"], ["oq"]))
        nodes.append(helper.make_node("DequantizeLinear", ["oq", "out", "middle"], ["odq"]))
        result = "odq"
    nodes.append(helper.make_node("Reshape", [result, "flat"], ["logits"]))
    shape = [batch, SIDE, SIDE, 3]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, dtype, shape) for name in ["image", "other"][:inputs]],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path
