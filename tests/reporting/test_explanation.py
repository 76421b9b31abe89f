"""An explanation in a terminal: what decides is there at any width, and its words need no colour."""

from __future__ import annotations

import io

import pytest

pytest.importorskip("onnxruntime")

from rich.console import Console

from edgetl.quantization.explain.values import Explanation, NodeExplanation, Weights
from edgetl.reporting.explanation import explanation

NODES = (
    NodeExplanation(name="cast", op_type="Cast", runs_in="float", why="before the first int8 tensor", exact=True),
    NodeExplanation(
        name="conv",
        op_type="Conv",
        runs_in="int8",
        sqnr_db=31.24,
        seen=(-1.5, 2.25),
        quantized=(0.0, 2.26),
        weights=Weights(low=-0.5, high=0.62, spread=3.0),
        macs=100,
    ),
    NodeExplanation(name="[softmax]", op_type="Softmax", runs_in="float", why="no int8 form in the quantizer"),
)
RESULT = Explanation(
    run="runs/demo",
    candidate="cpu-int8-u8s8-minmax",
    because="chosen for host",
    provider="cpu",
    recipe="u8s8-minmax",
    images=16,
    logits_sqnr_db=30.0,
    agreement=0.9375,
    int8_nodes=1,
    float_nodes=2,
    int8_macs=1.0,
    worst=("conv",),
    nodes=NODES,
)


def _shown(result: Explanation, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(explanation(result))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 140])
def test_what_decides_is_shown_at_any_width(width: int) -> None:
    text = _shown(RESULT, width)
    assert all(len(line) <= width for line in text.splitlines())
    row = next(line.split() for line in text.splitlines() if line.startswith("conv"))
    assert "int8" in row and "31.2" in row and "worst" in row
    assert "before the first int8 tensor" in text and "no int8 form in the quantizer" in text
    assert "93.8 % of 16" in text and "100.0 % of the multiplications" in text and "[softmax]" in text


def test_a_wide_terminal_shows_ranges() -> None:
    text = _shown(RESULT, 140)
    assert "-1.5…2.25" in text and "0…2.26" in text and "-0.5…0.62 (3.0)" in text


def test_no_error_at_all() -> None:
    text = _shown(RESULT.model_copy(update={"logits_sqnr_db": None, "worst": (), "nodes": NODES[:1]}), 100)
    assert "no node has an error" in text and "SQNR exact" in text
