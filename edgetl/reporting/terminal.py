"""Artifacts as tables and sentences for a terminal. Words carry the meaning; colour only repeats it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from edgetl.artifacts import (
    MEASURES,
    Artifact,
    BenchResult,
    Candidate,
    CheckResult,
    ExportResult,
    FinetuneResult,
    QuantizeResult,
    Row,
    RunResult,
)
from edgetl.measure.state import disturbances
from edgetl.reporting import evaluation as evaluations
from edgetl.reporting import findings
from edgetl.reporting.adaptation import adaptation
from edgetl.reporting.fitting import Column, FittingTable
from edgetl.reporting.lines import line
from edgetl.targets import short_name

if TYPE_CHECKING:
    from edgetl.evaluation import Evaluation

_COLOURS = {
    "baseline": "blue",
    "chosen": "bold green",
    "accepted": "green",
    "rejected": "yellow",
    "unavailable": "dim",
    "skipped": "dim",
    "pass": "bold green",
    "fail": "bold red",
    "inconclusive": "bold yellow",
}
NONE = "–"

# What to try after a verdict.
_AFTER = {
    "pass": "edgetl bundle",
    "inconclusive": "edgetl check --time-budget 5m, or with more images",
    "fail": "edgetl quantize --explain",
}

# What one line says of a finished stage.
_GIST: dict[type[Artifact], Callable[[Any], str]] = {
    FinetuneResult: lambda r: f"validation top-1 {percent(r.val_accuracy)} on {r.val_images} images",
    ExportResult: lambda r: f"{r.model}, {size(r.size_bytes)} MB, logits within {r.max_abs_diff:.0e} of torch",
    QuantizeResult: lambda r: f"{r.chosen} chosen of {len(r.candidates)} candidates for {short_name(r.target)}",
    BenchResult: lambda r: f"{sum(row.status != 'unavailable' for row in r.rows)} of {len(r.rows)} rows measured",
    CheckResult: lambda r: str(r.verdict),
}


# A balanced accuracy is worth a line when it lies so far from the plain one.
BALANCED_DIFFERS = 0.01


def finetune(result: FinetuneResult, evaluation: Evaluation | None = None) -> RenderableType:
    """Return what a person wants to know of a training, and of how its classifier does on the validation images."""
    low, high = result.val_accuracy_ci
    lines = [
        f"{result.arch} ({Path(result.weights).name} weights), {result.strategy}, head {result.head}, "
        f"{len(result.classes)} classes",
        f"validation top-1 {percent(result.val_accuracy)} [{percent(low)}, {percent(high)}] "
        f"on {result.val_images} images, trained on {result.train_images}"
        + (f"; {result.test_images} more are kept for the verdict" if result.test_images else ""),
    ]
    if evaluation and abs(evaluation.balanced_accuracy - evaluation.accuracy) >= BALANCED_DIFFERS:
        lines.append(f"balanced accuracy, the mean over classes: {percent(evaluation.balanced_accuracy)}")
    if result.skipped_images:
        skipped = (
            "1 unusable image was" if result.skipped_images == 1 else f"{result.skipped_images} unusable images were"
        )
        lines.append(f"{skipped} skipped: see {result.run}/{result.data}")
    if result.contradictory_images:
        twice = "1 image is" if result.contradictory_images == 1 else f"{result.contradictory_images} images are"
        lines.append(f"{twice} in two classes at once: keep each in one")
    parts = evaluations.evaluation(evaluation) if evaluation else []
    if result.adaptation:
        parts = [*parts, *adaptation(result.adaptation)]
    following = "edgetl export --calibrated" if evaluation and evaluation.temperature_helps else "edgetl export"
    return Group(*parts, _said("finetune", lines, result.seconds, result.run, following))


def export(result: ExportResult) -> RenderableType:
    """Return what a person wants to know of an export."""
    lines = [
        f"{result.model}: {size(result.size_bytes)} MB, opset {result.opset}, sha256 {result.sha256[:12]}",
        f"logits within {result.max_abs_diff:.1e} of torch (tolerance {result.tolerance:.1e})",
    ]
    if result.temperature != 1.0:
        lines.append(f"logits divided by temperature {result.temperature:.3f}")
    return _said("export", lines, result.seconds, result.run, "edgetl quantize")


def quantize(result: QuantizeResult) -> RenderableType:
    """Return the candidates of a target, the chosen one and why each lost."""
    chosen = result.candidate(result.chosen)
    lines = [
        f"target {short_name(result.target)}: {chosen.name} is chosen: {chosen.reason}",
        f"{MEASURES[result.labelled_by]} is that on the {result.images} images that choose{_fewer(result)}; `edgetl "
        "check` judges by others",
    ]
    said = _said("quantize", lines, result.seconds, result.run, "edgetl bench")
    return Group(_candidates(result.candidates), *_reasons(result.candidates), said)


def _fewer(result: QuantizeResult) -> str:
    fewer = any((row.images or result.images) < result.images for row in result.candidates)
    return ", or on the number in parentheses" if fewer else ""


def bench(result: BenchResult) -> RenderableType:
    """Return the rows of candidate x provider; more columns where the terminal is wider."""
    low, high = result.noise_floor
    lines = [
        f"one image at a time, {result.images} images judged, {result.launches} launches; the baseline against itself "
        f"read {low:.3f} to {high:.3f}",
        *_apart(result.rows),
        *disturbances(result.state),
    ]
    said = _said("bench", lines, result.seconds, result.run, "edgetl check")
    return Group(_candidates(result.rows), *_reasons(result.rows), said)


def check(result: CheckResult) -> RenderableType:
    """Return the verdict, then what it rests on."""
    judged = result.findings

    def column(heading: str, rank: int, cells: Sequence[str]) -> Column:
        return Column(heading, [Text(cell) for cell in cells], rank)

    table = FittingTable(
        [
            Column("", [Text(name) for name in findings.names(judged)], left=True),
            column("baseline", 2, [findings.side(each, each.baseline) for each in judged]),
            column("candidate", 2, [findings.side(each, each.candidate) for each in judged]),
            column("measured", 0, [findings.measured(each) for each in judged]),
            column(f"{result.confidence:.0%} interval", 1, [findings.interval(each.ci, each.unit) for each in judged]),
            column("allowed", 0, [findings.allowed(each) for each in judged]),
            Column("", [Text(each.outcome, style=_COLOURS[each.outcome]) for each in judged], left=True),
        ]
    )
    # Names and reasons may hold what a user's folders are called.
    verdict = Text.assemble(
        (f"{result.verdict.upper()} ", _COLOURS[result.verdict]),
        line(" ".join(result.reasons)),
        f" ({result.seconds:.0f} s)",
    )
    told = [
        f"{result.candidate} against {result.baseline}: {findings.evidence(result)}",
        findings.timing(result),
        *disturbances(result.state),
    ]
    said = Text(f"run {line(result.run)}; next: {_AFTER[result.verdict]}", style="dim")
    return Group(table, *[Text(line(each)) for each in told], verdict, said)


def run(result: RunResult) -> RenderableType:
    """Return the rows of the benchmark, what was chosen and why, then the verdict."""
    chosen = result.quantize.candidate(result.quantize.chosen)
    choice = Text(f"{line(chosen.name)} is chosen; in the search: {line(chosen.reason)}")
    rows = result.bench.rows
    told = [Text(each) for each in _apart(rows)]
    return Group(_candidates(rows), *_reasons(rows), choice, *told, Text(""), check(result.check))


def summary(artifact: Artifact, kept: bool) -> str:
    """Return one line on a finished stage; ``kept`` when it was not repeated."""
    stage = artifact.FILE.removesuffix(".json")
    how = "unchanged, kept" if kept else f"{artifact.seconds:.1f} s"
    return f"{stage:<9} {_GIST[type(artifact)](artifact)} ({how})"


def percent(fraction: float) -> str:
    """Return a fraction as per cent with one decimal."""
    return f"{100 * fraction:.1f} %"


def size(size_bytes: int) -> str:
    """Return bytes in MB (10^6) with two decimals."""
    return f"{size_bytes / 1e6:.2f}"


def _reasons(candidates: Sequence[Candidate]) -> list[Text]:
    """Return a line for each candidate that may not be used, with the reason."""
    lost = (each for each in candidates if each.status in ("rejected", "unavailable"))
    return [Text(f"  {each.name}: {each.reason}") for each in lost]


def _apart(rows: Sequence[Row]) -> list[str]:
    """Return how to read a speed-up that is not the quotient of the medians beside it, where there is such a row."""
    base = rows[0].latency_p50_ms or 0.0
    told = [(row.speedup_ci, base / row.latency_p50_ms) for row in rows if row.speedup_ci and row.latency_p50_ms]
    if all(low <= quotient <= high for (low, high), quotient in told):
        return []
    return ["faster compares runs made in turns; the p50 of each also holds what disturbed the machine meanwhile"]


def _said(stage: str, lines: Sequence[str], seconds: float, run: str, following: str) -> RenderableType:
    first = Text.assemble((f"{stage} ", "bold"), lines[0])
    rest = [Text(f"  {line}") for line in lines[1:]]
    return Group(first, *rest, Text(f"  run {run}, {seconds:.1f} s; next: {following}", style="dim"))


def _candidates(candidates: Sequence[Candidate]) -> FittingTable:
    """Return a row a candidate: what decides first, the rest where there is room."""
    rows = [each if isinstance(each, Row) else Row(**each.model_dump()) for each in candidates]

    def column(heading: str, rank: int, cell: Callable[[Row], str]) -> Column:
        return Column(heading, [Text(cell(row)) for row in rows], rank)

    columns = (
        Column("candidate", [Text(row.name) for row in rows], left=True),
        column("p50 ms", 0, lambda row: _number(row.latency_p50_ms, ".2f")),
        column("p90 ms", 3, lambda row: _number(row.latency_p90_ms, ".2f")),
        column("faster", 0, lambda row: _number(row.speedup, ".2f", "x")),
        column("95 %", 1, lambda row: _interval(row.speedup_ci)),
        column("top-1", 0, lambda row: _top1(row, max(each.images or 0 for each in rows))),
        column("agree", 1, lambda row: _percent(row.agreement)),
        column("MB", 2, lambda row: size(row.size_bytes) if row.size_bytes else NONE),
        column("end-to-end", 4, lambda row: _number(row.end_to_end_p50_ms, ".2f")),
        column("cold start", 5, lambda row: _number(row.cold_start_ms, ".0f")),
        column("images/s", 4, lambda row: _number(max((t.images_per_s for t in row.throughput), default=None), ".0f")),
        column("on device ms", 5, lambda row: _number(row.resident_p50_ms, ".2f")),
        column("mJ", 5, lambda row: _number(row.energy_mj, ".1f")),
        column("RSS MB", 6, lambda row: _number(row.peak_rss_mb, ".0f")),
        column("runs on", 7, _placement),
        column("engine", 8, lambda row: f"{row.engine} {row.engine_version}" if row.engine else NONE),
        Column("status", [Text(row.status, style=_COLOURS[row.status]) for row in rows], left=True),
    )
    empty = {NONE}
    return FittingTable([each for each in columns if {cell.plain for cell in each.cells} != empty])


def _top1(row: Row, most: int) -> str:
    """Return the accuracy, and in parentheses on how many images where others saw more."""
    return f"{_percent(row.accuracy)} ({row.images})" if (row.images or most) < most else _percent(row.accuracy)


def _placement(row: Row) -> str:
    nodes = [f"{name.removesuffix('ExecutionProvider')} {count}" for name, count in (row.placement or {}).items()]
    # Where a model is split, the number of nodes does not say how much of the work is where.
    if len(nodes) > 1 and row.mac_share:
        nodes = [f"{each} ({row.mac_share[name]:.0%} of MACs)" for each, name in zip(nodes, row.mac_share, strict=True)]
    return f"{', '.join(nodes)} {row.actual_precision or ''}".strip() or NONE


def _number(value: float | None, spec: str, unit: str = "") -> str:
    return NONE if value is None else format(value, spec) + unit


def _percent(fraction: float | None) -> str:
    return NONE if fraction is None else f"{100 * fraction:.1f}"


def _interval(interval: tuple[float, float] | None) -> str:
    return NONE if interval is None else f"{interval[0]:.2f}-{interval[1]:.2f}"
