"""What is known of a network on both domains: a row of the report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from edgetl.measure.accuracy import paired, predictions
from edgetl.measure.statistics import wilson
from edgetl.training.adapt.problem import Network, Problem
from edgetl.training.adapt.target import Check
from edgetl.training.adapt.values import Row
from edgetl.training.task import Logits


@dataclass(frozen=True, eq=False)
class Answers:
    """A network's logits, each (images, classes), of the source's splits, the target and its labelled images."""

    train: Logits
    val: Logits
    target: Logits
    check: Logits | None


def answers(problem: Problem, network: Network, check: Check | None) -> Answers:
    """Return what ``network`` says of all images; features come from the cache if they are there."""
    dataset = problem.task.dataset
    slice_of = None if check is None else problem.of(network.backbone, check.paths, check.hashes)
    return Answers(
        train=problem.logits(network.head, problem.of_source(network.backbone, dataset.train)),
        val=problem.logits(network.head, problem.of_source(network.backbone, dataset.val)),
        target=problem.logits(network.head, problem.of_target(network.backbone)),
        check=None if slice_of is None else problem.logits(network.head, slice_of),
    )


def row(problem: Problem, method: str, seconds: float, now: Answers, before: Answers, check: Check | None) -> Row:
    """Return the row of ``method``; ``before`` is what the source-only network says."""
    dataset = problem.task.dataset
    truth = np.asarray(dataset.labels(dataset.val))
    shares = special.softmax(now.target.astype(np.float64), axis=1)
    known = Row(
        method=method,
        seconds=seconds,
        source_accuracy=float(np.mean(predictions(now.val) == truth)),
        confidence=float(shares.max(1).mean()),
        entropy=float(special.entr(shares).sum(1).mean()),
    )
    if check is None or now.check is None or before.check is None:
        return known
    compared = paired(check.labels, predictions(before.check), predictions(now.check))
    lost = float(np.mean(predictions(before.val) == truth)) - compared.baseline
    low, high = compared.drop_ci
    return known.model_copy(
        update={
            "accuracy": compared.candidate,
            "accuracy_ci": wilson(round(compared.candidate * compared.images), compared.images),
            "gain": -compared.drop,
            "gain_ci": (-high, -low),
            "recovered": -compared.drop / lost if lost > 0 else None,
        }
    )
