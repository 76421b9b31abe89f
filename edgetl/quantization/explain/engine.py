"""What ONNX Runtime makes of a graph here: it need not compute in int8 what has pairs, for it lacks some kernels."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
import onnxruntime as ort

_INT8 = ("QLinear", "QGemm", "MatMulInteger")


def float_here(path: Path) -> frozenset[str]:
    """Return the names of the nodes of the file ``path`` that ONNX Runtime computes in float on this CPU.

    What it fused into another node has no name there and is not among them.
    """
    with tempfile.TemporaryDirectory() as scratch:
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        # A level above also lays tensors out anew, by nodes of its own.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(Path(scratch) / "optimized.onnx")
        ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        optimized = onnx.load(options.optimized_model_filepath, load_external_data=False)
    graph = optimized.graph
    floats = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    return frozenset(
        node.name for node in graph.node if floats.intersection(node.input) and not node.op_type.startswith(_INT8)
    )
