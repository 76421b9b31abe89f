"""What an explanation says: plain data."""

from __future__ import annotations

from typing import Literal

from edgetl.artifacts import Interval, Value

# Why a node computes in float: on purpose, by its operator, by where it stands, or by what the engine has kernels for.
Why = Literal[
    "on purpose: it lost too much",
    "on purpose: faster so",
    "recipe leaves it out",
    "recipe leaves out operator",
    "works on shapes only",
    "before the first int8 tensor",
    "after the last int8 tensor",
    "no int8 form in the quantizer",
    "the engine keeps it in float",
    "an input is float",
    "its result is read in float",
]
KEPT: Why = "the engine keeps it in float"
RunsIn = Literal["int8", "float"]


class Weights(Value):
    """A layer's float weights: the smallest and largest, and how uneven its output channels are.

    ``spread`` is the largest absolute weight of the widest channel over that of the narrowest that is not all zero.
    """

    low: float
    high: float
    spread: float


class NodeExplanation(Value):
    """A node of the quantized graph.

    ``sqnr_db`` is the power of the float model's output over that of the error accumulated up to here, in dB: of the
    tensor as its readers read it, so after its quantization, unless a Clip or Relu follows that cuts it off. It is None
    where there was no error (``exact``) or nothing to compare. ``seen`` is the float model's range of the output,
    ``quantized`` the range that its integers span, None where it is not quantized. ``macs`` are of one image, 0 for
    what has no constant weights.
    """

    name: str
    op_type: str
    runs_in: RunsIn
    why: Why | None = None
    sqnr_db: float | None = None
    exact: bool = False
    seen: Interval | None = None
    quantized: Interval | None = None
    weights: Weights | None = None
    macs: int = 0


class Explanation(Value):
    """An int8 candidate of a run, node by node in the order of its graph; ``because`` says why this candidate.

    ``agreement`` is the share of the ``images`` (of those that calibrate) with the float model's top-1, a fraction;
    ``logits_sqnr_db`` None where the logits are equal; ``int8_macs`` the share of multiplications done in int8, a
    fraction. ``worst`` names up to five nodes with the lowest SQNR, the lowest first.
    """

    run: str
    candidate: str
    because: str
    provider: str
    recipe: str
    images: int
    logits_sqnr_db: float | None
    agreement: float
    int8_nodes: int
    float_nodes: int
    int8_macs: float | None
    worst: tuple[str, ...]
    nodes: tuple[NodeExplanation, ...]
