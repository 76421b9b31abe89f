"""Penultimate features of images, cached on disk by content: another head on the same backbone costs no forward pass.

::

    <cache>/features/<hash of weights, arch, preprocessing>/<hash of the images>.npz    a block of images
    <cache>/features/<the same>-<hash of the view>/<hash of the images>.npz             augmented views of them
    <cache>/backbones/<the same>.onnx                                                   see `forward`

The cache has a bound, see `cache`.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgetl.device.cores import cores_allowed
from edgetl.device.values import Preprocess
from edgetl.files import cache_dir, replacing
from edgetl.pixels import Change, Pixels, iter_pixels
from edgetl.progress import Progress
from edgetl.training.augment import augment, recipe
from edgetl.training.distributed import ALONE, World
from edgetl.training.features import cache

Features = NDArray[np.float32]
Forward = Callable[[Pixels], Features]

# Raise it when the same weights and pixels begin to give other features.
VERSION = 1
# Images that go through the backbone together. At the end of each batch some cores wait for the last image, so there
# are many images in one, and several for each core.
BATCH, BATCH_PER_CORE = 64, 8
# Images per file: what an interrupted run can lose, and at 4,096 features an image 32 MiB.
BLOCK = 2048
# Bytes of pixels that are decoded ahead: they keep the cores busy while the backbone is made ready.
AHEAD = 64 * 1024**2


@dataclass(frozen=True)
class View:
    """An augmented view of images: the ``number``-th under the augmentation ``name`` (see `augment`) and a seed."""

    name: str
    number: int
    seed: int

    @property
    def key(self) -> str:
        """The name of this view in the cache: another one when its augmentation comes to do something else."""
        what = recipe(self.name)
        told = [asdict(self), None if what is None else asdict(what)]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def seed_of(self, sha256: str) -> np.random.SeedSequence:
        """Return what the random choices for an image come from: its content, whatever its name and place."""
        return np.random.SeedSequence([self.seed, self.number, int(sha256, 16)])


@dataclass(frozen=True)
class Source:
    """What features depend on, beside the image: the digest of the weights, the network and the preprocessing."""

    weights: str
    arch: str
    preprocess: Preprocess

    @property
    def key(self) -> str:
        """The name of this source in the cache."""
        return hashlib.sha256(json.dumps([VERSION, asdict(self)], sort_keys=True).encode()).hexdigest()[:32]

    @property
    def onnx(self) -> Path:
        """Where the exported backbone is cached."""
        return cache_dir() / "backbones" / f"{self.key}.onnx"

    def folder(self, view: View | None = None) -> Path:
        """Return where the features are cached, those of the plain images or of a view."""
        return cache_dir() / "features" / (self.key if view is None else f"{self.key}-{view.key}")


def extract(
    source: Source,
    paths: Sequence[Path],
    hashes: Sequence[str],
    width: int,
    forward: Callable[[Pixels], Forward],
    progress: Progress,
    *,
    view: View | None = None,
    world: World = ALONE,
) -> Features:
    """Return the features of the images at ``paths`` in their order, float32 of shape (images, ``width``).

    ``hashes`` are the SHA-256 of the files. ``forward`` makes the backbone's function from a few images to try it on;
    it is called only if some image is not in the cache. ``view`` augments the images. Each process of ``world``
    computes its share and returns the features of all. Raises DataError for an image that cannot be decoded.
    """
    part = _part(source, world.share(paths), world.share(hashes), width, forward, world.progress(progress), view)
    return world.gather(part, len(paths))


def _part(
    source: Source,
    paths: Sequence[Path],
    hashes: Sequence[str],
    width: int,
    forward: Callable[[Pixels], Forward],
    progress: Progress,
    view: View | None,
) -> Features:
    features, folder = np.empty((len(paths), width), np.float32), source.folder(view)
    missing = _fill(features, folder, hashes)
    run: Forward | None = None
    stored = 0
    for done, pixels in _decoded([paths[i] for i in missing], [hashes[i] for i in missing], source.preprocess, view):
        run = run or forward(pixels)
        features[missing[done.start : done.stop]] = run(pixels)
        progress.step("features", done.stop, len(missing))
        if done.stop - stored >= BLOCK or done.stop == len(missing):
            block = missing[stored : done.stop]
            _store(folder, [hashes[index] for index in block], features[block])
            stored = done.stop
    if missing:
        cache.trim(cache.LIMIT, cache.STARTED)
    return features


def _decoded(
    paths: Sequence[Path], hashes: Sequence[str], preprocess: Preprocess, view: View | None
) -> Iterator[tuple[range, Pixels]]:
    change: Change | None = None
    decoded = preprocess
    if view is not None:
        # All of the image's shorter side, for the augmentation to choose from.
        decoded = replace(preprocess, crop=preprocess.resize)

        def change(index: int, pixels: Pixels) -> Pixels:
            return augment(pixels, view.name, preprocess.crop, view.seed_of(hashes[index]))

    batch = max(BATCH, BATCH_PER_CORE * cores_allowed())
    ahead = max(batch, AHEAD // (3 * preprocess.crop**2))
    return iter_pixels(paths, decoded, batch=batch, ahead=ahead, change=change)


def _fill(features: Features, folder: Path, hashes: Sequence[str]) -> list[int]:
    """Copy what is cached into ``features``; return the indices of the images that are not."""
    missing: dict[bytes, list[int]] = {}
    for index, sha256 in enumerate(hashes):
        missing.setdefault(bytes.fromhex(sha256), []).append(index)
    for path in sorted(folder.glob("*.npz")):
        found = _block(path, missing, features.shape[1])
        if found:
            cache.used(path)
        for name, row in found.items():
            features[missing.pop(name)] = row
    return sorted(index for indices in missing.values() for index in indices)


def _block(path: Path, wanted: Container[bytes], width: int) -> dict[bytes, Features]:
    """Return the rows of a block that are wanted; nothing if it is damaged, since it can be made again."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as block:
            places = {name: place for place, row in enumerate(block["sha256"]) if (name := row.tobytes()) in wanted}
            rows = block["features"] if places else np.empty((0, width), np.float32)
            return {name: rows[place] for name, place in places.items()} if rows.shape[1:] == (width,) else {}
    except (OSError, EOFError, ValueError, KeyError, IndexError, NotImplementedError, RuntimeError, zipfile.BadZipFile):
        return {}


def _store(folder: Path, hashes: Sequence[str], rows: Features) -> None:
    names = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, 32)
    with replacing(folder / f"{hashlib.sha256(names.tobytes()).hexdigest()[:32]}.npz") as temporary:
        np.savez(temporary, sha256=names, features=rows)
