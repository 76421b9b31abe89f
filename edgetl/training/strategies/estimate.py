"""How long a training by gradients will take, measured on a few images before it is begun."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from edgetl import weights
from edgetl.device.cores import cores_allowed
from edgetl.training.inputs import cuts
from edgetl.training.strategies import tuning
from edgetl.training.strategies.tuning import Choices, Start
from edgetl.training.task import Task
from edgetl.training.threads import torch_threads

IMAGES = 8


def seconds(task: Task, start: Start, stages: int, choices: Choices) -> float:
    """Return about how long `tuning.tune` with the same arguments takes if it is not stopped early.

    It is the leading process's estimate, the same in all of them.
    """
    chosen = tuning.resolved(task, choices)
    cut = cuts.split(weights.attach(start.source, task.backbone), task.backbone, stages)
    device = task.world.device
    module = tuning.assembled(task, cut.tail, start.head.tensors).to(device).to(memory_format=torch.channels_last)
    images = start.fit[:IMAGES]
    first, others = range(len(images) // 2), range(len(images) // 2, len(images))
    with tuning.inputs(task, images, cut.trunk, chosen, chosen.views) as inputs:
        # The first ones also make ready: they export the frozen layers and compare them.
        pieces = list(inputs.batches(0, [first]))
        began = time.perf_counter()
        pieces += inputs.batches(0, [others])
        made = (time.perf_counter() - began) / len(others)
    batch = torch.cat(pieces).to(device)
    with torch_threads(cores_allowed()), torch.random.fork_rng(devices=[]):
        with torch.no_grad():
            forward = _each(lambda: module(batch), len(images), device)
        step = _each(lambda: torch.autograd.backward(module(batch).sum()), len(images), device)
    fit, stopping = len(start.fit), len(start.stopping)
    epochs = chosen.epochs * (fit * step + stopping * forward)
    # Of a frozen trunk all views of an image are made once, of its plain image one is.
    once = fit * made + stopping * made / max(1, chosen.views)
    total = epochs + (chosen.epochs * (fit + stopping) * made if cut.trunk is None else once)
    return task.world.broadcast(total / task.world.size)


def _each(run: Callable[[], object], images: int, device: torch.device) -> float:
    """Return the seconds for an image, of the second of two runs: the first one also makes ready."""
    for _ in range(2):
        began = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        spent = time.perf_counter() - began
    return spent / images
