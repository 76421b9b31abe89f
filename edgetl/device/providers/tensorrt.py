"""ONNX Runtime's TensorRT execution provider, without any node elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from edgetl.device import nvidia
from edgetl.device.providers import _ort
from edgetl.device.providers.base import Session
from edgetl.device.providers.cuda import of_one_graph, require_driver, require_libraries
from edgetl.device.values import SessionSpec

EP = _ort.Ep(
    "TensorrtExecutionProvider",
    remedy="Run: edgetl env create tensorrt (on another machine, in an environment of its own: pip install "
    "'onnxruntime-gpu[cuda,cudnn]', and the TensorRT that it is linked with).",
    options={},
    alone=True,
    precisions=("fp16", "int8", "bf16"),
    device="cuda",
    meaning=nvidia.of_message,
)

# Settings worth trying, by the names that reports give them.
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "CUDA graph": {"trt_cuda_graph_enable": "1", "binding": "copies"},
    "bound copies": {"binding": "copies"},
    "on the device": {"binding": "device"},
}

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
    require_libraries(EP)
    ep = dataclasses.replace(EP, options=PRECISION_OPTIONS.get(spec.precision, {}))
    return of_one_graph(_ort.load(model, spec, threads, ep), spec, "trt_cuda_graph_enable")
