"""Why a node computes in float."""

from __future__ import annotations

import re

import onnx

from edgetl.quantization.engines.insert import OPERATORS
from edgetl.quantization.explain.values import Why
from edgetl.quantization.explain.wiring import Wiring
from edgetl.recipes import Recipe


def why_float(node: onnx.NodeProto, wiring: Wiring, recipe: Recipe, *, shapes_only: bool) -> Why:
    """Return why ``node`` is not in int8; ``shapes_only`` says that it makes shapes and no activations."""
    if shapes_only:
        return "works on shapes only"
    if node.name in recipe.exclude_nodes:
        return _on_purpose(recipe)
    if node.op_type in recipe.exclude_operators:
        return "recipe leaves out operator"
    if wiring.before_all(node):
        return "before the first int8 tensor"
    if node.op_type not in OPERATORS:
        return "no int8 form in the quantizer"
    if wiring.after_all(node):
        return "after the last int8 tensor"
    return "its result is read in float" if wiring.inputs_quantized(node) else "an input is float"


def _on_purpose(recipe: Recipe) -> Why:
    """Return why ``recipe`` names nodes; the search names its recipes after what it did to them."""
    if re.search(r"-mix[01]+$", recipe.name):
        return "on purpose: faster so"
    return "on purpose: it lost too much" if re.search(r"-float\d+$", recipe.name) else "recipe leaves it out"
