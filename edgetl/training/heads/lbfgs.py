"""L-BFGS for smooth convex functions (Nocedal and Wright, Numerical Optimization, algorithm 7.5).

Torch's own imports its compiler when it is made, and scipy's wakes a pool of threads for vectors of this size: each
takes longer than a whole probe.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

# Returns the value and the gradient at a point.
Function = Callable[[Tensor], tuple[float, Tensor]]
Watch = Callable[[float], None]

MEMORY = 10
ITERATIONS = 500
# Wolfe's conditions: a step lowers the value by this part of what the slope promises, and flattens the slope to that.
DECREASE, CURVATURE = 1e-4, 0.9
TRIALS = 30


def minimize(function: Function, start: Tensor, tolerance: float, watch: Watch | None = None) -> Tensor:
    """Return where the gradient of ``function`` has no component above ``tolerance``, beginning at ``start``.

    Ends early where rounding leaves nothing to gain, or after ITERATIONS steps. ``watch`` is given the largest
    component of the gradient before each step.
    """
    x, pairs = start, deque[tuple[Tensor, Tensor]](maxlen=MEMORY)
    value, gradient = function(x)
    for _ in range(ITERATIONS):
        largest = float(gradient.abs().max())
        if watch is not None:
            watch(largest)
        if largest <= tolerance:
            break
        direction = _direction(gradient, pairs)
        # Before anything is known of the curvature, a step of length 1 at most.
        step = 1.0 if pairs else min(1.0, 1.0 / float(gradient.abs().sum()))
        found = _search(function, x, value, gradient, direction, step)
        if found is None:
            break
        new, value, slope = found
        if float(_dot(new - x, slope - gradient)) > 0:
            pairs.append((new - x, slope - gradient))
        x, gradient = new, slope
    return x


def _direction(gradient: Tensor, pairs: deque[tuple[Tensor, Tensor]]) -> Tensor:
    """Return minus the inverse Hessian, as the last steps and changes of the gradient show it, times the gradient."""
    q, used = -gradient, []
    for s, y in reversed(pairs):
        rho = 1 / _dot(s, y)
        alpha = rho * _dot(s, q)
        q = q - alpha * y
        used.append((s, y, rho, alpha))
    if pairs:
        s, y = pairs[-1]
        q = q * (_dot(s, y) / _dot(y, y))
    for s, y, rho, alpha in reversed(used):
        q = q + s * (alpha - rho * _dot(y, q))
    return q


def _search(
    function: Function, x: Tensor, value: float, gradient: Tensor, direction: Tensor, step: float
) -> tuple[Tensor, float, Tensor] | None:
    """Return the point, value and gradient of a step that meets Wolfe's conditions; None if none is found.

    By bisection and doubling (Lewis and Overton, 2013); for a convex function an interval always closes in on one.
    """
    slope = float(_dot(gradient, direction))
    low, high = 0.0, torch.inf
    for _ in range(TRIALS):
        point = x + step * direction
        new, new_gradient = function(point)
        if not new <= value + DECREASE * step * slope:
            high = step
        elif float(_dot(new_gradient, direction)) < CURVATURE * slope:
            low = step
        else:
            return point, new, new_gradient
        step = 2 * low if high == torch.inf else (low + high) / 2
    return None


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return torch.dot(a.flatten(), b.flatten())
