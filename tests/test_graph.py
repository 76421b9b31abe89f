"""Rewrites: each does its work where its pattern is, nothing elsewhere, and never changes the logits."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ir = pytest.importorskip("onnx_ir")
ort = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from edgetl.device.values import Preprocess  # noqa: E402
from edgetl.errors import ExportError  # noqa: E402
from edgetl.graph import (  # noqa: E402
    global_pool,
    head_conv,
    input_scale,
    metadata,
    norm_gemm,
    plain_gemm,
    sums,
    whole_hard_swish,
)
from edgetl.graph.clean import clean  # noqa: E402
from edgetl.graph.image_input import take_images  # noqa: E402
from edgetl.graph.rewrite import Rewrite, rewrite  # noqa: E402

pytestmark = pytest.mark.engine

RANDOM = np.random.default_rng(0)
SCALE = np.array([2.0, 0.5, 3.0], np.float32).reshape(1, 3, 1, 1)


def _model(
    nodes: list[Any], constants: dict[str, Any], shape: tuple[Any, ...] = ("batch", 3, 8, 8), opset: int = 20
) -> Any:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto))


def _mean(axes: list[int], keepdims: int = 1) -> Any:
    nodes = [helper.make_node("ReduceMean", ["x", "axes"], ["y"], keepdims=keepdims)]
    return _model(nodes, {"axes": np.array(axes, np.int64)})


def _old_mean(axes: list[int]) -> Any:
    """As opsets before 18 write it."""
    return _model([helper.make_node("ReduceMean", ["x"], ["y"], axes=axes, keepdims=0)], {}, opset=17)


def _scaled(group: int = 1, scale: Any = SCALE, extra_reader: bool = False) -> Any:
    nodes = [
        helper.make_node("Mul", ["x", "scale"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "kernel"], ["c"], group=group, pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
    ]
    kernel = RANDOM.standard_normal((6, 3 // group, 3, 3)).astype(np.float32)
    if not extra_reader:
        nodes[-1].output[0] = "y"
        return _model(nodes, {"scale": scale, "kernel": kernel})
    nodes += [helper.make_node("GlobalAveragePool", ["scaled"], ["q"])]
    nodes += [helper.make_node("Concat", ["p", "q"], ["y"], axis=1)]
    return _model(nodes, {"scale": scale, "kernel": kernel})


def _normed(trans: int = 1, alpha: float = 1.0, extra_reader: bool = False) -> Any:
    pooled = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["f"])]
    norm = helper.make_node("BatchNormalization", ["f", "scale", "shift", "mean", "variance"], ["n"], epsilon=1e-3)
    gemm = helper.make_node("Gemm", ["n", "weight", "bias"], ["g"], transB=trans, alpha=alpha)
    weight, (scale, shift, mean) = RANDOM.standard_normal((5, 3)), RANDOM.standard_normal((3, 3))
    constants = {
        "scale": scale,
        "shift": shift,
        "mean": mean,
        "variance": RANDOM.uniform(0.5, 2, 3),
        "weight": weight if trans else weight.T,
        "bias": RANDOM.standard_normal(5),
    }
    nodes = [*pooled, norm, gemm]
    if extra_reader:
        nodes += [helper.make_node("Concat", ["g", "n"], ["y"], axis=1)]
    else:
        gemm.output[0] = "y"
    return _model(nodes, {name: array.astype(np.float32) for name, array in constants.items()})


def _grey() -> Any:
    """One channel that a scale makes three of."""
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["grey"], keepdims=1),
        helper.make_node("Mul", ["grey", "scale"], ["colours"]),
        helper.make_node("Conv", ["colours", "kernel"], ["y"]),
    ]
    kernel = RANDOM.standard_normal((6, 3, 3, 3)).astype(np.float32)
    return _model(nodes, {"axes": np.array([1]), "scale": SCALE, "kernel": kernel})


def _one_number() -> Any:
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["top"], keepdims=0),
        helper.make_node("Mul", ["top", "scale"], ["colours"]),
        helper.make_node("Conv", ["colours", "kernel"], ["y"]),
    ]
    return _model(nodes, {"scale": SCALE, "kernel": np.ones((6, 3, 1, 1), np.float32)})


def _gemm(bias: tuple[int, ...], **attributes: Any) -> Any:
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "weight", "bias"], ["y"], **attributes),
    ]
    shapes = {"weight": (5, 3) if attributes.get("transB") else (3, 5), "bias": bias}
    return _model(nodes, {name: RANDOM.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()})


def _swished(alpha: float = 1 / 6, opset: int = 20, extra_reader: bool = False) -> Any:
    nodes = [
        helper.make_node("HardSigmoid", ["x"], ["gate"], alpha=alpha),
        helper.make_node("Mul", ["gate", "x"], ["s" if extra_reader else "y"]),
    ]
    if extra_reader:
        nodes += [helper.make_node("Add", ["s", "gate"], ["y"])]
    return _model(nodes, {}, opset=opset)


def _summed(inputs: int = 3) -> Any:
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Sum", ["x", "r", "x"][:inputs], ["y"])]
    return _model(nodes, {})


def _ends_in_conv(kernel: int = 1, pooled: bool = True) -> Any:
    nodes = [
        helper.make_node("GlobalAveragePool" if pooled else "Relu", ["x"], ["p"]),
        helper.make_node("Conv", ["p", "kernel", "bias"], ["c"], pads=[kernel // 2] * 4),
        helper.make_node("Flatten", ["c"], ["y"]),
    ]
    shapes = {"kernel": (5, 3, kernel, kernel), "bias": (5,)}
    return _model(nodes, {name: RANDOM.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()})


def _run(model: Any, inputs: Any) -> Any:
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: inputs})[0]


def _operators(model: Any) -> Counter[str]:
    return Counter(node.op_type for node in model.graph)


PATTERNS: list[tuple[Rewrite, Any, str]] = [
    (global_pool, lambda: _mean([2, 3]), "ReduceMean"),
    (global_pool, lambda: _mean([-1, -2]), "ReduceMean"),
    (global_pool, lambda: _mean([2, 3], keepdims=0), "ReduceMean"),
    (global_pool, lambda: _old_mean([3, 2]), "ReduceMean"),
    (input_scale, _scaled, "Mul"),
    (norm_gemm, _normed, "BatchNormalization"),
    (norm_gemm, lambda: _normed(trans=0), "BatchNormalization"),
    (sums, _summed, "Sum"),
    (whole_hard_swish, _swished, "HardSigmoid"),
    (head_conv, _ends_in_conv, "Conv"),
]
ELSEWHERE: list[tuple[Rewrite, Any]] = [
    (global_pool, lambda: _mean([1])),
    (global_pool, lambda: _old_mean([1, 2])),
    (global_pool, _scaled),
    (input_scale, lambda: _scaled(group=3)),
    (input_scale, lambda: _scaled(extra_reader=True)),
    (input_scale, lambda: _scaled(scale=RANDOM.standard_normal((1, 3, 8, 8)).astype(np.float32))),
    (input_scale, lambda: _mean([2, 3])),
    (input_scale, _grey),
    (input_scale, _one_number),
    (norm_gemm, lambda: _normed(alpha=0.5)),
    (norm_gemm, lambda: _normed(extra_reader=True)),
    (sums, lambda: _summed(1)),
    (plain_gemm, lambda: _gemm((5,), transB=1)),
    (whole_hard_swish, lambda: _swished(alpha=0.2)),
    (whole_hard_swish, lambda: _swished(opset=13)),
    (whole_hard_swish, lambda: _swished(extra_reader=True)),
    (head_conv, lambda: _ends_in_conv(kernel=3)),
    (head_conv, lambda: _ends_in_conv(pooled=False)),
    (plain_gemm, lambda: _gemm((3, 5))),
]


@pytest.mark.parametrize(("each", "build", "gone"), PATTERNS)
def test_a_rewrite_removes_its_pattern_and_keeps_the_logits(each: Rewrite, build: Any, gone: str) -> None:
    model = build()
    inputs = RANDOM.standard_normal((3, 3, 8, 8)).astype(np.float32)
    before = _run(model, inputs)
    assert rewrite(model, [each])[each.NAME] == 1
    assert gone not in _operators(model)
    np.testing.assert_allclose(_run(model, inputs), before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bias", [(5,), (1, 5), (1,), ()])
@pytest.mark.parametrize("factors", [{}, {"alpha": 0.5}, {"beta": 2.0}, {"alpha": 3.0, "beta": 0.0}])
@pytest.mark.parametrize("across", [0, 1])
def test_a_gemm_has_no_factors_and_a_bias_for_each_output(
    bias: tuple[int, ...], factors: dict[str, float], across: int
) -> None:
    model = _gemm(bias, transB=across, **factors)
    inputs = RANDOM.standard_normal((3, 3, 8, 8)).astype(np.float32)
    before = _run(model, inputs)
    assert rewrite(model, [plain_gemm])["plain-gemm"] == (bias != (5,) or bool(factors))
    gemm = next(node for node in model.graph if node.op_type == "Gemm")
    assert {"alpha", "beta"}.isdisjoint(gemm.attributes)
    assert gemm.inputs[2].const_value.numpy().shape == (5,)
    np.testing.assert_allclose(_run(model, inputs), before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("each", "build"), ELSEWHERE)
def test_a_rewrite_leaves_everything_else_alone(each: Rewrite, build: Any) -> None:
    model = build()
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    assert rewrite(model, [each])[each.NAME] == 0
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


def test_a_rewrite_that_does_not_do_what_it_promises_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(global_pool, "call", lambda node: None)
    with pytest.raises(ExportError, match="global-pool"):
        rewrite(_mean([2, 3]))


def test_weights_that_convolutions_share_are_scaled_only_for_those_that_read_the_scale() -> None:
    nodes = [
        helper.make_node("Mul", ["x", "scale"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "kernel"], ["a"]),
        helper.make_node("Conv", ["scaled", "kernel"], ["b"]),
        helper.make_node("Conv", ["x", "kernel"], ["c"]),
        helper.make_node("Concat", ["a", "b", "c"], ["y"], axis=1),
    ]
    model = _model(nodes, {"scale": SCALE, "kernel": RANDOM.standard_normal((4, 3, 3, 3)).astype(np.float32)})
    inputs = RANDOM.standard_normal((2, 3, 8, 8)).astype(np.float32)
    before = _run(model, inputs)
    assert rewrite(model)["input-scale"] == 1
    np.testing.assert_allclose(_run(model, inputs), before, rtol=1e-4, atol=1e-5)


def test_the_image_input_normalizes_as_the_preprocessing_says() -> None:
    preprocess = Preprocess(crop=8)
    image = RANDOM.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    normalized = (image / 255 - np.array(preprocess.mean)) / np.array(preprocess.std)
    model = _scaled()
    expected = _run(model, normalized.transpose(0, 3, 1, 2).astype(np.float32))
    take_images(model, preprocess)
    rewrite(model)
    # Two scales in a row: the second goes first, and makes room for the other.
    assert "Mul" not in _operators(model)
    np.testing.assert_allclose(_run(model, image), expected, rtol=1e-4, atol=1e-5)


def test_padding_of_the_first_convolution_stays_black_in_normalized_terms() -> None:
    nodes = [helper.make_node("Conv", ["x", "kernel"], ["y"], pads=[1, 1, 1, 1])]
    model = _model(nodes, {"kernel": np.ones((1, 3, 3, 3), np.float32)})
    image = RANDOM.integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    preprocess = Preprocess(crop=8)
    normalized = (image / 255 - np.array(preprocess.mean)) / np.array(preprocess.std)
    expected = _run(model, normalized.transpose(0, 3, 1, 2).astype(np.float32))
    take_images(model, preprocess)
    assert rewrite(model)["input-scale"] == 1
    np.testing.assert_allclose(_run(model, image), expected, rtol=1e-4, atol=1e-4)


def test_a_model_with_another_input_is_refused() -> None:
    model = _model([helper.make_node("Relu", ["x"], ["y"])], {}, shape=("batch", 8))
    with pytest.raises(ExportError, match="batch, 3"):
        take_images(model, Preprocess())


def test_cleaning_removes_paths_and_what_nobody_reads() -> None:
    model = _scaled()
    for holder in (model, model.graph, model.graph.node(1), model.graph.node(1).outputs[0], model.graph.inputs[0]):
        holder.metadata_props["trace"] = "/home/someone/project/model.py"
    model.graph.node(1).doc_string = "/home/someone/project/model.py"
    rewrite(model)
    assert "scale" in model.graph.initializers
    clean(model, output="logits")
    data = ir.to_proto(model).SerializeToString()
    assert b"/home/someone" not in data
    assert set(model.graph.initializers) == {"kernel_scaled"}
    assert model.graph.outputs[0].name == "logits"


def test_metadata_comes_back_as_it_was_written_and_replaces_older(tmp_path: Any) -> None:
    proto = ir.to_proto(_scaled())
    proto.metadata_props.add(key="other.tool", value="stays")
    old = metadata.ModelFacts("resnet18", ("a",), Preprocess(), "NHWC", "1" * 64, "2" * 64, recipe={"name": "old"})
    new = metadata.ModelFacts("mobilenet_v2", ("a", "ü"), Preprocess(crop=64), "NHWC", "3" * 64, "4" * 64)
    metadata.write(proto, old)
    metadata.write(proto, new)
    path = tmp_path / "model.onnx"
    onnx.save(proto, path)
    assert metadata.read(path) == new
    assert {entry.key for entry in proto.metadata_props if not entry.key.startswith("edgetl.")} == {"other.tool"}
