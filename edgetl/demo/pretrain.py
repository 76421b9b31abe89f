"""Makes the embedded backbone: `python -m edgetl.demo.pretrain --minutes 60 --out weights.safetensors`.

Trains torchvision's MobileNetV2 on the procedural source task alone (no photograph, no other network), with one
linear head for each label of a picture. The learning rate follows the wall clock, so that the run ends on time with
what there was time for; an average of the weights is saved every two minutes and at the end. Where other programs
want the cores too, set OMP_WAIT_POLICY=passive: spinning threads made it three times slower here.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import mobilenet_v2

from edgetl.demo.augment import batch
from edgetl.demo.initial import initialise
from edgetl.demo.source_cache import cached_source
from edgetl.demo.source_objects import KINDS, OBJECTS
from edgetl.demo.source_task import LABELS, SOURCE_VERSION

SIDES = ((0.0, 80), (0.6, 96), (0.88, 128))
"""From which share of the time on pictures have which side (pixels): small ones teach faster."""
SAVE_EVERY_S = 120.0
WARMUP_STEPS = 200
KIND_OF = torch.tensor([KINDS.index(kind) for kind, _ in OBJECTS])


class Learner(nn.Module):
    """MobileNetV2's features with one linear head a label."""

    def __init__(self) -> None:
        super().__init__()
        self.features = mobilenet_v2(weights=None).features
        initialise(self.features)
        sizes = LABELS | {"kind": len(KINDS)}
        self.heads = nn.ModuleDict({name: nn.Linear(1280, size) for name, size in sizes.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Logits by label name, for (n, 3, s, s) images."""
        pooled = self.features(images).mean((2, 3))
        return {name: head(pooled) for name, head in self.heads.items()}


def rate(done: float, step: int, peak: float) -> float:
    """Learning rate at a share `done` of the time: warm-up, plateau, then down to nothing over the last 45 %."""
    fall = min(1.0, max(0.0, (1 - done) / 0.45))
    return peak * min(1.0, (step + 1) / WARMUP_STEPS) * max(fall, 0.005)


def average(mean: nn.Module, model: nn.Module, step: int, decay: float = 0.998) -> None:
    """Moves the running average `mean` towards `model`, faster at the start; batch-norm statistics too."""
    amount = 1 - min(decay, (step + 1) / (step + 10))
    with torch.no_grad():
        for slow, fast in zip(mean.state_dict().values(), model.state_dict().values(), strict=True):
            if slow.is_floating_point():
                slow.lerp_(fast, amount)
            else:
                slow.copy_(fast)


def save(path: Path, model: Learner, notes: dict[str, str]) -> None:
    """Writes the features as fp16 safetensors (torchvision's names, without the classifier), atomically."""
    state = {f"features.{k}": v for k, v in model.features.state_dict().items()}
    packed = {k: (v.half() if v.is_floating_point() else v).cpu().contiguous() for k, v in state.items()}
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(packed, draft, metadata=notes)
    draft.replace(path)


@dataclass
class Run:
    """What a run changes as it goes, and what its checkpoint holds."""

    model: Learner
    mean: Learner
    optimizer: torch.optim.Optimizer
    step: int = 0
    seen: int = 0
    spent: float = 0.0
    """Seconds trained."""

    def keep(self, out: Path, notes: dict[str, str]) -> None:
        """Saves the averaged weights to `out` and all that `resume` needs beside it."""
        told = {"steps": str(self.step), "images_seen": str(self.seen), "minutes": f"{self.spent / 60:.1f}"}
        save(out, self.mean, notes | told)
        parts = {name: getattr(self, name).state_dict() for name in ("model", "mean", "optimizer")}
        draft = out.with_suffix(".checkpoint.draft")
        torch.save(parts | {"step": self.step, "seen": self.seen, "spent": self.spent}, draft)
        draft.replace(out.with_suffix(".checkpoint.pt"))

    def resume(self, out: Path, device: torch.device) -> None:
        """Goes on where the checkpoint beside `out` ended, if there is one."""
        checkpoint = out.with_suffix(".checkpoint.pt")
        if not checkpoint.exists():
            return
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        for name in ("model", "mean", "optimizer"):
            getattr(self, name).load_state_dict(saved[name])
        self.step, self.seen, self.spent = saved["step"], saved["seen"], saved["spent"]


def start(device: torch.device, peak: float) -> Run:
    """A run that has not trained yet."""
    model = Learner().to(memory_format=torch.channels_last).to(device)
    # Gains, biases and shifts are left alone: shrinking them towards nothing helps nobody.
    groups: list[dict[str, object]] = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.03},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return Run(model, copy.deepcopy(model), torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.99)))


def learn(run: Run, images: Tensor, targets: dict[str, Tensor]) -> dict[str, float]:
    """One step of the optimizer; returns the share of right answers by label."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=images.device.type == "cuda"):
        logits = run.model(images)
    # No label smoothing and no dropout: both cost frozen features (Kornblith et al., NeurIPS 2021).
    loss = torch.stack([nn.functional.cross_entropy(logits[name].float(), goal) for name, goal in targets.items()])
    run.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss.sum())
    run.optimizer.step()
    average(run.mean, run.model, run.step)
    run.step, run.seen = run.step + 1, run.seen + len(images)
    return {name: (logits[name].argmax(1) == goal).float().mean().item() for name, goal in targets.items()}


def draws(rng: np.random.Generator, count: int, size: int) -> Iterator[NDArray[np.int64]]:
    """Sorted batches of `size` numbers below `count`, each number once a pass, for ever."""
    while True:
        order = rng.permutation(count)
        for batch_start in range(0, count - size + 1, size):
            yield np.sort(order[batch_start : batch_start + size])


def say(text: str) -> None:
    """One line of progress on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def train(arguments: argparse.Namespace) -> None:
    """The whole run."""
    torch.manual_seed(arguments.seed)
    # Fresh networks have activations so near to nothing that a CPU would crawl through them.
    torch.set_flush_denormal(True)
    device = torch.device(arguments.device)
    pixels, labels = cached_source(
        arguments.cache,
        arguments.seed,
        arguments.images,
        lambda done, total: say(f"drawn {done}/{total}") if done % 4096 == 0 else None,
    )
    truth = torch.from_numpy(np.array(labels)).long()
    run = start(device, arguments.rate)
    if arguments.resume:
        run.resume(arguments.out, device)
    notes = {
        "arch": "mobilenet_v2",
        "source": f"edgetl procedural source task, version {SOURCE_VERSION}; no photographs, no distillation",
        "seed": str(arguments.seed),
        "classes": ", ".join(f"{name} {size}" for name, size in LABELS.items()),
        "distinct_images": str(len(pixels)),
    }
    budget = arguments.minutes * 60
    batches = draws(np.random.default_rng((arguments.seed, run.step)), len(pixels), arguments.batch)
    began, saved_at = time.perf_counter() - run.spent, run.spent
    first_spent, first_seen = run.spent, run.seen
    right: dict[str, float] = {}
    while run.spent < budget:
        chosen = next(batches)
        done = run.spent / budget
        side = next(s for share, s in reversed(SIDES) if done >= share)
        goals = truth[torch.from_numpy(chosen)].to(device)
        targets = dict(zip(LABELS, goals.unbind(1), strict=True)) | {"kind": KIND_OF.to(device)[goals[:, 0]]}
        for group in run.optimizer.param_groups:
            group["lr"] = rate(done, run.step, arguments.rate)
        hits = learn(run, batch(torch.from_numpy(pixels[chosen]).to(device), side), targets)
        right = {name: right.get(name, hit) + 0.02 * (hit - right.get(name, hit)) for name, hit in hits.items()}
        run.spent = time.perf_counter() - began
        if run.step % 100 == 0:
            pace = (run.seen - first_seen) / (run.spent - first_spent)
            shares = " ".join(f"{name} {share:.1%}" for name, share in right.items())
            say(f"{run.spent / 60:6.1f} min  step {run.step}  side {side}  {shares}  {pace:.0f}/s")
        if run.spent - saved_at > SAVE_EVERY_S:
            run.keep(arguments.out, notes)
            saved_at = run.spent
    run.keep(arguments.out, notes)


def main() -> None:
    """Parses the command line and trains."""
    parser = argparse.ArgumentParser(description="Pretrain the embedded backbone on the procedural source task.")
    parser.add_argument("--minutes", type=float, required=True, help="wall-clock time to train, drawing excluded")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", type=int, default=24576, help="distinct pictures to draw")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1.5e-3, help="peak learning rate of AdamW")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "edgetl-source")
    parser.add_argument("--resume", action="store_true", help="go on from OUT's checkpoint, if there is one")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
