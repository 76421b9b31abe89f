"""All stages in a row; those whose inputs have not changed keep their result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edgetl import backbones, runs, targets
from edgetl import exporting as exports
from edgetl.artifacts import Artifact, BenchResult, CheckResult, RunResult
from edgetl.errors import RunError, UsageError
from edgetl.exporting import ExportSettings
from edgetl.gate import stage as checks
from edgetl.gate.stage import CheckSettings
from edgetl.measure import bench as benches
from edgetl.measure import lineup
from edgetl.measure.bench import BenchSettings
from edgetl.progress import Once, Progress
from edgetl.quantization import stage as quantization
from edgetl.quantization.stage import QuantizeSettings
from edgetl.training import finetune as tuning
from edgetl.training.distributed import told
from edgetl.training.settings import FinetuneSettings

A = TypeVar("A", bound=Artifact)
Finished = Callable[[Artifact, bool], None]


@dataclass(frozen=True)
class RunSettings:
    """The settings of each stage; all name the same run folder. ``force`` repeats every stage."""

    finetune: FinetuneSettings
    quantize: QuantizeSettings
    bench: BenchSettings
    check: CheckSettings
    force: bool = False

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.finetune.run


def run(settings: RunSettings, progress: Progress, finished: Finished) -> RunResult:
    """Return all artifacts of the main job; ``finished(artifact, kept)`` is told of each as soon as it is there.

    ``kept`` is true for a stage that was not repeated, because its inputs have not changed and its files are whole.
    Raises UsageError for a name that any stage would refuse, before the first one starts.
    """
    folder, progress = settings.folder, Once(progress)
    _require_known(settings)

    def stage(kept: Callable[[], A], inputs: Callable[[], str], work: Callable[[], A]) -> A:
        old = None if settings.force else _unchanged(kept, inputs)
        artifact = work() if old is None else old
        finished(artifact, old is not None)
        return artifact

    dataset = tuning.read_data(settings.finetune, progress)
    tuned = stage(
        lambda: runs.finetuned(folder),
        lambda: tuning.inputs_hash(settings.finetune, dataset),
        lambda: tuning.finetune(settings.finetune, progress, dataset),
    )
    exported = stage(
        lambda: runs.exported(folder),
        lambda: exports.inputs(tuned),
        lambda: exports.export(ExportSettings(folder), progress),
    )
    quantized = stage(
        lambda: quantization.kept(settings.quantize),
        lambda: quantization.inputs(settings.quantize, exported),
        lambda: quantization.quantize(settings.quantize, progress),
    )
    benched = stage(
        lambda: BenchResult.load(folder),
        lambda: benches.inputs(settings.bench, quantized),
        lambda: benches.bench(settings.bench, progress),
    )
    checked = stage(
        lambda: CheckResult.load(folder),
        lambda: checks.inputs(settings.check),
        lambda: checks.check(settings.check, progress),
    )
    return RunResult(finetune=tuned, export=exported, quantize=quantized, bench=benched, check=checked)


def _require_known(settings: RunSettings) -> None:
    if told().size > 1:
        raise UsageError("torchrun starts several processes for `edgetl finetune` only; run the other stages alone.")
    backbones.backbone(settings.finetune.arch)
    targets.load(settings.quantize.target)
    lineup.require_known(settings.bench.providers)


def _unchanged(kept: Callable[[], A], inputs: Callable[[], str]) -> A | None:
    try:
        artifact = kept()
        return artifact if artifact.inputs == inputs() else None
    except RunError:
        return None
