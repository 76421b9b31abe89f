"""ONNX Runtime's TensorRT execution provider, without any node elsewhere."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edgetl.device.providers import _ort
from edgetl.device.providers.base import Session
from edgetl.device.providers.cuda import preload_libraries, require_driver
from edgetl.device.values import SessionSpec

EP = _ort.Ep(
    "TensorrtExecutionProvider",
    remedy="In an environment of its own: pip install 'edgetl[cuda]', and TensorRT 10 (pip install tensorrt).",
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
    return _ort.load(model, spec, threads, dataclasses.replace(EP, options=PRECISION_OPTIONS.get(spec.precision, {})))
