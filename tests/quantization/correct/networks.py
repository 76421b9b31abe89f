"""A network small enough to reckon by hand, with what mobile ones are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgetl.quantization.calibration.observe import session

SIDE, WIDTH, WIDE, CLASSES = 8, 16, 32, 5
SHAPES = {
    "stem": (WIDTH, 3, 3, 3),
    "expand": (WIDE, WIDTH, 1, 1),
    "depthwise": (WIDE, 1, 3, 3),
    "project": (WIDTH, WIDE, 1, 1),
    "last": (WIDE, WIDTH, 1, 1),
    "head": (CLASSES, WIDE),
}


def residual(*, activation: str = "Relu", biases: bool = True, extra: list[Any] | None = None) -> Any:
    """An inverted residual: ``stem`` and ``project`` make the stream ``a``, ``s``; ``expand`` and ``last`` read it."""
    nodes = [
        helper.make_node("Transpose", ["image"], ["bytes"], name="transpose", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["bytes"], ["floats"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("Sub", ["floats", "mean"], ["pixels"], name="centre"),
        _conv("stem", "pixels", "a", biases, pads=[1, 1, 1, 1]),
        _conv("expand", "a", "b", biases),
        _active(activation, "b", "c"),
        _conv("depthwise", "c", "d", biases, pads=[1, 1, 1, 1], group=WIDE),
        _active(activation, "d", "e"),
        _conv("project", "e", "f", biases),
        helper.make_node("Add", ["a", "f"], ["s"], name="add"),
        _conv("last", "s", "g", biases),
        _active(activation, "g", "h"),
        helper.make_node("GlobalAveragePool", ["h"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["features"], name="flatten"),
        helper.make_node("Gemm", _inputs("head", "features", biases), ["logits"], name="head", transB=1),
        *(extra or []),
    ]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ("batch", SIDE, SIDE, 3))],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ("batch", CLASSES))],
        [numpy_helper.from_array(array, name) for name, array in _constants(biases).items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def pixels(count: int = 8, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def run(model: Any, images: Any = None, output: str = "logits") -> Any:
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    if output not in {value.name for value in observed.graph.output}:
        observed.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, None))
    return session(observed).run([output], {"image": pixels() if images is None else images})[0]


def constant(model: Any, name: str) -> Any:
    """Return the array of the initializer ``name``."""
    return numpy_helper.to_array(next(each for each in model.graph.initializer if each.name == name))


def set_constant(model: Any, name: str, array: Any) -> None:
    """Replace the initializer ``name``."""
    tensor = next(each for each in model.graph.initializer if each.name == name)
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(array, np.float32), name))


def _constants(biases: bool) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    arrays: dict[str, Any] = {"mean": np.full((1, 3, 1, 1), 128, np.float32)}
    arrays |= {"low": np.array(0, np.float32), "high": np.array(6, np.float32)}
    for name, shape in SHAPES.items():
        reach = np.sqrt(1.0 / np.prod(shape[1:])) / (70 if name == "stem" else 1)
        arrays[f"{name}.weight"] = (generator.standard_normal(shape) * reach).astype(np.float32)
        if biases:
            arrays[f"{name}.bias"] = (0.1 * generator.standard_normal(shape[0])).astype(np.float32)
    return arrays


def _conv(name: str, source: str, target: str, biases: bool, **attributes: Any) -> Any:
    return helper.make_node("Conv", _inputs(name, source, biases), [target], name=name, **attributes)


def _active(activation: str, source: str, target: str) -> Any:
    bounds = ["low", "high"] if activation == "Clip" else []
    return helper.make_node(activation, [source, *bounds], [target], name=f"active_{target}")


def _inputs(name: str, source: str, biases: bool) -> list[str]:
    return [source, f"{name}.weight", *([f"{name}.bias"] if biases else [])]
