"""Mixes of int8 and float: cut where one tensor connects, proposed by a model that is fitted to timings."""

from __future__ import annotations

import itertools

import onnx
import pytest
from onnx import TensorProto, helper

from edgetl.quantization.search.blocks import Mix, blocks, first_mixes, float_nodes, proposals

GAINS, BORDER = (-3.0, 2.0, -1.0, 2.0, -2.0), 0.3


def _latency(mix: Mix) -> float:
    borders = sum(first != other for first, other in itertools.pairwise((False, *mix, False)))
    return 10 + sum(gain for gain, int8 in zip(GAINS, mix, strict=True) if int8) + BORDER * borders


def test_the_best_of_all_mixes_is_proposed_from_a_few() -> None:
    timed = {mix: _latency(mix) for mix in first_mixes(5)}
    best = min(itertools.product((False, True), repeat=5), key=_latency)
    assert best not in timed
    assert proposals(timed, 2)[0] == best == (True, False, True, False, True)


def test_borders_that_cost_more_than_a_block_gains_are_not_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "BORDER", 2.0)
    timed = {mix: _latency(mix) for mix in first_mixes(5)}
    best = min(itertools.product((False, True), repeat=5), key=_latency)
    assert [best, *proposals(timed, 1)][: 1 + (best not in timed)][-1] == best


def test_nothing_is_proposed_where_one_precision_is_best_everywhere() -> None:
    timed = {mix: 10.0 - sum(mix) for mix in first_mixes(4)}
    assert proposals(timed, 3) == []


def _chain_with_a_detour() -> onnx.ModelProto:
    """conv a -> [conv b -> conv c] + skip -> add -> conv d: between a's end and the add two tensors are alive."""
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("Conv", ["f", "w"], ["a"], name="conv_a"),
        helper.make_node("Conv", ["a", "w"], ["b"], name="conv_b"),
        helper.make_node("Conv", ["b", "w"], ["c"], name="conv_c"),
        helper.make_node("Add", ["a", "c"], ["s"], name="add"),
        helper.make_node("Conv", ["s", "w"], ["y"], name="conv_d"),
    ]
    weights = helper.make_tensor("w", TensorProto.FLOAT, [3, 3, 1, 1], [0.1] * 9)
    x, y = (
        helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 3, 4, 4]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 4, 4]),
    )
    return helper.make_model(helper.make_graph(nodes, "g", [x], [y], [weights]))


def test_blocks_are_cut_where_one_tensor_connects_and_a_residual_stays_whole() -> None:
    model = _chain_with_a_detour()
    assert blocks(model) == (("conv_a",), ("conv_b", "conv_c", "add"), ("conv_d",))
    assert blocks(model, most=2) == (("conv_a", "conv_b", "conv_c", "add"), ("conv_d",)) or blocks(model, most=2) == (
        ("conv_a",),
        ("conv_b", "conv_c", "add", "conv_d"),
    )
    assert float_nodes(blocks(model), (True, False, True)) == {"conv_b", "conv_c", "add"}
