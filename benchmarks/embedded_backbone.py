"""How good the embedded backbone's features are, beside random and ImageNet ones.

A logistic probe on frozen, pooled, standardised MobileNetV2 features (1280 numbers an image), its regularisation
chosen by cross-validation on the training images; accuracy on held-out images with Wilson's 95 % interval. The random
backbone is no straw man: its batch-norm statistics are re-estimated on the training images.

    python benchmarks/embedded_backbone.py [--json] [--weights FILE] [--imagenet FILE]

Hymenoptera and the ImageNet weights are looked for in $EDGETL_DATA, else in ../shared beside the checkout.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from safetensors.torch import load_file
from scipy.optimize import minimize
from torch import nn
from torchvision.models import mobilenet_v2

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from edgetl.demo.backbone import embedded_weights_path  # noqa: E402
from edgetl.demo.surface import cached_demo_set  # noqa: E402

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
BATCH = 32
FOLDS = 5
GRID = (1e-5, 1e-4, 1e-3, 1e-2)


@dataclass(frozen=True)
class Row:
    """One line of the table; accuracies in 0..1."""

    data: str
    weights: str
    accuracy: float
    low: float
    high: float
    images: int
    c: float
    seconds: float


def wilson(right: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval (1927) of a proportion."""
    share, spread = right / total, z * z / total
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return centre - half, centre + half


def read_folder(folder: Path, resize: int) -> tuple[torch.Tensor, NDArray[np.int64]]:
    """All images of `folder`/<class>/ as (n, 3, 224, 224) uint8, and their labels; unreadable files are left out."""
    images, labels = [], []
    for label, child in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        for path in sorted(child.iterdir()):
            try:
                image = Image.open(path).convert("RGB")
            except (UnidentifiedImageError, OSError):
                continue
            scale = resize / min(image.size)
            size = (max(224, round(image.width * scale)), max(224, round(image.height * scale)))
            if size != image.size:
                image = image.resize(size, Image.Resampling.BILINEAR)
            left, top = (size[0] - 224) // 2, (size[1] - 224) // 2
            pixels = np.asarray(image.crop((left, top, left + 224, top + 224)))
            images.append(torch.from_numpy(pixels.copy()).permute(2, 0, 1))
            labels.append(label)
    return torch.stack(images), np.asarray(labels)


def backbone(weights: Path | None, seed: int = 0) -> nn.Module:
    """MobileNetV2's convolutional part with these weights, or random ones."""
    torch.manual_seed(seed)
    network = mobilenet_v2(weights=None).features
    if weights is not None:
        if weights.suffix == ".safetensors":
            state = load_file(weights)
        else:
            state = torch.load(weights, map_location="cpu", weights_only=True)
        prefix = "features."
        kept = {k.removeprefix(prefix): v.float() for k, v in state.items() if k.startswith(prefix)}
        network.load_state_dict(
            kept | {k: v for k, v in state.items() if k.endswith("num_batches_tracked") and k in kept}
        )
    return network.to(memory_format=torch.channels_last).eval()


def features(network: nn.Module, images: torch.Tensor) -> NDArray[np.float32]:
    """Pooled features (n, 1280) of uint8 images."""
    out = []
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            batch = (images[start : start + BATCH].float() / 255 - MEAN) / STD
            out.append(network(batch.contiguous(memory_format=torch.channels_last)).mean((2, 3)))
    return np.asarray(torch.cat(out).numpy(), dtype=np.float32)


def reestimate(network: nn.Module, images: torch.Tensor) -> None:
    """Sets every batch norm's statistics to those of `images` (a cumulative average over shuffled batches)."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    network.train()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    features(network, images[order][: len(images) // BATCH * BATCH])
    network.eval()


def fit(x: NDArray[np.float64], y: NDArray[np.int64], c: float) -> NDArray[np.float64]:
    """Weights (features + 1, classes) of a multinomial logistic regression; the last row, the bias, is free."""
    d = x.shape[1]
    classes = int(y.max()) + 1
    truth = np.eye(classes)[y]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = flat.reshape(d + 1, classes)
        logits = x @ w[:-1] + w[-1]
        logits = logits - logits.max(1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        wrong = np.exp(log_p) - truth
        gradient = np.vstack([c * (x.T @ wrong) + w[:-1], c * wrong.sum(0)])
        return float(-c * (log_p * truth).sum() + (w[:-1] ** 2).sum() / 2), gradient.ravel()

    start = np.zeros((d + 1) * classes)
    result = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return np.asarray(result.x).reshape(d + 1, classes)


def probe(
    train: NDArray[np.float32], y: NDArray[np.int64], test: NDArray[np.float32]
) -> tuple[NDArray[np.int64], float]:
    """Predictions for `test` of an L-BFGS logistic probe, and the C that five-fold cross-validation chose."""
    mean, std = train.mean(0, dtype=np.float64), train.std(0, dtype=np.float64) + 1e-8
    # An L2-regularised probe lives in the span of the training images: turning into it loses nothing and is faster.
    _, _, basis = np.linalg.svd((train - mean) / std, full_matrices=False)
    x, tx = ((train - mean) / std) @ basis.T, ((test - mean) / std) @ basis.T
    fold = np.empty(len(y), dtype=np.int64)
    order = np.random.default_rng(0).permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    fold[order] = np.arange(len(y)) % FOLDS

    def predict(w: NDArray[np.float64], data: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.asarray((data @ w[:-1] + w[-1]).argmax(1), dtype=np.int64)

    def score(c: float) -> float:
        held = [
            (predict(fit(x[fold != k], y[fold != k], c), x[fold == k]) == y[fold == k]).mean() for k in range(FOLDS)
        ]
        return float(np.mean(held))

    best = max(GRID, key=score)
    return predict(fit(x, y, best), tx), best


def measure(data: str, train: Path, test: Path, choices: dict[str, Path | None], resize: int) -> list[Row]:
    """One row for each of `choices` on one data set."""
    x, y = read_folder(train, resize)
    tx, ty = read_folder(test, resize)
    rows = []
    for name, weights in choices.items():
        start = time.perf_counter()
        network = backbone(weights)
        if weights is None:
            reestimate(network, x)
        predicted, c = probe(features(network, x), y, features(network, tx))
        right = int((predicted == ty).sum())
        low, high = wilson(right, len(ty))
        rows.append(Row(data, name, right / len(ty), low, high, len(ty), c, time.perf_counter() - start))
    return rows


def main() -> None:
    """Measures and prints."""
    shared = Path(os.environ.get("EDGETL_DATA", ROOT.parent / "shared"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--weights", type=Path, default=embedded_weights_path(), help="the embedded backbone's file")
    parser.add_argument("--imagenet", type=Path, default=shared / "weights" / "mobilenet_v2-imagenet1k.pth")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "edgetl-demo")
    parser.add_argument("--only", help="measure only these weights, e.g. embedded,random")
    arguments = parser.parse_args()
    # A random network has activations so near to nothing that a CPU would crawl through them.
    torch.set_flush_denormal(True)

    skipped = []
    choices: dict[str, Path | None] = {"embedded": arguments.weights, "random": None, "imagenet": arguments.imagenet}
    for name, path in list(choices.items()):
        if path is not None and not path.is_file():
            skipped.append(f"{name}: no file {path}")
            del choices[name]
    if arguments.only:
        choices = {name: path for name, path in choices.items() if name in arguments.only.split(",")}
    demo = cached_demo_set(arguments.cache)
    rows = measure("demo", demo / "train", demo / "test", choices, 224)
    # Both are photographs of whole scenes; torchvision's usual resize and crop.
    ants = next((p for p in (shared / "datasets" / "hymenoptera", shared / "hymenoptera") if p.is_dir()), None)
    if ants is None:
        skipped.append(f"hymenoptera: not found under {shared} (set EDGETL_DATA)")
    else:
        rows += measure("hymenoptera", ants / "train", ants / "val", choices, 256)
    if arguments.json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "skipped": skipped}))
        return
    print(f"{'data':<12} {'weights':<9} {'accuracy':>8}  {'95 % interval':<15} {'images':>6} {'C':>7} {'seconds':>7}")
    for row in rows:
        interval = f"{row.low:6.1%} - {row.high:.1%}"
        print(
            f"{row.data:<12} {row.weights:<9} {row.accuracy:>8.1%}  {interval:<15} "
            f"{row.images:>6} {row.c:>7g} {row.seconds:>7.1f}"
        )
    for reason in skipped:
        print(f"skipped {reason}")


if __name__ == "__main__":
    main()
