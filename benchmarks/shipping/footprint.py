"""What the runner takes on a device: the size of its sources, and its memory beside the engine's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from edgetl.bundling import program
from edgetl.device.bundle.opened import Bundle
from edgetl.device.bundle.verification import model_file

# The engine with the model, one run of it, and nothing else; then the same by the bundle's program.
_ENGINE = """
import re, sys
import numpy as np, onnxruntime as ort
session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
session.run(None, {session.get_inputs()[0].name: np.zeros((1, 224, 224, 3), np.uint8)})
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""
_RUNNER = """
import re, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    if end.code:
        raise
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
"""


def measure(bundles: Mapping[str, Path]) -> dict[str, float]:
    """Return megabytes: of the program in a bundle, and the peak memory of predicting one image by both."""
    path = bundles["u8s8-equalized"]
    with Bundle(path) as bundle, model_file(bundle) as model:
        engine = subprocess.run(
            [sys.executable, "-c", _ENGINE, str(model)], capture_output=True, text=True, check=True
        ).stdout
        image = model.parent / "image.jpg"
        bundle.save(bundle.manifest.golden.images[0], image)
        runner = subprocess.run(
            [sys.executable, "-c", _RUNNER, str(path), "predict", str(image)],
            capture_output=True,
            text=True,
            check=True,
        ).stderr
        sizes = {
            "bundle_mb": path.stat().st_size / 1e6,
            "model_mb": model.stat().st_size / 1e6,
            "golden_mb": sum(bundle.archive.members[name].size for name in bundle.manifest.golden.images) / 1e6,
        }
    own = sum(len(content) for content in program.members().values()) / 1e6
    memory = {"engine_peak_mb": int(engine) / 1e3, "runner_peak_mb": int(runner.split()[-1]) / 1e3}
    return {"program_mb": own, **sizes, **memory}


def table(found: dict[str, float]) -> str:
    """Return the figures in Markdown."""
    lines = ["| what | MB |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name.removesuffix('_mb')} | {value:.2f} |" for name, value in found.items())])


def misses(_found: dict[str, float]) -> list[str]:
    """Return nothing: no limit is set."""
    return []
