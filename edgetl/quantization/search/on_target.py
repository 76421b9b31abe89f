"""Whether a candidate computes the same on the target's processor, where an emulator of that one can be asked.

x86-64 without VNNI does not: its 8-bit products saturate.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgetl.device.bundle.signal import MARGIN_DB, off, sqnr_db
from edgetl.errors import WorkerError
from edgetl.measure.loading import load
from edgetl.measure.worker import Worker
from edgetl.quantization.search.ground import Ground
from edgetl.quantization.search.trial import Trial
from edgetl.quantization.setback import Setback

# What an emulated processor is asked may take this part of the time; an image takes it so many times as long. Few show
# whether products saturate: logits are then off by a quarter of their spread and more.
SHARE, EMULATED_TIMES = 1 / 20, 100
MOST, LEAST = 24, 4

Logits = NDArray[np.float32]


def as_on_target(trial: Trial, ground: Ground, here: Logits, baseline: Logits) -> Trial:
    """Return ``trial``, with a setback where an emulated target is further off the ``baseline`` than it is ``here``.

    Both are the logits (images, classes) of the first images of ``ground``, on this machine. A target that is this
    machine, and an engine that the emulator has not, tell nothing.
    """
    if not ground.pretend or trial.candidate.precision == "fp32" or trial.model is None:
        return trial
    wanted, count = trial.candidate, len(baseline)
    try:
        with Worker(ground.pretend) as worker:
            load(worker, trial.model, wanted.provider, wanted.precision, 0, pinned=False)
            there_db = sqnr_db(worker.logits(ground.pixels[:count]), baseline)
    except WorkerError:
        return trial
    here_db = sqnr_db(here[:count], baseline)
    if there_db >= here_db - MARGIN_DB:
        return trial
    reason = (
        f"As the target's CPU computes it (emulated), its logits are off by {off(there_db)} of their spread, here "
        f"by {off(here_db)}: it would be wrong there."
    )
    return replace(trial, setback=Setback("rejected", reason))


def images_asked(image_s: float, time_budget_s: float) -> int:
    """Return how many images an emulated processor is asked: few of a slow network, of ``image_s`` seconds each."""
    return min(max(int(SHARE * time_budget_s / max(EMULATED_TIMES * image_s, 1e-9)), LEAST), MOST)
