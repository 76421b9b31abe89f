"""BatchNorm statistics measured on images."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgetl.device.values import Preprocess  # noqa: E402
from edgetl.training import batchnorm  # noqa: E402

pytestmark = pytest.mark.training


def test_the_statistics_are_those_of_all_images_alike() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    plain = Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    layer = torch.nn.BatchNorm2d(3)
    layer.running_mean += 5
    network = torch.nn.Sequential(layer, torch.nn.Dropout(0.5))
    weights = layer.weight.clone()
    batchnorm.reestimate(network, [pixels[:4], pixels[4:8], pixels[8:]], plain)
    np.testing.assert_allclose(layer.running_mean, (pixels / 255).mean((0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(layer.running_var, (pixels / 255).var((0, 1, 2)), rtol=0.05)
    assert not layer.training
    assert layer.momentum == 0.1
    assert torch.equal(layer.weight, weights)
