"""A frozen trunk's activations of images, computed once and kept on disk while its tail is trained on them.

The trunk runs on the fastest engine that agrees with torch, each image is decoded once for all its views, and from the
second epoch on nothing is left to do but the tail. They are kept in an unnamed file, which the system removes however
this process ends: row ``image * (views + 1) + view`` holds one view, (height, width, channels), the last row of each
image the plain one. They are computed when they are first asked for: so each of several processes keeps what it has
needed, and images that only validate have no views.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgetl.device.cores import cores_allowed
from edgetl.device.values import Preprocess
from edgetl.files import cache_dir
from edgetl.pixels import Pixels
from edgetl.progress import Progress
from edgetl.training.augment import PLAIN
from edgetl.training.features import forward
from edgetl.training.features.extraction import Features, Forward, Source
from edgetl.training.inputs.photos import Decoder, Photos
from edgetl.weights import Weights

# Bytes of disk that activations may take.
LIMIT = 4 << 30
# Half the bytes of float32; rounding to 1/2048 is far below what augmentation changes. Its largest number is 65,504, so
# activations that come near it, as those of random weights may, are kept as they are.
HALF, MOST = np.dtype(np.float16), 1024
# Views that go through the trunk together: several for each core, as some wait at the end of each batch.
BATCH, BATCH_PER_CORE = 32, 4


@contextlib.contextmanager
def of_activations(
    trunk: nn.Module,
    photos: Photos,
    augmentation: str,
    views: int,
    seed: int,
    progress: Progress,
    limit: int = LIMIT,
) -> Iterator[Activations]:
    """Yield the ``trunk``'s activations: epoch ``e`` sees view ``e % views`` of each image; 0 views see the plain one.

    When the views would take more than ``limit`` bytes of disk there are fewer; when not even two fit, nothing is kept
    and each epoch computes a view of its own. Raises UsageError for an unknown augmentation, DataError for an image
    that cannot be decoded.
    """
    decoder = Decoder(photos, augmentation, seed)
    wanted = 0 if augmentation == PLAIN else views
    (sample,) = decoder.views(range(min(forward.CHECKED, len(photos.paths))), (), batch=forward.CHECKED)
    run = forward.fastest(trunk, photos.preprocess, _source(trunk, photos.preprocess).onnx, sample[:, 0], progress)
    form = _form(run(sample[:, 0]))
    kept = _fitting(wanted, limit // (len(photos.paths) * form.size))
    if kept is None:
        progress.remark("Too many images to keep what the frozen layers make of them: each epoch computes it anew.")
    elif kept < wanted:
        progress.remark(f"Training sees {kept} views of each image instead of {wanted}, to spare the disk.")
    with contextlib.ExitStack() as stack:
        file = None if kept is None else _unnamed(stack, progress)
        anew = None if wanted else 0
        yield Activations(decoder, run, anew if kept is None else kept, form, file, progress)


@dataclass(frozen=True)
class Form:
    """How the activations of one view are kept: of this ``shape`` (height, width, channels) and type."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return math.prod(self.shape) * self.dtype.itemsize


def _form(activations: Features) -> Form:
    _, channels, height, width = activations.shape
    fits = float(np.abs(activations).max()) < MOST
    return Form((height, width, channels), HALF if fits else activations.dtype)


def _source(trunk: nn.Module, preprocess: Preprocess) -> Source:
    """Return under what the exported trunk is cached: its tensors and the code between them."""
    structure = hashlib.sha256(str(trunk).encode()).hexdigest()
    return Source(Weights("trunk", "", trunk.state_dict()).digest(), f"trunk {structure}", preprocess)


def _fitting(views: int, rows: int) -> int | None:
    """Return how many of ``views`` can be kept beside the plain one, given room for ``rows`` of each image."""
    if rows > views:
        return views
    return rows - 1 if views and rows > 2 else None


def _unnamed(stack: contextlib.ExitStack, progress: Progress) -> FileIO | None:
    # Not where the system keeps temporary files: that is often memory.
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return stack.enter_context(tempfile.TemporaryFile(dir=folder, buffering=0))
    except OSError as error:
        progress.remark(_not_kept(error))
        return None


def _not_kept(error: OSError) -> str:
    return (
        f"What the frozen layers make of the images cannot be kept in {cache_dir()} ({error.strerror}): it is computed "
        "again when needed, which is slower."
    )


class Activations:
    """Activations of the photos of a ``decoder``, kept in ``file`` or computed each time if that is None.

    There are so many ``views``; 0 stands for plain images only, None for a new view in each epoch.
    """

    def __init__(
        self,
        decoder: Decoder,
        run: Forward,
        views: int | None,
        form: Form,
        file: FileIO | None,
        progress: Progress,
    ) -> None:
        """Compute and keep nothing yet."""
        self.decoder, self.run, self.views, self.form, self.file = decoder, run, views, form, file
        self.progress, self.full = progress, False
        # Whether an image's views, and its plain one, are in the file.
        self.there = {plain: np.zeros(len(decoder.photos.paths), np.bool_) for plain in (False, True)}

    def batches(self, epoch: int, order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        """Yield the activations of a view; see `feed.Inputs`."""
        if self.views == 0:
            return self.plain(order)
        return self._tensors(order, epoch % self.views if self.views else epoch)

    def plain(self, order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        """Yield the activations of the plain images; see `feed.Inputs`."""
        return self._tensors(order, None)

    def _tensors(self, order: Sequence[Sequence[int]], view: int | None) -> Iterator[Tensor]:
        # In the images' own order, so that what is computed together does not change with the epoch.
        indices = sorted({index for batch in order for index in batch})
        there = self.there[view is None]
        if self.file is not None:
            self._keep(self.file, [index for index in indices if not there[index]], plain=view is None)
        if self.file is not None and there[indices].all():
            for batch in order:
                yield _tensor(self._read(self.file, batch, view))
        else:
            for pixels in self.decoder.batches(order, view):
                yield _tensor(self._rows(pixels))

    def _rows(self, pixels: Pixels) -> NDArray[Any]:
        """Return what the trunk makes of (images, height, width, 3) pixels, as it is kept."""
        if not len(pixels):
            return np.empty((0, *self.form.shape), self.form.dtype)
        most = np.finfo(self.form.dtype).max
        return np.moveaxis(np.clip(self.run(pixels), -most, most), 1, -1).astype(self.form.dtype, order="C")

    def _keep(self, file: FileIO, indices: Sequence[int], plain: bool) -> None:
        """Put all views of the images, or their ``plain`` ones, into the file; if its disk is full, some of them."""
        numbers = () if plain else range(self.views or 0)
        together = max(BATCH, BATCH_PER_CORE * cores_allowed()) // max(1, len(numbers))
        remaining = iter(indices)
        done = 0
        for pixels in self.decoder.views([] if self.full else indices, numbers, max(1, together)):
            rows = self._rows(pixels.reshape(-1, *pixels.shape[2:])).reshape(*pixels.shape[:2], *self.form.shape)
            for row in rows:
                index = next(remaining)
                try:
                    self._seek(file, index, None if plain else 0)
                    if file.write(row.data) < row.nbytes:
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                except OSError as error:
                    self.full = True
                    self.progress.remark(_not_kept(error))
                    return
                self.there[plain][index] = True
            done += len(pixels)
            self.progress.step("views", done, len(indices))

    def _read(self, file: FileIO, batch: Sequence[int], view: int | None) -> NDArray[Any]:
        rows = np.empty((len(batch), *self.form.shape), self.form.dtype)
        for index, row in zip(batch, rows, strict=True):
            self._seek(file, index, view)
            file.readinto(row.data)
        return rows

    def _seek(self, file: FileIO, index: int, view: int | None) -> None:
        views = self.views or 0
        file.seek((index * (views + 1) + (views if view is None else view)) * self.form.size)


def _tensor(rows: NDArray[Any]) -> Tensor:
    return torch.from_numpy(rows).float().permute(0, 3, 1, 2)
