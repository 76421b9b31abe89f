"""What share of the arithmetic runs where, and what a network's arithmetic is."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgetl.device.values import LoadReport, SessionSpec
from edgetl.environments.local import local_command
from edgetl.measure.placement import mac_share
from edgetl.measure.worker import Worker

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - needs onnx

from edgetl.graph.macs import macs  # noqa: E402 - needs onnx
from tests.device import tiny  # noqa: E402 - needs onnx


def report(placement: Mapping[str, int], elsewhere: Mapping[str, tuple[str, ...]] | None = None) -> LoadReport:
    return LoadReport("x", "onnxruntime", "1", "fp32", 1, placement, 1, (1, 8, 8, 3), "uint8", elsewhere or {})


def made(nodes: Sequence[Any], given: Sequence[Any], weights: Mapping[str, tuple[int, ...]]) -> Any:
    constants = [numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights.items()]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def node(operator: str, *inputs: str, name: str = "n", **attributes: Any) -> Any:
    return helper.make_node(operator, list(inputs), ["y"], name=name, **attributes)


@pytest.mark.parametrize(
    ("layer", "given", "weights", "count"),
    [
        (node("Conv", "x", "w"), ["batch", 3, 10, 10], (8, 3, 3, 3), 8 * 8 * 8 * 27),
        (node("Conv", "x", "w", strides=[2, 2], pads=[1, 1, 1, 1]), [None, 3, 10, 10], (8, 3, 3, 3), 5 * 5 * 8 * 27),
        (node("Conv", "x", "w", group=6), [4, 6, 10, 10], (6, 1, 3, 3), 8 * 8 * 6 * 9),
        (node("ConvTranspose", "x", "w", strides=[2, 2]), ["n", 3, 5, 5], (3, 4, 2, 2), 5 * 5 * 3 * 4 * 4),
        (node("Gemm", "x", "w", transB=1), ["batch", 20], (7, 20), 7 * 20),
        (node("Gemm", "x", "w"), ["batch", 20], (20, 7), 7 * 20),
        (node("MatMul", "x", "w"), ["batch", 6, 20], (20, 7), 6 * 7 * 20),
        (node("MatMul", "x", "w"), ["batch", 20], (20,), 20),
        (node("MatMul", "x", "x"), ["batch", 5, 5], (1,), 5 * 5 * 5),
    ],
    ids=["conv", "strides", "depthwise", "transposed", "gemm", "gemm the other way", "rows", "vector", "no weights"],
)
def test_a_layer_costs_what_one_image_costs(layer: Any, given: list[Any], weights: tuple[int, ...], count: int) -> None:
    assert macs(made([layer], given, {"w": weights})) == {"n": count}


def test_a_quantized_layer_costs_what_the_float_one_does(tmp_path: Path) -> None:
    for quantized in (False, True):
        model = onnx.load(tiny.save(tmp_path / "m.onnx", quantized=quantized))
        assert macs(model) == {"conv": tiny.CLASSES * 3 * tiny.SIDE**2}


@pytest.mark.parametrize("batch", ["batch", "anything", 4])
def test_the_batch_in_the_file_does_not_matter(batch: str | int, tmp_path: Path) -> None:
    model = onnx.load(tiny.save(tmp_path / "m.onnx", batch=batch))
    assert macs(model) == {"conv": tiny.CLASSES * 3 * tiny.SIDE**2}
    assert macs(onnx.shape_inference.infer_shapes(model)) == macs(model)


def test_integer_layers_count_too() -> None:
    constants = {"w": np.zeros((8, 3, 3, 3), np.int8), "m": np.zeros((64, 5), np.int8)}
    constants |= {"s": np.array(1.0, np.float32), "z": np.array(0, np.uint8), "zs": np.array(0, np.int8)}
    nodes = [
        helper.make_node("QLinearConv", ["x", "s", "z", "w", "s", "zs", "s", "z"], ["a"], name="c1"),
        helper.make_node("ConvInteger", ["x", "w", "z", "zs"], ["b"], name="c2"),
        helper.make_node("Reshape", ["a", "shape"], ["rows"]),
        helper.make_node("QLinearMatMul", ["rows", "s", "z", "m", "s", "zs", "s", "z"], ["c"], name="m1"),
        helper.make_node("MatMulInteger", ["rows", "m", "z", "zs"], ["d"], name="m2"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["batch", 3, 10, 10])],
        [
            helper.make_tensor_value_info(name, kind, None)
            for name, kind in {"b": TensorProto.INT32, "c": TensorProto.UINT8, "d": TensorProto.INT32}.items()
        ],
        [
            numpy_helper.from_array(value, name)
            for name, value in (constants | {"shape": np.array([-1, 64], np.int64)}).items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    assert macs(model) == {"c1": 8 * 64 * 27, "c2": 8 * 64 * 27, "m1": 8 * 5 * 64, "m2": 8 * 5 * 64}


def test_a_shape_that_only_running_tells_is_refused() -> None:
    model = made([node("MatMul", "x", "w")], ["batch", "rows", 20], {"w": (20, 7)})
    with pytest.raises(ValueError, match=r"'x' at node 'n' is not known|'y' at node 'n' is not known"):
        macs(model)


def test_all_of_it_is_on_the_only_provider_whatever_the_file(tmp_path: Path) -> None:
    assert mac_share(tmp_path / "m.zip", report({"CPU": 7})) == {"CPU": 1.0}


def test_an_engine_that_does_not_tell_nodes_tells_no_share(tmp_path: Path) -> None:
    assert mac_share(tmp_path / "m.onnx", report({})) is None


@pytest.fixture
def two_layers(tmp_path: Path) -> Path:
    """A model whose layer ``big`` costs three times as much as ``small``."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="big"),
        helper.make_node("MatMul", ["a", "v"], ["y"], name="small"),
    ]
    path = tmp_path / "two.onnx"
    onnx.save(made(nodes, ["batch", 6], {"w": (6, 10), "v": (10, 2)}), path)
    return path


def test_several_providers_have_their_parts(two_layers: Path) -> None:
    share = mac_share(two_layers, report({"EP": 5, "CPU": 2}, {"CPU": ("small",)}))
    assert share == pytest.approx({"EP": 0.75, "CPU": 0.25})
    assert mac_share(two_layers, report({"EP": 5, "CPU": 2}, {"CPU": ()})) == {"EP": 1.0, "CPU": 0.0}


@pytest.mark.parametrize(
    ("name", "elsewhere"),
    [
        ("two.onnx", {"CPU": ("fused_small",)}),
        ("two.onnx", {}),
        ("two.zip", {"CPU": ("small",)}),
    ],
    ids=["other names", "nodes not told", "no ONNX"],
)
def test_what_cannot_be_told_is_none(name: str, elsewhere: Mapping[str, tuple[str, ...]], two_layers: Path) -> None:
    assert mac_share(two_layers.with_name(name), report({"EP": 5, "CPU": 2}, elsewhere)) is None


def test_without_onnx_nothing_is_told(two_layers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert mac_share(two_layers, report({"EP": 5, "CPU": 2}, {"CPU": ("small",)})) is None
    assert mac_share(two_layers, report({"EP": 5})) == {"EP": 1.0}


def test_the_report_of_a_worker_brings_the_names(tmp_path: Path) -> None:
    script = {"placement": {"Fake": 2, "CPU": 1}, "elsewhere": {"CPU": ["conv_1"]}}
    (tmp_path / "m.json").write_text(json.dumps(script))
    with Worker(local_command()) as worker:
        loaded = worker.load(tmp_path / "m.json", SessionSpec("fake"))
    assert loaded.elsewhere == {"CPU": ("conv_1",)}


@pytest.mark.engine
@pytest.mark.parametrize("provider", ["cpu", "openvino"])
def test_a_real_engine_s_session_is_all_in_one_place(provider: str, tmp_path: Path) -> None:
    pytest.importorskip({"cpu": "onnxruntime", "openvino": "openvino"}[provider])
    from edgetl.device import providers

    for quantized in (False, True):
        model = tiny.save(tmp_path / "m.onnx", quantized=quantized)
        loaded = providers.load(model, SessionSpec(provider)).report
        assert loaded.elsewhere == {}
        assert mac_share(model, loaded) == {{"cpu": "CPUExecutionProvider", "openvino": "CPU"}[provider]: 1.0}


@pytest.mark.engine
def test_onnx_runtime_s_nodes_have_the_names_of_the_file(tmp_path: Path) -> None:
    """Asked for a provider that runs none of it, all is elsewhere."""
    ort = pytest.importorskip("onnxruntime")
    from edgetl.device.providers import _ort

    for quantized in (False, True):
        model = tiny.save(tmp_path / "m.onnx", quantized=quantized)
        named = onnx.load(model)
        for each in named.graph.node:
            each.name = each.output[0]
        onnx.save(named, model)
        options = ort.SessionOptions()
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        elsewhere = _ort._elsewhere(session, _ort.Ep("OtherExecutionProvider", "", {}))
        assert elsewhere == {"CPUExecutionProvider": ("conv",)}
