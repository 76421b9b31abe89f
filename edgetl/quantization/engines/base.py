"""What quantizes: a function from an fp32 model, a recipe and calibration images to another model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from edgetl.recipes import Recipe

# Opens a stream of uint8 NHWC batches; each call starts anew.
Images = Callable[[], Iterator[NDArray[np.uint8]]]


class Engine(Protocol):
    """Quantizes. Raises ImportError where the library it needs is missing."""

    def __call__(self, model: onnx.ModelProto, recipe: Recipe, images: Images) -> onnx.ModelProto | Any:
        """Return the quantized model, an onnx.ModelProto or an openvino.Model; ``model`` stays as it is."""
