"""The strategy `auto`: cheap ways of training first, and the one kept that validates best, in the time there is.

::

    probe ─▶ probe on augmented views too ─▶ finetune with 1 stage ─▶ with 2 ─▶ ... ─▶ all of them (full)
      each is kept only if it beats the one kept so far by more than chance (see `ladder`)

It ends where even a perfect network could not be told from the one kept, or where the next one would probably not end
within the time budget (see `estimate`). All are fitted to the same images and compared on the stopping images, which
no verdict rests on. A probe that wins is fitted again, to all training images. Checkpoints stay for the caller to
remove.

With the same seed the same ways give the same results; how many of them are tried depends on the machine's speed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edgetl.errors import UsageError
from edgetl.training.augment import PLAIN
from edgetl.training.descent import brier, checkpoint, plan
from edgetl.training.strategies import estimate, gradient, ladder, probing, tuning
from edgetl.training.strategies.ladder import Values
from edgetl.training.strategies.tuning import Choices, Start, Tuned
from edgetl.training.task import Task, Trained

BUDGET_S = 300.0
# Augmented views of each image that a probe is given, if the user names no number.
VIEWS = 4
INTERRUPTED = "interrupted"
# The folders of the trainings below the task's.
FOLDERS = "stages-*"


@dataclass(frozen=True)
class Way:
    """A way of training that was tried: ``errors`` (images,) and ``accuracy`` on the stopping images.

    ``start`` holds its head where it is a probe, on so many augmented ``views``; ``tuned`` is None then.
    """

    name: str
    errors: Values
    accuracy: float
    start: Start
    views: int = 0
    tuned: Tuned | None = None

    def __str__(self) -> str:
        return f"{self.name} ({100 * self.accuracy:.1f} %, Brier error {self.errors.mean():.3f})"


def auto(task: Task) -> Trained:
    """Return what validates best of the probe and trainings of more and more stages, within `Task.time_budget_s`.

    Ctrl-C gives the best so far once the probe is there; trainings that were over, or were interrupted, are continued
    with ``resume``. Raises UsageError when there is nothing to resume.
    """
    began = time.perf_counter()
    budget = BUDGET_S if task.time_budget_s is None else task.time_budget_s

    def left() -> float:
        return task.world.broadcast(budget - (time.perf_counter() - began))

    _prepare(task)
    start = tuning.fitted(task)
    first = _probe(task, start, 0)
    tried, why = [first], ""
    try:
        why = _climb(task, tried, left)
    except KeyboardInterrupt:
        why = INTERRUPTED
    kept = _kept(tried)
    task.progress.remark(f"Kept is {kept}. Ended: {why}.")
    trained = (
        probing.probed(task, kept.start.source, kept.views)
        if kept.tuned is None
        else gradient.finished(task, kept.start, kept.tuned)
    )
    notes: dict[str, float | int | str] = {**trained.notes, "chosen": kept.name, "ended": why}
    for way in tried:
        notes |= {f"accuracy of {way.name}": way.accuracy, f"Brier error of {way.name}": float(way.errors.mean())}
    return replace(trained, notes=notes, interrupted=why == INTERRUPTED)


def _climb(task: Task, tried: list[Way], left: Callable[[], float]) -> str:
    """Add to ``tried`` one dearer way after the other; return why there are no more."""
    views = task.hyper.views or VIEWS
    if reason := _hopeless(tried):
        return reason
    if task.hyper.augment != PLAIN:
        # Decoding and the forward pass of a view take as long as those of the images took, and its fit as the first.
        _tell(task, tried, _probe(task, tried[0].start, views))
    count = tuning.count(task)
    for stages in range(1, count + 1):
        name = "full" if stages == count else f"finetune with {stages} stage{'s' * (stages > 1)}"
        choices = gradient.FULL if stages == count else gradient.FINETUNE
        folder = task.folder / FOLDERS.replace("*", str(stages))
        start, resume = _head_start(tried), task.resume and checkpoint.exists(folder, task.world)
        if reason := _hopeless(tried) or ("" if resume else _too_long(task, start, stages, choices, name, left())):
            return reason
        tuned = tuning.tune(replace(task, resume=resume), start, stages, choices, folder, left())
        outcome = tuned.outcome
        accuracy = float((outcome.logits.argmax(1) == tuning.labels(task, start.stopping)).mean())
        errors = ladder.honest(outcome.errors, outcome.losses)
        _tell(task, tried, Way(name, errors, accuracy, start, tuned=tuned))
        if outcome.ended == plan.INTERRUPTED:
            return INTERRUPTED
    return "all ways were tried"


def _kept(tried: Sequence[Way]) -> Way:
    """Return the way that no later one beat by more than chance."""
    kept = tried[0]
    for way in tried[1:]:
        kept = way if ladder.better(kept.errors, way.errors) else kept
    return kept


def _head_start(tried: Sequence[Way]) -> Start:
    """Return the best probe, for trainings by gradients to begin with."""
    return _kept([way for way in tried if way.tuned is None]).start


def _tell(task: Task, tried: list[Way], way: Way) -> None:
    kept = _kept(tried)
    tried.append(way)
    comparison = "better" if _kept(tried) is way else "not better by more than chance"
    task.progress.remark(f"{way} is {comparison} than {kept}.")


def _hopeless(tried: Sequence[Way]) -> str:
    kept = _kept(tried)
    if ladder.can_be_beaten(kept.errors):
        return ""
    return f"on {len(kept.errors)} images nothing could be told to be better than {kept.name}"


def _too_long(task: Task, start: Start, stages: int, choices: Choices, name: str, left: float) -> str:
    with task.phases("estimate"):
        needed = estimate.seconds(task, start, stages, choices)
    return "" if needed <= left else f"{name} would take about {needed:.0f} s, and {max(0.0, left):.0f} s are left"


def _prepare(task: Task) -> None:
    """Remove what an earlier training left, or make sure that there is something to resume."""
    folders = sorted(task.folder.glob(FOLDERS))
    if task.resume and not task.world.broadcast(any(map(checkpoint.exists, folders))):
        raise UsageError(f"There is no checkpoint in {task.folder} to resume from. Start again without --resume.")
    if not task.resume and task.world.leads:
        for folder in folders:
            shutil.rmtree(folder)


def _probe(task: Task, start: Start, views: int) -> Way:
    """Return how a head that was fitted to the images to fit to does on the stopping images."""
    if views:
        start = replace(start, head=tuning.fit_head(task, start.source, start.fit, views))
    logits = start.head.logits(tuning.features(task, start.source, start.stopping))
    labels = tuning.labels(task, start.stopping)
    accuracy = float((logits.argmax(1) == labels).mean())
    name = f"probe with {views} augmented views" if views else "probe"
    return Way(name, brier.errors(logits, labels), accuracy, start, views)
