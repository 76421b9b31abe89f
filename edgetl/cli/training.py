"""The options of a training, which `edgetl finetune` and `edgetl run` share."""

from __future__ import annotations

from pathlib import Path

import click

from edgetl.api.training import CHOICES
from edgetl.cli import complete
from edgetl.cli.options import SEED, Whole
from edgetl.cli.sections import option, options
from edgetl.defaults import ADAPT_METHOD, ARCH, HEAD, STRATEGY

FOLDER = click.Path(path_type=Path)
POSITIVE = Whole(min=1)

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
        option(
            MODEL,
            "--arch",
            default=ARCH,
            show_default=True,
            shell_complete=complete.backbone,
            help="Backbone: see `edgetl models`.",
        ),
        option(
            MODEL,
            "--weights",
            shell_complete=complete.weights,
            help="Source weights: imagenet, embedded, none, a file or an earlier run. "
            "[default: imagenet; embedded for the demo images; none for scratch]",
        ),
        option(
            MODEL,
            "--head",
            default=HEAD,
            show_default=True,
            help="New layers: linear, mlp:256, mlp:256:dropout=0.2, norm+project:128+linear, ...",
        ),
        option(
            TRAINING,
            "--strategy",
            type=complete.Choice(CHOICES["strategy"]),
            default=STRATEGY,
            show_default=True,
            help="probe: the head alone, on cached features. finetune: then the last stages. full: then all of them. "
            "scratch: everything from random weights. auto: cheap ones first, the best is kept.",
        ),
        option(
            TRAINING,
            "--unfreeze",
            metavar="N",
            type=POSITIVE,
            help="Stages that finetune thaws. [default: 1]",
        ),
        option(TRAINING, "--epochs", metavar="N", type=POSITIVE, help="Passes over the images, at most."),
        option(TRAINING, "--batch-size", metavar="N", type=POSITIVE, help="Images in one step."),
        option(
            TRAINING,
            "--lr",
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
            type=complete.Choice(CHOICES["batchnorm"]),
            help="Statistics of BatchNorm in thawed stages. [default: frozen; train for scratch]",
        ),
        option(
            TRAINING,
            "--class-weights",
            type=complete.Choice(CHOICES["class_weights"]),
            default="none",
            show_default=True,
            help="balanced: rare classes count as much as frequent ones.",
        ),
        option(
            TRAINING,
            "--label-smoothing",
            metavar="SHARE",
            type=click.FloatRange(0, 1, max_open=True),
            default=0.0,
            show_default=True,
            help="Share of each label that is spread over all classes.",
        ),
        option(TRAINING, "--augment", type=complete.Choice(CHOICES["augment"]), help="How training images are varied."),
        option(
            TRAINING,
            "--views",
            metavar="N",
            type=Whole(min=0),
            default=0,
            show_default=True,
            help="Augmented views of each image that the probe sees besides the plain one.",
        ),
        option(
            TRAINING,
            "--time-budget",
            metavar="TIME",
            help="End after about this long, or an epoch, with the best so far: 90s, 5m. Of `edgetl run` it is "
            "the time for all stages but the export, of which training gets two fifths.",
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
            type=complete.Choice(CHOICES["adapt_method"]),
            default=ADAPT_METHOD,
            show_default=True,
            help="How to adapt.",
        ),
        option(DATA, "--out", type=FOLDER, help="Folder of the run. [default: runs/<data>-<arch>]"),
    )
)
