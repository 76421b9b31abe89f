"""The models that are quantized here: each as a run of edgetl with its fp32 model and images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.quantization import networks
from benchmarks.transfer import whole
from benchmarks.transfer.whole import IMAGENET, SHARED
from edgetl import runs
from edgetl.backbones import backbone
from edgetl.demo.surface import CLASSES
from edgetl.device.values import Preprocess
from edgetl.errors import RunError

if TYPE_CHECKING:
    from torch import nn

SAMPLE = SHARED / "datasets" / "imagenet1k-sample"
HERE = SAMPLE.is_dir() and IMAGENET.is_file()
TRAIN, TEST = 600, 100
"""How many demo images a head is fitted to, and edgetl evaluates it on."""
ADOPTED = 2000
"""How many demo images serve a network that keeps its own head: to calibrate and to choose."""
VERDICT = 4000
"""How many images judge. On 1,000 others a peer's int8 ResNet50 gained 1.3 points, here it loses 1.2."""
PHOTO_CLASSES, COMPARED = 1000, 8


@dataclass(frozen=True)
class Case:
    """A model to quantize. ``allowed`` is the drop of top-1 it may have, a fraction.

    ``budget`` is what `edgetl quantize` is told, by the network's size; ``race_s`` how long the contestants race, and
    ``verdict`` how many drawn images it is judged on; of photos all that there are.

    A ``rescaled`` MobileNetV2 computes the same in float, with channels that per-tensor ranges do not fit.
    """

    name: str
    arch: str
    allowed: float
    budget: str = "90s"
    race_s: float = 20.0
    verdict: int = VERDICT
    rescaled: bool = False
    threads: tuple[int, ...] = (2, 1)

    @property
    def photos(self) -> bool:
        """Whether it has ImageNet's weights and is judged on photos; the others are trained here, on demo images."""
        return self.arch == "mobilenet_v2"


CASES = (
    Case("mobilenet_v2", "mobilenet_v2", 0.005),
    Case("mobilenet_v3_small", "mobilenet_v3_small", 0.010),
    Case("mobilenet_v3_large", "mobilenet_v3_large", 0.010),
    Case("resnet18", "resnet18", 0.003),
    Case("resnet50", "resnet50", 0.003, "150s", 40.0),
    Case("vgg16", "vgg16", 0.003, "480s", 40.0, verdict=2000),
    Case("googlenet", "googlenet", 0.003, "150s", 40.0),
    Case("inception_v3", "inception_v3", 0.003, "150s", 40.0),
)
HARD = Case("mobilenet_v2-rescaled", "mobilenet_v2", 0.005, rescaled=True, threads=(2,))


def run_of(case: Case, folder: Path) -> Path:
    """Return the run of ``case`` with its fp32 model, made once below ``folder``."""
    run = folder / "runs" / case.name
    try:
        runs.exported(run)
    except RunError:
        run.parent.mkdir(parents=True, exist_ok=True)
        if case.photos:
            _photographic(case, folder, run)
        elif networks.RECIPES[case.arch].native:
            _native(case, folder, run)
        else:
            _trained(case, folder, run)
    return run


def _trained(case: Case, folder: Path, run: Path) -> None:
    weights = networks.trained(case.arch, folder)
    data = networks.fitted_images(folder, TRAIN, TEST)
    named = ("--arch", case.arch, "--weights", str(weights), "--out", str(run))
    whole.edgetl(folder, "finetune", "--data", str(data), *named)
    whole.edgetl(folder, "export", "--run", str(run))


def _native(case: Case, folder: Path, run: Path) -> None:
    """Adopt the network as it was trained, head and size of its images included."""
    import torch

    network = networks.built(case.arch).eval()
    network.load_state_dict(torch.load(networks.trained(case.arch, folder), weights_only=True))
    preprocess = networks.preprocess_of(case.arch)
    source = _write(network, preprocess, CLASSES, folder / "sources" / f"{case.name}.onnx")
    _adopt(source, networks.drawn_images(folder, ADOPTED, networks.FITTED_ON), None, run)


def _photographic(case: Case, folder: Path, run: Path) -> None:
    from edgetl.exporting import compare

    names = tuple(map(str, range(PHOTO_CLASSES)))
    source = _write(_imagenet(rescaled=case.rescaled), _preprocess(), names, folder / "sources" / f"{case.name}.onnx")
    # The float logits are those of the network as it was, rescaled or not.
    compare(source, _imagenet(rescaled=False), _preprocess(), _photos(COMPARED))
    _adopt(source, SAMPLE, SAMPLE / "labels.csv", run)


def _adopt(source: Path, images: Path, labels: Path | None, run: Path) -> None:
    from edgetl.adopt import AdoptSettings, adopt
    from edgetl.progress import Silent

    adopt(AdoptSettings(source, images, labels=labels, out=run), Silent())


def _photos(count: int) -> NDArray[np.uint8]:
    """Return the first photos as the network's uint8 input (n, h, w, 3)."""
    from edgetl.pixels import iter_pixels

    paths = sorted(SAMPLE.glob("**/*.JPEG"))[:count]
    return np.concatenate([pixels for _, pixels in iter_pixels(paths, _preprocess())])


def _preprocess() -> Preprocess:
    return backbone("mobilenet_v2").preprocess


def _imagenet(*, rescaled: bool) -> nn.Module:
    """Return the MobileNetV2 with ImageNet's weights."""
    import torch

    from benchmarks.quantization.hard_case import rescale
    from edgetl import torchvision_networks

    network = torchvision_networks.build("mobilenet_v2").eval()
    network.load_state_dict(torch.load(IMAGENET, weights_only=True))
    if rescaled:
        rescale(network)
    return network


def _write(network: nn.Module, preprocess: Preprocess, classes: tuple[str, ...], path: Path) -> Path:
    """Write ``network`` as the fp32 ONNX file at ``path``, which says what an adoption asks for; return the path."""
    from edgetl.graph import metadata
    from edgetl.graph.from_torch import export_module
    from edgetl.graph.image_input import LAYOUT

    model = export_module(network, preprocess)
    metadata.write(model, metadata.ModelFacts(path.stem, classes, preprocess, LAYOUT, "", ""))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path
