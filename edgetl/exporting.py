"""From the trained torch classifier to ONNX: the fp32 baseline, written only when it computes what torch computes."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgetl import __version__, runs
from edgetl.artifacts import ExportResult, FinetuneResult
from edgetl.dataset import Dataset, calibration_images
from edgetl.device.values import Preprocess
from edgetl.errors import DataError, ExportError
from edgetl.files import replacing, sha256_file
from edgetl.graph.from_torch import OPSET, export_module, without_batch_norm
from edgetl.measure.logits import ROUNDING_TOLERANCE, difference, runner_logits
from edgetl.pixels import iter_pixels, normalized
from edgetl.progress import Progress

if TYPE_CHECKING:
    from torch import nn

FILE = "model.onnx"

_CHECK_IMAGES = 9

Pixels = NDArray[np.uint8]
Logits = NDArray[np.float32]


@dataclass(frozen=True)
class ExportSettings:
    """Which run to export; ``calibrated`` divides the logits by the temperature in the run's evaluation."""

    run: Path
    calibrated: bool = False


def export(settings: ExportSettings, progress: Progress) -> ExportResult:
    """Return the fp32 model written into the run, after its logits were compared with torch's.

    The model takes ``image``, uint8 (batch, height, width, 3), and gives ``logits``, float32 (batch, classes). Raises
    ExportError when the logits differ by more than the tolerance, and UsageError where a temperature is asked for and
    none belongs to the classifier; the run then keeps what it had.
    """
    from edgetl import classifier as classifiers
    from edgetl import temperature
    from edgetl.graph import metadata
    from edgetl.graph.image_input import LAYOUT

    start = time.monotonic()
    folder = settings.run
    trained = runs.finetuned(folder)
    divisor = temperature.of_run(folder, trained) if settings.calibrated else 1.0
    classifier, module = classifiers.load(folder / trained.classifier)
    progress.step("export", 0, 2)
    scaled = temperature.divided(module, divisor) if settings.calibrated else module
    model = export_module(scaled, classifier.preprocess)
    facts = metadata.ModelFacts(
        arch=classifier.arch,
        classes=classifier.classes,
        preprocess=classifier.preprocess,
        layout=LAYOUT,
        parent_sha256=trained.sha256,
        data_sha256=trained.data_sha256,
        temperature=divisor,
    )
    metadata.write(model, facts)
    progress.step("export", 1, 2)
    pixels = _check_pixels(folder, classifier.preprocess, trained.seed, progress)
    with replacing(folder / FILE) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        gap, allowed = compare(temporary, module, classifier.preprocess, pixels, divisor)
    progress.step("export", 2, 2)
    path = folder / FILE
    result = ExportResult(
        run=str(folder),
        inputs=inputs(trained, divisor),
        seconds=time.monotonic() - start,
        model=FILE,
        sha256=sha256_file(path),
        size_bytes=path.stat().st_size,
        opset=OPSET,
        max_abs_diff=gap,
        tolerance=allowed,
        temperature=divisor,
        parent_sha256=trained.sha256,
    )
    result.save(folder)
    return result


def inputs(trained: FinetuneResult, temperature: float = 1.0) -> str:
    """Return the hash of all that decides the model, and of the images that the next stages take from the run."""
    return runs.digest(__version__, trained.inputs, trained.sha256, trained.data_sha256, OPSET, temperature)


def compare(
    model: Path, module: nn.Module, preprocess: Preprocess, pixels: Pixels, temperature: float = 1.0
) -> tuple[float, float]:
    """Return the largest difference between the model's logits and torch's, and the tolerance; both in logits.

    Torch's are those of ``module`` divided by ``temperature``: what the division into weights did is checked too.
    ``pixels`` are uint8 NHWC. They go through the runner on the CPU in batches of several sizes. Where the difference
    exceeds the tolerance, images for which torch itself is too imprecise do not count. Raises ExportError when the
    difference still exceeds the tolerance or a logit is not finite.
    """
    expected = torch_logits(module, preprocess, pixels) / np.float32(temperature)
    actual = runner_logits(model, pixels)
    gap, allowed = difference(actual, expected)
    if not gap <= allowed and np.isfinite(actual).all():
        precise = _precise(module, preprocess, pixels, expected * np.float32(temperature))
        if precise.any():
            gap, allowed = difference(actual[precise], expected[precise])
    if not gap <= allowed:
        raise ExportError(
            f"The exported model's logits differ from torch's by {gap:.2g} (allowed are {allowed:.2g}), so it "
            "was not written. Try another version of torch or onnxscript, and please report this."
        )
    return gap, allowed


def torch_logits(
    module: nn.Module, preprocess: Preprocess, pixels: Pixels, dtype: type[np.floating[Any]] = np.float32
) -> Logits:
    """Return torch's logits (n, classes) for uint8 ``pixels`` (n, h, w, 3), computed in the module's ``dtype``."""
    import torch

    parts = []
    with torch.inference_mode():
        for batch in np.array_split(pixels, max(1, len(pixels) // 8)):
            parts.append(module(torch.from_numpy(normalized(batch, preprocess, dtype))).numpy())
    return np.concatenate(parts)


def _precise(module: nn.Module, preprocess: Preprocess, pixels: Pixels, logits: Logits) -> NDArray[np.bool_]:
    """Return for which images torch's own ``logits`` are within the tolerance for rounding of those in float64.

    So must be those of the network with its BatchNorms folded, which rounds elsewhere. Random weights can blow rounding
    up from layer to layer, most on what no photo looks like: an EfficientNet-B0 with statistics of six pictures was 4 %
    off by itself on noise, and right to 7 digits on the pictures; a RegNetY was right on white, and its file 0.5 % off.
    """
    exact = torch_logits(copy.deepcopy(module).double(), preprocess, pixels, np.float64)
    folded = torch_logits(without_batch_norm(module), preprocess, pixels)
    off = np.maximum(np.abs(logits - exact), np.abs(folded - exact)).max(1)
    precise: NDArray[np.bool_] = off <= ROUNDING_TOLERANCE * np.abs(exact).max(1)
    return precise


def _check_pixels(folder: Path, preprocess: Preprocess, seed: int, progress: Progress) -> Pixels:
    """Return noise, black and white, and real training images; only the former when the images are gone."""
    side = preprocess.crop
    noise = np.random.default_rng(seed).integers(0, 256, (_CHECK_IMAGES, side, side, 3), dtype=np.uint8)
    flat = np.stack([np.full((side, side, 3), value, np.uint8) for value in (0, 255)])
    dataset = Dataset.load(folder)
    paths = dataset.paths(calibration_images(dataset, _CHECK_IMAGES, seed))
    try:
        real = [pixels for _, pixels in iter_pixels(paths, preprocess)]
    except DataError as error:
        progress.remark(f"The exported model is compared with torch on random images only: {error}")
        real = []
    return np.concatenate([noise, flat, *real])
