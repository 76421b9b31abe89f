"""The settings of a provider's session, such as CUDA graphs: tried on the fastest files that it may be chosen for."""

from __future__ import annotations

import time
from collections.abc import Iterator

from edgetl.device import providers
from edgetl.quantization.search.field import Field
from edgetl.quantization.search.trial import Trial

# Files of a provider, and the part of the time that all settings together may take.
FILES, SHARE = 2, 0.5


def tune(field: Field) -> None:
    """Add a trial for each setting of the providers that have some, on their fastest files.

    Not for images that lie on the device already: those of a device's user do not.
    """
    wanted = list(_wanted(field))
    end = field.clock.share(SHARE)
    for index, trial in enumerate(wanted):
        if time.monotonic() >= end:
            break
        field.progress.step("try settings", index, len(wanted))
        field.add(field.contest.try_out(trial, field.race_seconds(SHARE / (len(wanted) - index)), field.best()))
    if wanted:
        field.progress.step("try settings", len(wanted), len(wanted))


def _wanted(field: Field) -> Iterator[Trial]:
    able = [field.contest.baseline, *(each for each in field.trials if field.rules.admit(each))]
    # The baseline is as fast as itself.
    able.sort(key=lambda trial: trial.ratio if trial is not field.contest.baseline else 1.0)
    for provider in dict.fromkeys(each.candidate.provider for each in able):
        files = [each for each in able if each.candidate.provider == provider and each.candidate.setting is None]
        for name in providers.settings(provider):
            if name != providers.ON_DEVICE:
                for each in files[:FILES]:
                    tuned = each.candidate.model_copy(update={"setting": name})
                    yield Trial(tuned, model=each.model, recipe=each.recipe)
