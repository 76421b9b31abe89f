"""Classifiers as other tools export them, tiny, and images for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

SIDE, WIDTH, CLASSES = 16, 6, 4


def network(
    *,
    batch: int | str = 1,
    opset: int = 11,
    flatten: str = "flatten",
    shape: list[int | str] | None = None,
    dtype: int = TensorProto.FLOAT,
    softmax: bool = False,
    inner: str = "inner",
    image: str = "input",
) -> onnx.ModelProto:
    """Return Conv, BatchNorm, Relu, a pool, Dropout, ``flatten`` and Gemm; ``flatten`` may be a Reshape's target."""
    generator = np.random.default_rng(3)

    def random(*size: int) -> NDArray[np.float32]:
        return generator.standard_normal(size).astype(np.float32)

    constants = {
        "kernel": random(WIDTH, 3, 3, 3),
        "scale": random(WIDTH),
        "shift": random(WIDTH),
        "mean": random(WIDTH),
        "variance": np.abs(random(WIDTH)) + 0.5,
        "weight": 3 * random(CLASSES, WIDTH),
        "bias": random(CLASSES),
    }
    nodes = [
        helper.make_node("Conv", [image, "kernel"], ["conv"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["conv", "scale", "shift", "mean", "variance"], ["norm"]),
        helper.make_node("Relu", ["norm"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["pool"]),
        helper.make_node("Dropout", ["pool"], ["kept"]),
    ]
    if flatten == "flatten":
        nodes.append(helper.make_node("Flatten", ["kept"], ["flat"]))
    else:
        constants["target"] = np.array([int(each) for each in flatten.split(",")], np.int64)
        nodes.append(helper.make_node("Reshape", ["kept", "target"], ["flat"]))
    end = inner if softmax else "scores"
    nodes.append(helper.make_node("Gemm", ["flat", "weight", "bias"], [end], transB=1))
    if softmax:
        nodes.append(helper.make_node("Softmax", [end], ["scores"], axis=1))
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info(image, dtype, shape or [batch, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=6)


def save(path: Path, model: onnx.ModelProto | None = None, **options: Any) -> Path:
    """Write ``model``, or a `network` with ``options``."""
    path.write_bytes((model or network(**options)).SerializeToString())
    return path


def draw(folder: Path, count: int = 16, seed: int = 0) -> list[str]:
    """Draw ``count`` different images of several colours into a flat ``folder`` and return their names."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    names = []
    for index in range(count):
        pixels = generator.integers(0, 256, 3) + generator.integers(-60, 60, (24, 20, 3))
        names.append(f"{index:02d}.png")
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / names[-1])
    return names


def draw_classes(folder: Path, names: list[str], per_class: int = 5, seed: int = 0) -> None:
    """Draw ``per_class`` images into a folder of each of ``names``."""
    drawn = draw(folder, per_class * len(names), seed)
    for index, file in enumerate(drawn):
        home = folder / names[index % len(names)]
        home.mkdir(exist_ok=True)
        (folder / file).rename(home / file)
