"""ONNX Runtime on an NVIDIA GPU, without any node on the CPU."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from edgetl.device import nvidia
from edgetl.device.machine import nvidia_driver
from edgetl.device.providers import _ort
from edgetl.device.providers.base import EngineSession, ModelError, ProviderUnavailable, Session, streams_of
from edgetl.device.values import SessionSpec

EP = _ort.Ep(
    "CUDAExecutionProvider",
    remedy="Run: edgetl env create cuda (on another machine, in an environment of its own: pip install "
    "'onnxruntime-gpu[cuda,cudnn]').",
    # TF32 rounds fp32 inputs to 10 bits of mantissa: not what a baseline called fp32 should do unasked.
    options={"use_tf32": "0"},
    alone=True,
    precisions=("fp16",),
    device="cuda",
    meaning=nvidia.of_message,
)

# Settings worth trying, by the names that reports give them. What is best differs by model, batch and GPU. Without an
# algorithm search of its own, ONNX Runtime searches exhaustively.
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "TF32": {"use_tf32": "1"},
    "NHWC": {"prefer_nhwc": "1"},
    "heuristic search": {"cudnn_conv_algo_search": "HEURISTIC"},
    "no search": {"cudnn_conv_algo_search": "DEFAULT"},
    # A graph replays into the buffers that it was captured with.
    "CUDA graph": {"enable_cuda_graph": "1", "binding": "copies"},
    "NHWC, CUDA graph": {"prefer_nhwc": "1", "enable_cuda_graph": "1", "binding": "copies"},
    "TF32, NHWC, CUDA graph": {"use_tf32": "1", "prefer_nhwc": "1", "enable_cuda_graph": "1", "binding": "copies"},
    "bound copies": {"binding": "copies"},
    "on the device": {"binding": "device"},
}


def load(model: Path, spec: SessionSpec, threads: int) -> Session:
    """Return a session on the GPU; raises ProviderUnavailable without a driver, a CUDA build or its libraries."""
    require_driver("cuda")
    require_libraries(EP)
    return of_one_graph(_ort.load(model, spec, threads, EP), spec, "enable_cuda_graph")


def require_driver(provider: str) -> None:
    """Raise ProviderUnavailable when this machine has no NVIDIA driver."""
    if nvidia_driver() is None:
        raise ProviderUnavailable(
            f"Provider '{provider}' needs an NVIDIA GPU, and this machine has no NVIDIA driver loaded. "
            "Install the driver, or start the container with the GPU (docker run --gpus all)."
        )


def require_libraries(ep: _ort.Ep) -> None:
    """Load what ``ep`` is linked with, from the wheels that no search path names too; raise ProviderUnavailable."""
    missing = nvidia.setback(ep.name)
    if missing is not None:
        raise ProviderUnavailable(f"{ep.name} cannot be loaded. {missing}")


def of_one_graph(session: EngineSession, spec: SessionSpec, option: str) -> EngineSession:
    """Return ``session``; where ``option`` has it capture a graph, one that always runs in the buffers of that.

    Run with others, a graph would write where nobody looks. Raises ModelError for several streams of one.
    """
    if spec.options.get(option, "0") == "0":
        return session
    if streams_of(spec) > 1:
        raise ModelError("A session with a CUDA graph runs one batch at a time: ask for one stream, or for no graph.")
    return dataclasses.replace(session, another=lambda: session.infer)
