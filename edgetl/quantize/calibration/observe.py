"""Calibration: the range of every activation over images that stream by: memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edgetl.device.cores import cores_allowed
from edgetl.quantize.calibration.ranges import METHODS, MinMax, Observer, Range
from edgetl.recipes import Recipe

# A range read off these outputs holds for their input as well: quantization merges the two.
_FUSED_ACTIVATIONS = ("Relu", "Clip")


def calibrate(model: onnx.ModelProto, batches: Iterable[NDArray[np.uint8]], recipe: Recipe) -> dict[str, Range]:
    """Return the range of each float activation of ``model`` by ``recipe.method``; ``batches`` are uint8 NHWC images.

    This runs in the host's process: the activations of one image take megabytes, which would spend longer in a
    worker's pipe than in the network.
    """
    typed = onnx.shape_inference.infer_shapes(model)
    readers = _readers(typed.graph)
    fused = _fused(typed.graph, readers)
    names = [name for name in _float_activations(typed.graph) if name not in fused]
    # To cut the range of logits would make the classes equal that an image is surest of.
    logits = {value.name for value in typed.graph.output}
    observers: dict[str, Observer] = {
        name: MinMax() if name in logits else METHODS[recipe.method](recipe) for name in names
    }
    extremes_only = recipe.method == "minmax"
    session = _session(_observed(typed, names, extremes_only=extremes_only))
    image = typed.graph.input[0].name
    outputs = [output for name in names for output in _outputs(name, extremes_only=extremes_only)]
    for batch in batches:
        values = dict(zip(outputs, session.run(outputs, {image: batch}), strict=True))
        for name in names:
            found = [values[output] for output in _outputs(name, extremes_only=extremes_only)]
            observers[name].observe(np.stack(found) if extremes_only else found[0])
    ranges = {name: observer.range() for name, observer in observers.items()}
    # In reverse, since a fused activation may read another.
    for before, after in reversed(fused.items()):
        ranges[before] = ranges[after]
    return ranges


def _observed(model: onnx.ModelProto, names: list[str], *, extremes_only: bool) -> onnx.ModelProto:
    """Return ``model`` with ``names`` as outputs, or with two scalars each: smallest and largest value."""
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    graph = observed.graph
    del graph.output[:]
    for name in names:
        if extremes_only:
            for operator, output in zip(("ReduceMin", "ReduceMax"), _outputs(name, extremes_only=True), strict=True):
                graph.node.append(helper.make_node(operator, [name], [output], keepdims=0))
        for output in _outputs(name, extremes_only=extremes_only):
            graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, None))
    return observed


def _outputs(name: str, *, extremes_only: bool) -> tuple[str, ...]:
    return (f"{name}__min", f"{name}__max") if extremes_only else (name,)


def _float_activations(graph: onnx.GraphProto) -> list[str]:
    inferred = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.output)}
    made = (name for node in graph.node for name in node.output)
    return [name for name in made if inferred.get(name) == TensorProto.FLOAT]


def _fused(graph: onnx.GraphProto, readers: Mapping[str, int]) -> dict[str, str]:
    """Return input to output of each activation function that is the only reader of its input."""
    functions = [node for node in graph.node if node.op_type in _FUSED_ACTIVATIONS]
    return {node.input[0]: node.output[0] for node in functions if readers.get(node.input[0]) == 1}


def _readers(graph: onnx.GraphProto) -> dict[str, int]:
    count: dict[str, int] = {}
    for name in (*(name for node in graph.node for name in node.input), *(value.name for value in graph.output)):
        count[name] = count.get(name, 0) + 1
    return count


def _session(model: onnx.ModelProto) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = cores_allowed()
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
