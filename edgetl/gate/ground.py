"""What is asked for, and what that comes to: two sides, a target, and the run whose images judge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgetl import __version__, runs, targets
from edgetl.defaults import CHECK_S
from edgetl.environments.local import local_command, measured_by
from edgetl.errors import UsageError, nearest
from edgetl.gate.sides import SUFFIX, Side, by_itself, of_run
from edgetl.measure.lineup import require_known
from edgetl.targets import Target


@dataclass(frozen=True)
class CheckSettings:
    """What to judge: each side a candidate's name in quantize.json, another run's folder, a bundle, or an ONNX file.

    None stands for the chosen candidate, the run's fp32 model, the target that quantize was given, and the run's
    judging images. ``run`` of None needs both sides and ``images``, a folder or manifest (``labels`` a CSV for it);
    the result is then stored in ``out``, and the target is that of a run or a bundle among the sides, else this
    machine's. ``provider`` runs ONNX files, None for what the target's fp32 model runs on; all others say themselves
    what runs them. Timing ends when the verdict is clear, or after ``time_budget_s``.
    """

    run: Path | None
    candidate: str | None = None
    baseline: str | None = None
    target: str | None = None
    provider: str | None = None
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
    if settings.provider is not None:
        require_known((settings.provider,))
    if run is None:
        sides = (_named(settings.baseline, "baseline"), _named(settings.candidate, "candidate"))
        own = next((side.target for side in reversed(sides) if side.target is not None), targets.HOST)
        target = targets.load(settings.target or own)
        provider, judged = target.candidates[0].provider, ""
    else:
        quantized = runs.quantized(run)
        target = targets.load(settings.target or quantized.target)
        sides = (
            of_run(run, quantized, settings.baseline or quantized.candidates[0].name, "baseline"),
            of_run(run, quantized, settings.candidate or quantized.chosen, "candidate"),
        )
        provider, judged = quantized.candidates[0].provider, quantized.inputs
    sides = (_on(sides[0], settings.provider or provider), _on(sides[1], settings.provider or provider))
    identities = [side.identity for side in sides]
    asked = (settings.images, settings.labels, settings.seed, measured_by(settings.worker))
    hashed = runs.digest(__version__, judged, identities, target.model_dump(), *asked)
    return Ground(sides, target, run), hashed


def _on(side: Side, provider: str) -> Side:
    """Return ``side``, on ``provider`` where it does not say by what it is run."""
    return side if side.provider else replace(side, provider=provider)


def _named(wanted: str | None, role: str) -> Side:
    if wanted is None:
        raise UsageError("Without a run, name both sides: --baseline OLD --candidate NEW.")
    found = by_itself(wanted)
    if found is None:
        hint = nearest(wanted, runs.names())
        raise UsageError(f"There is no {role} '{wanted}': no run, no bundle and no {SUFFIX} file.{hint}")
    return found
