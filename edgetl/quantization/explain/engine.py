"""What an engine makes of a graph here: it need not compute in int8 what has pairs, for it lacks some kernels."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
import onnxruntime as ort

from edgetl.device.providers.base import ProviderUnavailable
from edgetl.device.providers.openvino import PRECISION_HINTS, import_openvino

_INT8 = ("QLinear", "QGemm", "MatMulInteger")
_FLOATS = ("f32", "bf16", "f16")
# What OpenVINO has no kernel for, or moves values only.
_NO_WORK = ("Const", "Input", "Output", "Reorder")


def float_here(path: Path, provider: str, precision: str) -> frozenset[str]:
    """Return the names of the nodes of the file ``path`` that ``provider`` computes in float on this CPU.

    What it fused into another node computes as that one does. Of another provider than ONNX Runtime's CPU one and
    OpenVINO none is known.
    """
    if provider == "cpu":
        return _onnxruntime(path)
    return _openvino(path, precision) if provider == "openvino" else frozenset()


def _onnxruntime(path: Path) -> frozenset[str]:
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


def _openvino(path: Path, precision: str) -> frozenset[str]:
    try:
        core = import_openvino().Core()
    except ProviderUnavailable:
        return frozenset()
    network = core.read_model(str(path))
    # With the batch free it would take other kernels.
    network.reshape([1, *list(network.input(0).partial_shape)[1:]])
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": PRECISION_HINTS.get(precision, "f32")}
    compiled = core.compile_model(network, "CPU", settings)
    names: set[str] = set()
    for operator in compiled.get_runtime_model().get_ops():
        facts = {key: str(value.value) for key, value in operator.get_rt_info().items()}
        if facts.get("runtimePrecision") in _FLOATS and facts.get("layerType") not in _NO_WORK:
            names.update(facts.get("originalLayersNames", "").split(","))
    return frozenset(names)
