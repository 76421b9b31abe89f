"""Whether a candidate keeps its accuracy. Pure: a test of non-inferiority on paired answers."""

from __future__ import annotations

from typing import Literal

from edgetl.measure.accuracy import PairedAccuracy, drop_bound, images_to_prove
from edgetl.quantization.search.trial import Trial
from edgetl.targets import Budgets

Standing = Literal["kept", "unproven", "lost"]


def standing(trial: Trial, budgets: Budgets) -> Standing:
    """Return whether ``trial`` keeps its accuracy within ``budgets``.

    ==========  =======================================================================================================
    kept        the drop's one-sided upper bound is within the budget: not inferior at the budgets' confidence. Or the
                logits are the baseline's up to rounding, as those of another engine in fp32, which no image need prove
    lost        the drop as seen is larger than the budget
    unproven    neither: more images could tell. Also what was not tried
    ==========  =======================================================================================================
    """
    accuracy = trial.accuracy
    if accuracy is None:
        return "unproven"
    if trial.same_logits or bound(accuracy, budgets) <= budgets.top1_drop:
        return "kept"
    return "lost" if accuracy.drop > budgets.top1_drop else "unproven"


def bound(accuracy: PairedAccuracy, budgets: Budgets) -> float:
    """Return the one-sided upper confidence bound of the drop, a fraction of top-1."""
    return drop_bound(accuracy.lost, accuracy.won, accuracy.images, confidence=budgets.confidence)


def provable(images: int, budgets: Budgets) -> bool:
    """Return whether ``images`` could prove it of any candidate at all: of one that answers as the baseline does."""
    return drop_bound(0, 0, images, confidence=budgets.confidence) <= budgets.top1_drop


def lacking(accuracy: PairedAccuracy, budgets: Budgets) -> int | None:
    """Return about how many more images would prove it at the rates seen so far; None where none would."""
    counts = (accuracy.lost, accuracy.won, accuracy.images)
    total = images_to_prove(*counts, budgets.top1_drop, confidence=budgets.confidence)
    return None if total is None else total - accuracy.images
