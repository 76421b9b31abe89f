"""How long a training by gradients will take, measured on a few images before it is begun."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from edgetl import weights
from edgetl.device.cores import cores_allowed
from edgetl.pixels import iter_pixels
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
    paths = task.dataset.paths(start.fit[:IMAGES])
    began = time.perf_counter()
    ((_, decoded),) = iter_pixels(paths, task.backbone.preprocess, batch=IMAGES)
    decode = (time.perf_counter() - began) / len(paths)
    # What the pictures show does not change how long they take.
    pixels = torch.rand(len(paths), 3, *decoded.shape[1:3], device=device)
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    fit, stopping, trunk = len(start.fit), len(start.stopping), 0.0
    with torch_threads(cores_allowed()), torch.random.fork_rng(devices=[]):
        inputs = pixels
        if cut.trunk is not None:
            frozen = cut.trunk.to(device)
            with torch.no_grad():
                inputs = frozen(pixels)
                trunk = _each(lambda: frozen(pixels), len(paths), device)
        forward = _each(lambda: module(inputs), len(paths), device)
        step = _each(lambda: torch.autograd.backward(module(inputs).sum()), len(paths), device)
    epochs = chosen.epochs * (fit * step + stopping * forward)
    once = (fit * (chosen.views + 1) + stopping) * (decode + trunk)
    each = chosen.epochs * (fit + stopping) * decode
    total = epochs + (each if cut.trunk is None else once)
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
