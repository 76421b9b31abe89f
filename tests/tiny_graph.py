"""Networks of a few nodes on images of 8 x 8 pixels, and what becomes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ir = pytest.importorskip("onnx_ir")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from edgetl.graph.rewrite import rewrite  # noqa: E402
from edgetl.quantization.calibration.observe import session  # noqa: E402

SIDE = 8


def graph_of(nodes: list[Any], constants: dict[str, Any]) -> Any:
    """A model of uint8 images (batch, 8, 8, 3), which ``nodes`` read as ``x`` in NCHW and make ``y`` of."""
    front = [
        helper.make_node("Transpose", ["image"], ["bytes"], name="transpose", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["bytes"], ["floats"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("Sub", ["floats", "mean"], ["x"], name="centre"),
    ]
    arrays = constants | {"mean": np.full((1, 3, 1, 1), 128, np.float32)}
    graph = helper.make_graph(
        front + nodes,
        "test",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ("batch", SIDE, SIDE, 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return onnx.shape_inference.infer_shapes(proto)


def batches(count: int = 4) -> Iterator[Any]:
    generator = np.random.default_rng(0)
    for _ in range(count):
        yield generator.integers(0, 256, (4, SIDE, SIDE, 3), dtype=np.uint8)


def logits(proto: Any) -> Any:
    running = session(proto)
    return np.concatenate([running.run(None, {"image": batch})[0] for batch in batches()])


def rewritten(proto: Any, each: Any) -> tuple[Any, int]:
    model = ir.from_proto(proto)
    count = rewrite(model, [each])[each.NAME]
    return ir.to_proto(model), count


def operators(proto: Any) -> Counter[str]:
    return Counter(node.op_type for node in proto.graph.node)
