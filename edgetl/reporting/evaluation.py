"""An evaluation for a terminal: which classes fail, what is taken for what, whether probabilities can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from edgetl.reporting.fitting import GAP, Column, FittingTable

if TYPE_CHECKING:
    from edgetl.evaluation import Calibration, ClassFigures, Evaluation, Mistake

# Up to so many classes a matrix shows all there is; beyond, lists show the worst.
MATRIX_CLASSES = 10
WORST, CONFUSIONS, MISTAKES = 5, 5, 3
LONGEST_NAME = 24
NONE = "–"


def evaluation(value: Evaluation) -> list[RenderableType]:
    """Return what is worth a look, the classes first; nothing of what there is nothing to say of."""
    judged = [each for each in value.classes if each.images]
    if len(value.classes) <= MATRIX_CLASSES:
        parts: list[RenderableType] = [Matrix(value)]
    else:
        parts = [*_worst(judged), *_confusions(value)]
    mistakes = [Mistakes(value.mistakes[:MISTAKES])] if value.mistakes else []
    return [*parts, *mistakes, *_calibration(value)]


@dataclass(frozen=True)
class Matrix:
    """The confusion matrix, a row for each true class; columns get numbers where names do not fit."""

    value: Evaluation

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield a heading and the table for this terminal."""
        table = _matrix(self.value, numbered=False)
        if sum(column.width + GAP for column in table.columns if column.rank == 0) - GAP > options.max_width:
            table = _matrix(self.value, numbered=True)
        yield Text("true classes in rows, what the classifier says in columns", style="bold")
        yield table


def _matrix(value: Evaluation, numbered: bool) -> FittingTable:
    confused = {(each.label, each.predicted): each.images for each in value.confusions}
    names = [each.name for each in value.classes]
    heads = [str(number) for number in range(1, len(names) + 1)]
    rows = [f"{head} {_short(name)}" if numbered else _short(name) for head, name in zip(heads, names, strict=True)]
    columns = [Column("", [Text(row) for row in rows], left=True)]
    for head, said in zip(heads, value.classes, strict=True):
        cells = [
            Text(str(said.right), style="bold")
            if true == said.name
            else Text(str(confused[true, said.name]))
            if (true, said.name) in confused
            else Text("·", style="dim")
            for true in names
        ]
        columns.append(Column(head if numbered else _short(said.name), cells))
    columns += [
        Column("right", [Text(_percent(each.recall)) for each in value.classes]),
        Column("95 % interval", [Text(_interval(each)) for each in value.classes], rank=1),
        Column("precision", [Text(_percent(each.precision)) for each in value.classes], rank=2),
    ]
    return FittingTable(columns)


def _worst(judged: Sequence[ClassFigures]) -> list[RenderableType]:
    """Return the classes with the lowest recall, those of more images first where it is the same."""
    failing = [each for each in judged if each.right < each.images]
    worst = sorted(failing, key=lambda each: (each.right / each.images, -each.images))[:WORST]
    if not worst:
        return []
    table = FittingTable(
        [
            Column("class", [Text(_short(each.name)) for each in worst], left=True),
            Column("right", [Text(f"{each.right} of {each.images}") for each in worst]),
            Column("", [Text(_percent(each.recall)) for each in worst]),
            Column("95 % interval", [Text(_interval(each)) for each in worst], rank=1),
            Column("precision", [Text(_percent(each.precision)) for each in worst], rank=2),
        ]
    )
    perfect = len(judged) - len(failing)
    title = f"worst of {len(judged)} classes" + (f" ({perfect} without a mistake)" if perfect else "")
    return [Text(title, style="bold"), table]


def _confusions(value: Evaluation) -> list[RenderableType]:
    if not value.confusions:
        return []
    shown = value.confusions[:CONFUSIONS]
    table = FittingTable(
        [
            Column("true class", [Text(_short(each.label)) for each in shown], left=True),
            Column("taken for", [Text(_short(each.predicted)) for each in shown], left=True),
            Column("images", [Text(str(each.images)) for each in shown]),
        ]
    )
    return [Text("most frequent confusions", style="bold"), table]


@dataclass(frozen=True)
class Mistakes:
    """One line a mistake, or two where the path would be broken otherwise: it is there to be copied."""

    mistakes: Sequence[Mistake]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield a heading and the mistakes for this terminal."""
        yield Text("most confident mistakes (or wrong labels)", style="bold")
        for each in self.mistakes:
            said = f"  {100 * each.probability:5.1f} %  {_short(each.predicted)}, but it is {_short(each.label)}"
            line = Text(f"{said}: {each.path}")
            fits = line.cell_len <= options.max_width
            yield line if fits else Group(Text(f"{said}:"), Text(f"    {each.path}", overflow="fold"))


def _calibration(value: Evaluation) -> list[RenderableType]:
    now, scaled = value.calibration, value.scaled
    lines = [
        f"  says {_points(now.confidence)} on average and is right in {_points(value.accuracy)}: {_verdict(value)}",
        f"  mean gap (ECE) {_points(now.ece)}; "
        f"chance alone gives {_points(now.ece_by_chance)}, up to {_points(now.ece_limit)}",
    ]
    if value.temperature_helps:
        lines.append(
            f"  divided by temperature {value.temperature:.2f}: ECE {_points(scaled.ece)}, "
            f"log-loss {now.log_loss:.3f} -> {scaled.log_loss:.3f}"
        )
    elif now.off:
        lines.append("  no temperature is sure to mend that")
    return [Text("probabilities", style="bold"), *(Text(line) for line in lines)]


def _verdict(value: Evaluation) -> str:
    now: Calibration = value.calibration
    if not now.off:
        return "off by no more than chance"
    gap = now.confidence - value.accuracy
    # Half of the ECE or more on one side: the rest cancels between bins.
    if abs(gap) < now.ece / 2:
        return "too sure here, too unsure there"
    return "too sure of itself" if gap > 0 else "too unsure of itself"


def _short(name: str) -> str:
    text = Text(name)
    text.truncate(LONGEST_NAME, overflow="ellipsis")
    return text.plain


def _points(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _percent(fraction: float | None) -> str:
    return NONE if fraction is None else _points(fraction)


def _interval(each: ClassFigures) -> str:
    return NONE if each.recall_ci is None else f"{100 * each.recall_ci[0]:.1f}-{100 * each.recall_ci[1]:.1f}"
