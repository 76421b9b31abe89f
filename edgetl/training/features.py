"""Penultimate features of images, cached on disk by content: another head on the same backbone costs no forward pass.

::

    <cache>/features/<hash of weights, arch, preprocessing>/<hash of the images>.npz     one file per block of images
    <cache>/backbones/<same hash>.onnx                                                   see `forward`
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgetl.device.values import Preprocess
from edgetl.files import cache_dir, replacing
from edgetl.pixels import Pixels, iter_pixels
from edgetl.progress import Progress

Features = NDArray[np.float32]
Forward = Callable[[Pixels], Features]

# Raise it when the same weights and pixels begin to give other features.
VERSION = 1
BATCH = 16
# Images per file: what an interrupted run can lose, and at 4,096 features an image 32 MiB.
BLOCK = 2048


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

    @property
    def folder(self) -> Path:
        """Where the features are cached."""
        return cache_dir() / "features" / self.key


def extract(
    source: Source,
    paths: Sequence[Path],
    hashes: Sequence[str],
    width: int,
    forward: Callable[[Pixels], Forward],
    progress: Progress,
) -> Features:
    """Return the features of the images at ``paths`` in their order, float32 of shape (images, ``width``).

    ``hashes`` are the SHA-256 of the files. ``forward`` makes the backbone's function from a few images to try it on;
    it is called only if some image is not in the cache. Raises DataError for an image that cannot be decoded.
    """
    features = np.empty((len(paths), width), np.float32)
    missing = _fill(features, source.folder, hashes)
    run: Forward | None = None
    stored = 0
    for done, pixels in iter_pixels([paths[index] for index in missing], source.preprocess, batch=BATCH):
        run = run or forward(pixels)
        features[missing[done.start : done.stop]] = run(pixels)
        progress.step("features", done.stop, len(missing))
        if done.stop - stored >= BLOCK or done.stop == len(missing):
            block = missing[stored : done.stop]
            _store(source.folder, [hashes[index] for index in block], features[block])
            stored = done.stop
    return features


def _fill(features: Features, folder: Path, hashes: Sequence[str]) -> list[int]:
    """Copy what is cached into ``features``; return the indices of the images that are not."""
    missing = dict.fromkeys(range(len(hashes)))
    wanted: dict[bytes, list[int]] = {}
    for index, sha256 in enumerate(hashes):
        wanted.setdefault(bytes.fromhex(sha256), []).append(index)
    for path in sorted(folder.glob("*.npz")):
        for name, row in _block(path, wanted, features.shape[1]):
            for index in wanted[name]:
                features[index] = row
                missing.pop(index, None)
    return list(missing)


def _block(path: Path, wanted: Container[bytes], width: int) -> Iterator[tuple[bytes, Features]]:
    """Yield the rows of a block that are wanted; nothing if it is damaged, since it can be made again."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as block:
            names = [row.tobytes() for row in block["sha256"]]
            rows = block["features"] if any(name in wanted for name in names) else np.empty((0, width), np.float32)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return
    if rows.shape[1:] == (width,):
        yield from ((name, row) for name, row in zip(names, rows, strict=False) if name in wanted)


def _store(folder: Path, hashes: Sequence[str], rows: Features) -> None:
    names = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, 32)
    with replacing(folder / f"{hashlib.sha256(names.tobytes()).hexdigest()[:32]}.npz") as temporary:
        np.savez(temporary, sha256=names, features=rows)
