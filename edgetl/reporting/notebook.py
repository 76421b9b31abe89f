"""The results of stages in a notebook: what their commands print, as HTML."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console, RenderableType

from edgetl.artifacts import (
    BenchResult,
    CheckResult,
    ExportResult,
    FinetuneResult,
    QuantizeResult,
    RunResult,
    SweepResult,
    Value,
)
from edgetl.delivery import BundleResult, ShipResult, VerifyResult
from edgetl.quantization.explain.values import Explanation
from edgetl.ranking.values import RankResult
from edgetl.reporting import explanation, rank, shipping, sweep, terminal

WIDTH = 120
_PAGE = '<pre style="line-height:1.3">{code}</pre>'

_SHOWN: Mapping[type[Value], Callable[[Any], RenderableType]] = {
    FinetuneResult: terminal.finetune,
    ExportResult: terminal.export,
    QuantizeResult: terminal.quantize,
    Explanation: explanation.explanation,
    BenchResult: terminal.bench,
    SweepResult: sweep.settings,
    CheckResult: terminal.check,
    RunResult: terminal.run,
    RankResult: rank.rank,
    BundleResult: shipping.bundle,
    VerifyResult: shipping.verify,
    ShipResult: shipping.ship,
}


def html(value: Value) -> str | None:
    """Return a stage's result as its command prints it, None for a value that no command prints."""
    render = _SHOWN.get(type(value))
    if render is None:
        return None
    console = Console(file=io.StringIO(), record=True, width=WIDTH, highlight=False, force_jupyter=False)
    console.print(render(value))
    return console.export_html(inline_styles=True, code_format=_PAGE)
