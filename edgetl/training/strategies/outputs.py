"""What a trained classifier says of the images of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from torch import Tensor

from edgetl import classifier, weights
from edgetl.pixels import iter_pixels
from edgetl.training.distributed import ALONE
from edgetl.training.features import forward
from edgetl.training.features.extraction import Forward
from edgetl.training.strategies import tuning
from edgetl.training.task import Logits, Task

BATCH = 16


def of_splits(task: Task, tensors: Mapping[str, Tensor], *, alone: bool) -> tuple[Logits, Logits]:
    """Return the logits of the train and val splits; processes share the work unless one of them was interrupted."""
    parts: dict[str, dict[str, Tensor]] = {classifier.BACKBONE: {}, classifier.HEAD: {}}
    for name, tensor in tensors.items():
        part = next(prefix for prefix in parts if name.startswith(prefix))
        parts[part][name.removeprefix(part)] = tensor
    backbone = weights.attach(replace(task.weights, tensors=parts[classifier.BACKBONE]), task.backbone)
    module = tuning.assembled(task, backbone, parts[classifier.HEAD]).eval()
    images = task.dataset.train + task.dataset.val
    world = ALONE if alone else task.world
    paths, preprocess = world.share(task.dataset.paths(images)), task.backbone.preprocess
    rows = [np.empty((0, len(task.dataset.classes)), np.float32)]
    compute: Forward | None = None
    for done, pixels in iter_pixels(paths, preprocess, batch=BATCH):
        compute = compute or forward.fastest(module, preprocess, None, pixels, task.progress)
        rows.append(compute(pixels))
        task.progress.step("evaluate", done.stop, len(paths))
    logits = world.gather(np.concatenate(rows), len(images))
    train = len(task.dataset.train)
    return logits[:train], logits[train:]
