"""What training more than the head brings: `finetune` and `auto` against `probe`, five seeds on each set of photos.

Each seed draws another demo set from the embedded source; hymenoptera has one split, in which a seed decides only the
training. Accuracy is that of the written classifier on the images that decided nothing (test, or else val).
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.transfer import whole
from benchmarks.transfer.whole import HERE, HYMENOPTERA, IMAGENET, NOT_HERE
from edgetl.dataset import Dataset, judging_images
from edgetl.demo.surface import cached_demo_set
from edgetl.files import cache_dir
from edgetl.measure.statistics import wilson

STRATEGIES = ("probe", "finetune", "auto")
SEEDS = (0, 1, 2, 3, 4)
BUDGET = os.environ.get("EDGETL_AUTO_BUDGET", "10m")


def measure() -> tuple[dict[str, Any], list[str]]:
    """Print each set's table; return all figures. What is better is for the reader to see: there is no limit."""
    found: dict[str, Any] = {"demo": _set("demo", "embedded")}
    if HERE:
        found["hymenoptera"] = _set("hymenoptera", str(IMAGENET))
    else:
        print(f"hymenoptera: {NOT_HERE}")
    return found, []


def _set(name: str, weights: str) -> dict[str, Any]:
    results: dict[str, list[dict[str, Any]]] = {strategy: [] for strategy in STRATEGIES}
    for seed in SEEDS:
        folder = HYMENOPTERA if name == "hymenoptera" else cached_demo_set(cache_dir(), seed=seed)
        with tempfile.TemporaryDirectory() as work:
            # One cache for the three: what a strategy finds there is what a user's second command finds.
            for strategy in STRATEGIES:
                results[strategy].append(_run(Path(work), folder, weights, strategy, seed))
    print(
        f"\n{name:<12}{'accuracy of each seed':<38}{'mean [95 %]':<24}{'above probe [95 %]':<26}{'all images':<16}  s"
    )
    base = _accuracies(results["probe"])
    for strategy, runs in results.items():
        own = _accuracies(runs)
        right, images = sum(each["right"] for each in runs), sum(each["images"] for each in runs)
        if name == "hymenoptera":
            # The same images five times say no more than once.
            right, images = round(right / len(runs)), runs[0]["images"]
        each = " ".join(f"{value:6.1%}" for value in own)
        seconds = np.mean([run["seconds"] for run in runs])
        low, high = wilson(right, images)
        print(
            f"{strategy:<12}{each:<38}{_interval(own):<24}{_interval(own - base, sign='+'):<26}"
            f"[{low:.1%}, {high:.1%}]  {seconds:.0f}"
        )
    return {"runs": results, "mean": {strategy: float(_accuracies(runs).mean()) for strategy, runs in results.items()}}


def _run(work: Path, data: Path, weights: str, strategy: str, seed: int) -> dict[str, Any]:
    budget = ("--time-budget", BUDGET) if strategy == "auto" else ()
    arguments = ("--data", str(data), "--weights", weights, "--strategy", strategy, "--seed", str(seed))
    done = whole.edgetl(work, "finetune", *arguments, *budget, "--out", strategy)
    right, images = _judged(work / strategy)
    return {"seed": seed, "right": right, "images": images, "seconds": done.seconds, "notes": done.value.get("notes")}


def _judged(run: Path) -> tuple[int, int]:
    """Return how many of the judging images the classifier of a run has right, and their number."""
    from edgetl import classifier
    from edgetl.exporting import torch_logits
    from edgetl.pixels import iter_pixels

    value, network = classifier.load(run / classifier.FILE)
    dataset = Dataset.load(run)
    images = judging_images(dataset)
    labels = np.asarray(dataset.labels(images))
    right = 0
    for indices, pixels in iter_pixels(dataset.paths(images), value.preprocess):
        answers = torch_logits(network, value.preprocess, pixels).argmax(1)
        right += int((answers == labels[indices.start : indices.stop]).sum())
    return right, len(images)


def _accuracies(runs: list[dict[str, Any]]) -> np.ndarray:
    return np.asarray([each["right"] / each["images"] for each in runs])


def _interval(values: np.ndarray, sign: str = "") -> str:
    """Return the mean with Student's 95 % interval over the seeds."""
    mean, spread = values.mean(), values.std(ddof=1) / np.sqrt(len(values))
    half = float(stats.t.ppf(0.975, len(values) - 1)) * spread
    return f"{mean:{sign}.1%} [{mean - half:{sign}.1%}, {mean + half:{sign}.1%}]"
