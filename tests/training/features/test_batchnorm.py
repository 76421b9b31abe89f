"""BatchNorm statistics measured on images."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgetl.device.values import Preprocess  # noqa: E402
from edgetl.training.features import batchnorm, forward  # noqa: E402

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


def small_network() -> torch.nn.Module:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3),
        torch.nn.BatchNorm2d(6),
        torch.nn.ReLU(),
        torch.nn.Conv2d(6, 4, 3),
        torch.nn.BatchNorm2d(4),
    )
    # As after a training on other images: what is stored is not what the source gives.
    for layer in (network[1], network[4]):
        layer.running_mean = torch.randn_like(layer.running_mean)
        layer.running_var = torch.rand_like(layer.running_var) + 0.5
    return network.eval()


def outputs(network: torch.nn.Module, pixels: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return forward.Images(network, PLAIN)(torch.from_numpy(pixels)).numpy()


PLAIN = Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


@pytest.fixture
def source() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 200, (24, 10, 10, 3), dtype=np.uint8)


def test_a_network_aligned_to_its_own_source_stays_as_it_is(source: np.ndarray) -> None:
    network = small_network()
    before = outputs(network, source)
    batchnorm.align(network, [source], [source], len(source), PLAIN)
    np.testing.assert_allclose(outputs(network, source), before, atol=1e-3)


def test_aligned_to_a_darker_camera_it_sees_what_it_saw_before(
    source: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batchnorm, "PRIOR", 0)
    network = small_network()
    before, dark = outputs(network, source), (source * 0.4 + 5).astype(np.uint8)
    shifted = np.abs(outputs(network, dark) - before).mean()
    batchnorm.align(network, [source], [dark], len(dark), PLAIN)
    assert np.abs(outputs(network, dark) - before).mean() < shifted / 5


def test_few_images_change_little(source: np.ndarray) -> None:
    dark = (source * 0.4 + 5).astype(np.uint8)
    few, many = small_network(), small_network()
    batchnorm.align(few, [source], [dark[:2]], 2, PLAIN)
    batchnorm.align(many, [source], [dark], len(dark), PLAIN)
    stored = small_network()[1].running_mean
    assert (few[1].running_mean - stored).abs().mean() < 0.5 * (many[1].running_mean - stored).abs().mean()


def test_the_tensors_that_a_network_was_made_of_stay(source: np.ndarray) -> None:
    network = small_network()
    tensors = network.state_dict()
    kept = {name: tensor.clone() for name, tensor in tensors.items()}
    batchnorm.align(network, [source], [source // 3], len(source), PLAIN)
    assert all(torch.equal(tensors[name], kept[name]) for name in kept)


def test_a_dead_channel_stays_finite(source: np.ndarray) -> None:
    network = small_network()
    with torch.no_grad():
        network[0].weight[0], network[0].bias[0] = 0, 0
    batchnorm.align(network, [source], [source // 3], len(source), PLAIN)
    assert np.isfinite(outputs(network, source)).all()
