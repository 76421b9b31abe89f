"""The design matrix of a regression: features standardized and along their principal axes, in float64, block by block.

Small data is held in these coordinates. Large data stays as it is given, float32, and each block is taken to float64
when it is needed: what a regression needs beside the features grows with their width and not with their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Part of the features' root mean square deviation that is added, in quadrature, to each one's own.
FLOOR = 0.25
# Part of the largest variance below which an axis holds nothing but rounding.
RANK = 1e-12
# Values in float64 up to which the data is held in its coordinates (128 MiB), and in one block (16 MiB).
HELD, BLOCK = 2**24, 2**21
# Rows that principal axes are found from where there are more of them: they serve speed only, and any will do.
SAMPLE = 8192


@dataclass(frozen=True)
class Coordinates:
    """What takes a feature vector to coordinates: ``(x - mean) @ into``, with ``variances`` (rank,) along each.

    ``mean`` is (width,), ``into`` (width, rank), both float64.
    """

    mean: Tensor
    into: Tensor
    variances: Tensor

    @property
    def rank(self) -> int:
        """How many coordinates there are."""
        return self.into.shape[1]

    def layer(self, solution: Tensor) -> tuple[Tensor, Tensor]:
        """Return weight (width, columns) and bias (columns,) on features that do what ``solution`` does here.

        ``solution`` is (rank + 1, columns), the last row being the bias.
        """
        weight = self.into @ solution[:-1]
        return weight, solution[-1] - self.mean @ weight

    def gradient(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Return the gradient by the solution, (rank + 1, columns), given those by `layer`'s results."""
        return torch.cat([self.into.T @ (weight - torch.outer(self.mean, bias)), bias[None]])


@dataclass(frozen=True)
class Design:
    """The same images in one or several ``views``, each (images, width) in the same order.

    ``coordinates`` is None where the views are in the coordinates of the solution already.
    """

    views: tuple[Tensor, ...]
    coordinates: Coordinates | None

    def blocks(self, columns: int) -> Iterator[tuple[slice, Tensor]]:
        """Yield all views in parts: which images, and their rows in float64; with ``columns`` results for each row."""
        for view in self.views:
            for part in _parts(view, max(view.shape[1], columns)):
                yield part, view[part].double()

    def layer(self, solution: Tensor) -> tuple[Tensor, Tensor]:
        """Return weight and bias that map the blocks to what ``solution`` (rank + 1, columns) says."""
        return (solution[:-1], solution[-1]) if self.coordinates is None else self.coordinates.layer(solution)

    def gradient(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Return the gradient by the solution, given those by `layer`'s results."""
        if self.coordinates is None:
            return torch.cat([weight, bias[None]])
        return self.coordinates.gradient(weight, bias)

    def plain(self) -> Design:
        """Return the first view alone."""
        return Design(self.views[:1], self.coordinates)


def design(views: Sequence[Tensor], coordinates: Coordinates, images: Tensor | None = None) -> Design:
    """Return the design matrix of float32 ``views`` (images, width) each, or of some ``images`` (their indices)."""
    count = len(views[0]) if images is None else len(images)
    chosen = tuple(view if images is None else view[images] for view in views)
    if len(views) * count * coordinates.rank > HELD:
        return Design(chosen, coordinates)
    return Design(tuple(_rotated(view, coordinates) for view in chosen), None)


def coordinates(views: Sequence[Tensor]) -> Coordinates:
    """Return the coordinates of all rows of the float32 ``views``, (images, width) each: standardized, then rotated.

    A regularized solution is a combination of the rows, and a rotation changes neither logits nor norms: so the
    regression of few images has as many unknowns as images and not as features, and still is the same one.
    """
    mean, deviation = moments(views)
    axes, variances = _principal(views, mean, deviation)
    return Coordinates(mean, axes / deviation[:, None], variances)


def moments(views: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the mean and what to divide by to standardize the rows of ``views``, both float64 (width,).

    Features that hardly change beside the others are standardized only in part: they must not be blown up to the
    others' size, or their weights would be so large that the rounding of int8 features, one step for all of them,
    drowns the logits. A feature that never changes says nothing: its divisor is infinite.
    """
    rows, zero = _count(views), torch.zeros(views[0].shape[1], dtype=torch.float64)
    mean = sum((block.sum(0) for block in _rows(views)), zero) / rows
    variance = sum(((block - mean).square().sum(0) for block in _rows(views)), zero) / rows
    deviation = variance.sqrt()
    constant = deviation <= 1e-6 * deviation.max()
    deviation = torch.hypot(deviation, FLOOR * variance.mean().sqrt())
    deviation[constant] = torch.inf
    return mean, deviation


def _principal(views: Sequence[Tensor], mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Return the principal axes of the standardized rows (width, rank) and the variances along them."""
    rows, width = _count(views), len(mean)
    if rows < width:
        z = torch.cat([(block - mean) / deviation for block in _rows(views)])
        variances, axes = torch.linalg.eigh(z @ z.T / rows)
        kept = variances > RANK * variances.max()
        variances = variances[kept]
        return z.T @ axes[:, kept] / (rows * variances).sqrt(), variances
    sample = _sample(views, max(SAMPLE, 2 * width))
    covariance = torch.zeros(width, width, dtype=torch.float64)
    for block in _rows(sample):
        z = (block - mean) / deviation
        covariance.addmm_(z.T, z)
    variances, axes = torch.linalg.eigh(covariance.div_(_count(sample)))
    # What a sample does not show may still be there.
    kept = variances > (RANK * variances.max() if _count(sample) == rows else -torch.inf)
    return axes[:, kept], variances[kept].clamp(min=0)


def _sample(views: Sequence[Tensor], rows: int) -> list[Tensor]:
    """Return about so many rows, evenly spread, or all where there are fewer than twice as many."""
    step = max(1, _count(views) // rows)
    return [view[::step] for view in views]


def _count(views: Sequence[Tensor]) -> int:
    return sum(len(view) for view in views)


def _rotated(view: Tensor, coordinates: Coordinates) -> Tensor:
    result = torch.empty(len(view), coordinates.rank, dtype=torch.float64)
    for part in _parts(view, view.shape[1]):
        torch.mm(view[part].double() - coordinates.mean, coordinates.into, out=result[part])
    return result


def _rows(views: Sequence[Tensor]) -> Iterator[Tensor]:
    for view in views:
        for part in _parts(view, view.shape[1]):
            yield view[part].double()


def _parts(view: Tensor, columns: int) -> Iterator[slice]:
    step = max(1, BLOCK // columns)
    for start in range(0, len(view), step):
        yield slice(start, start + step)
