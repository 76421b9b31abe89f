"""Streams through concatenations: their parts are evened out together, and what cannot be scaled is left alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx_ir")
pytest.importorskip("onnxruntime")

from onnx import helper  # noqa: E402

from edgetl.quantization.correct.equalize import equalize  # noqa: E402
from tests.quantization.correct import networks  # noqa: E402
from tests.tiny_graph import SIDE, batches, graph_of, logits  # noqa: E402

pytestmark = pytest.mark.engine

# Channels of the branches; "p" is "c" after pooling.
BRANCHES = {"a": 6, "b": 4, "c": 4, "p": 4}
LOUD = 300.0
NEXT, CLASSES = 5, 3

Joins = Mapping[str, tuple[str, ...]]

PLAIN: Joins = {"j": ("a", "b")}
NESTED: Joins = {"n": ("a", "b"), "j": ("p", "n")}
# Channels that are tied to others of their own activation.
LEFT_ALONE: tuple[Joins, ...] = ({"j": ("a", "b", "a")}, {"n": ("b", "c"), "j": ("n", "b")})


def _network(joins: Joins = PLAIN, *, loud: float = 1.0, axis: int = 1) -> Any:
    """Branches that become j by concatenations; one layer reads j after pooling, another one branch a alone.

    ``loud`` multiplies what branch b makes, and the weights that read it undo it.
    """
    rng = np.random.default_rng(0)
    leaves = _leaves("j", joins) if axis == 1 else joins["j"][:1]
    undone = np.concatenate([np.full(BRANCHES[name], 1 / loud if name == "b" else 1.0) for name in leaves])
    shapes = {"a": (6, 3, 1, 1), "b": (4, 3, 3, 3), "c": (4, 3, 1, 1), "next": (NEXT, len(undone), 3, 3)}
    shapes["side"] = (NEXT, BRANCHES["a"], 1, 1)
    constants: dict[str, Any] = {}
    nodes = []
    for name, source in (("a", "x"), ("b", "x"), ("c", "x"), ("next", "m"), ("side", "a")):
        scale = loud if name == "b" else undone.reshape(-1, 1, 1) if name == "next" else 1.0
        constants[f"{name}.weight"] = np.float32(rng.normal(0, 0.02, shapes[name]) * scale)
        constants[f"{name}.bias"] = np.float32(rng.uniform(0, 1, shapes[name][0]) * (scale if name == "b" else 1.0))
        pads = {"pads": [1, 1, 1, 1]} if name == "b" else {}
        inputs = [source, f"{name}.weight", f"{name}.bias"]
        nodes += [
            helper.make_node("Conv", inputs, [f"{name}.made"], name=f"conv_{name}", **pads),
            helper.make_node("Relu", [f"{name}.made"], [name], name=f"relu_{name}"),
        ]
    joined = [helper.make_node("Concat", list(parts), [name], name=name, axis=axis) for name, parts in joins.items()]
    pooled = [
        helper.make_node("MaxPool", ["c"], ["p"], name="pool_c", kernel_shape=[1, 1]),
        *joined,
        helper.make_node("MaxPool", ["j"], ["m"], name="pool_j", kernel_shape=[2, 2]),
    ]
    constants["head"] = np.float32(rng.normal(0, 1, (CLASSES, NEXT)))
    last = [
        helper.make_node("GlobalAveragePool", ["next"], ["one"], name="pool_next"),
        helper.make_node("GlobalAveragePool", ["side"], ["two"], name="pool_side"),
        helper.make_node("Add", ["one", "two"], ["sum"], name="add"),
        helper.make_node("Flatten", ["sum"], ["flat"], name="flatten"),
        helper.make_node("Gemm", ["flat", "head"], ["y"], name="gemm", transB=1),
    ]
    return graph_of([*nodes[:6], *pooled, *nodes[6:], *last], constants)


def _leaves(name: str, joins: Joins) -> list[str]:
    return [leaf for part in joins[name] for leaf in (_leaves(part, joins) if part in joins else [part])]


def _spread(model: Any) -> float:
    """The largest over the smallest channel of what is concatenated."""
    sizes = networks.run(model, np.concatenate(list(batches())), "j").max(axis=(0, 2, 3))
    return float(sizes.max() / sizes.min())


def _same(first: Any, second: Any) -> None:
    expected = logits(first)
    assert np.ptp(expected, axis=0).max() > 0.02
    np.testing.assert_allclose(logits(second), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("joins", [PLAIN, NESTED])
def test_a_loud_branch_is_brought_to_the_size_of_the_others(joins: Joins) -> None:
    plain, hard = _network(joins), _network(joins, loud=LOUD)
    _same(plain, hard)
    equalized = equalize(hard, batches)
    _same(plain, equalized)
    assert _spread(hard) > 50 * _spread(equalized)
    assert _spread(equalized) < 1.5 * _spread(equalize(plain, batches))


@pytest.mark.parametrize("joins", LEFT_ALONE)
def test_a_branch_at_two_places_keeps_its_scale(joins: Joins) -> None:
    hard = _network(joins, loud=LOUD)
    equalized = equalize(hard, batches)
    _same(hard, equalized)
    np.testing.assert_array_equal(networks.constant(equalized, "b.weight"), networks.constant(hard, "b.weight"))


def test_images_side_by_side_are_no_channels_side_by_side() -> None:
    hard = _network({"j": ("b", "c")}, loud=LOUD, axis=3)
    assert networks.run(hard, np.concatenate(list(batches())), "j").shape[3] == 2 * SIDE
    equalized = equalize(hard, batches)
    _same(hard, equalized)
    np.testing.assert_array_equal(networks.constant(equalized, "b.weight"), networks.constant(hard, "b.weight"))
