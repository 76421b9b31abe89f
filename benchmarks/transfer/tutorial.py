"""edgetl's default against PyTorch's tutorial on the tutorial's own photos, from the same ImageNet weights."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.transfer import throughput, whole
from benchmarks.transfer.whole import HERE, HYMENOPTERA, IMAGENET, NOT_HERE, Finished
from edgetl.dataset import scan
from edgetl.measure.statistics import wilson
from edgetl.progress import Silent

REPEATS = 3
# How many loader processes the tutorial takes, and as many as there are cores: the faster counts.
LOADERS = (4, len(os.sched_getaffinity(0)))
COLD_RATIO = 40.0
PEER = "benchmarks.transfer.pytorch_tutorial"


def measure() -> tuple[dict[str, Any], list[str]]:
    """Print accuracies and seconds of both; return all figures and the limits missed."""
    if not HERE:
        print(NOT_HERE)
        return {}, []
    cold, warm = zip(*(_edgetl() for _ in range(REPEATS)), strict=True)
    loaders = min(dict.fromkeys(LOADERS), key=lambda count: _peer(count, epochs=1).seconds)
    peer = _peer(loaders, epochs=25)
    images, right = peer.value["images"], peer.value["right"]
    ours = cold[0].value
    seconds = {"cold": _median(cold), "warm": _median(warm), "tutorial": peer.seconds}
    print(f"{'':<34}{'accuracy':<28}{'seconds':>8}  times faster")
    _row("edgetl finetune, cold cache", ours["val_accuracy"], ours["val_images"], seconds["cold"], seconds)
    _row("edgetl finetune, warm cache", warm[0].value["val_accuracy"], images, seconds["warm"], seconds)
    _row(f"tutorial, best epoch, {loaders} loaders", max(right) / images, images, peer.seconds, seconds)
    _row("tutorial, last epoch", right[-1] / images, images, peer.seconds, seconds)
    parts = {"cold": _parts(cold), "warm": _parts(warm)} | {"alone": _alone()}
    for name in ("cold", "warm"):
        print(f"{name}: " + ", ".join(f"{part} {value:.2f} s" for part, value in parts[name].items()))
    print("features alone: " + ", ".join(f"{part} {value:.2f} s" for part, value in parts["alone"].items()))
    missed = []
    if peer.seconds / seconds["cold"] < COLD_RATIO:
        missed.append(f"tutorial: {peer.seconds / seconds['cold']:.1f} times faster cold, not {COLD_RATIO:.0f}")
    if seconds["warm"] >= seconds["cold"]:
        missed.append("tutorial: a warm cache is no faster")
    if ours["val_accuracy"] < max(right) / images:
        missed.append(f"tutorial: {ours['val_accuracy']:.1%} is below its {max(right) / images:.1%}")
    return {"edgetl": ours, "tutorial": peer.value, "loaders": loaders, "seconds": seconds, "parts": parts}, missed


def _edgetl() -> tuple[Finished, Finished]:
    """Return a training with nothing cached, and the same again."""
    arguments = ("finetune", "--data", str(HYMENOPTERA), "--weights", str(IMAGENET))
    with tempfile.TemporaryDirectory() as folder:
        return whole.edgetl(Path(folder), *arguments), whole.edgetl(Path(folder), *arguments)


def _peer(loaders: int, epochs: int) -> Finished:
    options = ("--workers", str(loaders), "--epochs", str(epochs))
    data = ("--data", str(HYMENOPTERA), "--weights", str(IMAGENET))
    return whole.run(sys.executable, "-m", PEER, *data, *options, cwd=Path(__file__).resolve().parents[2])


def _parts(runs: tuple[Finished, ...]) -> dict[str, float]:
    """Return where the median run's seconds went: before the stage, in each of its phases, in between."""
    finished = sorted(runs, key=lambda each: each.seconds)[len(runs) // 2]
    stage, phases = finished.value["seconds"], finished.value["phases"]
    return {
        "start and imports": finished.seconds - stage,
        **phases,
        "other": stage - sum(phases.values()),
    }


def _alone() -> dict[str, float]:
    """Return the seconds that decoding these photos takes without forward, and forward without decoding."""
    dataset = scan(HYMENOPTERA, seed=0, strict=False, progress=Silent())
    with throughput.own_cache():
        times = throughput.times(dataset, dataset.train + dataset.val, str(IMAGENET))
    return {"decoding": times.decode_s, "forward": times.forward_s}


def _median(runs: tuple[Finished, ...]) -> float:
    return statistics.median(each.seconds for each in runs)


def _row(name: str, accuracy: float, images: int, own: float, seconds: dict[str, float]) -> None:
    interval = wilson(round(accuracy * images), images)
    print(f"{name:<34}{whole.share(accuracy, interval):<28}{own:>8.2f}  {seconds['tutorial'] / own:.1f}")
