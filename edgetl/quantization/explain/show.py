"""Explaining a candidate: its graph is read, and both models run on calibration images."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import onnx
import pydantic
from onnx import TensorProto

from edgetl import runs
from edgetl.artifacts import Candidate
from edgetl.dataset import Dataset
from edgetl.device.machine import cpu_model
from edgetl.errors import RunError
from edgetl.graph import metadata
from edgetl.graph.macs import macs
from edgetl.progress import Progress
from edgetl.quantization.calibration.images import Calibration
from edgetl.quantization.explain.engine import float_here
from edgetl.quantization.explain.noise import Compared, compare
from edgetl.quantization.explain.reasons import why_float
from edgetl.quantization.explain.values import KEPT, Explanation, NodeExplanation
from edgetl.quantization.explain.weights import described, weights_of
from edgetl.quantization.explain.which import which
from edgetl.quantization.explain.wiring import ACTIVATIONS, Wiring
from edgetl.recipes import Recipe

IMAGES = 16
WORST = 5
# That of `QuantizeSettings`: the images must be those that calibrated.
_SEED = 0
_SHAPES = (TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL)


def explain(folder: Path, candidate: str | None, progress: Progress) -> Explanation:
    """Return what int8 does to each node of a run's ``candidate``; None takes the chosen one, or the best int8 one.

    Raises UsageError where the candidate has no int8 ONNX graph, RunError for a run without a search.
    """
    result = runs.quantized(folder)
    shown, because = which(result, candidate)
    recipe = _recipe(folder / shown.path)
    fp32 = folder / runs.exported(folder).model
    images = Calibration(Dataset.load(folder), metadata.read(fp32).preprocess, recipe.samples, _SEED)
    model, quantized = _prepared(onnx.load(fp32), recipe, images), onnx.load(folder / shown.path)
    wiring = Wiring(quantized, float_results=shown.provider == "openvino")
    twins = _twins(wiring, model)
    pairs = dict(_comparable(wiring, twins, model))
    count = min(IMAGES, recipe.samples)
    compared = compare(model, quantized, pairs, images.batches(count), count, progress)
    if not compared.images:
        raise RunError(f"{folder} has no calibration images, so its error cannot be seen. Add some, and run it again.")
    # Only where it was measured is this CPU the one in question.
    here = result.measured_on == cpu_model()
    kept = float_here(folder / shown.path, shown.provider, shown.precision) if here else frozenset[str]()
    nodes = tuple(_nodes(wiring, twins, recipe, quantized, model, compared, kept))
    return _explanation(folder, shown, because, nodes, compared)


def _recipe(path: Path) -> Recipe:
    """Return the recipe that the candidate at ``path`` was made by; raises RunError where it cannot be read."""
    try:
        return Recipe.model_validate(metadata.read(path).recipe)
    except (KeyError, pydantic.ValidationError):
        raise RunError(f"{path} was made by another version of edgetl. Run `edgetl quantize` again.") from None


def _prepared(model: onnx.ModelProto, recipe: Recipe, images: Calibration) -> onnx.ModelProto:
    """Return the float model that got the pairs: with other operators, or equalized, it has other tensors."""
    if recipe.engine != "onnxruntime":
        return onnx.shape_inference.infer_shapes(model)
    from edgetl.quantization.engines.static import prepare

    return prepare(model, recipe, lambda: images.batches(recipe.samples))


def _twins(wiring: Wiring, model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    """Return the float ``model``'s node for each quantized one, by the latter's first output."""
    by_name = {(node.name, node.op_type): node for node in model.graph.node if node.name}
    by_output = {node.output[0]: node for node in model.graph.node}
    found = {}
    for node in wiring.nodes:
        twin = by_name.get((node.name, node.op_type)) or by_output.get(node.output[0])
        if twin is not None:
            found[node.output[0]] = twin
    return found


def _comparable(
    wiring: Wiring, twins: Mapping[str, onnx.NodeProto], model: onnx.ModelProto
) -> Iterator[tuple[str, str]]:
    """Yield the float activations of ``model`` that the quantized graph has too, with their names there."""
    types = _types(model)
    for node in wiring.nodes:
        twin = twins.get(node.output[0])
        if twin is not None and types.get(twin.output[0]) == TensorProto.FLOAT:
            yield twin.output[0], wiring.read_as(node)


def _nodes(
    wiring: Wiring,
    twins: Mapping[str, onnx.NodeProto],
    recipe: Recipe,
    quantized: onnx.ModelProto,
    model: onnx.ModelProto,
    compared: Compared,
    kept: Collection[str],
) -> Iterator[NodeExplanation]:
    """Yield each node of ``quantized``; ``kept`` are those that the engine computes in float whatever their pairs."""
    constants = {each.name: each for each in model.graph.initializer}
    costs = _costs(model)
    types = _types(onnx.shape_inference.infer_shapes(quantized))
    for node in wiring.nodes:
        twin = twins.get(node.output[0])
        noise = compared.noises.get(twin.output[0]) if twin is not None else None
        values = weights_of(twin, constants) if twin is not None else None
        shapes_only = types.get(node.output[0]) in _SHAPES
        paired = not shapes_only and wiring.in_int8(node)
        int8 = paired and not _kept(node, wiring, kept)
        quantizer = wiring.quantizer(node)
        yield NodeExplanation(
            name=node.name or node.output[0],
            op_type=node.op_type,
            runs_in="int8" if int8 else "float",
            why=None if int8 else KEPT if paired else why_float(node, wiring, recipe, shapes_only=shapes_only),
            sqnr_db=noise.sqnr_db if noise else None,
            exact=noise is not None and noise.exact,
            seen=noise.seen if noise else None,
            quantized=wiring.range(quantizer) if quantizer is not None else None,
            weights=described(values) if values is not None else None,
            macs=costs.get(twin.name or twin.output[0], 0) if twin is not None and values is not None else 0,
        )


def _kept(node: onnx.NodeProto, wiring: Wiring, kept: Collection[str]) -> bool:
    """Return whether ``node``, or what a Relu or Clip is fused into, is among those that the engine keeps in float."""
    before = wiring.producer(node) if node.op_type in ACTIVATIONS else None
    return node.name in kept or (before is not None and before.name in kept)


def _costs(model: onnx.ModelProto) -> dict[str, int]:
    """Return the multiplications of each layer for an image; empty where shapes are only known when it runs."""
    try:
        return macs(model)
    except ValueError:
        return {}


def _types(model: onnx.ModelProto) -> dict[str, int]:
    """Return the element types of the tensors of ``model`` whose shapes were inferred."""
    values = (*model.graph.value_info, *model.graph.output)
    return {value.name: value.type.tensor_type.elem_type for value in values}


def _explanation(
    folder: Path, shown: Candidate, because: str, nodes: Sequence[NodeExplanation], compared: Compared
) -> Explanation:
    int8 = [node for node in nodes if node.runs_in == "int8"]
    total = sum(node.macs for node in nodes)
    noisy = sorted((node.sqnr_db, node.name) for node in nodes if node.sqnr_db is not None)
    return Explanation(
        run=str(folder),
        candidate=shown.name,
        because=because,
        provider=shown.provider,
        recipe=shown.recipe or "",
        images=compared.images,
        logits_sqnr_db=compared.logits.sqnr_db,
        agreement=compared.agreeing / compared.images,
        int8_nodes=len(int8),
        float_nodes=len(nodes) - len(int8),
        int8_macs=sum(node.macs for node in int8) / total if total else None,
        worst=tuple(name for _, name in noisy[:WORST]),
        nodes=tuple(nodes),
    )
