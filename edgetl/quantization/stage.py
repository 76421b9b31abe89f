"""The stage: every candidate of a target is made, tried and compared; the best so far is on disk at every moment."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgetl import __version__, recipes, runs, targets
from edgetl.artifacts import MEASURES, ExportResult, FinetuneResult, QuantizeResult
from edgetl.dataset import Dataset, ImageRef, fitting_images, selection_images
from edgetl.defaults import QUANTIZE_S
from edgetl.device import machine
from edgetl.environments import ENVIRONMENTS, made
from edgetl.environments.emulation import emulated
from edgetl.environments.local import local_command, measured_by
from edgetl.errors import DataError, RunError, UsageError
from edgetl.graph import metadata
from edgetl.measure.accuracy import images_to_prove
from edgetl.progress import Progress
from edgetl.quantization.calibration.images import Calibration
from edgetl.quantization.make import Workshop, versions
from edgetl.quantization.search import phases
from edgetl.quantization.search.choose import Rules
from edgetl.quantization.search.contest import Contest
from edgetl.quantization.search.field import Clock, Field
from edgetl.quantization.search.ground import Ground
from edgetl.quantization.search.record import CANDIDATES, Asked, Record
from edgetl.quantization.search.retrain import Trainable
from edgetl.quantization.search.trial import Trial
from edgetl.spool import spooled
from edgetl.targets import Target

# How many images are offered to the search: so many, or so many times those that prove a tight budget without any loss.
SELECTION_IMAGES, PROOFS = 2_000, 4


@dataclass(frozen=True)
class QuantizeSettings:
    """What to quantize and for whom. ``max_drop`` is a fraction of top-1; None takes the target's budget.

    ``time_budget_s`` is for everything; candidates that it does not reach are listed as such. ``worker`` is the command
    line of the runner that measures. ``accept_unproven`` lets a candidate be chosen whose drop is within the budget as
    seen, on too few images to prove it.
    """

    run: Path
    target: str = targets.HOST
    max_drop: float | None = None
    time_budget_s: float = QUANTIZE_S
    seed: int = 0
    worker: Sequence[str] = field(default_factory=local_command)
    accept_unproven: bool = False


def quantize(settings: QuantizeSettings, progress: Progress) -> QuantizeResult:
    """Return the candidates of a target, each with its accuracy, its latency and why it won or lost.

    Raises ConfigError for an unknown target or recipe, RunError for a run without an exported model, DataError without
    images to choose by.
    """
    start, folder = time.monotonic(), settings.run
    target = _target(settings)
    exported, dataset = runs.exported(folder), Dataset.load(folder)
    model = folder / exported.model
    calibration = Calibration(dataset, metadata.read(model).preprocess, _samples(target), settings.seed)
    images = selection_images(dataset, calibration.reserved, settings.seed)[: _offered(target)]
    if not images:
        raise DataError(f"{dataset.root} has no images left to choose candidates by. Add some.")
    workshop = Workshop(model, folder / CANDIDATES, calibration, _classifier(folder))
    if _recipes(target) and not calibration.images():
        raise DataError(f"{dataset.root} has no images left to calibrate on. Add some.")
    rules = Rules(target.budgets, settings.accept_unproven, MEASURES[dataset.labelled_by])
    asked = Asked(target, rules, settings.time_budget_s, inputs(settings, exported))
    record = Record(folder, asked, exported, dataset.labelled_by, start)
    clock = Clock(start + settings.time_budget_s)
    with spooled(dataset.paths(images), calibration.preprocess, progress) as pixels:
        labels, pretend = dataset.labels(images), _pretended(target, settings.worker, progress)
        ground = Ground(settings.worker, pixels, labels, target.threads, rules, pretend)
        with Contest(target.candidates[0], model, ground, settings.time_budget_s) as contest:
            _remark(target, contest, progress)

            def keep(trials: Sequence[Trial]) -> None:
                record.write(contest, trials)

            keep(())
            searched = Field(contest, workshop, clock, progress, keep)
            phases.search(searched, model, target.candidates[1:], _trainable(folder, dataset, images, settings.seed))
            _remark_untried(searched.trials, progress)
            return record.write(contest, searched.trials, finished=True)


def kept(settings: QuantizeSettings) -> QuantizeResult:
    """Return the run's result; raises RunError where there is none, or the time that is asked for may find more."""
    result = runs.quantized(settings.run)
    if not result.holds_for(settings.time_budget_s):
        raise RunError(f"The search of {settings.run} was out of time before it was through.")
    return result


def inputs(settings: QuantizeSettings, exported: ExportResult) -> str:
    """Return the hash of all that decides a result: the model, the images, the target with its recipes, the budgets.

    But for the time: see `kept`.
    """
    target = _target(settings)
    used = [recipes.load(name).model_dump() for name in _recipes(target)]
    asked = (settings.seed, settings.accept_unproven, measured_by(settings.worker))
    installed = (versions(), _environments())
    return runs.digest(__version__, exported.inputs, exported.sha256, target.model_dump(), used, *asked, *installed)


def _environments() -> dict[str, dict[str, str]]:
    """Return what the environments hold that were made here for other engines, and to emulate processors."""
    return {name: dict(there.versions) for name in ENVIRONMENTS if (there := made(name)) is not None}


def _offered(target: Target) -> int:
    """Return how many images the search may use; as many as the time affords are."""
    budgets = target.budgets
    least = images_to_prove(0, 0, 1, budgets.top1_drop, confidence=budgets.confidence) or 0
    return max(SELECTION_IMAGES, PROOFS * least)


def _classifier(folder: Path) -> Path | None:
    """Return the file of the network that the model was exported from, None for a foreign one."""
    return folder / runs.finetuned(folder).classifier if (folder / FinetuneResult.FILE).is_file() else None


def _trainable(folder: Path, dataset: Dataset, held: Sequence[ImageRef], seed: int) -> Trainable | None:
    """Return what the network was trained from, but for the images ``held`` to choose by.

    None for a foreign one, and where these are all.
    """
    classifier = _classifier(folder)
    if classifier is None:
        return None
    contents = {image.sha256 for image in held}
    images = [image for image in fitting_images(dataset) if image.sha256 not in contents]
    if not images:
        return None
    return Trainable(classifier, dataset.paths(images), dataset.labels(images), seed)


def _target(settings: QuantizeSettings) -> Target:
    target = targets.load(settings.target)
    if settings.max_drop is None:
        return target
    return target.model_copy(update={"budgets": target.budgets.model_copy(update={"top1_drop": settings.max_drop})})


def _recipes(target: Target) -> list[str]:
    return [candidate.recipe for candidate in target.candidates if candidate.recipe is not None]


def _samples(target: Target) -> int:
    return max((recipes.load(name).samples for name in _recipes(target)), default=1)


def _remark(target: Target, contest: Contest, progress: Progress) -> None:
    if contest.baseline.setback is not None:
        progress.remark(f"{contest.baseline.name} cannot run here: {contest.baseline.setback.reason}")
    elif contest.machine and not targets.matches(target, contest.machine):
        progress.remark(targets.stranger(target, contest.machine))


def _pretended(target: Target, worker: Sequence[str], progress: Progress) -> Sequence[str]:
    """Return the command line of a worker that computes as ``target`` does, where this machine does not and one can."""
    if tuple(worker) != local_command() or targets.matches(target, machine.facts()):
        return ()
    try:
        return emulated(target.name)
    except UsageError as error:
        progress.remark(f"What candidates answer on the processor of {target.name} is not checked. {error}")
        return ()


def _remark_untried(trials: Sequence[Trial], progress: Progress) -> None:
    untried = sum(trial.untried for trial in trials)
    if untried:
        progress.remark(
            f"The time was over before {untried} of {len(trials)} candidates were tried, and the fastest may be among "
            "them: repeat with a longer --time-budget. What was made is kept."
        )
