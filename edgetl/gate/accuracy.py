"""The accuracy that a result carries: what changed on which image, and class by class."""

from __future__ import annotations

from edgetl.artifacts import Accuracy, ClassResult, Flip
from edgetl.gate.evidence import Answers
from edgetl.gate.images import Images
from edgetl.gate.limits import outcome
from edgetl.measure.accuracy import PairedAccuracy, drop_interval, images_needed
from edgetl.targets import Budgets


def told(accuracy: PairedAccuracy, images: Images, said: Answers, budgets: Budgets) -> Accuracy:
    """Return ``accuracy`` with names in it, for both sides' answers ``said`` to ``images``."""
    labels = said.baseline if images.labels is None else images.labels
    flips = tuple(
        Flip(
            path=images.names[index],
            label=images.classes[labels[index]],
            baseline=images.classes[said.baseline[index]],
            candidate=images.classes[said.candidate[index]],
        )
        for index in accuracy.flips
    )
    classes = tuple(
        ClassResult(
            name=images.classes[each.label],
            images=each.images,
            baseline=each.baseline,
            candidate=each.candidate,
            drop=each.drop,
            ci=drop_interval(each.lost, each.won, each.images, confidence=accuracy.confidence),
        )
        for each in accuracy.classes
    )
    clear = outcome(*accuracy.drop_ci, budgets.top1_drop) != "inconclusive"
    counts = (accuracy.lost, accuracy.won, accuracy.images)
    return Accuracy(
        images=accuracy.images,
        labelled_by=images.labelled_by,
        baseline=accuracy.baseline,
        candidate=accuracy.candidate,
        drop=accuracy.drop,
        ci=accuracy.drop_ci,
        agreement=accuracy.agreement,
        flips=flips,
        budget=budgets.top1_drop,
        lost=accuracy.lost,
        won=accuracy.won,
        mcnemar_p=accuracy.mcnemar_p,
        classes=classes,
        images_needed=None if clear else images_needed(*counts, budgets.top1_drop, confidence=accuracy.confidence),
    )
