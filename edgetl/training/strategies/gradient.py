"""The strategies that train by gradients: `finetune`, `full` and `scratch`.

*finetune* and *full* are LP-FT (Kumar et al., ICLR 2022): the head is fitted to cached features first, then the last
stages of the backbone and the head are trained on from there, so that the gradients of a random head do not tear up
what the source weights know. The fitted head is epoch 0 and may stay the best. *scratch* begins with a random head.

All stop by images that they are not fitted to, and that no verdict rests on. Their checkpoints stay for the caller to
remove, who may still have something to do that can fail.
"""

from __future__ import annotations

from dataclasses import replace

from edgetl.training.descent import plan
from edgetl.training.descent.plan import Outcome
from edgetl.training.strategies import outputs, probing, tuning
from edgetl.training.strategies.tuning import Choices, Start, Tuned
from edgetl.training.task import Task, Trained, Unseen

# The head is fitted already: at higher rates it grows surer of few images, and wrong on others with more conviction.
FINETUNE = Choices(epochs=20, batch=32, rate=1e-4, backbone=0.1, patience=6, augment="light", views=8)
FULL = FINETUNE
SCRATCH = Choices(
    epochs=100, batch=32, rate=1e-3, backbone=1.0, patience=25, augment="standard", views=1, batchnorm="train"
)


def finetune(task: Task) -> Trained:
    """Return the head and the last `Hyper.stages` stages (1 if None) of the backbone, trained from the probe on."""
    return _alone(task, tuning.fitted(task), task.hyper.stages or 1, FINETUNE)


def full(task: Task) -> Trained:
    """Return the head and the whole backbone, trained from the probe on."""
    return _alone(task, tuning.fitted(task), tuning.count(task), FULL)


def scratch(task: Task) -> Trained:
    """Return a network trained from its source weights (random ones as a rule) and a random head on."""
    return _alone(task, tuning.random(task), tuning.count(task), SCRATCH)


def finished(task: Task, start: Start, tuned: Tuned) -> Trained:
    """Return what was trained with its logits of the train and val splits, and how it went.

    Where nothing was better than the fitted head, that is fitted again to all training images.
    """
    outcome = tuned.outcome
    interrupted = outcome.ended == plan.INTERRUPTED
    if outcome.best_epoch == 0 and start.fitted and len(start.fit) < len(task.dataset.train):
        return replace(probing.probed(task, start.source, 0), notes=about(outcome), interrupted=interrupted)
    with task.phases("evaluate"):
        train, val = outputs.of_splits(task, tuned.tensors, alone=interrupted)
    return Trained(tuned.tensors, train, val, about(outcome), interrupted, _unseen(task, start, outcome))


def about(outcome: Outcome) -> dict[str, float | int | str]:
    """Return how a training went, for the result."""
    means = outcome.losses.mean(1)
    return {
        "epochs": outcome.epochs,
        "best_epoch": outcome.best_epoch,
        "stopped_by": outcome.ended,
        "stopping_images": outcome.losses.shape[1],
        "stopping_loss": float(means[outcome.best_epoch]),
        "stopping_loss_before": float(means[0]),
    }


def _alone(task: Task, start: Start, stages: int, choices: Choices) -> Trained:
    tuned = tuning.tune(task, start, stages, choices, task.folder, task.time_budget_s)
    task.progress.remark(_sentence(tuned.outcome))
    trained = finished(task, start, tuned)
    return replace(trained, notes={"stages": stages, **trained.notes})


def _unseen(task: Task, start: Start, outcome: Outcome) -> Unseen | None:
    """Return what the stopping images say; None where they are of the val split, which the evaluation judges."""
    val = {image.sha256 for image in task.dataset.val}
    if any(image.sha256 in val for image in start.stopping):
        return None
    return Unseen(outcome.logits, tuning.labels(task, start.stopping), "images that training was stopped by")


def _sentence(outcome: Outcome) -> str:
    reason = {
        plan.PATIENCE: "the validation loss fell no more",
        plan.TIME: "there was no time for another epoch",
        plan.INTERRUPTED: "it was interrupted",
        plan.EPOCHS: "that was the last one",
    }[outcome.ended]
    means = outcome.losses.mean(1)
    return (
        f"Training ended after epoch {outcome.epochs} because {reason}. Kept is epoch {outcome.best_epoch}, with a "
        f"validation loss of {means[outcome.best_epoch]:.3f} ({means[0]:.3f} before training)."
    )
