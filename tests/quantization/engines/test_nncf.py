"""NNCF's two engines: near to fp32, readable where they should be, silent on the terminal and the network."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("nncf")
pytest.importorskip("openvino")
pytest.importorskip("onnxruntime")

from edgetl import recipes  # noqa: E402
from edgetl.device import providers  # noqa: E402
from edgetl.device.values import Preprocess, SessionSpec  # noqa: E402
from edgetl.graph.from_torch import export_module  # noqa: E402
from edgetl.quantization.engines import _nncf, ir, nncf_onnx, nncf_openvino  # noqa: E402
from tests import trained_run as fixture  # noqa: E402

pytestmark = [pytest.mark.training, pytest.mark.engine]

SIDE = 32
# NNCF's ranges are those of the mean image: it cuts the brightest of these.
SIGNAL_TO_NOISE_DB = 15.0
ENGINES = {"nncf-onnx": nncf_onnx, "nncf-openvino": nncf_openvino}
RECIPES = [name for name in recipes.names() if name.startswith("nncf-")]


def _images(count: int = 24) -> Iterator[Any]:
    generator = np.random.default_rng(1)
    for _ in range(count // 4):
        yield generator.integers(0, generator.integers(1, 256), (4, SIDE, SIDE, 3), dtype=np.uint8)


PIXELS = np.concatenate(list(_images()))


@pytest.fixture(scope="module")
def model() -> Any:
    """Convolutions, a depthwise one among them, and a classifier."""
    from torch import nn

    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU6()]
    layers += [nn.Conv2d(16, 16, 3, 1, 1, groups=16), nn.BatchNorm2d(16), nn.ReLU6()]
    layers += [nn.Conv2d(16, 32, 1), nn.BatchNorm2d(32), nn.ReLU6()]
    module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    fixture.settle(module, SIDE)
    return export_module(module, Preprocess(resize=36, crop=SIDE))


def _recipe(name: str) -> recipes.Recipe:
    return recipes.load(name).model_copy(update={"samples": 24})


def _saved(quantized: Any, folder: Path) -> Path:
    if isinstance(quantized, onnx.ModelProto):
        path, data = folder / "m.onnx", quantized.SerializeToString()
    else:
        path, data = folder / "m.zip", ir.encode(quantized, {"recipe": "r"})
    path.write_bytes(data)
    return path


def _session(path: Path, provider: str, precision: str = "int8") -> Any:
    return providers.load(path, SessionSpec(provider, precision, threads=1))


def _signal_to_noise_db(expected: Any, found: Any) -> float:
    return float(10 * np.log10(np.sum(expected**2) / np.sum((expected - found) ** 2)))


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_keeps_the_logits_and_says_nothing(
    model: Any, name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe, before = _recipe(name), model.SerializeToString(deterministic=True)
    quantized = ENGINES[recipe.engine].quantize(model, recipe, _images)
    assert capfd.readouterr() == ("", "")
    assert model.SerializeToString(deterministic=True) == before
    expected = _session(_saved(model, tmp_path), "cpu", "fp32").run(PIXELS)
    path = _saved(quantized, tmp_path)
    for provider in ("cpu", "openvino") if path.suffix == ".onnx" else ("openvino",):
        session = _session(path, provider)
        assert session.report.precision == "int8"
        assert _signal_to_noise_db(expected, session.run(PIXELS)) > SIGNAL_TO_NOISE_DB


def test_every_convolution_of_an_ir_is_quantized(model: Any) -> None:
    quantized = nncf_openvino.quantize(model, _recipe("nncf-openvino"), _images)
    convolutions = [each for each in quantized.get_ordered_ops() if "Convolution" in each.get_type_name()]
    assert len(convolutions) == 3
    # Behind the uint8 image itself there may be arithmetic first; grouped weights come through a Reshape.
    for each in convolutions:
        types = {each.input_value(0).get_node().get_type_name(), each.input_value(1).get_node().get_type_name()}
        assert types <= {"FakeQuantize", "Multiply", "Reshape", "Transpose"}


@pytest.mark.parametrize(("name", "most"), [("nncf-onnx", {64, 127}), ("nncf-onnx-reduced-range", {64})])
def test_with_a_reduced_range_no_layer_that_sums_over_channels_has_8_bit_weights(
    model: Any, name: str, most: set[int]
) -> None:
    graph = nncf_onnx.quantize(model, _recipe(name), _images).graph
    values = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    read = [node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"]
    weights = [values[source].astype(int) for source in read if source in values]
    assert len(weights) == 4
    # A depthwise convolution does not add its products in pairs of 16 bits, which is where others saturate.
    assert {abs(each).max() for each in weights if each.shape[1] > 1} == most


def test_what_a_recipe_excludes_stays_in_float(model: Any) -> None:
    recipe = _recipe("nncf-onnx").model_copy(update={"exclude_operators": ("Gemm",)})
    quantized = nncf_onnx.quantize(model, recipe, _images)
    gemm = next(node for node in quantized.graph.node if node.op_type == "Gemm")
    made = {output: node.op_type for node in quantized.graph.node for output in node.output}
    assert made.get(gemm.input[1]) != "DequantizeLinear"
    quantized = nncf_openvino.quantize(model, recipe, _images)
    product = next(each for each in quantized.get_ordered_ops() if each.get_type_name() == "MatMul")
    assert product.input_value(1).get_node().get_type_name() == "Constant"


def test_an_ir_file_is_the_same_for_the_same_model_and_names_its_recipe(model: Any) -> None:
    quantized = nncf_openvino.quantize(model, _recipe("nncf-openvino"), _images)
    first = ir.encode(quantized, {"recipe": '{"name": "x"}', "arch": "a"})
    assert first == ir.encode(quantized, {"arch": "a", "recipe": '{"name": "x"}'})
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.namelist() == list(ir.MEMBERS)
        text = archive.read("model.xml").decode()
    assert '<recipe value="{&quot;name&quot;: &quot;x&quot;}" />' in text


def test_images_are_decoded_anew_in_each_pass_and_one_batch_at_a_time() -> None:
    opened = []

    def images() -> Iterator[Any]:
        opened.append(0)
        for batch in _images():
            opened[-1] += 1
            yield batch

    singles = _nncf.Singles(images, 24, "image")
    assert len(singles) == 24
    first = iter(singles)
    assert [next(first)["image"].shape for _ in range(5)] == [(1, SIDE, SIDE, 3)] * 5
    assert opened == [2]
    assert sum(1 for _ in singles) == 24
    assert opened == [2, 6]


def test_nothing_is_reported_to_anybody() -> None:
    # In a process of its own: NNCF sends nothing anyway where pytest is.
    code = (
        "import logging, socket\n"
        "def refuse(*_): raise SystemExit('network')\n"
        "socket.getaddrinfo = socket.socket.connect = refuse\n"
        "from edgetl.quantization.engines._nncf import quiet\n"
        "with quiet():\n"
        "    import nncf, openvino, nncf.telemetry, openvino.tools.ovc as ovc\n"
        "    print('heard')\n"
        "assert 'Stub' in str(nncf.telemetry.telemetry) or 'Mock' in str(nncf.telemetry.telemetry)\n"
        "assert type(ovc.telemetry).__module__.endswith('telemetry_stub')\n"
        "assert logging.getLoggerClass() is logging.Logger and logging.root.manager.disable == 0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
