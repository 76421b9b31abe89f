"""Images a second while a network is trained: edgetl's loop, and one as torchvision's reference does it."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.cuda.limits import exact, synchronize
from benchmarks.cuda.networks import network
from benchmarks.cuda.scale import Scale

Step = Callable[[Tensor, Tensor], object]


def loops(scale: Scale) -> dict[str, Callable[[], float]]:
    """Return what measures each loop's images a second, by its name."""
    return {
        "edgetl": lambda: own(scale, "train"),
        "edgetl, frozen batch norm": lambda: own(scale, "frozen"),
        "torchvision's reference": lambda: reference(scale, amp=False),
        "torchvision's reference, --amp": lambda: reference(scale, amp=True),
    }


class Held:
    """Images in memory as `edgetl.training.inputs.feed.Inputs`: the same for every loop, none decoded."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def batches(self, _epoch: int, order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        """Yield a tensor for each batch."""
        return self.plain(order)

    def plain(self, order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        """Yield a tensor for each batch."""
        for batch in order:
            yield self.images[list(batch)]


def own(scale: Scale, batchnorm: Any) -> float:
    """Return the images a second of the last of three epochs of `edgetl.training.descent.loop`.

    Raises ImportError where a package that it needs is missing.
    """
    from edgetl.progress import Silent
    from edgetl.training.descent import loop
    from edgetl.training.descent.optimizer import Group
    from edgetl.training.descent.plan import Examples, Plan, Session
    from edgetl.training.distributed import ALONE
    from edgetl.training.objective import Objective

    images, labels = _data(scale)
    module = network(scale.trained, scale.classes, scale.pixels)
    names = frozenset(name for name, _ in module.named_parameters())
    few = slice(0, max(2, scale.train_batch // 4))
    with tempfile.TemporaryDirectory() as folder:
        loop.train(
            module,
            Examples(Held(images.contiguous(memory_format=torch.channels_last)), labels.numpy()),
            Examples(Held(images[few]), labels[few].numpy()),
            Plan(
                groups=(Group("all", names, 1e-3),),
                objective=Objective((1.0,) * scale.classes),
                epochs=3,
                batch=scale.train_batch,
                patience=3,
                batchnorm=batchnorm,
                seed=0,
            ),
            Session(Path(folder), "benchmark", Silent(), world=ALONE),
        )
        lines = (Path(folder) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return float(json.loads(lines[-1])["images_per_s"])


def reference(scale: Scale, *, amp: bool) -> float:
    """Return the images a second of the loop that torchvision's training script is made of, after a warm-up.

    SGD with momentum, cross-entropy, accuracy and loss read after each step; float32, or float16 with a scaler.
    """
    exact(False)
    images, labels = _data(scale)
    device = torch.device(scale.device)
    model = network(scale.trained, scale.classes, scale.pixels).to(device).train()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    scaler = torch.amp.GradScaler(scale.device, enabled=amp)

    def step(image: Tensor, target: Tensor) -> None:
        image, target = image.to(device), target.to(device)
        with torch.autocast(scale.device, torch.float16 if scale.device == "cuda" else torch.bfloat16, enabled=amp):
            loss = criterion(model(image), target)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        loss.item()

    with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=False):
        _epoch(step, images, labels, scale)
        synchronize(scale.device)
        start = time.perf_counter()
        _epoch(step, images, labels, scale)
        synchronize(scale.device)
    return len(labels) / (time.perf_counter() - start)


def _epoch(step: Step, images: Tensor, labels: Tensor, scale: Scale) -> None:
    # Gathered by indices, as edgetl's loop does it.
    for batch in torch.randperm(len(labels), generator=torch.Generator().manual_seed(0)).split(scale.train_batch):
        step(images[batch], labels[batch])


def _data(scale: Scale) -> tuple[Tensor, Tensor]:
    count = scale.train_batch * scale.train_steps
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, scale.pixels, scale.pixels, generator=generator)
    return images, torch.randint(scale.classes, (count,), generator=generator)
