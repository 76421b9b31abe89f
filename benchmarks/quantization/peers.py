"""What edgetl is compared with: other quantizers on the same model and images, and the float engines."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quantization.contestant import Contestant
from benchmarks.quantization.makers import MAKERS
from edgetl.dataset import Dataset
from edgetl.files import replacing, sha256_file, write_text
from edgetl.graph import metadata
from edgetl.quantization.calibration.images import Calibration

FP32 = "ORT fp32"
NNCF = "NNCF on OpenVINO"
IMAGES = 128

# Left alone, OpenVINO computes in bf16 what NNCF leaves in float, on a CPU that can: both count as NNCF's default.
_QUANTIZED = (
    ("quantize_static", "quantize_static.onnx", "cpu", "int8"),
    ("quantize_static for x86", "quantize_static-x86.onnx", "cpu", "int8"),
    ("NNCF on ONNX", "nncf.onnx", "cpu", "int8"),
    (NNCF, "nncf.zip", "openvino", "int8"),
    (f"{NNCF}, rest bf16", "nncf.zip", "openvino", "int8+bf16"),
)


@dataclass(frozen=True)
class Making:
    """How a quantizer's process went: its seconds in all, of its import and of its work, or why it failed."""

    process_s: float
    import_s: float = 0.0
    work_s: float = 0.0
    failure: str = ""


def peers(run: Path, folder: Path, *, again: bool = False) -> tuple[list[Contestant], dict[str, Making]]:
    """Return the peers on a run's model, ONNX Runtime's fp32 first, and how each quantizer's file was made.

    The files are made once in ``folder``, unless they are wanted ``again``. A peer without a file is not among them.
    """
    model = run / "model.onnx"
    if again and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    images = _calibration(run, folder / "calibration.npy")
    made = {name: _made(name, model, images, folder / name) for name in MAKERS}
    float_ones = [
        Contestant(FP32, model, "cpu", "fp32"),
        Contestant("OpenVINO f32", model, "openvino", "fp32"),
        Contestant("OpenVINO bf16", model, "openvino", "bf16"),
    ]
    quantized = [
        Contestant(name, folder / file, provider, precision)
        for name, file, provider, precision in _QUANTIZED
        if not made[file].failure
    ]
    return [*float_ones, *quantized], made


def _calibration(run: Path, path: Path) -> Path:
    """Write the images that edgetl calibrates this run's model on, as pixels; return the path."""
    preprocess = metadata.read(run / "model.onnx").preprocess
    batches = Calibration(Dataset.load(run), preprocess, IMAGES, seed=0).batches(IMAGES)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.concatenate(list(batches)))
    return path


def _made(kind: str, model: Path, images: Path, out: Path) -> Making:
    """Return how the file ``out`` is made, now or when it was."""
    note = out.with_name(f"{out.name}.json")
    origin = [sha256_file(model), sha256_file(images)]
    if note.is_file() and (told := json.loads(note.read_text()))["made_from"] == origin:
        return Making(**told["making"])
    out.unlink(missing_ok=True)
    making = _make(kind, model, images, out)
    write_text(note, json.dumps({"made_from": origin, "making": making.__dict__}))
    return making


def _make(kind: str, model: Path, images: Path, out: Path) -> Making:
    command = (sys.executable, "-m", "benchmarks.quantization.makers", kind, *map(str, (model, images, out)))
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        return Making(seconds, failure=(done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1])
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return Making(seconds, **told)
