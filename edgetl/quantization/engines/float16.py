"""Half precision for GPUs: fp16 inside, float logits out."""

from __future__ import annotations

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

from edgetl.graph.order import in_order
from edgetl.quantization.engines.base import Images
from edgetl.recipes import Recipe


def convert(model: onnx.ModelProto, recipe: Recipe, images: Images) -> onnx.ModelProto:
    """Return ``model`` with fp16 weights and activations; no image is looked at."""
    del images
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    half: onnx.ModelProto = convert_float_to_float16(
        copy,
        keep_io_types=True,
        op_block_list=list(recipe.exclude_operators),
        node_block_list=list(recipe.exclude_nodes),
    )
    return in_order(half)
