"""The phases of a search, in their order. Each adds trials; all that is known is on disk after every one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgetl.quantize.search.field import Field
from edgetl.quantize.search.final import final
from edgetl.quantize.search.listed import try_listed
from edgetl.quantize.search.mend import mend
from edgetl.quantize.search.mix import mix
from edgetl.quantize.search.retrain import Trainable, retrain
from edgetl.targets import TargetCandidate


def search(field: Field, model: Path, candidates: Sequence[TargetCandidate], trainable: Trainable | None) -> None:
    """Try ``candidates`` of the fp32 file ``model``, mend and mix what is worth it, and let the fastest race.

    ``trainable`` is what the network was trained from, None where that is not known.
    """
    try_listed(field, model, candidates)
    if field.contest.baseline.setback is not None:
        return
    mend(field)
    mix(field)
    retrain(field, model, trainable)
    final(field)
