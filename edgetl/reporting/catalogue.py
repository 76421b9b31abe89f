"""What can be chosen, and what this machine can do, as tables: targets, models, doctor."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgetl.backbones import Backbone
from edgetl.measure.doctor import Findings
from edgetl.reporting.lines import following
from edgetl.targets import Target


def targets(known: Sequence[Target]) -> RenderableType:
    """Return one row a target."""
    table = _table("target", "providers", "threads", "description")
    for target in known:
        providers = dict.fromkeys(candidate.provider for candidate in target.candidates)
        table.add_row(target.name, ", ".join(providers), str(target.threads or "all"), target.description)
    return Group(table, following("edgetl run --target NAME; `edgetl targets NAME` shows one in full"))


def target(chosen: Target) -> RenderableType:
    """Return one target in full: its candidates and budgets."""
    table = _table("candidate", "provider", "precision", "recipe")
    for candidate in chosen.candidates:
        table.add_row(candidate.name, candidate.provider, candidate.precision, candidate.recipe or "–")
    budgets = chosen.budgets
    return Group(
        Text(f"{chosen.name}: {chosen.description}"),
        table,
        Text(
            f"budgets: latency at most {budgets.latency_ratio:.2f} x the baseline's, top-1 at most "
            f"{100 * budgets.top1_drop:.1f} points lower, judged at {100 * budgets.confidence:.0f} % confidence"
        ),
        following(f"edgetl run --target {shlex.quote(chosen.name)}"),
    )


def models(known: Sequence[Backbone]) -> RenderableType:
    """Return one row a backbone."""
    table = _table("model", "input", "M params", "M MACs", "ImageNet top-1", right=("input", "M params", "M MACs"))
    for backbone in known:
        table.add_row(
            backbone.name,
            str(backbone.preprocess.crop),
            f"{backbone.params / 1e6:.2f}",
            f"{backbone.macs / 1e6:,.0f}",
            f"{backbone.top1:.2f} %",
        )
    note = "top-1 as published with torchvision's weights; parameters and MACs with the 1000-class head"
    return Group(
        table,
        Text(note, style="dim"),
        following("edgetl finetune --arch NAME; edgetl rank compares them"),
    )


def doctor(findings: Findings) -> RenderableType:
    """Return what was found, then each problem with its remedy."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in findings.facts.items():
        table.add_row(name, value)
    problems = [
        Text.assemble(
            (f"{'problem' if problem.fatal else 'note'}: ", "bold yellow"), f"{problem.what} {problem.remedy}"
        )
        for problem in findings.problems
    ]
    if not problems:
        return Group(table, Text("no problems found", style="green"), following("edgetl run"))
    fatal = any(problem.fatal for problem in findings.problems)
    return Group(table, *problems, following("edgetl doctor, once that is mended" if fatal else "edgetl run"))


def _table(*columns: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table
