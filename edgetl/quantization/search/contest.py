"""Trying candidates against the fp32 baseline: first their speed, in turns, then their accuracy on the same images.

Speed comes first since a few seconds tell it, and what is slower than what is known to keep its accuracy need not be
judged. Answers do not depend on the number of threads, so judging takes all cores of the machine that measures.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from edgetl.environments import worker_for
from edgetl.errors import MeasureError, WorkerError
from edgetl.measure.accuracy import drop_interval, paired, predictions
from edgetl.measure.interleave import Decide, Samples, interleave, never
from edgetl.measure.loading import load
from edgetl.measure.logits import hellinger
from edgetl.measure.statistics import Estimate, is_look, latency_ratio, quantile, sequential_confidence, widen
from edgetl.measure.worker import Worker
from edgetl.quantization.search.choose import MIN_SPEEDUP
from edgetl.quantization.search.ground import Ground, Pixels
from edgetl.quantization.search.on_target import as_on_target, images_asked
from edgetl.quantization.search.trial import Trial
from edgetl.quantization.setback import Setback
from edgetl.targets import TargetCandidate

BASELINE, TWIN = "baseline", "baseline again"

# The race ends when the interval is this narrow (as a ratio) or the candidate is slower for sure.
SETTLED = 1.03
MIN_ROUNDS = 8
# Of each in a race of a slow network: three blocks of two to warm up, two visits of two in each round.
LEAST_RUNS = 6 + 4 * MIN_ROUNDS
# How long the baseline is timed by itself, for the row that it has even if no candidate is timed.
ALONE_S = 0.5
# What is seen slower than the best, but not for sure, is judged at once if that takes no more of the time than this.
DOUBT_SHARE = 1 / 20
# After how many images it is asked whether a candidate is lost for sure, and how sure that is: it is asked often.
LOOK_EVERY, SURELY = 64, 0.999
# Engines round differently: up to this part of what an image changes in the logits, they are the same logits.
ROUNDING = 1e-3

# The kinds of errors of a worker that is not there, which are nothing about the model.
UNREACHABLE = ("Died", "Timeout", "Protocol")

Logits = NDArray[np.float32]
Raw = Mapping[str, Sequence[Sequence[int]]]


class Contest:
    """Two workers of the baseline, kept for all candidates: what they differ by is the noise floor.

    A context manager. ``baseline`` is the baseline's own trial, ``machine`` the facts of the machine it runs on; a
    baseline that cannot run here has a setback, and then so has every candidate. ``timings`` are the raw ns of every
    race by its name. Of the images of ``ground`` as many are used as ``time_budget_s`` for the whole search affords.
    """

    def __init__(self, baseline: TargetCandidate, model: Path, ground: Ground, time_budget_s: float) -> None:
        self.ground = self._offered = ground
        self._time_budget_s = time_budget_s
        self._open = contextlib.ExitStack()
        self.timings: dict[str, Raw] = {}
        self.baseline = Trial(baseline, model)
        self.machine: Mapping[str, object] = {}

    def __enter__(self) -> Contest:
        try:
            workers = [self._open.enter_context(self._worker(self.baseline)) for _ in (BASELINE, TWIN)]
            self.machine, self._cores = workers[0].hello.machine, workers[0].hello.cores
            for worker in workers:
                self._load(worker, self.baseline, self.ground.threads)
            self._workers = workers
            alone = interleave({BASELINE: workers[0]}, time_budget_s=ALONE_S, min_rounds=2)
            self.ground = self._offered.affordable(min(map(min, alone[BASELINE].blocks)) / 1e9, self._time_budget_s)
            self.baseline = replace(self.baseline, same_logits=True, latency_p50_ns=_median(alone[BASELINE]))
            self._logits = self._of_baseline(self.ground.pixels)
            self._judge_baseline()
        except WorkerError as error:
            if error.kind in UNREACHABLE:
                self._open.close()
                raise
            self.baseline = replace(self.baseline, setback=_setback(error))
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def closed(self) -> Setback | None:
        """Why no candidate can be tried here, if so: there is no baseline to compare it with."""
        if self.baseline.setback is None:
            return None
        return Setback("unavailable", f"Its baseline, {self.baseline.name}, cannot run here.")

    @property
    def spare_images(self) -> int:
        """How many images there are beyond those that the time affords for every candidate."""
        return len(self._offered.pixels) - len(self.ground.pixels)

    def extend(self, count: int) -> None:
        """Judge by ``count`` of the spare images, too, from now on; raises WorkerError where the baseline is gone."""
        known = len(self.ground.pixels)
        more = self._offered.first(known + count)
        self._logits = np.concatenate([self._logits, self._of_baseline(more.pixels[known:])])
        self.ground = more
        self._judge_baseline()

    def judge(self, trial: Trial) -> Trial:
        """Return ``trial`` with its accuracy; one that does not run, or not in its precision, with a setback."""
        if trial.setback is not None or self.baseline.setback is not None:
            return self._without_baseline(trial)
        try:
            with self._judging(trial, None) as worker:
                return self._judged(trial, worker)
        except WorkerError as error:
            return self._set_back(trial, error)

    def try_out(self, trial: Trial, seconds: float, best: float = 1.0) -> Trial:
        """Return ``trial`` with its latency, timed for about ``seconds``, and with its accuracy where that matters.

        It does not where the candidate is slower than ``best``, the latency, as a ratio to the baseline's, of what is
        known to keep its accuracy: slower beyond the noise, or as it seems where judging is dear. Of a large network
        that leaves the time to candidates that may win.
        """
        if trial.setback is not None or self.baseline.setback is not None:
            return self._without_baseline(trial)
        try:
            with self._worker(trial) as worker:
                self._load(worker, trial, self.ground.threads)
                confidence = self.ground.rules.budgets.confidence
                samples = self._samples({trial.name: worker}, seconds, _settled(trial.name, confidence))
                self._keep(trial.name, samples)
                trial = self._timed(trial, samples)
                if trial.latency is not None and self._needless(trial.latency, trial.latency_p50_ns, best):
                    return trial
                with self._judging(trial, worker) as judge:
                    return self._judged(trial, judge)
        except WorkerError as error:
            return self._set_back(trial, error)

    def race(self, name: str, trials: Sequence[Trial], seconds: float) -> list[Trial]:
        """Return those of ``trials`` that run, with their latencies timed again, all in turns for about ``seconds``.

        Each raced the baseline at another moment, and a machine's speed changes in between, not for all alike: only
        what was timed in the same rounds compares. ``name`` is what the raw timings are kept under. None where one
        of them fails while it is timed.
        """
        try:
            with contextlib.ExitStack() as opened:
                workers: dict[str, Worker] = {}
                for trial in trials:
                    worker = opened.enter_context(self._worker(trial))
                    with contextlib.suppress(WorkerError):
                        self._load(worker, trial, self.ground.threads)
                        workers[trial.name] = worker
                samples = self._samples(workers, seconds, never)
        except WorkerError:
            self._require_baseline()
            return []
        self._keep(name, samples)
        return [self._timed(trial, samples) for trial in trials if trial.name in workers]

    def _of_baseline(self, pixels: Pixels) -> Logits:
        with self._judging(self.baseline, self._workers[0]) as worker:
            return worker.logits(pixels)

    def _judge_baseline(self) -> None:
        answers = predictions(self._logits)
        own = paired(self.ground.labels, answers, answers, confidence=self.ground.rules.budgets.confidence)
        self.baseline = replace(self.baseline, accuracy=own, distance=0.0)

    def _needless(self, latency: Estimate, nanoseconds: float | None, best: float) -> bool:
        """Return whether it matters little if a candidate of this latency keeps its accuracy."""
        judging_s = len(self.ground.pixels) * (nanoseconds or 0.0) / 1e9
        dear = judging_s > DOUBT_SHARE * self._time_budget_s
        return latency.low > best or (dear and latency.value > best)

    def _set_back(self, trial: Trial, error: WorkerError) -> Trial:
        """Return ``trial`` with the setback that ``error`` is, unless the machine that measures is gone."""
        if error.kind in UNREACHABLE:
            self._require_baseline()
        return replace(trial, setback=_setback(error))

    def _require_baseline(self) -> None:
        """Raise WorkerError where the baseline's own workers do not answer: nothing can be compared any more."""
        for worker in self._workers:
            worker.peak_rss_bytes()

    def _samples(self, workers: Mapping[str, Worker], seconds: float, decide: Decide) -> Mapping[str, Samples]:
        timers = {BASELINE: self._workers[0], TWIN: self._workers[1], **workers}
        return interleave(timers, time_budget_s=seconds, decide=decide, min_rounds=MIN_ROUNDS)

    def _keep(self, name: str, samples: Mapping[str, Samples]) -> None:
        self.timings[name] = {each: samples[each].blocks for each in samples}

    def _without_baseline(self, trial: Trial) -> Trial:
        if trial.setback is not None:
            return trial
        return replace(trial, setback=self.closed)

    def _worker(self, trial: Trial) -> Worker:
        return Worker(worker_for(self.ground.command, trial.candidate.provider))

    def _load(self, worker: Worker, trial: Trial, threads: int) -> None:
        wanted = trial.candidate
        if trial.model is None:
            raise MeasureError(f"There is no model file of {wanted.name} to measure.")
        load(worker, trial.model, wanted.provider, wanted.precision, threads, wanted.options)
        worker.set_input(self.ground.pixels[:1])

    @contextlib.contextmanager
    def _judging(self, trial: Trial, timed: Worker | None) -> Iterator[Worker]:
        """Yield a worker with ``trial`` on all cores: the one that it was ``timed`` in, if that has them all."""
        if timed is not None and (self.ground.threads or self._cores) >= self._cores:
            yield timed
            return
        with self._worker(trial) as worker:
            self._load(worker, trial, 0)
            yield worker

    def _judged(self, trial: Trial, worker: Worker) -> Trial:
        """Return ``trial`` with its accuracy; one that is lost for sure does not see all images."""
        budgets = self.ground.rules.budgets
        parts: list[Logits] = []
        for first in range(0, len(self.ground.pixels), LOOK_EVERY):
            parts.append(worker.logits(self.ground.pixels[first : first + LOOK_EVERY]))
            seen = sum(map(len, parts))
            labels, before = self.ground.labels[:seen], predictions(self._logits[:seen])
            logits = np.concatenate(parts)
            accuracy = paired(labels, before, predictions(logits), confidence=budgets.confidence)
            counts = (accuracy.lost, accuracy.won, accuracy.images)
            if drop_interval(*counts, confidence=SURELY)[0] > budgets.top1_drop:
                break
        trial = replace(trial, accuracy=accuracy, distance=hellinger(logits, self._logits[:seen]))
        if seen < len(self.ground.pixels):
            return trial
        same = trial.candidate.precision == "fp32" and same_logits(self._logits, logits)
        asked = images_asked((self.baseline.latency_p50_ns or 0.0) / 1e9, self._time_budget_s)
        return as_on_target(replace(trial, same_logits=same), self.ground, logits, self._logits[:asked])

    def _timed(self, trial: Trial, samples: Mapping[str, Samples]) -> Trial:
        """Return ``trial`` with the latency of its samples."""
        base = samples[BASELINE].blocks
        confidence = sequential_confidence(len(base), self.ground.rules.budgets.confidence)
        floor = latency_ratio(samples[TWIN].blocks, base, confidence=confidence)
        latency = latency_ratio(samples[trial.name].blocks, base, confidence=confidence)
        return replace(trial, latency=widen(latency, floor), latency_p50_ns=_median(samples[trial.name]))


def same_logits(baseline: Logits, candidate: Logits) -> bool:
    """Return whether two arrays of logits (images, classes) differ by rounding only.

    That is at most a thousandth of what an image changes in them: another engine's fp32 differs by a millionth, bf16 by
    a hundredth.
    """
    return float(np.max(np.abs(baseline - candidate))) <= ROUNDING * float(np.max(np.ptp(baseline, axis=0)))


def _settled(name: str, confidence: float) -> Decide:
    def decide(samples: Mapping[str, Samples]) -> bool:
        rounds = samples[BASELINE].rounds
        if not is_look(rounds):
            return False
        level = sequential_confidence(rounds, confidence)
        ratio = latency_ratio(samples[name].blocks, samples[BASELINE].blocks, confidence=level)
        return ratio.low > 1 / MIN_SPEEDUP or ratio.high < SETTLED * ratio.low

    return decide


def _median(samples: Samples) -> float | None:
    median = quantile(samples.blocks, 0.5)
    return None if median is None else median.value


def _setback(error: WorkerError) -> Setback:
    return Setback("unavailable" if error.kind == "ProviderUnavailable" else "rejected", str(error))
