"""ONNX Runtime's own CPU kernels."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edgetl.device import machine
from edgetl.device.providers import _ort
from edgetl.device.providers.base import Session
from edgetl.device.values import SessionSpec

EP = _ort.Ep("CPUExecutionProvider", remedy="Install it: pip install 'edgetl[cpu]'.", options={})


def load(model: Path, spec: SessionSpec, threads: int) -> Session:
    """Return a session on the CPU."""
    # Only Arm's kernels compute in half precision; elsewhere such a graph is computed in fp32, between casts.
    halves = ("fp16",) if "asimdhp" in machine.cpu_features() else ()
    return _ort.load(model, spec, threads, dataclasses.replace(EP, precisions=halves))
