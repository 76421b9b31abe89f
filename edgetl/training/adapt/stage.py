"""From a trained classifier and images of another domain to an adapted one, and a report beside source-only."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from edgetl.errors import UsageError
from edgetl.measure.statistics import wilson
from edgetl.training.adapt import report
from edgetl.training.adapt.methods import AUTO, METHODS, require_possible
from edgetl.training.adapt.problem import Network, Problem
from edgetl.training.adapt.report import Answers
from edgetl.training.adapt.target import Check, Target, fingerprint
from edgetl.training.adapt.values import SOURCE_ONLY, Adaptation, Left, Row
from edgetl.training.task import Task, Trained


@dataclass(frozen=True)
class Adapted:
    """The adapted network with its logits of the source's splits, and how it came about."""

    trained: Trained
    adaptation: Adaptation


def adapt(task: Task, trained: Trained, target: Target, check: Check | None = None, method: str = AUTO) -> Adapted:
    """Return ``trained`` adapted to ``target`` by ``method``; with `AUTO`, all methods are tried and reported.

    The labels of ``check`` decide nothing. Raises UsageError for an unknown method and for one that this network or so
    few images do not allow, DataError for an image that cannot be decoded.
    """
    require_possible(method, task, len(target.paths))
    problem = Problem(task, Network.of(task, trained.tensors), target)
    start = time.perf_counter()
    before = report.answers(problem, problem.network, check)
    rows = [report.row(problem, SOURCE_ONLY, time.perf_counter() - start, before, before, check)]
    done: dict[str, tuple[Network, Answers]] = {}
    left: list[Left] = []
    for name in METHODS if method == AUTO else (method,):
        start = time.perf_counter()
        try:
            METHODS[name].require(task, len(target.paths))
        except UsageError as error:
            left.append(Left(method=name, reason=str(error)))
            continue
        with task.phases(f"adapt by {name}"):
            network = METHODS[name].adapt(problem)
            now = report.answers(problem, network, check)
        done[name] = network, now
        rows.append(report.row(problem, name, time.perf_counter() - start, now, before, check))
    # Coral is always possible.
    chosen = next(iter(done))
    network, now = done[chosen]
    adaptation = Adaptation(
        asked=method,
        method=chosen,
        reason=_reason(method, chosen),
        images=len(target.paths),
        skipped=target.skipped,
        held=target.held,
        check_images=len(check.paths) if check else 0,
        sha256=fingerprint(target, check),
        rows=tuple(rows),
        left=tuple(left),
    )
    task.progress.remark(_sentence(adaptation, adaptation.row(chosen)) + _at_home(adaptation, len(task.dataset.val)))
    # What was cross-validated before says nothing of how sure the adapted network may be.
    notes = {**trained.notes, "adapted_by": chosen}
    adapted = replace(
        trained,
        tensors=network.tensors(),
        train_logits=now.train,
        val_logits=now.val,
        notes=notes,
        unseen=None,
    )
    return Adapted(adapted, adaptation)


def _reason(asked: str, chosen: str) -> str:
    if asked != AUTO:
        return "It was asked for."
    return (
        f"Of the methods that could be used here, {chosen} recovered most in edgetl's own benchmark. Without labels "
        "nobody can tell whether it does on these images, and labels are not used to choose."
    )


def _at_home(adaptation: Adaptation, images: int) -> str:
    """Return a warning where the source's ``images`` prove that the adapted network forgot them."""
    before, after = (adaptation.row(name).source_accuracy for name in (SOURCE_ONLY, adaptation.method))
    if wilson(round(after * images), images)[1] >= wilson(round(before * images), images)[0]:
        return ""
    return (
        f" Of the {images} validation images of the old domain it is right on {after:.1%}, {before:.1%} before: do not "
        "use it there, and doubt it elsewhere."
    )


def _sentence(adaptation: Adaptation, row: Row) -> str:
    begin = f"Adapted by {row.method} to {adaptation.images} images."
    if row.accuracy is None or row.gain is None or row.gain_ci is None:
        return f"{begin} Whether it helps cannot be verified without labels: give some images with --adapt-check."
    low, high = row.gain_ci
    worse = " That is worse: leave out --adapt-to, or choose another --adapt-method." if high < 0 else ""
    return (
        f"{begin} On the {adaptation.check_images} labelled ones it is right on {row.accuracy:.1%}, "
        f"{100 * row.gain:+.1f} points against source-only ({100 * low:+.1f} to {100 * high:+.1f}).{worse}"
    )
