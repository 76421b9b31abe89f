"""Classifiers written as exporters write them, taken in by edgetl, and images for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgetl.adopt import source
from edgetl.adopt.engine import Reference
from edgetl.adopt.model import canonical
from edgetl.device.values import Preprocess

SIDE, WIDTH, CLASSES = 16, 16, 10
Block = Callable[["Builder", str], str]


class Builder:
    """Nodes and random constants, by the names that the methods return."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self._random = np.random.default_rng(1)

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def random(self, *shape: int, gain: float | None = None) -> str:
        fan = np.prod(shape[1:]) if len(shape) > 1 else 1
        scale = np.sqrt(2 / fan) if gain is None else gain
        return self.constant((scale * self._random.standard_normal(shape)).astype(np.float32))

    def do(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def conv(self, features: str, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> str:
        weights, bias = self.random(outputs, inputs, kernel, kernel), self.random(outputs, gain=0.3)
        pads = [kernel // 2] * 4
        return self.do("Conv", features, weights, bias, kernel_shape=[kernel] * 2, pads=pads, strides=[stride] * 2)

    def pooled(self, features: str) -> str:
        return self.do("Flatten", self.do("GlobalAveragePool", features))

    def scores(self, features: str, classes: int = CLASSES, output: str = "") -> str:
        weights, bias = self.random(classes, WIDTH, gain=1), self.random(classes, gain=0.3)
        return self.do("Gemm", features, weights, bias, transB=1, output=output)

    def model(self, classes: int = CLASSES) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "foreign",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", classes])],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def around(block: Block) -> onnx.ModelProto:
    """Return a classifier with ``block`` in its middle: 16 channels of 8 x 8 in and out."""
    build = Builder()
    features = build.do("Relu", build.conv("x", 3, WIDTH, stride=2))
    features = block(build, features)
    features = build.do("Relu", build.conv(features, WIDTH, WIDTH))
    build.scores(build.pooled(features), output="out")
    return build.model()


def taken_in(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    """Return ``model`` as edgetl takes it in, which checks its logits on noise."""
    path = folder / "foreign.onnx"
    onnx.save(model, path)
    found = source.look(path)
    original = Reference(path, found.batch, "it")
    return canonical(found, original, original.output(SIDE), Preprocess(resize=SIDE, crop=SIDE))


def images(count: int, seed: int) -> NDArray[np.uint8]:
    """Return (count, 16, 16, 3) images of coloured patches, which differ as photos do."""
    random = np.random.default_rng(seed)
    patches = np.kron(random.normal(0, 50, (count, 4, 4, 3)), np.ones((1, SIDE // 4, SIDE // 4, 1)))
    colours = random.integers(0, 256, (count, 1, 1, 3))
    return (colours + patches + random.normal(0, 15, (count, SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8)
