"""Tasks for strategies that take seconds: a small network on small pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgetl import backbones, heads, weights
from edgetl.dataset import scan
from edgetl.device.values import Preprocess
from edgetl.training.hyper import Hyper
from edgetl.training.phases import Phases
from edgetl.training.task import Task
from tests.photos import Remarks

SIDE = 32


def stripes(root: Path, per_class: int, noise: float) -> Path:
    """Write pictures of stripes that lie, stand or lean, under noise; no mean colour tells them apart."""
    rows, columns = np.mgrid[:40, :40]
    for number, (name, across) in enumerate({"lying": rows, "leaning": rows + columns, "standing": columns}.items()):
        (root / name).mkdir(parents=True)
        for index in range(per_class):
            generator = np.random.default_rng([number, index])
            wave = np.sin(across * generator.uniform(0.7, 0.9) + generator.uniform(0, 6))[..., None]
            pixels = 128 + 60 * wave + generator.normal(0, noise, (40, 40, 3))
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(root / name / f"{index:03d}.png")
    return root


def task(
    photos: Path,
    folder: Path,
    *,
    arch: str = "squeezenet1_1",
    head: str = "linear",
    hyper: Hyper | None = None,
    **more: Any,
) -> Task:
    """Return a task with random weights of ``arch``, which takes ``photos`` of SIDE pixels."""
    backbone = replace(backbones.backbone(arch), preprocess=Preprocess(resize=SIDE + 8, crop=SIDE))
    return Task(
        dataset=scan(photos),
        backbone=backbone,
        weights=weights.load("none", backbone, seed=0),
        head=heads.parse(head),
        seed=0,
        progress=Remarks(),
        phases=Phases(),
        folder=folder,
        hyper=hyper or Hyper(),
        **more,
    )
