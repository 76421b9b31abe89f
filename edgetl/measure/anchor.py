"""Comparing many models of which only a few fit into memory at once: each is timed in turns with the same one.

The anchor stays loaded, and every other model's latency is its ratio to the anchor's, taken in the same rounds. So
models that were never loaded together compare, though the machine's speed changed in between.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from edgetl.errors import MeasureError
from edgetl.measure.interleave import Samples, interleave
from edgetl.measure.loading import load
from edgetl.measure.statistics import (
    Estimate,
    is_look,
    latency_ratio,
    quantile,
    sequential_confidence,
    widen,
)
from edgetl.measure.worker import Worker
from edgetl.targets import Target

TWIN = "the anchor again"
MIN_ROUNDS = 8
# A race ends when every interval is this narrow, as a ratio of its ends.
SETTLED = 1.04


@dataclass(frozen=True)
class Model:
    """An ONNX file that takes one uint8 image of ``side`` x ``side`` pixels."""

    name: str
    path: Path
    side: int


class Anchored:
    """Times models on the provider and precision of a target's baseline; the first model that runs is the anchor.

    A context manager. The anchor has two workers: what they differ by is the noise floor, and intervals are widened by
    it. At most these two and those of one `race` are open at once.
    """

    def __init__(self, command: Sequence[str], target: Target, seed: int = 0) -> None:
        self._command, self._target, self._seed = command, target, seed
        self._open = contextlib.ExitStack()
        self._workers: dict[str, Worker] = {}
        self._anchor = ""
        self._p50: Estimate | None = None

    def __enter__(self) -> Anchored:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def p50_ns(self) -> Estimate:
        """The anchor's median latency in ns, as last measured; raises MeasureError before any model ran."""
        if self._p50 is None:
            raise MeasureError("No model has been timed.")
        return self._p50

    @property
    def machine(self) -> Mapping[str, Any]:
        """The facts and engines of the machine that measures; empty before any model ran."""
        if not self._workers:
            return {}
        hello = self._workers[self._anchor].hello
        return dict(hello.machine) | {"engines": dict(hello.engines)}

    def race(self, models: Sequence[Model], seconds: float) -> dict[str, Estimate]:
        """Return the latency of each model over the anchor's, all timed in turns for at most about ``seconds``.

        Raises WorkerError when one of them does not run: of kind ``ProviderUnavailable`` where none can run here.
        """
        if not self._workers:
            self._settle(models[0])
        timers = dict(self._workers)
        with contextlib.ExitStack() as opened:
            for model in models:
                if model.name != self._anchor:
                    timers[model.name] = self._started(model, opened)
            samples = interleave(
                timers, time_budget_s=seconds, decide=self._settled, min_rounds=MIN_ROUNDS, seed=self._seed
            )
        self._p50 = quantile(samples[self._anchor].blocks, 0.5)
        floor = self._ratio(samples, TWIN)
        # The anchor is as fast as itself; what is not known of it is what its twin read.
        own = Estimate(1.0, min(1.0, floor.low), max(1.0, floor.high), floor.confidence)
        ratios = {name: widen(self._ratio(samples, name), floor) for name in samples if name not in self._workers}
        return {model.name: ratios.get(model.name, own) for model in models}

    def _settle(self, model: Model) -> None:
        with contextlib.ExitStack() as opened:
            workers = {name: self._started(model, opened) for name in (model.name, TWIN)}
            self._open.push(opened.pop_all())
        self._workers, self._anchor = workers, model.name

    def _started(self, model: Model, opened: contextlib.ExitStack) -> Worker:
        worker = opened.enter_context(Worker(self._command))
        baseline = self._target.candidates[0]
        load(worker, model.path, baseline.provider, baseline.precision, self._target.threads)
        noise = np.random.default_rng(self._seed).integers(0, 256, (1, model.side, model.side, 3), dtype=np.uint8)
        worker.set_input(noise)
        return worker

    def _settled(self, samples: Mapping[str, Samples]) -> bool:
        if not is_look(samples[TWIN].rounds):
            return False
        ratios = [self._ratio(samples, name) for name in samples if name != self._anchor]
        return all(ratio.high < SETTLED * ratio.low for ratio in ratios)

    def _ratio(self, samples: Mapping[str, Samples], name: str) -> Estimate:
        base = samples[self._anchor].blocks
        return latency_ratio(samples[name].blocks, base, confidence=sequential_confidence(len(base)))
