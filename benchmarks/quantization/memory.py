"""Peak memory of a calibration by the number of images: it may not grow with them.

`python -m benchmarks.quantization.memory --model FILE --photos FOLDER --count N --recipe NAME` is one calibration.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.transfer import whole
from benchmarks.transfer.generated import generate
from edgetl.device.values import Preprocess

RECIPES = ("u8s8-minmax", "u8s8-mean-minmax", "u8s8-percentile", "u8s8-entropy", "u8s8-equalized")
"""One of each method; the last takes three of them at once and chooses."""
COUNTS = (64, 4096)
LIMIT_MIB = 256.0
"""How much more 4,096 images may take than 64. All of their pixels would be 588, and the same calibration of 64 differs
by 140 from one process to the next, as the engine's threads happen to allocate."""


def measure(folder: Path) -> dict[str, Any]:
    """Return each recipe's peaks by the number of images, above what the process had before."""
    # It brings torch, which a calibration does without.
    from benchmarks.quantization import models

    model = models.run_of(models.CASES[0], folder) / "model.onnx"
    photos = folder / f"photos-{max(COUNTS)}"
    if not photos.is_dir():
        with tempfile.TemporaryDirectory(prefix=".photos-", dir=folder) as unfinished:
            generate(Path(unfinished) / "set", max(COUNTS)).rename(photos)
    found: dict[str, Any] = {}
    for recipe in RECIPES:
        found[recipe] = {}
        for count in COUNTS:
            named = ("--model", str(model), "--photos", str(photos), "--count", str(count), "--recipe", recipe)
            found[recipe][str(count)] = whole.run(sys.executable, "-m", "benchmarks.quantization.memory", *named).value
    return found


def misses(found: dict[str, Any]) -> list[str]:
    """Return the recipes whose calibration grows with the images, as sentences."""
    sentences = []
    for recipe, peaks in found.items():
        few, many = (peaks[str(count)]["above_bytes"] for count in (min(COUNTS), max(COUNTS)))
        if many - few > LIMIT_MIB * 2**20:
            sentences.append(f"memory: {recipe} takes {(many - few) / 2**20:.0f} MiB more for {max(COUNTS)} images")
    return sentences


def calibration(model: Path, photos: Path, count: int, recipe: str) -> dict[str, Any]:
    """Return the memory and the seconds of one calibration in this process."""
    import onnx

    from edgetl import recipes
    from edgetl.graph import metadata
    from edgetl.quantization.calibration.observe import calibrate

    paths = sorted(photos.glob("*/*.jpg"))
    paths = paths[:: max(1, len(paths) // count)][:count]
    preprocess, loaded = metadata.read(model).preprocess, onnx.load(model)
    before, start = _resident("VmRSS"), time.perf_counter()
    calibrate(loaded, _batches(paths, preprocess), recipes.load(recipe).model_copy(update={"samples": count}))
    seconds = time.perf_counter() - start
    return {
        "images": len(paths),
        "above_bytes": _resident("VmHWM") - before,
        "before_bytes": before,
        "seconds": seconds,
    }


def _batches(paths: list[Path], preprocess: Preprocess) -> Iterator[NDArray[np.uint8]]:
    from edgetl.pixels import iter_pixels
    from edgetl.quantization.calibration.images import BATCH

    return (pixels for _, pixels in iter_pixels(paths, preprocess, batch=BATCH))


def _resident(field: str) -> int:
    """Return a figure of this process's memory in bytes, as Linux counts it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def main() -> None:
    """Print one calibration's figures as a JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--recipe", required=True)
    print(json.dumps(calibration(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
