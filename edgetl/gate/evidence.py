"""What a verdict rests on: both sides' answers on the same images, and their launches, timed in turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgetl.environments import worker_for
from edgetl.errors import UsageError
from edgetl.gate.images import Images, order
from edgetl.gate.sides import Side
from edgetl.measure.accuracy import PairedAccuracy, paired, predictions
from edgetl.measure.launches import Launch, Plan, Variant, launch_all
from edgetl.measure.loading import load
from edgetl.measure.worker import Worker
from edgetl.progress import Progress
from edgetl.spool import spooled

BASELINE, TWIN, CANDIDATE = "baseline", "baseline again", "candidate"
ROLES = (BASELINE, TWIN, CANDIDATE)


@dataclass(frozen=True)
class Answers:
    """Both sides' predicted classes on the images, as indices of the images' classes, and one image of each side."""

    baseline: NDArray[np.int64]
    candidate: NDArray[np.int64]
    first: Mapping[str, NDArray[np.uint8]]
    machine: Mapping[str, Any]


@dataclass(frozen=True)
class Evidence:
    """All that is judged. ``size_bytes`` are the baseline's file's and the candidate's.

    ``same`` says that both sides are one file on one provider in one precision. ``elsewhere`` is the machine that
    measured where it is not what the target describes, else empty.
    """

    launches: tuple[Launch, ...]
    accuracy: PairedAccuracy
    classes: tuple[str, ...]
    size_bytes: tuple[int, int]
    same: bool
    elsewhere: str = ""


def answers(
    sides: tuple[Side, Side], images: Images, threads: int, command: Sequence[str], progress: Progress
) -> Answers:
    """Return what both sides say to all images.

    Raises WorkerError where one cannot run, UsageError where they have not the same classes.
    """
    found: dict[str, NDArray[np.int64]] = {}
    first: dict[str, NDArray[np.uint8]] = {}
    machine: dict[str, Any] = {}
    for role, side in zip((BASELINE, CANDIDATE), sides, strict=True):
        columns = order(side, images.classes)
        with spooled(images.paths, side.preprocess, progress) as pixels, _worker(command, side) as worker:
            load(worker, side.model, side.provider, side.precision, threads, side.options)
            logits = worker.logits(pixels)
            if logits.shape[1] != len(side.classes):
                raise UsageError(f"{side.model} has {logits.shape[1]} classes, not {len(side.classes)} as it is said.")
            found[role] = predictions(logits if columns is None else logits[:, columns])
            first[role] = np.array(pixels[:1])
            machine = dict(worker.hello.machine) | {"engines": dict(worker.hello.engines)}
    return Answers(found[BASELINE], found[CANDIDATE], first, machine)


def timed(
    sides: tuple[Side, Side],
    said: Answers,
    threads: int,
    command: Sequence[str],
    plan: Plan,
    decide: Callable[[Sequence[Launch]], bool],
    progress: Progress,
) -> tuple[Launch, ...]:
    """Return the launches of the baseline, its twin and the candidate; raises WorkerError where one fails."""
    by_role = {BASELINE: sides[0], TWIN: sides[0], CANDIDATE: sides[1]}
    variants = {
        role: Variant(
            side.model,
            side.provider,
            side.precision,
            threads,
            side.preprocess,
            said.first[CANDIDATE if role == CANDIDATE else BASELINE],
            worker_for(command, side.provider),
            side.options,
        )
        for role, side in by_role.items()
    }
    return launch_all(variants, plan, progress, decide=decide).launches


def _worker(command: Sequence[str], side: Side) -> Worker:
    return Worker(worker_for(command, side.provider))


def compared(said: Answers, images: Images, confidence: float) -> PairedAccuracy:
    """Return the paired accuracy of both sides' answers."""
    labels = said.baseline if images.labels is None else images.labels
    return paired(labels, said.baseline, said.candidate, confidence=confidence)
