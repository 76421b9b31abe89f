"""Which size of a Reshape's target is the batch."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from edgetl.adopt import batch as batches

B = batches._PROBE


@pytest.mark.parametrize(
    ("target", "source", "freed"),
    [
        ([1, 1280], [B, 1280, 1, 1], [-1, 1280]),
        ([1, -1], [B, 1280, 1, 1], [0, -1]),
        ([-1, 1280], [B, 1280, 1, 1], [-1, 1280]),
        ([256, 32], [B, 16, 16, 32], [-1, 32]),
        ([17, 64], [17, B, 64], [-1, 64]),
        ([17, 64], [17, B, 4, 16], [-1, 64]),
        ([17, 12, 16], [17, B, 192], [17, -1, 16]),
        ([17, 1, 192], [17 * B, 192], [17, -1, 192]),
        ([1, 2, 58, 28, 28], [B, 116, 28, 28], [-1, 2, 58, 28, 28]),
        ([B, 4], [B, 2, 2], [B, 4]),
        ([0, 4], [B, 2, 2], [0, 4]),
    ],
)
def test_the_batch_is_found(target: list[int], source: list[int], freed: list[int]) -> None:
    assert batches._freed(target, source, 1) == freed


def test_a_class_token_is_repeated() -> None:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from edgetl.adopt.engine import Reference

    token = np.arange(4, dtype=np.float32).reshape(1, 1, 4)
    constants = {"token": token, "target": np.array([1, 3, 4]), "axes": np.array([1])}
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["input", "target"], ["rows"]),
            helper.make_node("Concat", ["token", "rows"], ["joined"], axis=1),
            helper.make_node("ReduceSum", ["joined", "axes"], ["scores"], keepdims=0),
        ],
        "token",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, 2, 2])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    batches.free(model, 1)
    pixels = np.random.default_rng(0).standard_normal((5, 3, 2, 2)).astype(np.float32)
    expected = pixels.reshape(5, 3, 4).sum(1) + token[0]
    np.testing.assert_allclose(Reference(model, None, "it").logits(pixels, "scores"), expected, rtol=1e-5, atol=1e-5)
    onnx.checker.check_model(model)


@pytest.mark.parametrize("batch", [1, 2])
def test_a_view_written_as_a_gather_takes_any_batch(batch: int) -> None:
    """torch writes the pool of a channels-last network so."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    from edgetl.adopt.engine import Reference

    constants = {
        "flat": np.array([-1]),
        "order": np.arange(batch * 12).reshape(batch, 3, 4),
        "axes": np.array([2]),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["input", "flat"], ["values"]),
            helper.make_node("Gather", ["values", "order"], ["rows"], axis=0),
            helper.make_node("ReduceSum", ["rows", "axes"], ["scores"], keepdims=0),
        ],
        "view",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, 2, 2])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    batches.free(model, batch)
    pixels = np.random.default_rng(0).standard_normal((5, 3, 2, 2)).astype(np.float32)
    found = Reference(model, None, "it").logits(pixels, "scores")
    np.testing.assert_allclose(found, pixels.sum((2, 3)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("order", [range(11, -1, -1), range(6)], ids=["another order", "some of the values"])
def test_another_gather_stays(order: range) -> None:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    constants = {"flat": np.array([-1]), "order": np.array(order).reshape(1, 3, -1)}
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["input", "flat"], ["values"]),
            helper.make_node("Gather", ["values", "order"], ["rows"], axis=0),
        ],
        "view",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, 2, 2])],
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["batch", 3, None])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    kept = onnx.ModelProto()
    kept.CopyFrom(model)
    batches.free(model, 1)
    assert model == kept
