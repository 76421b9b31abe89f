"""The `bench` stage: every candidate on every provider asked for, side by side in turns."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgetl import __version__, targets
from edgetl import run as runs
from edgetl.artifacts import BenchResult, Candidate, QuantizeResult, Row
from edgetl.dataset import Dataset, judging_images
from edgetl.device.values import LoadReport, Preprocess, SessionSpec
from edgetl.errors import MeasureError, WorkerError
from edgetl.files import replacing_together, write_text
from edgetl.measure.accuracy import Labels, Pixels, Predictions, paired, predictions
from edgetl.measure.interleave import Samples, interleave
from edgetl.measure.lineup import lineup
from edgetl.measure.loading import load
from edgetl.measure.rows import Measured, measured_row, unavailable_row
from edgetl.measure.statistics import MIN_ROUNDS, Estimate, latency_ratio, widen
from edgetl.measure.worker import Worker, cold_start, local_command
from edgetl.progress import Progress
from edgetl.spool import spooled

TIMINGS = "bench-timings.json"
TWIN = "baseline again"

# Accuracy takes the time it takes. Cold starts are repeated within this share of the budget, and inference is timed
# for what is left of it, or for a quarter at least.
COLD_STARTS, COLD_START_UNTIL = 3, 0.6
LEAST_RACE_SHARE = 0.25
END_TO_END_IMAGES, END_TO_END_PASSES = 16, 4


@dataclass(frozen=True)
class BenchSettings:
    """What to measure. ``target`` of None is the one that quantize was given; no ``providers`` means its own.

    ``time_budget_s`` is roughly for everything. ``worker`` is the command line of the runner that measures.
    """

    run: Path
    target: str | None = None
    providers: tuple[str, ...] = ()
    time_budget_s: float = 45.0
    seed: int = 0
    worker: Sequence[str] = field(default_factory=local_command)


@dataclass(frozen=True)
class Contender:
    """A candidate that runs: its worker is loaded and has classified the judging images."""

    candidate: Candidate
    worker: Worker
    report: LoadReport
    answers: Predictions

    @property
    def name(self) -> str:
        """The candidate's name."""
        return self.candidate.name


@dataclass(frozen=True)
class Timings:
    """All that was timed, in ns, by the contenders' names; ``inference`` has the baseline's twin besides."""

    inference: Mapping[str, Samples]
    end_to_end: Mapping[str, tuple[int, ...]]
    cold_start: Mapping[str, tuple[int, ...]]

    def save(self, path: Path) -> None:
        """Write the raw figures as JSON, atomically."""
        raw = {
            "schema_version": 1,
            "unit": "ns",
            "inference": {name: samples.blocks for name, samples in self.inference.items()},
            "end_to_end": self.end_to_end,
            "cold_start": self.cold_start,
        }
        write_text(path, json.dumps(raw))


def bench(settings: BenchSettings, progress: Progress) -> BenchResult:
    """Return a row for every candidate on every provider asked for, timed in turns on this machine.

    A provider that cannot run here is a row that says why. Raises MeasureError when none can, UsageError for an unknown
    provider, RunError for a run whose candidates were not made.
    """
    start, folder = time.monotonic(), settings.run
    quantized, dataset = runs.quantized(folder), Dataset.load(folder)
    target = targets.load(settings.target or quantized.target)
    candidates = lineup(quantized, settings.providers)
    images = judging_images(dataset)
    preprocess = runs.preprocess_of(folder)
    paths = dataset.paths(images)
    contenders: list[Contender] = []
    setbacks: dict[str, str] = {}
    with spooled(paths, preprocess, progress) as pixels, contextlib.ExitStack() as opened:
        for index, candidate in enumerate(candidates):
            progress.step("judge candidates", index, len(candidates))
            try:
                contenders.append(_contender(candidate, settings, target.threads, pixels, opened))
            except WorkerError as error:
                setbacks[candidate.name] = str(error)
        if not contenders:
            raise MeasureError("Nothing could be measured here. " + " ".join(dict.fromkeys(setbacks.values())))
        progress.step("judge candidates", len(candidates), len(candidates))
        twin = _contender(contenders[0].candidate, settings, target.threads, pixels[:1], opened)
        # Spread over the data set, which is sorted by class.
        sample = paths[:: max(1, len(paths) // END_TO_END_IMAGES)][:END_TO_END_IMAGES]
        cold = _cold_starts(contenders, settings, pixels[:1], start + COLD_START_UNTIL * settings.time_budget_s)
        whole = _end_to_end(contenders, [path.read_bytes() for path in sample], preprocess)
        progress.step("time candidates", 0, 1)
        timings = Timings(_inference(contenders, twin, settings, start), whole, cold)
        progress.step("time candidates", 1, 1)
        memory = {each.name: each.worker.peak_rss_bytes() for each in contenders}
        machine = dict(twin.worker.hello.machine) | {"engines": dict(twin.worker.hello.engines)}
    # Against what: the target's baseline, unless that is the very one that cannot run here.
    reference = contenders[0] if contenders[0].candidate == candidates[0] else None
    floor = latency_ratio(timings.inference[TWIN].blocks, timings.inference[contenders[0].name].blocks)
    labels = dataset.labels(images)
    rows: dict[str, Row] = {
        each.name: measured_row(_measured(each, reference, timings, floor, labels, memory[each.name]), target.budgets)
        for each in contenders
    }
    result = BenchResult(
        run=str(folder),
        inputs=inputs(settings, quantized),
        seconds=time.monotonic() - start,
        target=target.name,
        machine=machine,
        images=len(images),
        noise_floor=floor.interval,
        rows=tuple(rows.get(each.name) or unavailable_row(each, setbacks[each.name]) for each in candidates),
        timings=TIMINGS,
    )
    with replacing_together(folder) as together:
        timings.save(together / TIMINGS)
        result.save(together)
    return result


def inputs(settings: BenchSettings, quantized: QuantizeResult) -> str:
    """Return the hash of all that decides a result, but for the machine's mood."""
    files = [candidate.sha256 for candidate in quantized.candidates]
    target = targets.load(settings.target or quantized.target)
    return runs.digest(__version__, quantized.inputs, files, target.model_dump(), settings.providers, settings.worker)


def _contender(
    candidate: Candidate, settings: BenchSettings, threads: int, pixels: Pixels, workers: contextlib.ExitStack
) -> Contender:
    """Return the candidate in a worker of its own, kept open by ``workers``; raises WorkerError when it cannot run."""
    if not candidate.path:
        raise WorkerError(candidate.reason)
    with contextlib.ExitStack() as opened:
        worker = opened.enter_context(Worker(settings.worker))
        report = load(worker, settings.run / candidate.path, candidate.provider, candidate.precision, threads)
        answers = predictions(worker.logits(pixels))
        worker.set_input(pixels[:1])
        workers.push(opened.pop_all())
    return Contender(candidate, worker, report, answers)


def _inference(
    contenders: Sequence[Contender], twin: Contender, settings: BenchSettings, start: float
) -> dict[str, Samples]:
    timers = {each.name: each.worker for each in contenders} | {TWIN: twin.worker}
    left = start + settings.time_budget_s - time.monotonic()
    seconds = max(left, LEAST_RACE_SHARE * settings.time_budget_s)
    return interleave(timers, time_budget_s=seconds, min_rounds=MIN_ROUNDS, seed=settings.seed)


def _end_to_end(
    contenders: Sequence[Contender], encoded: Sequence[bytes], preprocess: Preprocess
) -> dict[str, tuple[int, ...]]:
    """Return the ns from encoded bytes to a class, the contenders in turns."""
    times: dict[str, tuple[int, ...]] = {each.name: () for each in contenders}
    for _ in range(END_TO_END_PASSES):
        for each in contenders:
            times[each.name] += each.worker.end_to_end(encoded, preprocess, len(encoded))
    return times


def _cold_starts(
    contenders: Sequence[Contender], settings: BenchSettings, image: Pixels, until: float
) -> dict[str, tuple[int, ...]]:
    """Return the ns from starting a process to its first answer, the contenders in turns; repeated before ``until``."""
    times: dict[str, tuple[int, ...]] = {each.name: () for each in contenders}
    for index in range(COLD_STARTS):
        if index and time.monotonic() >= until:
            break
        for each in contenders:
            spec = SessionSpec(each.report.provider, each.candidate.precision, each.report.threads)
            times[each.name] += (cold_start(settings.worker, settings.run / each.candidate.path, spec, image),)
    return times


def _measured(
    contender: Contender,
    reference: Contender | None,
    timings: Timings,
    floor: Estimate,
    labels: Labels,
    peak_rss_bytes: int,
) -> Measured:
    latency = None
    if reference is not None and contender is not reference:
        blocks = (timings.inference[each.name].blocks for each in (contender, reference))
        latency = widen(latency_ratio(*blocks), floor)
    return Measured(
        candidate=contender.candidate,
        report=contender.report,
        accuracy=paired(labels, (reference or contender).answers, contender.answers),
        samples=timings.inference[contender.name],
        end_to_end=timings.end_to_end[contender.name],
        cold_start=timings.cold_start[contender.name],
        peak_rss_bytes=peak_rss_bytes,
        latency=latency,
        has_baseline=reference is not None,
    )
