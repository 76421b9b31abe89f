"""What a model file computes in, read from its graph."""

from __future__ import annotations

from pathlib import Path

import onnx

from edgetl.errors import UsageError


def precision_of(path: Path) -> str:
    """Return ``int8``, ``fp16`` or ``fp32``; raises UsageError for a file that is no ONNX model."""
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except Exception as error:  # protobuf raises its own kinds, and they changed between releases
        raise UsageError(f"{path} is not an ONNX model.") from error
    operators = {node.op_type for node in graph.node}
    if operators & {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger"}:
        return "int8"
    if any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in graph.initializer):
        return "fp16"
    return "fp32"
