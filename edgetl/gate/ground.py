"""What is asked for, and what that comes to: two sides, a target, and the run whose images judge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgetl import __version__, runs, targets
from edgetl.defaults import CHECK_S
from edgetl.environments.local import local_command
from edgetl.errors import UsageError, nearest
from edgetl.gate.sides import SUFFIX, Side, by_itself, of_run
from edgetl.targets import Target


@dataclass(frozen=True)
class CheckSettings:
    """What to judge: each side a candidate's name in quantize.json, another run's folder, or an ONNX file.

    None stands for the chosen candidate, the run's fp32 model, the target that quantize was given, and the run's
    judging images. ``run`` of None needs both sides and ``images``, a folder or manifest (``labels`` a CSV for it);
    the result is then stored in ``out``. Timing ends when the verdict is clear, or after ``time_budget_s``.
    """

    run: Path | None
    candidate: str | None = None
    baseline: str | None = None
    target: str | None = None
    images: Path | None = None
    labels: Path | None = None
    out: Path | None = None
    time_budget_s: float = CHECK_S
    seed: int = 0
    worker: Sequence[str] = field(default_factory=local_command)

    @property
    def folder(self) -> Path:
        """Where the result is stored."""
        if self.out is not None:
            return self.out
        name = re.sub(r"[^\w.-]+", "-", Path(self.candidate or "candidate").stem)
        return self.run or runs.RUNS / f"check-{name}"


@dataclass(frozen=True)
class Ground:
    """What is compared, and by what: both sides, the target, and the run whose images judge (None: others do)."""

    sides: tuple[Side, Side]
    target: Target
    run: Path | None


def ground(settings: CheckSettings) -> tuple[Ground, str]:
    """Return what is compared, and the hash of all that decides it; images of one's own are known by their place."""
    run = settings.run
    if run is None:
        target = targets.load(settings.target or targets.HOST)
        provider = target.candidates[0].provider
        sides = (
            _named(settings.baseline, "baseline", provider),
            _named(settings.candidate, "candidate", provider),
        )
        judged = ""
    else:
        quantized = runs.quantized(run)
        target = targets.load(settings.target or quantized.target)
        sides = (
            of_run(run, quantized, settings.baseline or quantized.candidates[0].name, "baseline"),
            of_run(run, quantized, settings.candidate or quantized.chosen, "candidate"),
        )
        judged = quantized.inputs
    identities = [side.identity for side in sides]
    asked = (settings.images, settings.labels, settings.seed, settings.worker)
    hashed = runs.digest(__version__, judged, identities, target.model_dump(), *asked)
    return Ground(sides, target, run), hashed


def _named(wanted: str | None, role: str, provider: str) -> Side:
    if wanted is None:
        raise UsageError("Without a run, name both sides: --baseline OLD --candidate NEW.")
    found = by_itself(wanted, provider)
    if found is None:
        hint = nearest(wanted, runs.names())
        raise UsageError(f"There is no {role} '{wanted}': no run, no bundle and no {SUFFIX} file.{hint}")
    return found
