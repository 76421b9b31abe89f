"""int8 on real photos and real weights: what it may cost MobileNetV2, judged on images it was not calibrated on."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from edgetl import recipes  # noqa: E402
from edgetl.device.values import Preprocess  # noqa: E402
from edgetl.graph.from_torch import export_module  # noqa: E402
from edgetl.pixels import iter_pixels  # noqa: E402
from edgetl.quantization.calibration.observe import session  # noqa: E402
from edgetl.quantization.engines import static  # noqa: E402

pytestmark = [pytest.mark.training, pytest.mark.engine, pytest.mark.realdata]


def _logits(model: Any, pixels: Any) -> Any:
    running = session(model)
    return np.concatenate([running.run(None, {"image": batch})[0] for batch in np.array_split(pixels, 20)])


def test_int8_mobilenet_keeps_what_it_knows_of_imagenet(shared_data: Path) -> None:
    import torchvision

    module = torchvision.models.mobilenet_v2()
    module.load_state_dict(torch.load(shared_data / "weights/mobilenet_v2-imagenet1k.pth", weights_only=True))
    model = export_module(module.eval(), Preprocess())
    folder = shared_data / "datasets/imagenet1k-sample"
    with (folder / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    paths = [folder / row["file"] for row in rows]
    labels = np.array([int(row["label"]) for row in rows])

    def calibration() -> Iterator[Any]:
        return (pixels for _, pixels in iter_pixels(paths[::5][:64], Preprocess(), batch=4))

    judged = [index for index in range(len(paths)) if index % 5][::2]
    pixels = np.concatenate([each for _, each in iter_pixels([paths[index] for index in judged], Preprocess())])
    expected = _logits(model, pixels)
    found = _logits(static.quantize(model, recipes.load("u8s8-percentile"), calibration), pixels)
    right = [float(np.mean(logits.argmax(1) == labels[judged])) for logits in (expected, found)]
    assert right[0] > 0.8
    assert right[0] - right[1] <= 0.02
    assert np.mean(expected.argmax(1) == found.argmax(1)) >= 0.94
    assert 10 * np.log10(np.sum(expected**2) / np.sum((expected - found) ** 2)) > 19
