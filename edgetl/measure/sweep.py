"""`bench --sweep`: one candidate under many settings of its session, against the setting that a target has."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgetl import runs, targets
from edgetl.artifacts import Setting, SweepResult
from edgetl.dataset import Dataset, judging_images
from edgetl.device import providers
from edgetl.environments import runs_here, worker_for
from edgetl.errors import UsageError, nearest
from edgetl.measure import replication
from edgetl.measure.bench import BenchSettings
from edgetl.measure.launches import Launches, Plan, Variant, launch_all, open_worker
from edgetl.measure.state import together
from edgetl.pixels import iter_pixels
from edgetl.progress import Progress

DEFAULT, TWIN = "as the target has it", "as the target has it, again"
# What ONNX Runtime calls waiting for work without sleeping. OpenVINO's threads do not do so for long.
SPINNING = "session.intra_op.allow_spinning"
SPIN = ("cpu", "openvino-ep")
# What all intervals miss together, at most.
ERROR = 0.05


def sweep(settings: BenchSettings, candidate: str | None, progress: Progress) -> SweepResult:
    """Return the latency of a candidate (None: the chosen one) with each setting of its session.

    These are the provider's own (`device.providers.settings`), or else each number of threads, spinning and pinning.

    Each is compared with the setting that the target has, timed in turns. The intervals hold at 95 % all together,
    each at 1 - 0.05 / number of settings (Bonferroni): of many at 95 % each, one would soon show a faster setting where
    there is none. Raises UsageError for an unknown candidate, WorkerError where it cannot run.
    """
    folder = settings.run
    quantized = runs.quantized(folder)
    target = targets.load(settings.target or quantized.target)
    known = {each.name: each for each in quantized.candidates if each.path}
    wanted = candidate or quantized.chosen
    if wanted not in known:
        raise UsageError(f"There is no candidate '{wanted}'.{nearest(wanted, known)} Known: {', '.join(known)}.")
    chosen, preprocess, dataset = known[wanted], runs.preprocess_of(folder), Dataset.load(folder)
    first = dataset.paths(judging_images(dataset)[:1])
    default = Variant(
        model=folder / chosen.path,
        provider=chosen.provider,
        precision=chosen.precision,
        threads=target.threads,
        preprocess=preprocess,
        pixels=np.concatenate([pixels for _, pixels in iter_pixels(first, preprocess)]),
        command=worker_for(settings.worker, chosen.provider),
        options=chosen.options,
    )
    variants = {DEFAULT: default, TWIN: default} | _variants(default, _cores(default))
    plan = Plan(settings.time_budget_s, (DEFAULT, TWIN), seed=settings.seed, step="sweep")
    launched = launch_all(variants, plan, progress)
    for name, error in launched.setbacks.items():
        progress.remark(f"{name}: {error}")
    names = [name for name in launched.reports if name not in (DEFAULT, TWIN)]
    rows = [_row(name, variants[name], launched, 1 - ERROR / len(names)) for name in names]
    return SweepResult(
        run=str(folder),
        candidate=wanted,
        target=target.name,
        default_threads=launched.reports[DEFAULT].threads,
        launches=len(launched.launches),
        rows=tuple(sorted(rows, key=lambda row: row.ratio)),
        machine=dict(launched.machine),
        state=together([launch.state for launch in launched.launches]),
    )


def _cores(default: Variant) -> int:
    """Return the cores of the machine that measures, which need not be this one."""
    with open_worker(default) as worker:
        return worker.hello.cores


def _variants(default: Variant, cores: int) -> dict[str, Variant]:
    """Return the settings to try by their names: threads in powers of two up to all cores, and how they behave.

    Where a GPU computes, threads only wait for it: its provider's own settings are tried.
    """
    own = providers.settings(default.provider)
    if own:
        return {name: replace(default, options=dict(options)) for name, options in own.items()}
    # Elsewhere nothing is pinned (`loading.load`), so that pinned settings would be the others over again.
    pins: Sequence[bool] = (True, False) if runs_here(default.command) else (False,)
    counts = sorted({min(2**power, cores) for power in range(cores.bit_length() + 1)})
    spins: Sequence[bool] = (True, False) if default.provider in SPIN else (True,)
    tried: dict[str, Variant] = {}
    for threads, spinning, pinned in itertools.product(counts, spins, pins):
        # One thread waits for no other; all cores leave nothing to be pinned to.
        if (threads == 1 and not spinning) or (threads == cores and pinned):
            continue
        parts = [f"{threads} threads" if threads > 1 else "1 thread"]
        parts += [] if spinning else ["no spinning"]
        parts += ["pinned"] if pinned else []
        options = {} if spinning else {SPINNING: "0"}
        tried[", ".join(parts)] = replace(default, threads=threads, pinned=pinned, options=options)
    return tried


def _row(name: str, variant: Variant, launched: Launches, confidence: float) -> Setting:
    seen = replication.undisturbed(launched.launches, name, DEFAULT, TWIN)
    against = replication.ratio(seen, confidence=confidence)
    p50 = replication.level([replication.percentile(0.5)(launch.timed[name]) for launch in launched.launches])
    return Setting(
        name=name,
        threads=launched.reports[name].threads,
        spinning=SPINNING not in variant.options,
        pinned=variant.pinned,
        options=dict(variant.options),
        latency_p50_ms=p50.value / 1e6,
        ratio=against.value,
        ci=against.interval,
    )
