"""The phases of a search, in their order. Each adds trials; all that is known is on disk after every one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edgetl.errors import EdgetlError
from edgetl.quantization.search.doubt import settle_doubts
from edgetl.quantization.search.field import Field
from edgetl.quantization.search.final import final
from edgetl.quantization.search.listed import try_listed
from edgetl.quantization.search.mend import mend
from edgetl.quantization.search.mix import mix
from edgetl.quantization.search.rest import judge_rest
from edgetl.quantization.search.retrain import Trainable, retrain
from edgetl.quantization.search.tune import tune
from edgetl.targets import TargetCandidate


def search(field: Field, model: Path, candidates: Sequence[TargetCandidate], trainable: Trainable | None) -> None:
    """Try ``candidates`` of the fp32 file ``model``, mend and mix what is worth it, and let the fastest race.

    ``trainable`` is what the network was trained from, None where that is not known.
    """
    try_listed(field, model, candidates)
    if field.contest.baseline.setback is not None:
        return
    tune(field)
    settle_doubts(field)
    _attempt(field, "Leaving parts in float", lambda: mend(field))
    _attempt(field, "Mixing int8 and float", lambda: mix(field))
    retrain(field, model, trainable)
    final(field)
    judge_rest(field)


def _attempt(field: Field, what: str, phase: Callable[[], None]) -> None:
    """Do ``phase``; where a library does not understand the graph, what was found without it holds."""
    try:
        phase()
    except EdgetlError:
        raise
    except Exception as error:  # noqa: BLE001 - libraries raise anything for graphs that they do not understand
        field.progress.remark(f"{what} did not work for this model ({type(error).__name__}: {error}).")
