"""NNCF on the ONNX graph: a file with Q/DQ pairs, which every engine reads."""

from __future__ import annotations

import onnx

from edgetl.quantization.engines import _nncf
from edgetl.quantization.engines.base import Images
from edgetl.recipes import Recipe


def quantize(model: onnx.ModelProto, recipe: Recipe, images: Images) -> onnx.ModelProto:
    """Return ``model`` with the Q/DQ pairs and biases that NNCF chooses; raises ImportError without NNCF."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with _nncf.quiet():
        result: onnx.ModelProto = _nncf.quantized(copy, model, recipe, images)
    return result
