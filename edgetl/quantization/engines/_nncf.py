"""What the NNCF engines share: NNCF kept quiet, a recipe in its words, the calibration images one by one."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edgetl.quantization.engines.base import Images
from edgetl.recipes import Recipe


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what is imported and run in the block from the terminal and from the network.

    NNCF logs and draws bars to stdout, where a caller expects one JSON object, and makes its class that of all later
    loggers. Both it and OpenVINO report each import to an analytics service through `openvino_telemetry`, and fall back
    to a stub where that cannot be imported.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    level, kind = logging.root.manager.disable, logging.getLoggerClass()
    logging.disable(logging.CRITICAL)
    try:
        # In memory: NNCF's log handler keeps the stdout of its import, which must not be closed.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        logging.setLoggerClass(kind)


@dataclass(frozen=True)
class Singles:
    """Up to ``count`` calibration images for the ``input`` of a model, one by one, decoded anew in each pass."""

    images: Images
    count: int
    input: str

    def __len__(self) -> int:
        """Return how many there are at most."""
        return self.count

    def __iter__(self) -> Iterator[dict[str, NDArray[np.uint8]]]:
        """Yield {input: uint8 (1, height, width, 3)}."""
        for batch in self.images():
            for place in range(len(batch)):
                yield {self.input: batch[place : place + 1]}


def quantized(model: Any, source: onnx.ModelProto, recipe: Recipe, images: Images) -> Any:
    """Return ``model``, the ``source`` in one of NNCF's backends, quantized by ``recipe``. To be called in `quiet`.

    Raises ImportError where NNCF is not installed.
    """
    import nncf

    presets = {"performance": nncf.QuantizationPreset.PERFORMANCE, "mixed": nncf.QuantizationPreset.MIXED}
    # By default only the first layer has 7-bit weights.
    overflow_fix = nncf.OverflowFix.ENABLE if recipe.reduce_range else None
    return nncf.quantize(
        model,
        nncf.Dataset(Singles(images, recipe.samples, source.graph.input[0].name)),
        preset=presets[recipe.preset],
        subset_size=recipe.samples,
        fast_bias_correction=recipe.fast_bias_correction,
        ignored_scope=nncf.IgnoredScope(patterns=excluded(source, recipe), validate=False),
        advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=overflow_fix),
    )


def excluded(model: onnx.ModelProto, recipe: Recipe) -> list[str]:
    """Return patterns of the nodes that stay in float.

    OpenVINO has other operators, and calls a node without the bias that it split off ``name/WithoutBiases``.
    """
    named = (
        node.name
        for node in model.graph.node
        if node.op_type in recipe.exclude_operators or node.name in recipe.exclude_nodes
    )
    return [f"{re.escape(name)}(/.*)?$" for name in named]
