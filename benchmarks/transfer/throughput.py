"""How fast features are extracted, beside decoding alone and forward alone: their sum is the limit on given cores.

The network is MobileNetV2 at 224 pixels; what forward takes does not depend on its weights.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.transfer.generated import generate
from benchmarks.transfer.whole import HERE, HYMENOPTERA
from edgetl import weights
from edgetl.backbones import backbone
from edgetl.dataset import Dataset, ImageRef, scan
from edgetl.files import cache_dir
from edgetl.pixels import iter_pixels
from edgetl.progress import Silent

ARCH, REPEATS, GENERATED = "mobilenet_v2", 3, 1000
LIMIT = 0.8


@dataclass(frozen=True)
class Times:
    """Seconds for the same images, medians of a few repeats in turns."""

    images: int
    decode_s: float
    forward_s: float
    extract_s: float

    @property
    def efficiency(self) -> float:
        """The time of the two parts one after the other over that of extraction."""
        return (self.decode_s + self.forward_s) / self.extract_s


def measure() -> tuple[dict[str, Any], list[str]]:
    """Print images/s of each; return all figures and the limits missed."""
    found: dict[str, Times] = {}
    with tempfile.TemporaryDirectory() as folder, own_cache():
        sets = {"generated 500x375": generate(Path(folder) / "photos", GENERATED)}
        if HERE:
            sets = {"hymenoptera": HYMENOPTERA} | sets
        for name, data in sets.items():
            dataset = scan(data, seed=0, strict=False, progress=Silent())
            found[name] = times(dataset, dataset.train + dataset.val + dataset.test, weights.EMBEDDED)
    print(f"{'images/s':<22}{'images':>7}{'decode':>9}{'forward':>9}{'limit':>9}{'extract':>9}  of the limit")
    for name, each in found.items():
        parts = (each.decode_s, each.forward_s, each.decode_s + each.forward_s, each.extract_s)
        speeds = "".join(f"{each.images / seconds:>9.0f}" for seconds in parts)
        print(f"{name:<22}{each.images:>7}{speeds}  {each.efficiency:.0%}")
    missed = [
        f"throughput: {each.efficiency:.0%} of the limit on {name}"
        for name, each in found.items()
        if each.efficiency < LIMIT
    ]
    return {name: asdict(each) | {"efficiency": each.efficiency} for name, each in found.items()}, missed


def times(dataset: Dataset, images: Sequence[ImageRef], source: str) -> Times:
    """Return what extraction and its two parts take; exporting the network is done before."""
    from edgetl.training.features import extraction, forward, frozen

    network = backbone(ARCH)
    loaded = weights.load(source, network, seed=0)
    key = frozen.source(loaded, network)
    paths = dataset.paths(images)
    pixels = [batch for _, batch in iter_pixels(paths, network.preprocess, batch=extraction.BATCH)]
    attached = weights.attach(loaded, network)
    run = forward.fastest(attached, network.preprocess, key.onnx, pixels[0], Silent())
    rounds = []
    for number in range(REPEATS):
        start = time.perf_counter()
        for _ in iter_pixels(paths, network.preprocess, batch=extraction.BATCH):
            pass
        decoded = time.perf_counter()
        for batch in pixels:
            run(batch)
        computed = time.perf_counter()
        # A place in the cache where nothing lies yet.
        empty = replace(key, weights=f"{key.weights} {number}")
        hashes = [image.sha256 for image in images]
        begun = time.perf_counter()
        extraction.extract(empty, paths, hashes, network.features, lambda _: run, Silent())
        rounds.append((decoded - start, computed - decoded, time.perf_counter() - begun))
    return Times(len(images), *(statistics.median(each) for each in zip(*rounds, strict=True)))


@contextlib.contextmanager
def own_cache() -> Iterator[None]:
    """Use an empty cache inside the block, and leave none behind."""
    before = os.environ.get("EDGETL_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGETL_CACHE"] = folder
        try:
            assert cache_dir() == Path(folder)
            yield
        finally:
            if before is None:
                del os.environ["EDGETL_CACHE"]
            else:
                os.environ["EDGETL_CACHE"] = before
