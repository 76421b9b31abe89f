"""Other processors, emulated by QEMU: what saturates there is caught here. Environments are made as users do."""

from __future__ import annotations

import io
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from edgetl import environments
from edgetl.cli import main
from edgetl.device.bundle.manifest import decoded
from edgetl.device.bundle.opened import MODELS
from edgetl.device.bundle.signal import MARGIN_DB, sqnr_db
from edgetl.device.values import Preprocess, SessionSpec
from edgetl.environments import local
from edgetl.environments.emulation import emulated
from edgetl.environments.local import local_command
from edgetl.errors import UsageError
from edgetl.measure.worker import Worker
from edgetl.progress import Silent
from edgetl.quantization import stage
from edgetl.quantization.search.contest import Contest
from edgetl.quantization.search.ground import Ground
from edgetl.quantization.search.trial import Trial
from edgetl.targets import TargetCandidate
from tests import environments as shared
from tests.bundles import contents, encoded, npy, summed
from tests.quantization.search.test_contest import BASELINE, INT8, RULES

pytestmark = [pytest.mark.emulation, pytest.mark.timeout(400)]
pytest.importorskip("onnx")
pytest.importorskip("onnx_ir")
pytest.importorskip("onnxruntime")
import onnx  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

from tests.adopt import foreign  # noqa: E402
from tests.device import tiny  # noqa: E402

Images = np.ndarray[Any, Any]


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with both environments."""
    return shared.cache(tmp_path_factory, "emulate-x86-64", "emulate-arm64")


@pytest.fixture
def emulators(_made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both environments, in this test's cache."""
    monkeypatch.setenv("EDGETL_CACHE", str(_made))


def logits(worker: Worker, model: Path, precision: str, pixels: Images) -> Images:
    worker.load(model, SessionSpec("cpu", precision, 1))
    return worker.logits(pixels)


@pytest.fixture
def heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights as large as they can be: two of their products with bright pixels are more than 16 bits hold."""
    signs = np.sign(np.random.default_rng(3).standard_normal(tiny.WEIGHTS.shape)).astype(np.float32)
    monkeypatch.setattr(tiny, "WEIGHTS", signs / 100)


def test_products_that_saturate_without_vnni_are_seen_and_arm_computes_as_this_machine(
    emulators: None, heavy: None, tmp_path: Path
) -> None:
    pixels = tiny.images(12)
    exact, model = tiny.expected(pixels), tiny.save(tmp_path / "int8.onnx", quantized=True, whole=True)
    float_model = tiny.save(tmp_path / "fp32.onnx")
    sqnr = {}
    for name in ("avx2", "raspberry-pi-4", "arm64"):
        with Worker(emulated(name)) as worker:
            assert worker.hello.machine["architecture"] == ("x86_64" if name == "avx2" else "aarch64")
            # Float is float everywhere.
            assert sqnr_db(logits(worker, float_model, "fp32", pixels), exact) > 90
            sqnr[name] = sqnr_db(logits(worker, model, "int8", pixels), exact)
    there, arm = sqnr["avx2"], sqnr["arm64"]
    # It has no dot products, and a program that thinks so dies of them.
    assert sqnr["raspberry-pi-4"] == pytest.approx(arm, abs=1.0)
    with Worker(local_command()) as worker:
        here = sqnr_db(logits(worker, model, "int8", pixels), exact)
    assert there < arm - MARGIN_DB
    # This machine may be one without VNNI itself.
    assert here == pytest.approx(arm, abs=1.0) or here == pytest.approx(there, abs=1.0)


def test_verify_tells_what_a_bundle_s_model_does_on_another_processor(
    emulators: None, heavy: None, tmp_path: Path
) -> None:
    path = _bundle(tmp_path)
    result = CliRunner().invoke(main, ["verify", str(path), "--emulate", "arm64", "--json"])
    told = json.loads(result.stdout)
    assert (result.exit_code, told["ok"], told["latency"], told["emulated"]) == (0, True, None, "arm64"), told
    result = CliRunner().invoke(main, ["verify", str(path), "--emulate", "x86-64", "--json"])
    told = json.loads(result.stdout)
    assert (result.exit_code, told["ok"]) == (1, False)
    assert "this machine computes the model differently" in told["reasons"][0]


def _bundle(tmp_path: Path) -> Path:
    """Return a bundle of an int8 model whose answers in exact integers are known."""
    pixels = tiny.images(6)
    exact = tiny.expected(pixels)
    members = contents(spec=SessionSpec("cpu", "int8", 1))
    manifest = decoded(bytes(members["bundle.json"]))
    golden = replace(manifest.golden, labels=tuple(exact.argmax(1).tolist()), least_sqnr_db=15.0, lost=6)
    sized = Preprocess(resize=tiny.SIDE, crop=tiny.SIDE)
    manifest = replace(manifest, model=MODELS[".onnx"], golden=golden, preprocess=sized)
    del members[MODELS[".json"]]
    members[MODELS[".onnx"]] = tiny.save(tmp_path / "m.onnx", quantized=True, whole=True).read_bytes()
    for name, image in zip(golden.images, pixels, strict=True):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        members[name] = file.getvalue()
    members |= {"bundle.json": manifest.encoded(), golden.expected: npy(exact), golden.reference: npy(exact)}
    path = tmp_path / "tiny.pyz"
    path.write_bytes(encoded(summed(members)))
    return path


def test_a_candidate_that_an_emulated_target_computes_otherwise_is_rejected(tmp_path: Path) -> None:
    """With a worker in the emulator's place whose logits are noisy: what the contest does with it."""
    script = tmp_path / "model.json"
    script.write_text(json.dumps({"classes": 3, "latency_ns": [10_000_000]}))
    noisy = (
        sys.executable,
        "-c",
        "import numpy as np; from edgetl.device import ops, worker\n"
        "from edgetl.device.wire import arrays_of, with_arrays\n"
        "def logits(state, message):\n"
        "    found = np.array(arrays_of(ops.logits(state, message))[0])\n"
        "    return with_arrays({}, found + np.random.default_rng(0).normal(0, 1, found.shape).astype(np.float32))\n"
        "worker.OPS = {**ops.OPS, 'logits': logits}; worker.main()",
    )
    pixels = np.random.default_rng(0).integers(0, 255, (60, 4, 4, 3), np.uint8)
    for pretend, rejected in ((noisy, True), (local_command(), False), ((), False), (("/no/such/emulator",), False)):
        ground = Ground(local_command(), pixels, [0] * 60, 1, RULES, pretend)
        with Contest(BASELINE, script, ground, 60.0) as contest:
            trial = contest.judge(Trial(INT8, script))
            float_trial = contest.judge(
                Trial(TargetCandidate(provider="fake", precision="fp32", recipe="fp16"), script)
            )
        assert (trial.setback is not None) is rejected
        assert float_trial.setback is None
        if trial.setback is not None:
            assert "As the target's CPU computes it (emulated)" in trial.setback.reason


TARGET = """
name = "old"
description = "x86-64 without VNNI, whatever this machine is"
machine = { architecture = "x86_64", model = "No Such Processor", qemu_cpu = "Haswell-noTSX" }
[[candidates]]
provider = "cpu"
[[candidates]]
provider = "cpu"
precision = "int8"
recipe = "u8s8-minmax"
[[candidates]]
provider = "cpu"
precision = "int8"
recipe = "u8s8-reduced-range"
"""


# This machine may saturate as well. In its place a runner whose 8-bit products ONNX Runtime always sums exactly.
EXACT = (
    "-c",
    "from edgetl.device import worker\n"
    "from edgetl.device.providers import _ort\n"
    "usual = _ort._session_options\n"
    "def exact(*given):\n"
    "    options = usual(*given)\n"
    "    options.add_session_config_entry('session.x64quantprecision', '1')\n"
    "    return options\n"
    "_ort._session_options = exact; worker.main()",
)


def test_quantize_refuses_what_saturates_on_the_target_and_keeps_the_reduced_range(
    emulators: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = (sys.executable, *EXACT)
    monkeypatch.setattr(local, "local_command", lambda: exact)
    monkeypatch.setattr(stage, "local_command", lambda: exact)
    foreign.draw(tmp_path / "images", 80)
    model = foreign.save(tmp_path / "heavy.onnx", _heavy())
    (tmp_path / "old.toml").write_text(TARGET)
    arguments = [str(model), "--calibration", str(tmp_path / "images"), "--target", str(tmp_path / "old.toml")]
    result = CliRunner().invoke(main, ["quantize", *arguments, "--accept-unproven", "--time-budget", "5m", "--json"])
    assert result.exit_code == 0, result.output
    rows = {row["recipe"]: row for row in json.loads(result.stdout)["candidates"] if not row["float_nodes"]}
    told = "As the target's CPU computes it (emulated)"
    assert rows["u8s8-minmax"]["status"] == "rejected" and told in rows["u8s8-minmax"]["reason"]
    reduced = rows["u8s8-reduced-range"]
    assert told not in reduced["reason"] and reduced["agreement"] > 0.9
    assert "u8s8-minmax" not in json.loads(result.stdout)["chosen"]


def _heavy() -> onnx.ModelProto:
    """Return a classifier whose bright features meet weights as large as they can be: pairs of products saturate."""
    generator, width = np.random.default_rng(5), 32
    constants = {
        "first": generator.standard_normal((width, 3, 3, 3)).astype(np.float32) / 10,
        # All features lie in the upper half of their range.
        "lift": np.full(width, 4.0, np.float32),
        "heavy": np.sign(generator.standard_normal((width, width, 3, 3))).astype(np.float32),
        "weight": generator.standard_normal((foreign.CLASSES, width)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["input", "first", "lift"], ["bright"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["bright"], ["features"]),
        helper.make_node("Conv", ["features", "heavy"], ["mixed"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["mixed"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight"], ["scores"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "heavy",
        [helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, 3, foreign.SIDE, foreign.SIDE])],
        [helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, [1, foreign.CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("avx3", "Did you mean 'avx2'?"),
        ("x86-64-vnni", "QEMU's user mode has no processor"),
        ("arm64", "Run: edgetl env create emulate-arm64"),
    ],
)
def test_what_cannot_be_emulated_is_one_sentence_with_what_to_do(name: str, sentence: str) -> None:
    with pytest.raises(UsageError) as told:
        emulated(name)
    assert sentence in str(told.value)


def test_without_qemu_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(UsageError, match="edgetl env create emulate-x86-64"):
        emulated("avx2")
    with pytest.raises(UsageError, match="apt-get"):
        environments.create("emulate-x86-64", Silent())
