"""ONNX Runtime's own CPU kernels."""

from __future__ import annotations

from pathlib import Path

from edgetl.device.providers import _ort
from edgetl.device.providers.base import Session
from edgetl.device.values import SessionSpec

EP = _ort.Ep("CPUExecutionProvider", remedy="Install it: pip install 'edgetl[cpu]'.", options={})


def load(model: Path, spec: SessionSpec, threads: int) -> Session:
    """Return a session on the CPU."""
    return _ort.load(model, spec, threads, EP)
