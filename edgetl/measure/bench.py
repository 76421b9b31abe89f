"""The `bench` stage: every candidate on every provider asked for, side by side in turns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from edgetl import __version__, runs, targets
from edgetl.artifacts import BenchResult, Candidate, QuantizeResult, Row
from edgetl.dataset import Dataset, judging_images
from edgetl.defaults import BENCH_S
from edgetl.device import providers
from edgetl.device.values import Preprocess
from edgetl.environments import worker_for
from edgetl.environments.local import local_command, measured_by
from edgetl.errors import MeasureError, WorkerError
from edgetl.files import replacing_together
from edgetl.measure import record, replication
from edgetl.measure.accuracy import Labels, Predictions, paired, predictions
from edgetl.measure.energy import millijoules
from edgetl.measure.launches import Launches, Plan, Variant, encoded, launch_all, open_worker
from edgetl.measure.lineup import lineup
from edgetl.measure.placement import mac_share
from edgetl.measure.rows import Measured, measured_row, unavailable_row
from edgetl.measure.state import together
from edgetl.measure.throughput import sweep
from edgetl.progress import Progress
from edgetl.spool import spooled
from edgetl.targets import Budgets

TIMINGS = "bench-timings.json"
TWIN = "baseline again"

BATCHES, THROUGHPUT_S = (1, 4, 16, 64), 0.4


@dataclass(frozen=True)
class BenchSettings:
    """What to measure. ``target`` of None is the one that quantize was given; no ``providers`` means its own.

    ``time_budget_s`` is roughly for everything but throughput, which is measured where ``throughput`` says so.
    ``worker`` is the command line of the runner that measures.
    """

    run: Path
    target: str | None = None
    providers: tuple[str, ...] = ()
    time_budget_s: float = BENCH_S
    throughput: bool = False
    seed: int = 0
    worker: Sequence[str] = field(default_factory=local_command)


@dataclass(frozen=True)
class Contender:
    """A candidate that runs, and the class that it gives each judging image."""

    candidate: Candidate
    variant: Variant
    answers: Predictions

    @property
    def name(self) -> str:
        """The candidate's name."""
        return self.candidate.name

    @property
    def resident(self) -> dict[str, Variant]:
        """The same with its images left on the device, by its name; none where the device has no memory of its own."""
        options = providers.settings(self.candidate.provider).get(providers.ON_DEVICE)
        name = f"{self.name}, {providers.ON_DEVICE}"
        return {} if options is None else {name: replace(self.variant, options={**self.variant.options, **options})}


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
    paths, preprocess = dataset.paths(images), runs.preprocess_of(folder)
    contenders, setbacks = _judged(candidates, settings, target.threads, paths, preprocess, progress)
    if not contenders:
        raise MeasureError("Nothing could be measured here. " + " ".join(dict.fromkeys(setbacks.values())))
    first = contenders[0]
    variants = {each.name: each.variant for each in contenders} | {TWIN: first.variant}
    for each in contenders:
        variants |= each.resident
    plan = Plan(
        time_budget_s=start + settings.time_budget_s - time.monotonic(),
        required=(first.name, TWIN),
        encoded=encoded(paths),
        seed=settings.seed,
    )
    launched = launch_all(variants, plan, progress)
    setbacks |= {name: str(error) for name, error in launched.setbacks.items()}
    # Against what: the target's baseline, unless that is the very one that cannot run here.
    reference = first if first.candidate == candidates[0] else None
    labels = dataset.labels(images)
    running = [each for each in contenders if each.name in launched.reports]
    rows = {each.name: _row(each, reference, launched, labels, target.budgets) for each in running}
    unmetered: set[str] = set()
    for each in running:
        # A provider's meter is the same for all of its rows, and where there is none the seconds are saved.
        if each.candidate.provider not in unmetered:
            rows[each.name] = _with_energy(rows[each.name], each, progress)
        if rows[each.name].energy_source is None:
            unmetered.add(each.candidate.provider)
        if settings.throughput:
            rows[each.name] = _with_throughput(rows[each.name], each, progress)
    if not targets.matches(target, launched.machine):
        progress.remark(targets.stranger(target, launched.machine))
    floor = replication.noise_floor(replication.undisturbed(launched.launches, first.name, first.name, TWIN))
    result = BenchResult(
        run=str(folder),
        inputs=inputs(settings, quantized),
        seconds=time.monotonic() - start,
        target=target.name,
        machine=dict(launched.machine),
        state=together([launch.state for launch in launched.launches]),
        images=len(images),
        launches=len(launched.launches),
        noise_floor=floor.interval,
        rows=tuple(rows.get(each.name) or unavailable_row(each, setbacks[each.name]) for each in candidates),
        timings=TIMINGS,
    )
    with replacing_together(folder) as beside:
        record.save(beside / TIMINGS, launched.launches)
        result.save(beside)
    return result


def inputs(settings: BenchSettings, quantized: QuantizeResult) -> str:
    """Return the hash of all that decides a result, but for the machine's mood."""
    files = [candidate.sha256 for candidate in quantized.candidates]
    target = targets.load(settings.target or quantized.target)
    return runs.digest(
        __version__,
        quantized.inputs,
        files,
        target.model_dump(),
        settings.providers,
        settings.throughput,
        measured_by(settings.worker),
    )


def _row(
    contender: Contender, reference: Contender | None, launched: Launches, labels: Labels, budgets: Budgets
) -> Row:
    report = launched.reports[contender.name]
    measured = Measured(
        contender.candidate,
        report,
        paired(labels, (reference or contender).answers, contender.answers),
        mac_share(contender.variant.model, report),
        launched.launches,
        next((name for name in contender.resident if name in launched.reports), None),
    )
    return measured_row(measured, None if reference is None else (reference.name, TWIN), budgets)


def _with_energy(row: Row, contender: Contender, progress: Progress) -> Row:
    """Return ``row`` with what an image costs in energy; unchanged on a machine without a meter."""
    try:
        spent = millijoules(contender.variant, 1e6 * (row.latency_p50_ms or 0.0))
    except WorkerError as error:
        progress.remark(f"{contender.name}: {error}")
        spent = None
    return row if spent is None else row.model_copy(update={"energy_mj": spent[0], "energy_source": spent[1]})


def _with_throughput(row: Row, contender: Contender, progress: Progress) -> Row:
    try:
        found = sweep(contender.variant, BATCHES, sorted({1, row.threads or 1}), THROUGHPUT_S, progress)
    except WorkerError as error:
        progress.remark(f"{contender.name}: {error}")
        return row
    return row.model_copy(update={"throughput": found})


def _judged(
    candidates: Sequence[Candidate],
    settings: BenchSettings,
    threads: int,
    paths: Sequence[Path],
    preprocess: Preprocess,
    progress: Progress,
) -> tuple[list[Contender], dict[str, str]]:
    """Return the candidates that run, each with its answers to all images, and why the others do not."""
    contenders: list[Contender] = []
    setbacks: dict[str, str] = {}
    with spooled(paths, preprocess, progress) as pixels:
        for index, candidate in enumerate(candidates):
            progress.step("judge candidates", index, len(candidates))
            if not candidate.path:
                setbacks[candidate.name] = candidate.reason
                continue
            variant = Variant(
                model=settings.run / candidate.path,
                provider=candidate.provider,
                precision=candidate.precision,
                threads=threads,
                preprocess=preprocess,
                pixels=np.array(pixels[:1]),
                command=worker_for(settings.worker, candidate.provider),
                options=candidate.options,
            )
            try:
                with open_worker(variant) as worker:
                    contenders.append(Contender(candidate, variant, predictions(worker.logits(pixels))))
            except WorkerError as error:
                setbacks[candidate.name] = str(error)
        progress.step("judge candidates", len(candidates), len(candidates))
    return contenders, setbacks
