"""The options of a training, which `finetune` and `run` share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

from edgetl.api.given import Duration, Place, path
from edgetl.defaults import ADAPT_METHOD

if TYPE_CHECKING:
    from edgetl.training.settings import FinetuneSettings

Strategy = Literal["probe", "finetune", "full", "scratch", "auto"]
BatchNorm = Literal["frozen", "train"]
ClassWeights = Literal["none", "balanced"]
Augment = Literal["none", "light", "standard", "strong"]
AdaptMethod = Literal["auto", "mcc", "coral", "bn"]

CHOICES: Mapping[str, tuple[str, ...]] = {
    "strategy": get_args(Strategy),
    "batchnorm": get_args(BatchNorm),
    "class_weights": get_args(ClassWeights),
    "augment": get_args(Augment),
    "adapt_method": get_args(AdaptMethod),
}


class Training(TypedDict, total=False):
    """How to train; what is left out is as `edgetl finetune --help` says, None leaves it to the strategy.

    ``arch`` is a backbone of `edgetl models`, ``weights`` "imagenet", "embedded", "none", a file or an earlier run,
    ``head`` such as "linear" or "mlp:256:dropout=0.2". ``unfreeze`` is how many stages "finetune" thaws, ``lr`` the
    head's learning rate, ``views`` how many augmented views of an image the probe sees besides the plain one.
    ``adapt_to`` is a folder of unlabelled images of another domain, ``adapt_check`` labelled ones to judge that by.
    """

    arch: str
    weights: Place | None
    head: str
    strategy: Strategy
    unfreeze: int | None
    epochs: int | None
    batch_size: int | None
    lr: float | None
    patience: int | None
    batchnorm: BatchNorm | None
    class_weights: ClassWeights
    label_smoothing: float
    augment: Augment | None
    views: int
    time_budget: Duration | None
    resume: bool
    seed: int
    strict: bool
    adapt_to: Place | None
    adapt_check: Place | None
    adapt_method: AdaptMethod


# What `Hyper` calls by another name than users do.
_HYPER = {"unfreeze": "stages", "batch_size": "batch", "lr": "rate", "label_smoothing": "smoothing"}


def settings(data: Place | None, out: Place | None, training: Training) -> FinetuneSettings:
    """Return the settings of a training; raises UsageError for options that there are not or that contradict."""
    import os
    from dataclasses import fields

    from edgetl import quantities, runs
    from edgetl.training.hyper import Hyper
    from edgetl.training.settings import FinetuneSettings

    given: dict[str, Any] = dict(training)
    _require_known(given)
    adapt = _adapt(given.pop("adapt_to", None), given.pop("adapt_check", None), given.pop("adapt_method", ADAPT_METHOD))
    budget = given.pop("time_budget", None)
    if given.get("weights") is not None:
        given["weights"] = os.fspath(given["weights"])
    renamed = {_HYPER.get(name, name): value for name, value in given.items()}
    hyper = {field.name: renamed.pop(field.name) for field in fields(Hyper) if field.name in renamed}
    images = path(data)
    return FinetuneSettings(
        run=path(out) or runs.default_folder(images, given.get("arch", FinetuneSettings.arch)),
        data=images,
        hyper=Hyper(**hyper),
        time_budget_s=None if budget is None else quantities.seconds(budget, default=0.0),
        adapt=adapt,
        **renamed,
    )


def _require_known(given: Mapping[str, Any]) -> None:
    """Raise UsageError for an option or a choice that there is none of, with the nearest that there is."""
    from edgetl.errors import UsageError, nearest

    for name, value in given.items():
        if name not in Training.__annotations__:
            raise UsageError(f"A training has no option '{name}'.{nearest(name, Training.__annotations__)}")
        choices = CHOICES.get(name)
        if choices and value is not None and value not in choices:
            raise UsageError(
                f"There is no {name} '{value}'.{nearest(str(value), choices)} Known: {', '.join(choices)}."
            )


def _adapt(to: Place | None, check: Place | None, method: str) -> Any:
    from edgetl.errors import UsageError
    from edgetl.training.settings import Adapt

    target = path(to)
    if target is not None:
        return Adapt(target, path(check), method)
    if check is not None:
        raise UsageError("--adapt-check only serves --adapt-to. Name the folder of unlabelled images, too.")
    if method != ADAPT_METHOD:
        raise UsageError("--adapt-method only serves --adapt-to. Name the folder of unlabelled images, too.")
    return None
