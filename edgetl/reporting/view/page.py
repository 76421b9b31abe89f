"""The page of one run or of several: a pure function of what was gathered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgetl.gather.values import Gathered
from edgetl.reporting.view import (
    classes,
    comparison,
    latency,
    learning,
    lineage,
    nodes,
    pictures,
    providers,
    tradeoff,
    verdict,
)
from edgetl.reporting.view.blocks import Absent, Page, RunView, Section

# In the order of the page.
SECTIONS: Sequence[Callable[[Gathered], Section | Absent]] = (
    verdict.section,
    tradeoff.section,
    latency.section,
    providers.section,
    classes.section,
    pictures.section,
    nodes.section,
    learning.section,
    lineage.section,
)


def page(runs: Sequence[Gathered], made: str) -> Page:
    """Return the page of ``runs``; ``made`` says by what and when. Raises ValueError for no runs."""
    if not runs:
        raise ValueError("A page shows at least one run.")
    if len(runs) == 1:
        return Page(f"edgetl report: {runs[0].name}", None, (_view(runs[0], "run"),), made)
    views = tuple(_view(run, f"run-{number}") for number, run in enumerate(runs, 1))
    return Page(f"edgetl report: {len(runs)} runs", comparison.section(runs), views, made)


def _view(run: Gathered, key: str) -> RunView:
    made = [make(run) for make in SECTIONS]
    return RunView(
        key=key,
        name=run.name,
        banner=verdict.banner(run),
        sections=tuple(each for each in made if isinstance(each, Section)),
        absent=tuple(each for each in made if isinstance(each, Absent)),
    )
