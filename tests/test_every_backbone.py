"""Every backbone through finetune, export, quantize and bench, with its own input size and preprocessing.

Weights are random and pictures few: what is tested is that nothing in the way from a network to a benchmark's row
depends on which network it is. Stages measure for as short as they can, since no timing is judged here.

The VGGs are half a gigabyte and twenty billion multiplications each, ResNet-50 is large as well. Here they have
all of their layers, but a quarter of the channels inside, and of each family one or two go the way;
EDGETL_WHOLE_NETWORKS=1 takes all of them whole, for up to two minutes and 6 GiB each.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

import torch
from PIL import Image
from torchvision import transforms
from torchvision.models import vgg
from torchvision.models.resnet import Bottleneck, ResNet

from edgetl import classifier as classifiers
from edgetl import exporting as export_stage
from edgetl import torchvision_networks
from edgetl.artifacts import BenchResult, ExportResult, FinetuneResult, QuantizeResult
from edgetl.backbones import BACKBONES, Backbone
from edgetl.dataset import Dataset, judging_images
from edgetl.device.values import Preprocess, SessionSpec
from edgetl.environments.local import local_command
from edgetl.exporting import ExportSettings, export
from edgetl.measure import interleave, launches, logits, replication, statistics
from edgetl.measure.bench import BenchSettings, bench
from edgetl.measure.worker import Worker
from edgetl.pixels import iter_pixels
from edgetl.progress import Silent
from edgetl.quantization import QuantizeSettings, quantize
from edgetl.quantization.search import contest, field, phases
from edgetl.training.finetune import FinetuneSettings, finetune
from tests.photos import COLOURS, photo

pytestmark = [pytest.mark.training, pytest.mark.engine]

TARGET = """
name = "small"
description = "the baseline and one int8 file"
machine = { architecture = "x86_64" }

[[candidates]]
provider = "cpu"

[[candidates]]
provider = "cpu"
precision = "int8"
recipe = "u8s8-minmax"

[budgets]
top1_drop = 0.99
"""
INTERPOLATIONS = {
    "bilinear": transforms.InterpolationMode.BILINEAR,
    "bicubic": transforms.InterpolationMode.BICUBIC,
}
# Largest part of what pictures change in the logits that rounding may make: random weights blow it up layer by layer,
# to 3e-3 in ResNet-152. Another interpolation or another mean changes them by more.
TOLERANCE = 1e-2
WHOLE = bool(os.environ.get("EDGETL_WHOLE_NETWORKS"))
THIN = 4

Logits = NDArray[np.float32]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for number, (split, count) in enumerate({"train": 2, "val": 1, "test": 1}.items()):
        for colour in ("red", "blue"):
            for index in range(count):
                # Noise pixel by pixel, as in what exporting compares on: BatchNorm then knows such images.
                photo(root / split / colour / f"{index}.png", COLOURS[colour], seed=10 * number + index, side=300)
    return root


@pytest.fixture(autouse=True)
def _thin(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = torchvision_networks.build

    def build(name: str, **options: object) -> torch.nn.Module:
        if name == "resnet50" and not WHOLE:
            return ResNet(Bottleneck, [3, 4, 6, 3], width_per_group=64 // THIN)
        network = whole(name, **options)
        if name.startswith("vgg") and not WHOLE:
            layers: list[int | str] = []
            for layer in network.features:
                if isinstance(layer, torch.nn.Conv2d):
                    layers.append(layer.out_channels // THIN)
                elif isinstance(layer, torch.nn.MaxPool2d):
                    layers.append("M")
            network.features = vgg.make_layers(layers, batch_norm=name.endswith("_bn"))
            for layer in network.features:
                # As torchvision fills them; what torch does by itself lets the signal fade from layer to layer.
                if isinstance(layer, torch.nn.Conv2d):
                    torch.nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                    torch.nn.init.zeros_(layer.bias)
            network.classifier[0] = torch.nn.Linear(512 // THIN * 49, 64)
            network.classifier[3] = torch.nn.Linear(64, network.classifier[3].out_features)
        return network

    monkeypatch.setattr(torchvision_networks, "build", build)


# Those of a family whose others are here: deeper, or with fewer kinds of operators.
LIKE_ANOTHER = (
    *("resnet34", "resnet101", "resnet152", "vgg11", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
    *("mobilenet_v3_large", "regnet_x_400mf"),
)
TAKEN = [name for name in BACKBONES if WHOLE or name not in LIKE_ANOTHER]
BENCHED = ("mobilenet_v2", "resnet18", "squeezenet1_1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is gone afterwards, since all of them together are gigabytes, and hasty stages."""
    monkeypatch.setattr(export_stage, "_CHECK_IMAGES", 2)
    # The test itself sends another size.
    monkeypatch.setattr(logits, "_BATCHES", (1,))
    for name in ("MIN_ROUNDS", "END_TO_END_ROUNDS", "END_TO_END_IMAGES"):
        monkeypatch.setattr(launches, name, 1)
    for module in (launches, replication):
        monkeypatch.setattr(module, "MIN_LAUNCHES", 2)
    monkeypatch.setattr(launches, "MIN_TIMED_S", 0.01)
    monkeypatch.setattr(statistics, "MIN_ROUNDS", 2)
    monkeypatch.setattr(contest, "ALONE_S", 0.01)
    monkeypatch.setattr(contest, "MIN_ROUNDS", 1)
    monkeypatch.setattr(field, "MAX_RACE_S", 0.01)
    # What comes after the listed candidates depends on how long something took.
    for name in ("mend", "mix", "retrain", "final", "judge_rest"):
        monkeypatch.setattr(phases, name, lambda *_: None)
    monkeypatch.setattr(interleave, "WARM_RUNS", 1)
    monkeypatch.setattr(interleave, "MIN_RUNS", 1)
    (tmp_path / "small.toml").write_text(TARGET, encoding="utf-8")
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("backbone", [BACKBONES[name] for name in TAKEN], ids=TAKEN)
def test_it_goes_all_the_way(backbone: Backbone, photos: Path, folder: Path) -> None:
    run = folder / "run"
    tuned = finetune(FinetuneSettings(run, photos, backbone.name, "none"), Silent())
    assert Preprocess.from_json(tuned.preprocess) == backbone.preprocess
    assert set(tuned.classes) == {"red", "blue"}

    exported = export(ExportSettings(run), Silent())
    _, network = classifiers.load(run / tuned.classifier)
    parameters = sum(tensor.numel() for tensor in network.state_dict().values())
    # BatchNorm is folded into convolutions; the graph itself takes a few hundred bytes a node.
    assert 0.97 < exported.size_bytes / (4 * parameters) < 1.1
    _computes_what_torch_does(run, tuned, exported, network, backbone)

    quantized = quantize(QuantizeSettings(run, target=str(folder / "small.toml"), time_budget_s=600.0), Silent())
    baseline, int8 = quantized.candidates
    assert (baseline.sha256, baseline.status) == (exported.sha256, "baseline")
    assert int8.path, int8.reason
    assert int8.size_bytes < 0.4 * exported.size_bytes
    # The search has run both files; measuring starts each of them many times, and is the same for all of a family.
    if backbone.name in BENCHED:
        _rows_are_measured(run, quantized, bench(BenchSettings(run, time_budget_s=0.1), Silent()))


def _computes_what_torch_does(
    run: Path, tuned: FinetuneResult, exported: ExportResult, network: torch.nn.Module, backbone: Backbone
) -> None:
    """Compare the exported model on pictures that the runner decoded with torch on what torchvision made of them."""
    dataset = Dataset.load(run)
    paths = dataset.paths(judging_images(dataset))
    ((_, pixels),) = iter_pixels(paths, backbone.preprocess)
    side = backbone.preprocess.crop
    assert pixels.shape == (len(paths), side, side, 3)
    with Worker(local_command()) as worker:
        report = worker.load(run / exported.model, SessionSpec(options={"batch": str(len(paths))}))
        assert report.input_shape[1:] == (side, side, 3)
        actual = worker.logits(pixels)
    expected = torchs(network, paths, backbone)
    assert actual.shape == expected.shape == (len(paths), 2)
    spread = float(np.ptp(expected, axis=0).max())
    assert np.abs(actual - expected).max() <= TOLERANCE * spread
    right = float(np.mean(actual.argmax(1) == dataset.labels(judging_images(dataset))))
    assert right >= 0.5, "red and blue pictures are told apart by any network"


def torchs(network: torch.nn.Module, paths: list[Path], backbone: Backbone) -> Logits:
    """Return the logits of torch on pictures that went through torchvision's own preprocessing."""
    values = backbone.preprocess
    prepare = transforms.Compose(
        [
            transforms.Resize(values.resize, interpolation=INTERPOLATIONS[values.interpolation]),
            transforms.CenterCrop(values.crop),
            transforms.ToTensor(),
            transforms.Normalize(values.mean, values.std),
        ]
    )
    images = torch.stack([prepare(Image.open(path).convert("RGB")) for path in paths])
    with torch.inference_mode():
        logits: Logits = network(images).numpy()
    return logits


def _rows_are_measured(run: Path, quantized: QuantizeResult, measured: BenchResult) -> None:
    baseline, int8 = measured.rows
    timings = json.loads((run / measured.timings).read_text(encoding="utf-8"))
    assert [row.name for row in measured.rows] == [each.name for each in quantized.candidates]
    for row in measured.rows:
        assert row.status != "unavailable", row.reason
        assert row.placement is not None and row.placement.keys() == {"CPUExecutionProvider"}
        blocks = timings["launches"][0]["timed"][row.name]["inference"]
        assert blocks and all(run > 0 for block in blocks for run in block)
        assert row.accuracy is not None and row.end_to_end_p50_ms and row.cold_start_ms
    assert (baseline.actual_precision, int8.actual_precision) == ("fp32", "int8")
    assert int8.sha256 != baseline.sha256
