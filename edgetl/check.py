"""The `check` stage: a candidate against a baseline, both run here and now, judged within the target's budgets."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgetl import __version__, targets
from edgetl import run as runs
from edgetl.artifacts import Accuracy, CheckResult, Flip, Latency, QuantizeResult
from edgetl.dataset import Dataset, judging_images
from edgetl.errors import UsageError, nearest
from edgetl.files import replacing_together, sha256_file, write_text
from edgetl.judge import Verdict, judge, judge_latency
from edgetl.measure.accuracy import PairedAccuracy, Predictions, paired, predictions
from edgetl.measure.interleave import Samples, interleave
from edgetl.measure.loading import load
from edgetl.measure.statistics import Estimate, is_look, latency_ratio, sequential_confidence, widen
from edgetl.measure.worker import Worker, local_command
from edgetl.progress import Progress
from edgetl.spool import spooled
from edgetl.targets import Budgets

TIMINGS = "check-timings.json"
BASELINE, TWIN, CANDIDATE = "baseline", "baseline again", "candidate"
MIN_ROUNDS = 8

# No number of images or runs proves what holds by definition, so nothing is tested then.
SAME = Verdict("pass", ("The candidate is the baseline itself: the same file on the same provider cannot be worse.",))


@dataclass(frozen=True)
class CheckSettings:
    """What to judge. ``candidate`` is a name in quantize.json or an ONNX file, ``baseline`` an ONNX file.

    None stands for the chosen candidate, the run's fp32 model and the target that quantize was given. Timing ends when
    the verdict is clear, or after ``time_budget_s``.
    """

    run: Path
    candidate: str | None = None
    baseline: Path | None = None
    target: str | None = None
    time_budget_s: float = 30.0
    seed: int = 0
    worker: Sequence[str] = field(default_factory=local_command)


@dataclass(frozen=True)
class Side:
    """One side of the comparison: a model file on a provider in a precision."""

    name: str
    model: Path
    provider: str
    precision: str


def check(settings: CheckSettings, progress: Progress) -> CheckResult:
    """Return the verdict on a candidate, with the latency ratio and the paired accuracy that it rests on.

    Raises WorkerError (nothing measured) when one side cannot run here, UsageError for an unknown candidate or a model
    of other classes, RunError for a run whose candidates were not made.
    """
    start, folder = time.monotonic(), settings.run
    quantized, dataset = runs.quantized(folder), Dataset.load(folder)
    target = targets.load(settings.target or quantized.target)
    baseline, candidate = sides(settings, quantized)
    images = judging_images(dataset)
    preprocess = runs.preprocess_of(folder)
    with spooled(dataset.paths(images), preprocess, progress) as pixels, contextlib.ExitStack() as opened:
        workers: dict[str, Worker] = {}
        answers: dict[str, Predictions] = {}
        for index, (role, side) in enumerate(((BASELINE, baseline), (TWIN, baseline), (CANDIDATE, candidate))):
            progress.step("check", index, 4)
            workers[role] = worker = opened.enter_context(Worker(settings.worker))
            load(worker, side.model, side.provider, side.precision, target.threads)
            worker.set_input(pixels[:1])
            if role != TWIN:
                logits = worker.logits(pixels)
                _require_classes(side, logits.shape[1], dataset.classes)
                answers[role] = predictions(logits)
        progress.step("check", 3, 4)
        budgets = target.budgets
        samples = interleave(
            workers,
            time_budget_s=settings.time_budget_s,
            decide=lambda so_far: _settled(so_far, budgets),
            min_rounds=MIN_ROUNDS,
            seed=settings.seed,
        )
        progress.step("check", 4, 4)
    latency, floor = _ratios(samples, budgets.confidence)
    accuracy = paired(dataset.labels(images), answers[BASELINE], answers[CANDIDATE], confidence=budgets.confidence)
    identical = _identity(baseline) == _identity(candidate)
    verdict = SAME if identical else judge(latency, accuracy, budgets, floor=floor)
    blocks = {name: each.blocks for name, each in samples.items()}
    wide = widen(latency, floor)
    result = CheckResult(
        run=str(folder),
        inputs=inputs(settings, quantized),
        seconds=time.monotonic() - start,
        verdict=verdict.outcome,
        reasons=verdict.reasons,
        target=target.name,
        baseline=baseline.name,
        candidate=candidate.name,
        latency=Latency(ratio=wide.value, ci=wide.interval, budget=budgets.latency_ratio),
        accuracy=_accuracy(accuracy, dataset, answers, budgets),
        timings=TIMINGS,
    )
    with replacing_together(folder) as together:
        write_text(together / TIMINGS, json.dumps({"schema_version": 1, "unit": "ns", "inference": blocks}))
        result.save(together)
    return result


def inputs(settings: CheckSettings, quantized: QuantizeResult) -> str:
    """Return the hash of all that decides a verdict, but for the machine's mood; raises UsageError."""
    target = targets.load(settings.target or quantized.target)
    compared = [_identity(side) for side in sides(settings, quantized)]
    return runs.digest(__version__, quantized.inputs, compared, target.model_dump(), settings.worker)


def sides(settings: CheckSettings, quantized: QuantizeResult) -> tuple[Side, Side]:
    """Return what is compared with what; raises UsageError for a candidate or a file that is not there."""
    first = quantized.candidates[0]
    known = {each.name: each for each in quantized.candidates if each.path}
    baseline = _file(settings.baseline, first.provider) if settings.baseline else None
    wanted = settings.candidate or quantized.chosen
    if wanted in known:
        chosen = known[wanted]
        candidate = Side(wanted, settings.run / chosen.path, chosen.provider, chosen.precision)
    elif wanted.endswith(".onnx"):
        candidate = _file(Path(wanted), first.provider)
    else:
        raise UsageError(f"There is no candidate '{wanted}'.{nearest(wanted, known)} Known: {', '.join(known)}.")
    return baseline or Side(first.name, settings.run / first.path, first.provider, first.precision), candidate


def _file(path: Path, provider: str) -> Side:
    if not path.is_file():
        raise UsageError(f"There is no model file {path}.")
    try:
        from edgetl.graph.precision import precision_of
    except ImportError:
        raise UsageError("Reading a model file needs onnx. Run: pip install 'edgetl[train]'") from None
    return Side(str(path), path, provider, precision_of(path))


def _identity(side: Side) -> tuple[str, str, str]:
    return (sha256_file(side.model), side.provider, side.precision)


def _require_classes(side: Side, found: int, classes: Sequence[str]) -> None:
    if found != len(classes):
        raise UsageError(f"{side.model} has {found} classes, the run {len(classes)}: they cannot be compared.")


def _settled(samples: Mapping[str, Samples], budgets: Budgets) -> bool:
    if not is_look(samples[BASELINE].rounds):
        return False
    latency, floor = _ratios(samples, budgets.confidence)
    return judge_latency(latency, budgets, floor=floor).outcome != "inconclusive"


def _ratios(samples: Mapping[str, Samples], confidence: float) -> tuple[Estimate, Estimate]:
    """Return the candidate's latency over the baseline's, and that of the baseline's twin: the noise floor."""
    base = samples[BASELINE]
    level = sequential_confidence(base.rounds, confidence)
    candidate, twin = (latency_ratio(samples[name].blocks, base.blocks, confidence=level) for name in (CANDIDATE, TWIN))
    return candidate, twin


def _accuracy(
    accuracy: PairedAccuracy, dataset: Dataset, answers: Mapping[str, Predictions], budgets: Budgets
) -> Accuracy:
    images = judging_images(dataset)
    flips = tuple(
        Flip(
            path=images[index].path,
            label=images[index].label,
            baseline=dataset.classes[answers[BASELINE][index]],
            candidate=dataset.classes[answers[CANDIDATE][index]],
        )
        for index in accuracy.flips
    )
    return Accuracy(
        images=accuracy.images,
        baseline=accuracy.baseline,
        candidate=accuracy.candidate,
        drop=accuracy.drop,
        ci=accuracy.drop_ci,
        agreement=accuracy.agreement,
        flips=flips,
        budget=budgets.top1_drop,
    )
