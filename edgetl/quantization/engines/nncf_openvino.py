"""NNCF on OpenVINO's own graph: what it places its quantizers for, read by OpenVINO only."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import onnx

from edgetl.quantization.engines import _nncf
from edgetl.quantization.engines.base import Images
from edgetl.recipes import Recipe


def quantize(model: onnx.ModelProto, recipe: Recipe, images: Images) -> Any:
    """Return an openvino.Model of batch 1 with NNCF's quantizers; raises ImportError without NNCF or OpenVINO."""
    with _nncf.quiet():
        return _nncf.quantized(_converted(model), model, recipe, images)


def _converted(model: onnx.ModelProto) -> Any:
    """Return ``model`` for one image.

    By `convert_model` and not `Core.read_model`, which leaves the shapes of biases and of grouped weights to be
    computed in the graph: NNCF then finds no bias to correct and leaves depthwise convolutions in float.
    """
    import openvino

    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    # It would copy them, and they are those of the fp32 file.
    del plain.metadata_props[:]
    sides = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim[1:]]
    with tempfile.TemporaryDirectory(prefix="edgetl-") as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(plain.SerializeToString())
        return openvino.convert_model(str(path), input=[1, *sides])
