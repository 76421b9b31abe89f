"""What keeps a GPU from being used: each cause has a sentence and a remedy of its own.

The messages are those of ONNX Runtime 1.31 on a machine without a driver, and of public reports of the others.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgetl.device import nvidia, providers
from edgetl.device.elf import needed
from edgetl.device.nvidia import of_library, of_message
from edgetl.device.providers import ProviderUnavailable, _ort, cuda, tensorrt
from edgetl.device.values import SessionSpec

# What stands before CUDA's own words, longer than any sentence that is shown.
CALL = (
    "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:122 std::conditional_t<THRW, void, onnxruntime::"
    "common::Status> onnxruntime::CudaCall(ERRTYPE, const char*, const char*, SUCCTYPE, const char*, const char*, "
    "int) [with ERRTYPE = cudaError; bool THRW = true; SUCCTYPE = cudaError; std::conditional_t<THRW, void, "
    "common::Status> = void] "
)


@pytest.mark.parametrize(
    ("missing", "others", "what", "remedy"),
    [
        ("libcuda.so.1", (), "The NVIDIA driver is not loaded here: libcuda.so.1", "--gpus all"),
        ("libcublasLt.so.13", (), "A library of CUDA 13 is missing: libcublasLt.so.13", "edgetl env create cuda"),
        (
            "libcublasLt.so.13",
            ("libcublasLt.so.12",),
            "built for CUDA 13, and here is another: libcublasLt.so.12, not libcublasLt.so.13.",
            "onnxruntime-gpu[cuda,cudnn]",
        ),
        # Its number is not CUDA's.
        ("libcurand.so.10", (), "A library of CUDA is missing: libcurand.so.10", "edgetl env create cuda"),
        ("libcudnn.so.9", ("libcudnn.so.8",), "cuDNN 9 is missing: libcudnn.so.9", "edgetl env create cuda"),
        ("libnvinfer.so.10", (), "TensorRT 10 is missing: libnvinfer.so.10", "edgetl env create tensorrt"),
    ],
)
def test_each_missing_library_is_told_by_what_it_belongs_to(
    missing: str, others: tuple[str, ...], what: str, remedy: str
) -> None:
    setback = of_library(missing, others)
    assert what in setback.what
    assert remedy in setback.remedy


@pytest.mark.parametrize(
    ("message", "what", "remedy"),
    [
        (
            f"{CALL}CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ; "
            "hostname=x ; file=/onnxruntime_src/cuda_execution_provider.cc ; line=336 ; expr=cudaSetDevice(0); ",
            "driver is older than the CUDA",
            "Update the driver",
        ),
        (f"{CALL}CUDA failure 100: no CUDA-capable device is detected ; GPU=-1", "no GPU", "CUDA_VISIBLE_DEVICES"),
        (
            f"{CALL}CUDA failure 209: no kernel image is available for execution on the device ; GPU=0",
            "no code for a GPU of this kind",
            "the newest for a new GPU",
        ),
        (f"{CALL}CUDA failure 2: out of memory ; GPU=0", "memory does not suffice", "nvidia-smi"),
        (
            "bfc_arena.cc:368 void* onnxruntime::BFCArena::AllocateRawInternal() Failed to allocate memory for "
            "requested buffer of size 15728896",
            "memory does not suffice",
            "smaller batches",
        ),
        (
            "cuDNN is not available. Install cuDNN, update the system library",
            "cuDNN cannot be loaded",
            "env create cuda",
        ),
        ("CUDNN failure 1003: CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH ; GPU=0", "two versions of cuDNN", "Keep one"),
        (
            "RegisterTensorRTPluginsAsCustomOps() Please install TensorRT libraries as mentioned in the GPU page",
            "TensorRT's libraries cannot be loaded",
            "edgetl env create tensorrt",
        ),
    ],
)
def test_each_message_of_the_engine_that_tells_of_the_machine_is_understood(
    message: str, what: str, remedy: str
) -> None:
    setback = of_message(message)
    assert setback is not None
    assert what in setback.what
    assert remedy in setback.remedy
    assert CALL not in str(setback)


@pytest.mark.parametrize(
    "message",
    [
        "CUDA failure 201: invalid device context",
        f"{CALL}CUDA failure 350: something else",
        "[ONNXRuntimeError] : 10 : INVALID_GRAPH : This is an invalid model.",
    ],
)
def test_other_messages_are_left_as_they_are(message: str) -> None:
    assert of_message(message) is None


def test_what_a_library_asks_for_is_read_from_its_file(tmp_path: Path) -> None:
    listed = shutil.which("ldd")
    if listed is None or not sys.platform.startswith("linux"):
        pytest.skip("ldd is not here to compare with")
    program = Path(sys.executable).resolve()
    seen = subprocess.run([listed, str(program)], capture_output=True, text=True, check=True).stdout
    names = needed(program)
    assert any(name.startswith("libc.") for name in names)
    assert all(name in seen for name in names)
    (tmp_path / "no.so").write_bytes(b"nothing")
    assert needed(tmp_path / "no.so") == ()


def test_libraries_in_wheels_are_found_where_no_search_path_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "nvidia" / "cu13" / "lib" / "libcublasLt.so.12"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert nvidia._in_wheels("libcublasLt.so.12") == [library]
    assert nvidia._others("libcublasLt.so.13") == ("libcublasLt.so.12",)


def standing_in(monkeypatch: pytest.MonkeyPatch, folder: Path, asks: tuple[str, ...], here: tuple[str, ...]) -> None:
    """Let there be a GPU build of ONNX Runtime that asks for some libraries, of which some are here."""
    for name in nvidia.LIBRARIES.values():
        (folder / name).write_bytes(b"")
    monkeypatch.setattr(nvidia, "_capi", lambda: folder)
    monkeypatch.setattr(nvidia, "needed", lambda path: asks)
    monkeypatch.setattr(nvidia, "_loaded", lambda name: name in here)
    monkeypatch.setattr(nvidia, "_others", lambda name: ())
    monkeypatch.setattr(cuda, "nvidia_driver", lambda: "580.1")


@pytest.mark.parametrize(
    ("here", "what"),
    [
        ((), "CUDAExecutionProvider cannot be loaded. A library of CUDA 13 is missing: libcudart.so.13"),
        (("libcudart.so.13",), "The NVIDIA driver is not loaded here: libcuda.so.1"),
        # No file names it: ONNX Runtime opens it late.
        (("libcudart.so.13", "libcuda.so.1"), "cuDNN 9 is missing: libcudnn.so.9"),
    ],
)
def test_a_session_that_lacks_a_library_says_which(
    here: tuple[str, ...], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing_in(monkeypatch, tmp_path, ("libcudart.so.13", "libcuda.so.1"), here)
    with pytest.raises(ProviderUnavailable) as caught:
        providers.load(tmp_path / "m.onnx", SessionSpec("cuda"))
    assert what in str(caught.value)


def test_a_build_for_an_older_cudnn_is_not_asked_for_a_newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    standing_in(monkeypatch, tmp_path, ("libcudnn.so.8",), ("libcudnn.so.8",))
    assert nvidia.setback("CUDAExecutionProvider") is None


@pytest.mark.engine
@pytest.mark.parametrize("ep", [cuda.EP, tensorrt.EP])
def test_an_error_of_the_machine_is_told_in_its_own_sentence(
    ep: _ort.Ep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the session's start and at its first run, on an ONNX Runtime that says what one with too old a driver says."""
    ort = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from tests.device import tiny

    def refusing(*_: object, **__: object) -> None:
        raise RuntimeError(f"{CALL}CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version")

    monkeypatch.setattr(ort, "get_available_providers", lambda: [ep.name])
    monkeypatch.setattr(ort, "InferenceSession", refusing)
    with pytest.raises(ProviderUnavailable, match=rf"{ep.name} does not start here\. The NVIDIA driver is older"):
        _ort.load(tiny.save(tmp_path / "m.onnx"), SessionSpec(), 1, ep)
    with pytest.raises(ProviderUnavailable, match=rf"{ep.name} does not run here\. The NVIDIA driver is older"):
        _ort._explained(refusing, ep)(tiny.images(1))  # type: ignore[arg-type]
