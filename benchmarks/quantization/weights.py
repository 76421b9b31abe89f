"""What weights without overflow cost: `python -m benchmarks.quantization.weights [--model NAME ...] [--folder F]`.

The recipe for x86-64 without VNNI with 7-bit weights (what ONNX Runtime's quantizer makes of a reduced range), with
edgetl's ranges, and with 8 bits, whose products overflow there and are summed exactly here. Judged are the logits of
each file, all products summed exactly, against fp32 on the images of the verdict.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
from numpy.typing import NDArray

from benchmarks.machine import describe
from benchmarks.quantization import models
from benchmarks.quantization.images import images_of
from benchmarks.quantization.models import CASES, Case
from edgetl import recipes
from edgetl.dataset import Dataset
from edgetl.device.bundle.signal import sqnr_db
from edgetl.files import cache_dir
from edgetl.graph import metadata
from edgetl.measure.accuracy import paired, predictions
from edgetl.measure.logits import hellinger
from edgetl.quantization.calibration.images import Calibration
from edgetl.quantization.engines import static
from edgetl.quantization.search.sensitivity import logits
from edgetl.recipes import Recipe

RECIPE = "u8s8-reduced-range"
HEAD = (
    "| model (images) | weights | signal to noise, dB | Hellinger distance | agreement | lost | won |\n"
    "|---|---|---|---|---|---|---|"
)


def main() -> int:
    """Print a row for each network and way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model", action="append", choices=[case.name for case in CASES], help="one model (repeatable)"
    )
    folder = cache_dir() / "benchmarks" / "quantization"
    parser.add_argument(
        "--folder", type=Path, default=folder, help="where `python -m benchmarks.quantization` keeps all"
    )
    arguments = parser.parse_args()
    print(f"{describe()}\n\n{HEAD}", flush=True)
    for case in CASES:
        if case.name in (arguments.model or [case.name]) and (models.HERE or not case.photos):
            _print_rows(case, arguments.folder.resolve())
    return 0


def _print_rows(case: Case, folder: Path) -> None:
    run = models.run_of(case, folder)
    path, recipe = run / "model.onnx", recipes.load(RECIPE)
    model = onnx.load(path)
    calibration = Calibration(Dataset.load(run), metadata.read(path).preprocess, recipe.samples, 0)
    with images_of(case, run, folder) as images:
        expected = logits(model, images.pixels)
        for name, quantized in _ways(model, recipe, calibration):
            actual = logits(quantized, images.pixels)
            found = paired(images.labels, predictions(expected), predictions(actual))
            cells = (
                f"{case.name} ({len(images.labels)})",
                name,
                f"{sqnr_db(actual, expected):.1f}",
                f"{hellinger(actual, expected):.5f}",
                f"{found.agreement:.1%}",
                str(found.lost),
                str(found.won),
            )
            print(f"| {' | '.join(cells)} |", flush=True)


def _ways(model: onnx.ModelProto, recipe: Recipe, images: Calibration) -> Iterator[tuple[str, onnx.ModelProto]]:
    def batches() -> Iterator[NDArray[np.uint8]]:
        return images.batches(recipe.samples)

    for name, reduced, ranges in (("7 bits", True, {}), ("edgetl's", True, None), ("8 bits", False, None)):
        plain = mock.patch.object(static, "weight_ranges", return_value=ranges)
        with contextlib.nullcontext() if ranges is None else plain:
            yield name, static.quantize(model, recipe.model_copy(update={"reduce_range": reduced}), batches)


if __name__ == "__main__":
    sys.exit(main())
