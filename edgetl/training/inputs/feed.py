"""What a gradient training is fed with, batch by batch: images, or a frozen trunk's activations of them.

An input is made of images by one of two functions; both hold at most a few batches in memory.

=================  =============================================================================
`of_pixels`        decodes and augments in each epoch: for a network that is trained as a whole
`of_activations`   runs a frozen trunk once for each view of an image: for a tail (see `cuts`)
=================  =============================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from edgetl.training.features.forward import Images
from edgetl.training.inputs.activations import of_activations
from edgetl.training.inputs.photos import Decoder, Photos

__all__ = ["Inputs", "Photos", "of_activations", "of_pixels"]


class Inputs(Protocol):
    """Batches of inputs for a network or its tail. Indices count the images that the inputs were made of.

    ``order`` is one sequence of indices for each batch; only what it names is ever decoded or computed, so that one of
    several processes may ask for its share alone. Tensors are float32 (N, channels, height, width), channels last in
    memory, on the CPU. Both raise DataError naming the first image that cannot be decoded.
    """

    def batches(self, epoch: int, order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        """Yield a tensor for each batch, augmented as in this ``epoch``, which counts from 0."""

    def plain(self, order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        """Yield a tensor for each batch, without augmentation: what the trained model will see."""


@dataclass(frozen=True)
class _OfPixels:
    decoder: Decoder

    def batches(self, epoch: int, order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        return self._tensors(order, epoch)

    def plain(self, order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        return self._tensors(order, None)

    def _tensors(self, order: Sequence[Sequence[int]], number: int | None) -> Iterator[Tensor]:
        normalize = Images(nn.Identity(), self.decoder.photos.preprocess)
        for pixels in self.decoder.batches(order, number):
            yield normalize(torch.from_numpy(pixels))


def of_pixels(photos: Photos, augmentation: str, seed: int) -> Inputs:
    """Return normalized images, decoded and augmented anew in each epoch; raises UsageError for an unknown name."""
    return _OfPixels(Decoder(photos, augmentation, seed))
