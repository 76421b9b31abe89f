"""The engines that are installed here, on real (small) models."""

from __future__ import annotations

import gc
import importlib.util
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgetl.device import machine, providers
from edgetl.device.providers import ModelError, ProviderUnavailable
from edgetl.device.values import SessionSpec

onnx = pytest.importorskip("onnx")
from tests.device import tiny  # noqa: E402 - needs onnx

pytestmark = pytest.mark.engine

ENGINES = [
    pytest.param(name, marks=pytest.mark.skipif(not importlib.util.find_spec(module), reason=f"{module} is missing"))
    for name, module in {"cpu": "onnxruntime", "openvino": "openvino"}.items()
]


@pytest.mark.parametrize("provider", ENGINES)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_logits_are_those_of_the_graph_for_any_number_of_images(provider: str, count: int, tmp_path: Path) -> None:
    session = providers.load(tiny.save(tmp_path / "m.onnx"), SessionSpec(provider, options={"batch": "2"}))
    pixels = tiny.images(count)
    logits = session.run(pixels)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, tiny.expected(pixels), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("provider", ENGINES)
def test_a_model_of_fixed_batch_takes_a_ragged_number_of_images(provider: str, tmp_path: Path) -> None:
    session = providers.load(tiny.save(tmp_path / "m.onnx", batch=4), SessionSpec(provider))
    pixels = tiny.images(6)
    np.testing.assert_allclose(session.run(pixels), tiny.expected(pixels), rtol=1e-4, atol=1e-3)
    assert session.report.input_shape[0] == 4


@pytest.mark.parametrize("provider", ENGINES)
def test_answers_stay_what_they_were_when_the_next_run_comes(provider: str, tmp_path: Path) -> None:
    session = providers.load(tiny.save(tmp_path / "m.onnx"), SessionSpec(provider))
    first = session.run(tiny.images(1))
    before = first.copy()
    session.run(tiny.images(1, seed=9))
    np.testing.assert_array_equal(first, before)


@pytest.mark.parametrize("provider", ENGINES)
def test_the_report_tells_threads_placement_and_input(provider: str, tmp_path: Path) -> None:
    report = providers.load(tiny.save(tmp_path / "m.onnx"), SessionSpec(provider, threads=1)).report
    assert report.threads == 1
    assert report.placement
    assert set(report.placement) == {{"cpu": "CPUExecutionProvider", "openvino": "CPU"}[provider]}
    assert report.input_shape == (1, tiny.SIDE, tiny.SIDE, 3)
    assert report.input_dtype == "uint8"
    assert report.precision == "fp32"
    assert report.load_ns > 0
    assert report.engine_version[0].isdigit()


@pytest.mark.parametrize("provider", ENGINES)
def test_threads_are_by_default_the_cores_allowed(
    provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "cores_allowed", lambda: 1)
    assert providers.load(tiny.save(tmp_path / "m.onnx"), SessionSpec(provider)).report.threads == 1


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in /proc")
@pytest.mark.parametrize(("threads", "more"), [(1, 0), (3, 2)])
def test_onnx_runtime_starts_the_threads_asked_for(threads: int, more: int, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    before = len(list(Path("/proc/self/task").iterdir()))
    session = providers.load(tiny.save(tmp_path / "m.onnx"), SessionSpec("cpu", threads=threads))
    assert len(list(Path("/proc/self/task").iterdir())) - before == more
    del session


@pytest.mark.parametrize("provider", ENGINES)
def test_a_quantized_graph_is_reported_as_int8_whatever_was_claimed(provider: str, tmp_path: Path) -> None:
    model = tiny.save(tmp_path / "m.onnx", quantized=True)
    session = providers.load(model, SessionSpec(provider, "fp32"))
    assert session.report.precision == "int8"
    np.testing.assert_allclose(session.run(tiny.images(3)), tiny.expected(tiny.images(3)), atol=2.0)


@pytest.mark.parametrize("provider", ENGINES)
def test_a_float_graph_is_not_reported_as_int8(provider: str, tmp_path: Path) -> None:
    assert providers.load(tiny.save(tmp_path / "m.onnx"), SessionSpec(provider, "int8")).report.precision == "fp32"


def test_half_precision_is_not_believed_of_who_asks_for_it(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = tiny.save(tmp_path / "m.onnx")
    halves = "asimdhp" in machine.cpu_features()
    found = {asked: providers.load(model, SessionSpec("cpu", asked)).report.precision for asked in ("fp16", "bf16")}
    assert found == {"fp16": "fp16" if halves else "fp32", "bf16": "fp32"}


def test_arithmetic_that_falls_back_to_another_provider_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a provider may leave nodes to another, these may be poolings and the like only."""
    ort = pytest.importorskip("onnxruntime")
    if not hasattr(ort.InferenceSession, "get_provider_graph_assignment_info"):
        pytest.skip("this ONNX Runtime does not tell where nodes run")
    model, assigned = tiny.save(tmp_path / "m.onnx"), "edgetl.device.providers._ort._assigned"
    here = ("CPUExecutionProvider", "Conv", "conv_1")
    monkeypatch.setattr(assigned, lambda _: [here, ("OtherProvider", "LpPool", "pool_2")])
    assert providers.load(model, SessionSpec("cpu")).report.elsewhere == {"OtherProvider": ()}
    monkeypatch.setattr(assigned, lambda _: [here, ("OtherProvider", "FusedConv", "conv_3")])
    with pytest.raises(ModelError, match=r"1 on OtherProvider, the first conv_3.*a silent fallback is never measured"):
        providers.load(model, SessionSpec("cpu"))


def test_openvino_computes_in_bf16_only_when_asked(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU has no bf16")
    model = tiny.save(tmp_path / "m.onnx")
    reports = {asked: providers.load(model, SessionSpec("openvino", asked)).report for asked in ("fp32", "bf16")}
    assert {asked: report.precision for asked, report in reports.items()} == {"fp32": "fp32", "bf16": "bf16"}
    hints = {asked: report.settings["INFERENCE_PRECISION_HINT"] for asked, report in reports.items()}
    assert hints == {"fp32": "f32", "bf16": "bf16"}


@pytest.mark.parametrize(
    ("heavy", "rest", "precision"),
    [
        ({}, "fp32", "fp32"),
        ({"fp32": 9, "bf16": 1}, "fp32", "fp32"),
        ({"bf16": 9, "fp32": 1}, "fp32", "bf16"),
        ({"int8": 1, "fp32": 9}, "fp32", "int8"),
        ({"int8": 1, "fp32": 9}, "bf16", "int8"),
        ({"int8": 9, "bf16": 1}, "bf16", "int8+bf16"),
        ({"int8": 9, "bf16": 1, "fp32": 3}, "bf16", "int8+bf16"),
        ({"int8": 9}, "fp32", "int8"),
        ({"int8": 9}, "bf16", "int8+bf16"),
    ],
)
def test_openvino_s_precision_is_that_of_its_heavy_layers(heavy: dict[str, int], rest: str, precision: str) -> None:
    from edgetl.device.providers import openvino

    assert openvino._precision(heavy, rest) == precision


def test_what_an_int8_model_leaves_in_float_is_bf16_only_when_asked(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    model = tiny.save(tmp_path / "m.onnx", quantized=True)
    capable = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    found = {
        asked: providers.load(model, SessionSpec("openvino", asked)).report.precision
        for asked in ("fp32", "int8", "int8+bf16")
    }
    assert found == {"fp32": "int8", "int8": "int8", "int8+bf16": "int8+bf16" if capable else "int8"}


def _ir(folder: Path) -> dict[str, bytes]:
    """Return the two files of OpenVINO's IR of the tiny model."""
    openvino = pytest.importorskip("openvino")
    paths = [folder / "model.xml", folder / "model.bin"]
    openvino.serialize(openvino.Core().read_model(tiny.save(folder / "m.onnx", quantized=True)), *map(str, paths))
    return {path.name: path.read_bytes() for path in paths}


def _zip(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_openvino_reads_its_ir_from_a_zip_and_holds_its_weights(tmp_path: Path) -> None:
    session = providers.load(_zip(tmp_path / "m.zip", _ir(tmp_path)), SessionSpec("openvino", "int8"))
    gc.collect()
    assert session.report.precision == "int8"
    np.testing.assert_allclose(session.run(tiny.images(3)), tiny.expected(tiny.images(3)), atol=2.0)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("more", "holds model.xml and model.bin"),
        ("fewer", "holds model.xml and model.bin"),
        ("elsewhere", "holds model.xml and model.bin"),
        ("compressed", "stored"),
        ("no zip", "damaged"),
        ("flipped", "damaged"),
        ("no xml", "does not load"),
    ],
)
def test_another_zip_is_refused(case: str, reason: str, tmp_path: Path) -> None:
    members, path = _ir(tmp_path), tmp_path / "m.zip"
    compression = zipfile.ZIP_DEFLATED if case == "compressed" else zipfile.ZIP_STORED
    if case == "more":
        members["other"] = b""
    elif case == "fewer":
        del members["model.bin"]
    elif case == "elsewhere":
        members["../model.xml"] = members.pop("model.xml")
    elif case == "no xml":
        members["model.xml"] = b"nothing"
    _zip(path, members, compression)
    if case == "no zip":
        path.write_bytes(b"nothing")
    elif case == "flipped":
        path.write_bytes(path.read_bytes().replace(b"<net", b"<met", 1))
    with pytest.raises(ModelError, match=reason) as caught:
        providers.load(path, SessionSpec("openvino", "int8"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("provider", ENGINES)
@pytest.mark.parametrize(
    ("change", "reason"),
    [({"dtype": 1}, "takes float32|takes float"), ({"inputs": 2}, "2 inputs"), (None, "does not load")],
)
def test_a_model_that_is_no_image_classifier_is_refused(
    provider: str, change: dict[str, int] | None, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    if change is None:
        path.write_bytes(b"not a model")
    else:
        tiny.save(path, **change)
    with pytest.raises(ModelError, match=reason) as caught:
        providers.load(path, SessionSpec(provider))
    assert "\n" not in str(caught.value)


def test_session_options_reach_onnx_runtime(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = tiny.save(tmp_path / "m.onnx")
    providers.load(model, SessionSpec("cpu", options={"session.intra_op.allow_spinning": "0"}))
    # One whose effect shows: it contradicts the CPU provider.
    with pytest.raises(ModelError, match="does not load"):
        providers.load(model, SessionSpec("cpu", options={"session.disable_cpu_ep_fallback": "1"}))


def test_cuda_without_a_driver_is_unavailable_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgetl.device.providers.cuda.nvidia_driver", lambda: None)
    with pytest.raises(ProviderUnavailable, match=r"no NVIDIA driver.*--gpus all"):
        providers.load(tmp_path / "m.onnx", SessionSpec("cuda"))


def test_cuda_on_a_build_without_it_is_unavailable_and_never_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ort = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this build has CUDA")
    monkeypatch.setattr("edgetl.device.providers.cuda.nvidia_driver", lambda: "580.1")
    with pytest.raises(ProviderUnavailable, match=r"built without CUDAExecutionProvider.*Run: edgetl env create cuda"):
        providers.load(tiny.save(tmp_path / "m.onnx"), SessionSpec("cuda"))


def test_nodes_on_another_provider_than_asked_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU session with leftovers on the CPU looks like, on the CPU."""
    pytest.importorskip("onnxruntime")
    from edgetl.device.providers import _ort

    ep = _ort.Ep("CPUExecutionProvider", "Install it.", {})
    model = tiny.save(tmp_path / "m.onnx")
    monkeypatch.setattr(_ort, "_placement", lambda session: ({"CPUExecutionProvider": 3, "Other": 1}, frozenset()))
    assert _ort.load(model, SessionSpec(), 1, ep).report.placement == {"CPUExecutionProvider": 3, "Other": 1}
    alone = _ort.Ep("CPUExecutionProvider", "Install it.", {}, alone=True)
    monkeypatch.setattr(_ort, "_session_options", lambda ort, *_: ort.SessionOptions())
    with pytest.raises(ModelError, match="1 on Other"):
        _ort.load(model, SessionSpec(), 1, alone)
    monkeypatch.setattr(_ort, "_placement", lambda session: ({"Other": 4}, frozenset()))
    with pytest.raises(ProviderUnavailable, match=r"was asked for, but the session runs on Other\. Install it\."):
        _ort.load(model, SessionSpec(), 1, ep)


@pytest.mark.parametrize("starts", [False, True])
def test_a_provider_that_does_not_start_is_told_from_a_model_it_does_not_take(
    starts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime says the same of both: that nodes are left to the CPU."""
    ort = pytest.importorskip("onnxruntime")
    from edgetl.device.providers import _ort

    class Session:
        def __init__(self, path: str, options: Any, providers: list[Any], enable_fallback: int) -> None:
            if _has_entry(options, "session.disable_cpu_ep_fallback"):
                raise RuntimeError("This session contains graph nodes that are assigned to the default CPU EP")
            self.get_providers = lambda: (["GpuProvider"] if starts else []) + ["CPUExecutionProvider"]

    monkeypatch.setattr(ort, "get_available_providers", lambda: ["GpuProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(ort, "InferenceSession", Session)
    placement = {"GpuProvider": 3, "CPUExecutionProvider": 2} if starts else {"CPUExecutionProvider": 5}
    monkeypatch.setattr(_ort, "_placement", lambda session: (placement, frozenset()))
    ep = _ort.Ep("GpuProvider", "Install its libraries.", {}, alone=True)
    expected, reason = (ModelError, "2 on CPUExecutionProvider") if starts else (ProviderUnavailable, "Install its lib")
    with pytest.raises(expected, match=reason):
        _ort.load(tiny.save(tmp_path / "m.onnx"), SessionSpec(), 1, ep)


def _has_entry(options: Any, name: str) -> bool:
    try:
        return bool(options.get_session_config_entry(name))
    except RuntimeError:
        return False


def test_a_missing_engine_is_unavailable_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    for provider, remedy in {"openvino": r"edgetl\[openvino\]", "cpu": r"edgetl\[cpu\]"}.items():
        with pytest.raises(ProviderUnavailable, match=remedy):
            providers.load(tmp_path / "m.onnx", SessionSpec(provider))


def test_an_unknown_provider_offers_the_nearest() -> None:
    with pytest.raises(ProviderUnavailable, match="Did you mean 'openvino'"):
        providers.load(Path("m.onnx"), SessionSpec("opnvino"))
