"""ONNX Runtime's OpenVINO execution provider; nodes that it leaves to the CPU provider show in the placement."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edgetl.device.providers import _ort
from edgetl.device.providers.base import Session, streams_of
from edgetl.device.values import SessionSpec

EP = _ort.Ep(
    "OpenVINOExecutionProvider",
    remedy="Run: edgetl env create openvino-ep (on another machine, in an environment of its own: pip install "
    "onnxruntime-openvino). Or take provider 'openvino', which needs no such environment.",
    options={},
)


def load(model: Path, spec: SessionSpec, threads: int) -> Session:
    """Return a session on OpenVINO's CPU device through ONNX Runtime."""
    options = {
        "device_type": "CPU",
        # Keeps it from computing in bf16 unasked. It does not tell what it computes in: provider 'openvino' does.
        "precision": "FP32",
        "num_of_threads": str(threads),
        "num_streams": str(streams_of(spec)),
    }
    return _ort.load(model, spec, threads, dataclasses.replace(EP, options=options))
