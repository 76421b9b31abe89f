"""How good the embedded backbone's features are, beside random and ImageNet ones.

edgetl's own probe on each of them, judged on images that it never saw (the demo set's test split, hymenoptera's val
folder), with Wilson's 95 % interval. The random backbone is no straw man: its batch-norm statistics are re-estimated on
the training images, and the best of three seeds counts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.machine import describe
from edgetl.dataset import judging_images
from edgetl.demo.surface import cached_demo_set
from edgetl.device.values import Preprocess
from edgetl.environments.local import local_command
from edgetl.exporting import ExportSettings, export
from edgetl.files import cache_dir
from edgetl.measure.accuracy import predictions
from edgetl.measure.loading import load
from edgetl.measure.statistics import wilson
from edgetl.measure.worker import Worker
from edgetl.progress import Silent
from edgetl.spool import spooled
from edgetl.training.finetune import FinetuneSettings, finetune, read_data

SHARED = Path(os.environ.get("EDGETL_DATA") or Path(__file__).resolve().parents[2] / "shared")
IMAGENET = SHARED / "weights" / "mobilenet_v2-imagenet1k.pth"
HYMENOPTERA = SHARED / "datasets" / "hymenoptera"
RANDOM_SEEDS = (0, 1, 2)
# What the embedded backbone must reach: on the demo set, and above the random one on each set.
DEMO, ABOVE_RANDOM = 0.88, {"demo": 0.15, "hymenoptera": 0.05}


@dataclass(frozen=True)
class Row:
    """One line of the table; accuracies as fractions."""

    data: str
    weights: str
    seed: int
    images: int
    accuracy: float
    low: float
    high: float


def measure(data: str, folder: Path, weights: str, seed: int) -> Row:
    """Return the accuracy of a probe on MobileNetV2 with these source weights."""
    with tempfile.TemporaryDirectory() as name:
        run = Path(name)
        settings = FinetuneSettings(run=run, data=folder, weights=weights, seed=seed)
        dataset = read_data(settings, Silent())
        tuned = finetune(settings, Silent(), dataset)
        exported = export(ExportSettings(run), Silent())
        images, preprocess = judging_images(dataset), Preprocess.from_json(tuned.preprocess)
        with spooled(dataset.paths(images), preprocess, Silent()) as pixels, Worker(local_command()) as worker:
            load(worker, run / exported.model, "cpu", "fp32", 0)
            answers = predictions(worker.logits(pixels))
    right = int((answers == dataset.labels(images)).sum())
    label = Path(weights).stem if Path(weights).suffix else weights
    return Row(data, label, seed, len(images), right / len(images), *wilson(right, len(images)))


def main() -> int:
    """Print the table; return 1 when the embedded backbone misses what this project promises of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--embedded", default="embedded", help="another file in the embedded one's place")
    parser.add_argument("--demo-seed", type=int, default=0, help="draw another demo set")
    arguments = parser.parse_args()
    folders = {"demo": cached_demo_set(cache_dir(), seed=arguments.demo_seed)}
    if HYMENOPTERA.is_dir():
        folders["hymenoptera"] = HYMENOPTERA
    else:
        sys.stderr.write("hymenoptera and ImageNet weights: skipped, none here (EDGETL_DATA)\n")
    rows = []
    for data, folder in folders.items():
        rows.append(measure(data, folder, arguments.embedded, 0))
        rows += [measure(data, folder, "none", seed) for seed in RANDOM_SEEDS]
        if IMAGENET.is_file():
            rows.append(measure(data, folder, str(IMAGENET), 0))
    if arguments.json:
        print(json.dumps({"machine": describe(), "rows": [asdict(row) for row in rows]}))
    else:
        print(f"{describe()}\n{'data':<12} {'weights':<28} {'seed':>4} {'images':>6} {'top-1':>7}  95 % interval")
        for row in rows:
            print(
                f"{row.data:<12} {row.weights:<28} {row.seed:>4} {row.images:>6} {row.accuracy:>7.1%}  "
                f"{row.low:.1%} to {row.high:.1%}"
            )
    missed = [reason for data in folders for reason in _missed([row for row in rows if row.data == data])]
    sys.stderr.write(f"missed: {'; '.join(missed)}\n" if missed else "all limits held\n")
    return int(bool(missed))


def _missed(rows: list[Row]) -> list[str]:
    data, embedded = rows[0].data, rows[0].accuracy
    above = embedded - max(row.accuracy for row in rows if row.weights == "none")
    missed = [] if above >= ABOVE_RANDOM[data] else [f"{data}: only {above:.1%} above random"]
    if data == "demo" and embedded < DEMO:
        missed.append(f"demo: {embedded:.1%} of {DEMO:.0%}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
