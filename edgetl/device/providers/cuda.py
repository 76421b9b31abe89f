"""ONNX Runtime on an NVIDIA GPU, without any node on the CPU."""

from __future__ import annotations

from pathlib import Path

from edgetl.device.machine import nvidia_driver
from edgetl.device.providers import _ort
from edgetl.device.providers.base import ProviderUnavailable, Session
from edgetl.device.values import SessionSpec

EP = _ort.Ep(
    "CUDAExecutionProvider",
    remedy="Run: edgetl env create cuda (on another machine, in an environment of its own: pip install "
    "'onnxruntime-gpu[cuda,cudnn]').",
    # TF32 rounds fp32 inputs to 10 bits of mantissa: not what a baseline called fp32 should do unasked.
    options={"use_tf32": "0"},
    alone=True,
)


def load(model: Path, spec: SessionSpec, threads: int) -> Session:
    """Return a session on the GPU; raises ProviderUnavailable without a driver or a CUDA build of ONNX Runtime."""
    require_driver("cuda")
    preload_libraries()
    return _ort.load(model, spec, threads, EP)


def require_driver(provider: str) -> None:
    """Raise ProviderUnavailable when this machine has no NVIDIA driver."""
    if nvidia_driver() is None:
        raise ProviderUnavailable(
            f"Provider '{provider}' needs an NVIDIA GPU, and this machine has no NVIDIA driver loaded. "
            "Install the driver, or start the container with the GPU (docker run --gpus all)."
        )


def preload_libraries() -> None:
    """Load CUDA and cuDNN from the wheels that `onnxruntime-gpu[cuda,cudnn]` brings, which no search path names."""
    ort = _ort.import_onnxruntime(EP.remedy)
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
