"""Options that change nothing with the strategy that was chosen: who gives them should know."""

from __future__ import annotations

from edgetl.heads import Head, parse
from edgetl.training.settings import FinetuneSettings

# By the names of their settings, those of `Hyper` first.
OPTIONS = {
    "epochs": "--epochs",
    "batch": "--batch-size",
    "rate": "--lr",
    "patience": "--patience",
    "stages": "--unfreeze",
    "batchnorm": "--batchnorm",
    "augment": "--augment",
    "views": "--views",
    "resume": "--resume",
}
OF_GRADIENTS = ("epochs", "batch", "rate", "patience")


def remark(settings: FinetuneSettings) -> str:
    """Return a sentence on the options that nobody hears, an empty one if there are none."""
    idle = [option for name, option in OPTIONS.items() if _given(settings, name) and not _heard(settings, name)]
    if not idle:
        return ""
    head = " and a linear head" if set(idle) & {OPTIONS[name] for name in OF_GRADIENTS} else ""
    return f"With --strategy {settings.strategy}{head}, {', '.join(idle)} change{'s' * (len(idle) == 1)} nothing."


def _given(settings: FinetuneSettings, name: str) -> bool:
    return bool(settings.resume if name == "resume" else getattr(settings.hyper, name))


def _heard(settings: FinetuneSettings, name: str) -> bool:
    by_gradients = settings.strategy != "probe"
    match name:
        case _ if name in OF_GRADIENTS:
            # Other heads than a linear one are trained by gradients, too.
            return by_gradients or parse(settings.head) != Head()
        case "stages":
            return settings.strategy == "finetune"
        case "augment":
            return by_gradients or bool(settings.hyper.views)
        case "views":
            # Where the whole backbone is trained each epoch sees views of its own.
            return settings.strategy not in ("full", "scratch")
        case _:
            return by_gradients
