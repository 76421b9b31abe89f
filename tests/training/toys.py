"""A training in miniature: points in a plane, a small module, and inputs that can be interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from edgetl.training.descent.plan import Examples


class Points:
    """Inputs of points, each epoch with noise of its own; Ctrl-C comes in the epoch ``interrupted``."""

    def __init__(self, points: Tensor, interrupted: int | None = None) -> None:
        self.points, self.interrupted = points, interrupted
        self.epochs: list[int] = []

    def batches(self, epoch: int, order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        epoch += 1
        self.epochs.append(epoch)
        noise = torch.from_numpy(np.random.default_rng(epoch).normal(0, 0.1, self.points.shape)).float()
        for number, batch in enumerate(order):
            if epoch == self.interrupted and number == 1:
                raise KeyboardInterrupt
            yield (self.points + noise)[list(batch)]

    def plain(self, order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        if self.interrupted == 0:
            raise KeyboardInterrupt
        for batch in order:
            yield self.points[list(batch)]


def clouds(count: int, seed: int, spread: float = 0.6) -> tuple[Tensor, np.ndarray]:
    """Return ``count`` points as pictures of 3 x 2 x 2, of three classes that overlap a little, and their labels."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    points = generator.normal(0, spread, (count, 3, 2, 2))
    points[np.arange(count), labels] += 1
    return torch.from_numpy(points).float(), labels


def examples(count: int = 25, seed: int = 0, interrupted: int | None = None) -> Examples:
    points, labels = clouds(count, seed)
    return Examples(Points(points, interrupted), labels)


def network(dropout: float = 0.3) -> nn.Module:
    """Return a module with everything that a backbone's tail may hold."""
    torch.manual_seed(0)
    tail = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())
    module = nn.Sequential()
    module.add_module("backbone", tail)
    module.add_module("head", nn.Sequential(nn.Dropout(dropout), nn.Linear(32, 3)))
    return module
