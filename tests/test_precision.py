"""What a model file that edgetl did not make computes in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from edgetl.graph.precision import precision_of  # noqa: E402


@pytest.mark.parametrize(
    ("operator", "weight", "precision"),
    [("Add", np.float32, "fp32"), ("Add", np.float16, "fp16"), ("DequantizeLinear", np.float32, "int8")],
)
def test_precision_is_read_from_the_graph(tmp_path: Path, operator: str, weight: type, precision: str) -> None:
    node = onnx.helper.make_node(operator, ["x", "w"], ["y"])
    tensor = onnx.numpy_helper.from_array(np.ones(1, weight), "w")
    graph = onnx.helper.make_graph([node], "g", [], [], [tensor])
    path = tmp_path / "model.onnx"
    onnx.save(onnx.helper.make_model(graph), path)
    assert precision_of(path) == precision
