"""ONNX Runtime's TensorRT execution provider, without any node elsewhere."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
from pathlib import Path

from edgetl.device.providers import _ort
from edgetl.device.providers.base import Session
from edgetl.device.providers.cuda import preload_libraries, require_driver
from edgetl.device.values import SessionSpec

EP = _ort.Ep(
    "TensorrtExecutionProvider",
    remedy="Run: edgetl env create tensorrt (on another machine, in an environment of its own: pip install "
    "'onnxruntime-gpu[cuda,cudnn]', and the TensorRT that it is linked with).",
    options={},
    alone=True,
    precisions=("fp16", "int8", "bf16"),
)

# What TensorRT must be allowed to use; it then chooses per layer.
PRECISION_OPTIONS = {
    "fp32": {},
    "fp16": {"trt_fp16_enable": "1"},
    "bf16": {"trt_bf16_enable": "1"},
    "int8": {"trt_int8_enable": "1", "trt_fp16_enable": "1"},
}


def load(model: Path, spec: SessionSpec, threads: int) -> Session:
    """Return a session on TensorRT; the engine is built here, which takes from seconds to minutes."""
    require_driver("tensorrt")
    preload_libraries()
    _preload_tensorrt()
    return _ort.load(model, spec, threads, dataclasses.replace(EP, options=PRECISION_OPTIONS.get(spec.precision, {})))


def _preload_tensorrt() -> None:
    """Load TensorRT from its own wheel, which no search path names either; without one it must be the system's."""
    with contextlib.suppress(ImportError, OSError):
        importlib.import_module("tensorrt_libs")
