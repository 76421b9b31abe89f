"""Trying candidates against the fp32 baseline: first their accuracy on the same images, then their speed in turns."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from edgetl.errors import MeasureError, WorkerError
from edgetl.measure.accuracy import paired, predictions
from edgetl.measure.interleave import Samples, interleave
from edgetl.measure.loading import load
from edgetl.measure.statistics import is_look, latency_ratio, quantile, sequential_confidence, widen
from edgetl.measure.worker import Worker
from edgetl.quantize.search.choose import MIN_SPEEDUP, keeps_accuracy
from edgetl.quantize.search.trial import Setback, Trial
from edgetl.targets import Budgets, TargetCandidate

BASELINE, TWIN, CANDIDATE = "baseline", "baseline again", "candidate"

# The race ends when the interval is this narrow (as a ratio) or the candidate is slower for sure.
SETTLED = 1.03
MIN_ROUNDS = 8
# How many of the fastest meet in the end, and under what name their timings are kept.
FINALISTS, FINAL = 3, "final"
# How long the baseline is timed by itself, for the row that it has even if no candidate is timed.
ALONE_S = 0.5

Pixels = NDArray[np.uint8]
Raw = Mapping[str, Sequence[Sequence[int]]]


@dataclass(frozen=True)
class Ground:
    """What all candidates of a contest share. ``labels`` are class indices, one for each of ``pixels``."""

    command: Sequence[str]
    pixels: Pixels
    labels: Sequence[int]
    threads: int
    budgets: Budgets


class Contest:
    """Two workers of the baseline, kept for all candidates: what they differ by is the noise floor.

    A context manager. ``baseline`` is the baseline's own trial, ``machine`` the facts of the machine it runs on; a
    baseline that cannot run here has a setback, and then so has every candidate.
    """

    def __init__(self, baseline: TargetCandidate, model: Path, ground: Ground) -> None:
        self._ground = ground
        self._open = contextlib.ExitStack()
        self.timings: dict[str, Raw] = {}
        self.baseline = Trial(baseline, model)
        self.machine: Mapping[str, object] = {}

    def __enter__(self) -> Contest:
        try:
            workers = [self._open.enter_context(Worker(self._ground.command)) for _ in (BASELINE, TWIN)]
            self.machine = workers[0].hello.machine
            for worker in workers:
                self._load(worker, self.baseline)
            self._workers = workers
            self._answers = predictions(workers[0].logits(self._ground.pixels))
            own = paired(self._ground.labels, self._answers, self._answers)
            alone = interleave({BASELINE: workers[0]}, time_budget_s=ALONE_S, min_rounds=2)
            self.baseline = replace(self.baseline, accuracy=own, latency_p50_ns=_median(alone[BASELINE]))
        except WorkerError as error:
            self.baseline = replace(self.baseline, setback=_setback(error))
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def try_out(self, trial: Trial, seconds: float) -> Trial:
        """Return ``trial`` with its accuracy and, if it keeps that, its latency, timed for about ``seconds``.

        A candidate that does not run, or not in the precision it is for, returns with a setback.
        """
        if self.baseline.setback is not None:
            reason = f"Its baseline, {self.baseline.candidate.name}, cannot run here."
            return replace(trial, setback=Setback("unavailable", reason))
        try:
            with Worker(self._ground.command) as worker:
                self._load(worker, trial)
                answers = predictions(worker.logits(self._ground.pixels))
                trial = replace(trial, accuracy=paired(self._ground.labels, self._answers, answers))
                return self._race(trial, worker, seconds) if keeps_accuracy(trial, self._ground.budgets) else trial
        except WorkerError as error:
            return replace(trial, setback=_setback(error))

    def final(self, trials: Sequence[Trial], seconds: float) -> list[Trial]:
        """Return ``trials`` with the latency of the fastest timed again, all in turns for about ``seconds``.

        Each raced the baseline at another moment, and a machine's speed changes in between, not for all alike: only
        what was timed in the same rounds compares. Where one of them fails now, all stay as they were.
        """
        rivals = sorted((each for each in trials if self._may_win(each)), key=_ratio)[:FINALISTS]
        if len(rivals) < 2:
            return list(trials)
        try:
            with contextlib.ExitStack() as opened:
                timers = {BASELINE: self._workers[0], TWIN: self._workers[1]}
                for rival in rivals:
                    timers[rival.candidate.name] = worker = opened.enter_context(Worker(self._ground.command))
                    self._load(worker, rival)
                samples = interleave(timers, time_budget_s=seconds, min_rounds=MIN_ROUNDS)
        except WorkerError:
            return list(trials)
        self.timings[FINAL] = {name: each.blocks for name, each in samples.items()}
        again = {rival.candidate.name: self._timed(rival, samples, rival.candidate.name) for rival in rivals}
        return [again.get(each.candidate.name, each) for each in trials]

    def _may_win(self, trial: Trial) -> bool:
        return trial.latency is not None and _ratio(trial) < 1 and keeps_accuracy(trial, self._ground.budgets)

    def _load(self, worker: Worker, trial: Trial) -> None:
        wanted = trial.candidate
        if trial.model is None:
            raise MeasureError(f"There is no model file of {wanted.name} to measure.")
        load(worker, trial.model, wanted.provider, wanted.precision, self._ground.threads)
        worker.set_input(self._ground.pixels[:1])

    def _race(self, trial: Trial, worker: Worker, seconds: float) -> Trial:
        if seconds <= 0:
            return trial
        timers = {BASELINE: self._workers[0], TWIN: self._workers[1], CANDIDATE: worker}
        samples = interleave(timers, time_budget_s=seconds, decide=_settled, min_rounds=MIN_ROUNDS)
        self.timings[trial.candidate.name] = {name: each.blocks for name, each in samples.items()}
        return self._timed(trial, samples, CANDIDATE)

    def _timed(self, trial: Trial, samples: Mapping[str, Samples], name: str) -> Trial:
        """Return ``trial`` with the latency of its samples, which stand under ``name``."""
        base = samples[BASELINE].blocks
        confidence = sequential_confidence(len(base), self._ground.budgets.confidence)
        floor = latency_ratio(samples[TWIN].blocks, base, confidence=confidence)
        latency = latency_ratio(samples[name].blocks, base, confidence=confidence)
        return replace(trial, latency=widen(latency, floor), latency_p50_ns=_median(samples[name]))


def _settled(samples: Mapping[str, Samples]) -> bool:
    rounds = samples[BASELINE].rounds
    if not is_look(rounds):
        return False
    ratio = latency_ratio(samples[CANDIDATE].blocks, samples[BASELINE].blocks, confidence=sequential_confidence(rounds))
    return ratio.low > 1 / MIN_SPEEDUP or ratio.high < SETTLED * ratio.low


def _ratio(trial: Trial) -> float:
    return trial.latency.value if trial.latency else float("inf")


def _median(samples: Samples) -> float | None:
    median = quantile(samples.blocks, 0.5)
    return None if median is None else median.value


def _setback(error: WorkerError) -> Setback:
    return Setback("unavailable" if error.kind == "ProviderUnavailable" else "rejected", str(error))
