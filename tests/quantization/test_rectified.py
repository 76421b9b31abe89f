"""Sums of residual blocks and the Relu behind them: one integer operator, and float again where it is put back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("onnxruntime")

import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper

from edgetl import recipes
from edgetl.quantization.calibration.observe import session
from edgetl.quantization.engines import static
from edgetl.quantization.pairs import groups, in_float
from tests.quantization.small import images, network

pytestmark = pytest.mark.engine


def residual() -> onnx.ModelProto:
    """The small network with a Relu behind its sum, whose result goes on in two ways, as in a ResNet."""
    model = network()
    nodes = list(model.graph.node)
    place = next(index for index, node in enumerate(nodes) if node.name == "pool")
    nodes[place].input[0] = "further"
    nodes[place:place] = [
        helper.make_node("Relu", ["sum"], ["rectified"], name="relu"),
        helper.make_node("Conv", ["rectified", "w4", "b4"], ["c3"], name="conv_3", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["rectified", "c3"], ["further"], name="add_2"),
    ]
    weights = {each.name: each for each in model.graph.initializer}
    for new, old in (("w4", "w2"), ("b4", "b2")):
        model.graph.initializer.add().CopyFrom(weights[old])
        model.graph.initializer[-1].name = new
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def quantized(model: onnx.ModelProto, name: str = "u8s8-minmax") -> onnx.ModelProto:
    return static.quantize(model, recipes.load(name), lambda: iter([images(32, 1)]))


def logits(model: onnx.ModelProto) -> NDArray[np.float32]:
    found: NDArray[np.float32] = session(model).run(None, {"image": images(64, 3)})[0]
    return found


@pytest.mark.parametrize("name", ["u8s8-minmax", "u8s8-equalized", "u8s8-openvino", "s8s8-asymmetric"])
def test_no_pair_stands_between_a_sum_and_its_relu(name: str) -> None:
    file = quantized(residual(), name)
    makers = {output: node.op_type for node in file.graph.node for output in node.output}
    (relu,) = (node for node in file.graph.node if node.op_type == "Relu")
    assert makers[relu.input[0]] == "Add"
    # The other sum has no Relu behind it, and so its pair.
    assert [node.op_type for node in file.graph.node].count("Add") == 2
    expected, found = logits(residual()), logits(file)
    assert np.linalg.norm(found - expected) < 0.1 * np.linalg.norm(expected)


def test_onnx_runtime_makes_one_integer_operator_of_both(tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(quantized(residual()).SerializeToString(), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert kinds.count("QLinearAdd") == 2
    assert "Relu" not in kinds and "Add" not in kinds
    # Nothing is requantized behind the first sum.
    assert "DequantizeLinear" not in kinds[kinds.index("QLinearAdd") : -1]


def test_a_part_with_such_a_sum_can_be_put_back_into_float() -> None:
    model = residual()
    file = quantized(model)
    everything = [name for group in groups(model) for name in group]
    assert np.allclose(logits(in_float(file, model, everything)), logits(model), atol=1e-4)
    part = next(group for group in groups(model) if "relu" in group)
    mixed, whole = (np.linalg.norm(logits(each) - logits(model)) for each in (in_float(file, model, part), file))
    assert mixed < whole
