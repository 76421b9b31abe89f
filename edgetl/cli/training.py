"""The options of a training, which `edgetl finetune` and `edgetl run` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgetl.cli.options import SEED
from edgetl.cli.sections import option, options

if TYPE_CHECKING:
    from edgetl.training.settings import FinetuneSettings

FOLDER = click.Path(path_type=Path)
STRATEGIES = ("probe", "finetune", "full", "scratch", "auto")
AUGMENTATIONS = ("none", "light", "standard", "strong")
METHODS = ("auto", "mcc", "coral", "bn")
POSITIVE = click.IntRange(min=1)

DATA, MODEL, TRAINING, ADAPTATION = "Images", "Model", "Training", "Another domain"

training_options = options(
    (
        option(
            DATA,
            "--data",
            type=FOLDER,
            help="Folder of class folders, or a CSV/JSONL manifest. [default: the embedded demo images]",
        ),
        option(DATA, "--strict", is_flag=True, help="Refuse unusable images instead of skipping them."),
        option(MODEL, "--arch", default="mobilenet_v2", show_default=True, help="Backbone: see `edgetl models`."),
        option(
            MODEL,
            "--weights",
            help="Source weights: imagenet, embedded, none, a file or an earlier run. "
            "[default: imagenet; embedded for the demo images; none for scratch]",
        ),
        option(
            MODEL,
            "--head",
            default="linear",
            show_default=True,
            help="New layers: linear, mlp:256, mlp:256:dropout=0.2, norm+project:128+linear, ...",
        ),
        option(
            TRAINING,
            "--strategy",
            type=click.Choice(STRATEGIES),
            default="probe",
            show_default=True,
            help="probe: the head alone, on cached features. finetune: then the last stages. full: then all of them. "
            "scratch: everything from random weights. auto: cheap ones first, the best is kept.",
        ),
        option(
            TRAINING,
            "--unfreeze",
            "stages",
            metavar="N",
            type=POSITIVE,
            help="Stages that finetune thaws. [default: 1]",
        ),
        option(TRAINING, "--epochs", metavar="N", type=POSITIVE, help="Passes over the images, at most."),
        option(TRAINING, "--batch-size", "batch", metavar="N", type=POSITIVE, help="Images in one step."),
        option(
            TRAINING,
            "--lr",
            "rate",
            metavar="RATE",
            type=click.FloatRange(min=0, min_open=True),
            help="The head's learning rate.",
        ),
        option(
            TRAINING,
            "--patience",
            metavar="N",
            type=POSITIVE,
            help="Epochs without a better validation loss before the end.",
        ),
        option(
            TRAINING,
            "--batchnorm",
            type=click.Choice(("frozen", "train")),
            help="Statistics of BatchNorm in thawed stages. [default: frozen; train for scratch]",
        ),
        option(
            TRAINING,
            "--class-weights",
            type=click.Choice(("none", "balanced")),
            default="none",
            show_default=True,
            help="balanced: rare classes count as much as frequent ones.",
        ),
        option(
            TRAINING,
            "--label-smoothing",
            "smoothing",
            metavar="SHARE",
            type=click.FloatRange(0, 1, max_open=True),
            default=0.0,
            show_default=True,
            help="Share of each label that is spread over all classes.",
        ),
        option(TRAINING, "--augment", type=click.Choice(AUGMENTATIONS), help="How training images are varied."),
        option(
            TRAINING,
            "--views",
            metavar="N",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="Augmented views of each image that the probe sees besides the plain one.",
        ),
        option(
            TRAINING,
            "--time-budget",
            metavar="TIME",
            help="End after about this long, or an epoch, with the best so far: 90s, 5m.",
        ),
        option(TRAINING, "--resume", is_flag=True, help="Go on from the checkpoint of an interrupted training."),
        option(
            TRAINING,
            "--seed",
            metavar="N",
            type=SEED,
            default=0,
            show_default=True,
            help="Seed of every random choice.",
        ),
        option(
            ADAPTATION,
            "--adapt-to",
            type=FOLDER,
            help="Folder of unlabelled images from where the model will work: adapt to them.",
        ),
        option(
            ADAPTATION,
            "--adapt-check",
            type=FOLDER,
            help="Labelled images from there, to see what it brought. Never trained on.",
        ),
        option(
            ADAPTATION,
            "--adapt-method",
            type=click.Choice(METHODS),
            default="auto",
            show_default=True,
            help="How to adapt.",
        ),
        option(DATA, "--out", type=FOLDER, help="Folder of the run. [default: runs/<data>-<arch>]"),
    )
)


def settings(
    *, time_budget: str | None, out: Path | None, adapt_to: Path | None, adapt_check: Path | None, **given: Any
) -> FinetuneSettings:
    """Return the settings of a training from its options; raises UsageError for those that contradict each other."""
    from dataclasses import fields

    from edgetl import quantities
    from edgetl import run as runs
    from edgetl.errors import UsageError
    from edgetl.training.hyper import Hyper
    from edgetl.training.settings import Adapt, FinetuneSettings

    method = given.pop("adapt_method")
    if adapt_to is None and adapt_check is not None:
        raise UsageError("--adapt-check only serves --adapt-to. Name the folder of unlabelled images, too.")
    if adapt_to is None and method != METHODS[0]:
        raise UsageError("--adapt-method only serves --adapt-to. Name the folder of unlabelled images, too.")
    hyper = {field.name: given.pop(field.name) for field in fields(Hyper)}
    return FinetuneSettings(
        run=out or runs.default_folder(given["data"], given["arch"]),
        hyper=Hyper(**hyper),
        time_budget_s=None if time_budget is None else quantities.seconds(time_budget, default=0.0),
        adapt=None if adapt_to is None else Adapt(adapt_to, adapt_check, method),
        **given,
    )
