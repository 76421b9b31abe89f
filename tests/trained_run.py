"""A run with a classifier in it, as `edgetl finetune` leaves it, made in seconds and without training."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from edgetl import classifier as classifiers
from edgetl.artifacts import FinetuneResult
from edgetl.dataset import scan
from edgetl.device.values import Preprocess
from edgetl.files import sha256_file
from edgetl.progress import Silent

PREPROCESS = Preprocess(resize=72, crop=64)
CLASSES = ("dark", "middle", "pale")


def draw_photos(folder: Path, per_class: int = 12) -> None:
    """Draw noisy images whose brightness is their class."""
    generator = np.random.default_rng(0)
    for level, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for index in range(per_class):
            pixels = generator.integers(80 * level, 80 * level + 90, (80, 96, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")


def exported_run(root: Path) -> Path:
    """Return the folder of a run with an exported MobileNetV2 below ``root``; it is trained once for all tests."""
    shutil.copytree(_template(), root / "run")
    return root / "run"


@functools.cache
def _template() -> Path:
    from edgetl.exporting import ExportSettings, export

    folder = Path(tempfile.mkdtemp(prefix="edgetl-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run = trained_run(folder)
    export(ExportSettings(run), Silent())
    return run


def trained_run(root: Path, arch: str = "mobilenet_v2", per_class: int = 12) -> Path:
    """Return the folder of a run of a random ``arch`` whose BatchNorm statistics fit its activations."""
    import torch

    draw_photos(root / "photos", per_class)
    run = root / "run"
    run.mkdir()
    dataset = scan(root / "photos")
    dataset.save(run)
    torch.manual_seed(0)
    value = classifiers.Classifier(arch=arch, head="linear", classes=dataset.classes, preprocess=PREPROCESS)
    module = classifiers.build_module(value)
    settle(module, PREPROCESS.crop)
    path = run / classifiers.FILE
    classifiers.save(path, value, module.state_dict())
    FinetuneResult(
        run=str(run),
        inputs="",
        seconds=0.0,
        arch=arch,
        weights="none",
        weights_sha256="",
        classes=dataset.classes,
        strategy="probe",
        head="linear",
        seed=0,
        train_images=len(dataset.train),
        val_images=len(dataset.val),
        skipped_images=0,
        train_accuracy=1.0,
        val_accuracy=1.0,
        val_accuracy_ci=(0.0, 1.0),
        classifier=path.name,
        sha256=sha256_file(path),
        preprocess=PREPROCESS.__dict__,
        data=str(root / "photos"),
        data_sha256=dataset.sha256,
        phases={},
    ).save(run)
    return run


def settle(module: object, side: int) -> None:
    """Set BatchNorm statistics from noise and make the last layer's weights large: logits then vary between images."""
    import torch
    from torch import nn

    assert isinstance(module, nn.Module)
    norms = [each for each in module.modules() if isinstance(each, nn.BatchNorm2d)]
    for each in norms:
        each.momentum = None
    dropouts = [each for each in module.modules() if isinstance(each, nn.Dropout)]
    module.train()
    for each in dropouts:
        each.eval()
    with torch.no_grad():
        module(torch.randn(8, 3, side, side) * torch.linspace(0.2, 2.0, 8).view(-1, 1, 1, 1))
    for each in norms:
        each.momentum = 0.1
    module.eval()
