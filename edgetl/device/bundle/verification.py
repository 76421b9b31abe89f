"""Does a bundle's model do on this machine what it did where it was made? The same questions on host and device.

Accuracy is a matter of the golden images: their logits against those of the fp32 model. An engine or a CPU that rounds
differently moves logits a little; one that saturates moves them far (u8s8 on AVX2 without VNNI: from 20 dB to 8).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgetl.device.bundle.cost import Latency, excesses, latency_of, timed
from edgetl.device.bundle.manifest import Manifest
from edgetl.device.bundle.opened import Bundle
from edgetl.device.bundle.runner import Logits, Runner
from edgetl.device.bundle.signal import MOST_DB, off, sqnr_db
from edgetl.device.preprocess import load_image
from edgetl.device.values import LoadReport

# An emulated processor takes half a second and more for an image.
_AT_ONCE = 4


def _nobody(_done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Verified:
    """What was found. ``reasons`` say why it is not ``ok``.

    ``accuracy`` is top-1 on the golden images (None where they have no labels), ``agreement`` the share of them with
    the fp32 model's top-1; ``sqnr_db`` the power of the fp32 model's logits over that of the difference from them.
    """

    ok: bool
    reasons: tuple[str, ...]
    version: str
    images: int
    accuracy: float | None
    agreement: float
    sqnr_db: float
    latency: Latency | None
    report: LoadReport


def verify(
    bundle: Bundle, runner: Runner, *, seconds: float | None, heard: Callable[[int, int], None] = _nobody
) -> Verified:
    """Return what the bundle's model does on ``runner``; without ``seconds`` nothing is timed.

    ``heard`` is told how many golden images are answered, and of how many. Raises what the runner raises where the
    model does not load, and ImageError for a golden image that does not decode.
    """
    manifest = bundle.manifest
    golden = manifest.golden
    encoded = [bundle.archive.read(name) for name in golden.images]
    pixels = np.stack([load_image(image, manifest.preprocess) for image in encoded])
    report = load(bundle, runner)
    found = _logits(runner, pixels, heard)
    reference, expected = bundle.logits(golden.reference), bundle.logits(golden.expected)
    reasons = [*_shape(found, expected)]
    if reasons:
        return Verified(False, tuple(reasons), bundle.version, len(pixels), None, 0.0, -MOST_DB, None, report)
    if report.precision != manifest.spec.precision:
        reasons.append(f"{report.engine} computes in {report.precision} here, not in {manifest.spec.precision}")
    reasons += _answers(found, expected, reference, manifest)
    latency = None
    if seconds is not None:
        timings = timed(runner, pixels[:1], encoded, manifest.preprocess, seconds)
        latency = latency_of(timings, runner.peak_rss_bytes())
        reasons += excesses(timings, latency, manifest.limits)
    accuracy = None if golden.labels is None else float(np.mean(_top(found) == np.array(golden.labels)))
    agreement = float(np.mean(_top(found) == _top(reference)))
    return Verified(
        not reasons,
        tuple(reasons),
        bundle.version,
        len(pixels),
        accuracy,
        agreement,
        sqnr_db(found, reference),
        latency,
        report,
    )


def load(bundle: Bundle, runner: Runner) -> LoadReport:
    """Make a session of the bundle's model as it is to be run; raises what the runner raises."""
    spec = bundle.manifest.spec
    with model_file(bundle) as path:
        # More threads than cores would only wait for one another.
        return runner.load(path, replace(spec, threads=min(spec.threads, runner.cores)))


@contextmanager
def model_file(bundle: Bundle) -> Iterator[Path]:
    """Yield the bundle's model as a file of its own, which is then removed."""
    name = bundle.manifest.model
    with tempfile.TemporaryDirectory(prefix="edgetl-") as folder:
        path = Path(folder) / Path(name).name
        bundle.save(name, path)
        yield path


def _logits(runner: Runner, pixels: NDArray[np.uint8], heard: Callable[[int, int], None]) -> Logits:
    parts = []
    for first in range(0, len(pixels), _AT_ONCE):
        heard(first, len(pixels))
        parts.append(runner.logits(pixels[first : first + _AT_ONCE]))
    heard(len(pixels), len(pixels))
    return np.concatenate(parts)


def _top(logits: Logits) -> NDArray[np.int64]:
    return np.asarray(logits.argmax(axis=1), np.int64)


def _shape(found: Logits, expected: Logits) -> Iterator[str]:
    if found.shape != expected.shape:
        yield f"the model answers {found.shape[-1]} classes instead of {expected.shape[1]}"
    elif not np.isfinite(found).all():
        yield "the model's answers are no numbers (NaN or infinite)"


def _answers(found: Logits, expected: Logits, reference: Logits, manifest: Manifest) -> Iterator[str]:
    """Yield what is wrong with the answers."""
    golden, signal = manifest.golden, sqnr_db(found, reference)
    if signal < golden.least_sqnr_db:
        yield (
            f"logits are off by {off(signal)} of their spread, where it was {off(sqnr_db(expected, reference))} when "
            f"the bundle was made and {off(golden.least_sqnr_db)} is the limit: this machine computes the model "
            "differently"
        )
    truth = _top(reference) if golden.labels is None else np.array(golden.labels)
    right, before = (int(np.sum(_top(logits) == truth)) for logits in (found, expected))
    if before - right > golden.lost:
        yield f"{right} of {len(truth)} golden images are right, where {before} were when the bundle was made"
