"""The error of a quantized model's tensors against the float model's. Images stream by, and only sums are kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edgetl.artifacts import Interval
from edgetl.progress import Progress
from edgetl.quantization.calibration.observe import session

Array = NDArray[Any]
STEP = "compare node by node"


@dataclass
class Noise:
    """What is known of a tensor so far: sums of squares, and the extremes of the float one."""

    signal: float = 0.0
    noise: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def observe(self, expected: Array, found: Array) -> None:
        """Add one image's float tensor and its quantized counterpart."""
        reference = expected.astype(np.float64)
        self.signal += float(np.sum(np.square(reference)))
        self.noise += float(np.sum(np.square(reference - found)))
        self.low, self.high = min(self.low, float(reference.min())), max(self.high, float(reference.max()))

    @property
    def exact(self) -> bool:
        """Whether both were equal."""
        return self.noise == 0

    @property
    def sqnr_db(self) -> float | None:
        """Signal over noise in dB; None where one of them is 0 or not finite."""
        if not (0 < self.signal < math.inf and 0 < self.noise < math.inf):
            return None
        return 10 * math.log10(self.signal / self.noise)

    @property
    def seen(self) -> Interval | None:
        """The extremes of the float tensor; None where they are not finite."""
        return (self.low, self.high) if math.isfinite(self.low) and math.isfinite(self.high) else None


@dataclass(frozen=True)
class Compared:
    """The noise of each pair of tensors, by the float one's name, and how many images have the float top-1."""

    noises: Mapping[str, Noise]
    logits: Noise
    images: int
    agreeing: int


def compare(
    model: onnx.ModelProto,
    quantized: onnx.ModelProto,
    pairs: Mapping[str, str],
    images: Iterable[NDArray[np.uint8]],
    total: int,
    progress: Progress,
) -> Compared:
    """Return how far tensors of ``quantized`` are from those of the float ``model``; ``pairs`` maps float to quantized.

    ``images`` are batches of uint8 (n, h, w, 3), about ``total`` images in all. They run one by one: every activation
    of both models is in memory at once.
    """
    names, counterparts = [*pairs, model.graph.output[0].name], [*pairs.values(), quantized.graph.output[0].name]
    running = _opened(model, names), _opened(quantized, counterparts)
    image = model.graph.input[0].name
    noises = [Noise() for _ in names]
    done = agreeing = 0
    for pixels in (batch[place : place + 1] for batch in images for place in range(len(batch))):
        progress.step(STEP, done, total)
        expected = running[0].run(names, {image: pixels})
        found = running[1].run(counterparts, {image: pixels})
        for noise, first, other in zip(noises, expected, found, strict=True):
            noise.observe(first, other)
        agreeing += int(np.argmax(expected[-1]) == np.argmax(found[-1]))
        done += 1
    progress.step(STEP, done, done)
    return Compared(dict(zip(pairs, noises, strict=False)), noises[-1], done, agreeing)


def _opened(model: onnx.ModelProto, names: Iterable[str]) -> Any:
    """Return a session of ``model`` that gives the float tensors ``names``, none of which is optimized away."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    given = {value.name for value in model.graph.output}
    missing = [name for name in dict.fromkeys(names) if name not in given]
    for name in missing:
        opened.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return session(opened, optimized=False)
