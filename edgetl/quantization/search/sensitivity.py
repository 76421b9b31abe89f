"""How much each part of a network loses by being quantized: how far probabilities move when it alone is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from edgetl.measure.logits import hellinger
from edgetl.progress import Progress
from edgetl.quantization.calibration.observe import session
from edgetl.quantization.pairs import Group, groups, in_float, quantized_nodes

Pixels = NDArray[np.uint8]
Logits = NDArray[np.float32]


def distances(
    quantized: onnx.ModelProto, model: onnx.ModelProto, pixels: Pixels, until: float, progress: Progress
) -> dict[Group, float]:
    """Return how far the predicted probabilities move for each group of nodes, when only that group is quantized.

    ``model`` is the float model of ``quantized``, ``pixels`` uint8 (n, h, w, 3). The squares of what groups do nearly
    add up, as independent noise does. What was not reached at the monotonic time ``until`` is left out: the groups in
    between, since the first of every so many are looked at before them.
    """
    mine = set(quantized_nodes(quantized))
    parts = spread([group for group in groups(model) if mine.intersection(group)])
    expected = logits(model, pixels)
    errors: dict[Group, float] = {}
    for index, group in enumerate(parts):
        if time.monotonic() >= until:
            break
        progress.step("find what loses accuracy", index, len(parts))
        others = mine.difference(group)
        errors[group] = hellinger(logits(in_float(quantized, model, others), pixels), expected)
    progress.step("find what loses accuracy", len(parts), len(parts))
    return errors


def spread(parts: Sequence[Group]) -> Sequence[Group]:
    """Return ``parts`` in an order of which any beginning covers all of them: every fourth before every second."""
    coarse_first = sorted(range(len(parts)), key=lambda place: -(place & -place or len(parts)))
    return [parts[place] for place in coarse_first]


def ranked(errors: Mapping[Group, float]) -> Sequence[Group]:
    """Return the groups, the one with the largest error first."""
    return sorted(errors, key=lambda group: errors[group], reverse=True)


def logits(model: onnx.ModelProto, pixels: Pixels) -> Logits:
    """Return the logits (n, classes) of uint8 ``pixels`` (n, h, w, 3), computed here by ONNX Runtime."""
    running = session(model)
    name = running.get_inputs()[0].name
    return np.concatenate([running.run(None, {name: pixels[i : i + 1]})[0] for i in range(len(pixels))])
