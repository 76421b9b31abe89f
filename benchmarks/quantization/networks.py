"""Networks to quantize, trained here: `python -m benchmarks.quantization.networks --folder FOLDER [ARCH ...]`.

Quantizing random weights says nothing, and ImageNet's may not be at hand. These are trained from nothing on the demo's
procedural images, small ones for speed, and then get the batch-norm statistics of the size that they are used at. Where
other programs want the cores too, set OMP_WAIT_POLICY=passive.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.optim.lr_scheduler import OneCycleLR

from edgetl import torchvision_networks
from edgetl.backbones import WITHOUT_AUXILIARY, backbone
from edgetl.demo.surface import CLASSES, GENERATOR_VERSION, generate
from edgetl.device.values import Preprocess
from edgetl.files import replacing
from edgetl.pixels import iter_pixels

TRAINED_ON, FITTED_ON, JUDGED_ON = 101, 202, 303
"""Seeds of the demo images that networks are trained on, that edgetl is given, and of the verdict: all different."""
TRAIN, VAL, FITTED_VAL, STATISTICS = 6000, 480, 400, 256
BATCH = 32


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: at which side of its images (pixels), for how many steps, at which peak rate.

    ``twin`` is the network that is trained in its place because it learns faster: the same one with batch norms, which
    are folded into its convolutions afterwards. ``native`` says that it is also used at that side: where its usual one
    is so much larger that its features would be others there.
    """

    side: int
    steps: int
    rate: float
    twin: str = ""
    native: bool = False

    @property
    def name(self) -> str:
        """What tells it from others."""
        return f"{self.side}px-{self.steps}steps"


RECIPES = {
    "mobilenet_v3_small": Recipe(96, 2400, 2e-3),
    "resnet18": Recipe(80, 1000, 1e-3),
    "mobilenet_v3_large": Recipe(80, 450, 2e-3),
    "googlenet": Recipe(80, 350, 1e-3),
    "resnet50": Recipe(80, 1000, 1e-3),
    "inception_v3": Recipe(128, 1000, 1e-3, native=True),
    "vgg16": Recipe(64, 240, 5e-4, twin="vgg16_bn"),
}


@dataclass(frozen=True)
class Images:
    """Demo images in memory: uint8 (n, 3, s, s), the numbers of their classes, and how they are normalized."""

    pixels: Tensor
    labels: Tensor
    preprocess: Preprocess

    def floats(self, pixels: Tensor) -> Tensor:
        """Return such pixels as a network's input."""
        mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (self.preprocess.mean, self.preprocess.std))
        return ((pixels.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def trained(arch: str, folder: Path) -> Path:
    """Return the state dict of ``arch`` (torchvision's names, no auxiliary heads), trained once below ``folder``.

    A training prints what it reached and what it took.
    """
    recipe = RECIPES[arch]
    path = folder / f"{arch}-{recipe.name}.pth"
    if path.is_file():
        return path
    root = _drawn(folder, TRAINED_ON, {"train": TRAIN, "val": VAL})
    start, own, larger = time.process_time(), preprocess_of(arch), _larger(recipe.side)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        images = _read(sorted(root.glob("train/*/*")), replace(own, resize=larger, crop=larger))
        network = built(recipe.twin or arch)
        _fit(network, recipe, images)
    accuracy = _accuracy(network, _read(sorted(root.glob("val/*/*")), replace(own, resize=larger, crop=recipe.side)))
    _reestimate(network, _read(sorted(root.glob("train/*/*"))[:: TRAIN // STATISTICS], own))
    state = (_folded(network) if recipe.twin else network).state_dict()
    with replacing(path) as temporary:
        # The order in memory in which it was trained is nobody else's business.
        torch.save({name: tensor.contiguous() for name, tensor in state.items()}, temporary)
    seconds = time.process_time() - start
    print(
        f"{arch:<20}{accuracy:7.1%} of {VAL} at {recipe.side} px{recipe.steps:7} steps{seconds:7.0f} core seconds",
        flush=True,
    )
    return path


def preprocess_of(arch: str) -> Preprocess:
    """Return how images become the input of ``arch`` as it is used here."""
    recipe, usual = RECIPES[arch], backbone(arch).preprocess
    return replace(usual, resize=_larger(recipe.side), crop=recipe.side) if recipe.native else usual


def fitted_images(folder: Path, train: int, test: int) -> Path:
    """Return the root of train/, val/ and test/ of demo images that no network was trained on, drawn once."""
    return _drawn(folder, FITTED_ON, {"train": train, "val": FITTED_VAL, "test": test})


def drawn_images(folder: Path, count: int, seed: int) -> Path:
    """Return a folder of class folders of about ``count`` demo images of ``seed``, drawn once."""
    return _drawn(folder, seed, {"test": count}) / "test"


def _drawn(folder: Path, seed: int, counts: dict[str, int]) -> Path:
    """Return the folder of about so many images a split, the same number of each class."""
    per_class = {split: count // len(CLASSES) for split, count in counts.items()}
    name = "-".join(f"{split}{count}" for split, count in per_class.items())
    target = folder / f"surface-v{GENERATOR_VERSION}-seed{seed}-{name}"
    if not target.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".drawing-", dir=folder) as unfinished:
            generate(Path(unfinished) / "set", seed=seed, per_class=per_class)
            (Path(unfinished) / "set").rename(target)
    return target


def _larger(side: int) -> int:
    """Return what images are resized to before a square of ``side`` is cut out: the proportion of 256 to 224."""
    return round(side * 8 / 7)


def _read(paths: Sequence[Path], preprocess: Preprocess) -> Images:
    pixels = np.concatenate([batch for _, batch in iter_pixels(paths, preprocess)])
    labels = torch.tensor([CLASSES.index(path.parent.name) for path in paths])
    return Images(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), labels, preprocess)


def built(arch: str) -> nn.Module:
    """Return the network with random weights."""
    options = WITHOUT_AUXILIARY if backbone(arch).auxiliary else {}
    network = torchvision_networks.build(arch, num_classes=len(CLASSES), **options)
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            # There are more pictures than such a short training can learn by heart.
            layer.p = 0.0
        elif isinstance(layer, nn.BatchNorm2d):
            # MobileNetV3's own 0.01 would still remember the start at the end of so few steps.
            layer.momentum = 0.1
    return network


def _fit(network: nn.Module, recipe: Recipe, images: Images) -> None:
    """Train the network for all steps: AdamW, a rate that warms up and falls to nothing."""
    network.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=0.05)
    schedule = OneCycleLR(optimizer, recipe.rate, total_steps=recipe.steps, pct_start=0.1, cycle_momentum=False)
    for _ in range(recipe.steps):
        chosen = torch.randint(len(images.labels), (BATCH,))
        batch = torch.stack([_posed(pixels, recipe.side) for pixels in images.pixels[chosen]])
        # Not in bf16: that was two to ten times slower as often as it was faster.
        loss = nn.functional.cross_entropy(network(images.floats(batch)), images.labels[chosen])
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
    network.eval()


def _posed(pixels: Tensor, side: int) -> Tensor:
    """Return a random square of one image, turned and mirrored at random."""
    top, left = torch.randint(pixels.shape[-1] - side + 1, (2,)).tolist()
    turned = torch.rot90(pixels[:, top : top + side, left : left + side], int(torch.randint(4, ())), (1, 2))
    return turned.flip(2) if torch.rand(()) < 0.5 else turned


def _accuracy(network: nn.Module, images: Images) -> float:
    with torch.inference_mode():
        right = sum(
            int((network(images.floats(pixels)).argmax(1) == labels).sum().item())
            for pixels, labels in zip(torch.split(images.pixels, BATCH), torch.split(images.labels, BATCH), strict=True)
        )
    return right / len(images.labels)


def _reestimate(network: nn.Module, images: Images) -> None:
    """Give the batch norms the mean statistics of these images; a network without any stays as it is."""
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        # The plain mean over all batches.
        norm.momentum = None
        norm.train()
    # The images are in the order of their classes, and a batch should hold all of them.
    mixed = torch.randperm(len(images.pixels), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        for pixels in torch.split(images.pixels[mixed], BATCH):
            network(images.floats(pixels))
    network.eval()


def _folded(network: nn.Module) -> nn.Module:
    """Return a VGG with its batch norms folded into the convolutions before them."""
    layers = [*network.get_submodule("features").children()]
    kept = [
        fuse_conv_bn_eval(layer, following)
        if isinstance(layer, nn.Conv2d) and isinstance(following, nn.BatchNorm2d)
        else layer
        for layer, following in pairwise([*layers, nn.Identity()])
        if not isinstance(layer, nn.BatchNorm2d)
    ]
    network.set_submodule("features", nn.Sequential(*kept))
    return network


def main() -> None:
    """Train the networks named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arch", nargs="*", choices=[*RECIPES, "all"], default="all")
    parser.add_argument("--folder", type=Path, required=True, help="where images and networks are kept")
    arguments = parser.parse_args()
    for arch in RECIPES if "all" in arguments.arch else arguments.arch:
        trained(arch, arguments.folder)


if __name__ == "__main__":
    main()
