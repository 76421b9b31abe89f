"""Timing variants over several launches: each starts every variant's process anew and times them all in turns.

A process keeps for life what it got at its start: where its memory lies, which pages and cores, how its threads fell
out. Two processes of one model differ by it, and no number of runs in them tells that difference from one of the
models. So the launch is what is repeated and counted, and the baseline is started twice in each: what the two differ by
is what any two processes do (Kalibera and Jones, *Rigorous benchmarking in reasonable time*, ISMM 2013).
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgetl.artifacts import State
from edgetl.device.values import LoadReport, Preprocess
from edgetl.environments.local import local_command
from edgetl.errors import WorkerError
from edgetl.measure.interleave import MIN_RUNS, Samples, Timer, interleave
from edgetl.measure.loading import load
from edgetl.measure.state import state
from edgetl.measure.worker import Worker
from edgetl.progress import Progress

# The fewest that say anything: see `statistics.launches`.
MIN_LAUNCHES = 3
# Timing lasts about as long as starting did: half of the time for each kind of chance.
MIN_TIMED_S, MAX_TIMED_S = 0.6, 8.0
MIN_ROUNDS, MAX_ROUNDS = 4, 40
END_TO_END_SHARE, END_TO_END_ROUNDS, END_TO_END_IMAGES = 0.5, 2, 8

Blocks = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Variant:
    """A model file as it is run: all that decides how fast. ``options`` are the session's.

    Fewer threads than cores are kept on as many cores where it is ``pinned``.

    ``preprocess`` is how an encoded image becomes its input, ``pixels`` (n, h, w, 3) the batch that inference is timed
    on.
    """

    model: Path
    provider: str
    precision: str
    threads: int
    preprocess: Preprocess
    pixels: NDArray[np.uint8]
    command: Sequence[str] = field(default_factory=local_command)
    options: Mapping[str, str] = field(default_factory=dict)
    pinned: bool = True


@dataclass(frozen=True)
class Timed:
    """What one launch of a variant gave. Times are ns; block k of every variant belongs to round k.

    ``cold_start_ns`` is from starting the process to the first logits, ``session_ns`` of it the engine's own loading.
    ``end_to_end`` is from encoded bytes to the class; empty where it was not asked for.
    """

    cold_start_ns: int
    session_ns: int
    inference: Blocks
    end_to_end: Blocks
    peak_rss_bytes: int


@dataclass(frozen=True)
class Launch:
    """What each variant gave in one launch, by its name, and the state that the machine was in meanwhile."""

    timed: Mapping[str, Timed]
    state: State


@dataclass(frozen=True)
class Launches:
    """All launches, what each variant's session reported, and why the variants that are missing were given up.

    ``machine`` are the facts and engines of the machine that measured.
    """

    launches: tuple[Launch, ...]
    machine: Mapping[str, Any]
    reports: Mapping[str, LoadReport]
    setbacks: Mapping[str, WorkerError]


@dataclass(frozen=True)
class Plan:
    """How to time. ``encoded`` are image files' bytes to time from end to end; with none, only inference is timed.

    ``required`` are the variants without which the rest says nothing: their WorkerError is raised. `MIN_LAUNCHES` are
    made whatever the ``time_budget_s``, and each times at least ``runs`` runs of each variant.
    """

    time_budget_s: float
    required: Sequence[str] = ()
    encoded: Sequence[bytes] = ()
    runs: int = 0
    seed: int = 0
    step: str = "time candidates"


Decide = Callable[[Sequence[Launch]], bool]


def never(_: Sequence[Launch]) -> bool:
    """Decide nothing: launch until the time ends."""
    return False


def launch_all(
    variants: Mapping[str, Variant],
    plan: Plan,
    progress: Progress,
    *,
    decide: Decide = never,
    clock: Callable[[], float] = time.monotonic,
) -> Launches:
    """Return launches of all ``variants``, made until ``decide`` says enough or the plan's time has passed.

    A variant that fails is given up and the launch repeated without it; WorkerError is raised for one that the plan
    requires, or when none is left.
    """
    start, longest = clock(), 0.0
    running = dict(variants)
    done: list[Launch] = []
    reports: dict[str, LoadReport] = {}
    machine: dict[str, Any] = {}
    setbacks: dict[str, WorkerError] = {}
    while len(done) < MIN_LAUNCHES or clock() - start + longest <= plan.time_budget_s:
        progress.step(plan.step, len(done), max(MIN_LAUNCHES, len(done) + 1))
        began = clock()
        try:
            launch, loaded, machine = _launch(running, plan, plan.seed + len(done), clock)
        except _Failed as failed:
            setbacks[failed.name] = failed.error
            del running[failed.name]
            if failed.name in plan.required or not running:
                raise failed.error from None
            # What was timed beside it is no worse for it, but launches must hold the same variants.
            done = [Launch({name: each.timed[name] for name in running}, each.state) for each in done]
            continue
        longest = max(longest, clock() - began)
        reports |= loaded
        done.append(launch)
        if len(done) >= MIN_LAUNCHES and decide(done):
            break
    progress.step(plan.step, len(done), len(done))
    return Launches(tuple(done), machine, {name: reports[name] for name in running}, setbacks)


@contextlib.contextmanager
def open_worker(variant: Variant) -> Iterator[Worker]:
    """Yield a worker with ``variant`` loaded and its batch set; raises WorkerError where it cannot run."""
    with Worker(variant.command) as worker:
        _load(worker, variant)
        worker.set_input(variant.pixels)
        yield worker


def encoded(paths: Sequence[Path]) -> tuple[bytes, ...]:
    """Return a few of the image files, spread over what is sorted by class, as their bytes."""
    places = np.unique(np.linspace(0, len(paths) - 1, min(END_TO_END_IMAGES, len(paths)), dtype=int))
    return tuple(paths[place].read_bytes() for place in places)


class _Failed(Exception):  # noqa: N818 - an event that the launching catches
    """A variant's worker failed."""

    def __init__(self, name: str, error: WorkerError) -> None:
        super().__init__(name)
        self.name, self.error = name, error


@dataclass(frozen=True)
class _Named:
    """A timer that says whose failure a failure is."""

    name: str
    timer: Timer

    def time(self, count: int) -> tuple[int, ...]:
        with _blamed(self.name):
            return self.timer.time(count)


@dataclass(frozen=True)
class _EndToEnd:
    worker: Worker
    encoded: Sequence[bytes]
    preprocess: Preprocess

    def time(self, count: int) -> tuple[int, ...]:
        # Whole passes: images take different times, and every block must hold the same ones.
        passes = -(-count // len(self.encoded))
        return self.worker.end_to_end(self.encoded, self.preprocess, passes * len(self.encoded))


def _launch(
    variants: Mapping[str, Variant], plan: Plan, seed: int, clock: Callable[[], float]
) -> tuple[Launch, dict[str, LoadReport], dict[str, Any]]:
    order = list(variants)
    random.Random(seed).shuffle(order)  # noqa: S311 - an order, not a secret
    start = clock()
    with contextlib.ExitStack() as opened:
        workers: dict[str, Worker] = {}
        reports: dict[str, LoadReport] = {}
        cold: dict[str, int] = {}
        for name in order:
            with _blamed(name):
                workers[name], reports[name], cold[name] = _started(variants[name], opened)
        launching = clock() - start
        # As the time allows at least so many launches of.
        afforded = plan.time_budget_s / MIN_LAUNCHES - launching
        seconds = max(MIN_TIMED_S, min(launching, MAX_TIMED_S, afforded))
        before = [worker.condition() for worker in workers.values()]
        timers = {name: _Named(name, workers[name]) for name in variants}
        # Two visits a round.
        rounds = max(MIN_ROUNDS, -(-plan.runs // (2 * MIN_RUNS)))
        inference = interleave(timers, time_budget_s=seconds, decide=_enough, min_rounds=rounds, seed=seed, clock=clock)
        whole = _end_to_end(variants, workers, plan, END_TO_END_SHARE * seconds, seed, clock)
        after = [worker.condition() for worker in workers.values()]
        timed = {
            name: Timed(
                cold_start_ns=cold[name],
                session_ns=reports[name].load_ns,
                inference=inference[name].blocks,
                end_to_end=whole.get(name, ()),
                peak_rss_bytes=workers[name].peak_rss_bytes(),
            )
            for name in variants
        }
        # The first variant's: others may run in an environment with another engine.
        hello = workers[next(iter(variants))].hello
    return Launch(timed, state(before, after)), reports, dict(hello.machine) | {"engines": dict(hello.engines)}


def _started(variant: Variant, opened: contextlib.ExitStack) -> tuple[Worker, LoadReport, int]:
    start = time.monotonic_ns()
    worker = opened.enter_context(Worker(variant.command))
    report = _load(worker, variant)
    worker.logits(variant.pixels)
    elapsed = time.monotonic_ns() - start
    worker.set_input(variant.pixels)
    return worker, report, elapsed


def _load(worker: Worker, variant: Variant) -> LoadReport:
    return load(
        worker,
        variant.model,
        variant.provider,
        variant.precision,
        variant.threads,
        variant.options,
        pinned=variant.pinned,
    )


def _end_to_end(
    variants: Mapping[str, Variant],
    workers: Mapping[str, Worker],
    plan: Plan,
    seconds: float,
    seed: int,
    clock: Callable[[], float],
) -> dict[str, Blocks]:
    if not plan.encoded:
        return {}
    timers = {
        name: _Named(name, _EndToEnd(workers[name], plan.encoded, variant.preprocess))
        for name, variant in variants.items()
    }
    samples = interleave(
        timers, time_budget_s=seconds, decide=_enough, min_rounds=END_TO_END_ROUNDS, seed=seed, clock=clock
    )
    return {name: each.blocks for name, each in samples.items()}


def _enough(samples: Mapping[str, Samples]) -> bool:
    return next(iter(samples.values())).rounds >= MAX_ROUNDS


@contextlib.contextmanager
def _blamed(name: str) -> Iterator[None]:
    try:
        yield
    except WorkerError as error:
        raise _Failed(name, error) from error
