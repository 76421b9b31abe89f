"""Gathering what a run's folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from edgetl.artifacts import Artifact, BenchResult, CheckResult, ExportResult, FinetuneResult, QuantizeResult
from edgetl.dataset import Dataset
from edgetl.dataset.values import FILE as DATA
from edgetl.errors import RunError
from edgetl.evaluation import Evaluation
from edgetl.gather.chain import chain
from edgetl.gather.curves import curves
from edgetl.gather.nodes import explained
from edgetl.gather.photos import photos
from edgetl.gather.timings import timings
from edgetl.gather.values import Gathered
from edgetl.progress import Progress

A = TypeVar("A", bound=Artifact)


def gather(folder: Path, progress: Progress) -> Gathered:
    """Return all that the run in ``folder`` has to be reported.

    Raises RunError for a folder without any result, or with one that is damaged or of a newer edgetl.
    """
    check, bench = _found(CheckResult, folder), _found(BenchResult, folder)
    quantize, export = _found(QuantizeResult, folder), _found(ExportResult, folder)
    finetune, evaluation = _found(FinetuneResult, folder), _found(Evaluation, folder)
    if not any((check, bench, quantize, export, finetune)):
        raise RunError(f"{folder} has no result to report. Run `edgetl run` first, or name another run.")
    dataset = Dataset.load(folder) if (folder / DATA).is_file() else None
    explanation, unexplained = explained(folder, quantize, export, progress)
    timed_by, timed = timings(folder, check, bench, quantize)
    return Gathered(
        name=folder.as_posix(),
        finetune=finetune,
        evaluation=evaluation,
        export=export,
        quantize=quantize,
        bench=bench,
        check=check,
        dataset=dataset,
        curves=curves(folder),
        timed=timed,
        timed_by=timed_by,
        photos=photos(dataset, check, evaluation, progress),
        explanation=explanation,
        unexplained=unexplained,
        chain=chain(folder, finetune, export, quantize),
    )


def _found(kind: type[A], folder: Path) -> A | None:
    """Return the artifact that is there, None where none is; raises RunError for a damaged one."""
    return kind.load(folder) if (folder / kind.FILE).is_file() else None
