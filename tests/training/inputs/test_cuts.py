"""Every backbone can be cut before any of its stages, and the two parts together are the network."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from edgetl import backbones  # noqa: E402
from edgetl.backbones import BACKBONES, Backbone  # noqa: E402
from edgetl.errors import UsageError  # noqa: E402
from edgetl.training.inputs import cuts  # noqa: E402
from edgetl.training.threads import torch_threads  # noqa: E402

pytestmark = pytest.mark.training

# How many stages there are, and what the last one begins with, (channels, pixels): it is the 7 x 7 part, layer4 of
# ResNets, the layers that follow the convolutions of VGG.
EXPECTED = {
    "mobilenet_v2": (5, 96, 14),
    "resnet18": (5, 256, 14),
    "resnet50": (5, 1024, 14),
    "vgg16": (6, 512, 7),
    "inception_v3": (5, 768, 17),
    "shufflenet_v2_x1_0": (4, 232, 14),
}
# Other numbers of the same blocks, which take long.
DEEPER = ("resnet34", "resnet101", "resnet152", "vgg13", "vgg16", "vgg19", "vgg13_bn", "vgg16_bn", "vgg19_bn")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with torch_threads(1):
        yield


@functools.cache
def noise() -> Tensor:
    return torch.randn(1 << 20, generator=torch.Generator().manual_seed(0))


def network(backbone: Backbone) -> nn.Module:
    """Return the network with weights that are made quickly and let images pass."""
    made = backbones.build_empty(backbone).to_empty(device="cpu").eval().requires_grad_(False)
    for name, tensor in made.state_dict().items():
        if name.endswith("running_var"):
            tensor.fill_(1)
        elif tensor.is_floating_point():
            for part in tensor.view(-1).split(len(noise())):
                part.copy_(noise()[: len(part)])
            _ = tensor.mul_(math.sqrt(2 / tensor[0].numel())) if tensor.ndim > 1 else tensor.abs_()
    return made


@pytest.mark.parametrize("name", [name for name in BACKBONES if name not in DEEPER])
def test_trunk_and_tail_are_the_network(name: str) -> None:
    backbone = BACKBONES[name]
    whole = network(backbone)
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = whole(images.clone())
    assert expected.shape == (2, backbone.features)
    assert not torch.allclose(expected[0], expected[1], rtol=1e-2)
    cut = cuts.split(whole, backbone, 1)
    assert cut.trunk is not None
    with torch.inference_mode():
        torch.testing.assert_close(cut.tail(cut.trunk(images.clone())), expected)
    tensors = whole.state_dict()
    parts = [cut.trunk.state_dict(), cut.tail.state_dict()]
    # Together they hold each tensor of the network once, under its own name.
    assert sorted([*parts[0], *parts[1]]) == sorted(tensors)
    assert all(torch.equal(tensor, tensors[key]) for part in parts for key, tensor in part.items())
    share = sum(each.numel() for each in cut.tail.parameters()) / sum(each.numel() for each in whole.parameters())
    assert 0.25 < share < 0.95


@pytest.mark.parametrize("name", [name for name in BACKBONES if name not in DEEPER])
def test_every_stage_learns_and_none_is_left_out(name: str) -> None:
    backbone = BACKBONES[name]
    empty = backbones.build_empty(backbone)
    count = cuts.stages(empty, backbone.preprocess.crop)
    assert 4 <= count <= 6
    held = [len(list(cuts.split(empty, backbone, unfrozen).tail.parameters())) for unfrozen in range(1, count + 1)]
    assert held == sorted(set(held))
    assert held[-1] == len(list(empty.parameters()))


@pytest.mark.parametrize("name", EXPECTED)
def test_the_last_stage_begins_where_people_expect_it(name: str) -> None:
    backbone = BACKBONES[name]
    empty, side = backbones.build_empty(backbone), backbone.preprocess.crop
    trunk = cuts.split(empty, backbone, 1).trunk
    assert trunk is not None
    count, channels, pixels = EXPECTED[name]
    assert cuts.stages(empty, side) == count
    assert trunk(torch.empty(1, 3, side, side, device="meta")).shape == (1, channels, pixels, pixels)


def test_all_stages_leave_no_trunk_and_more_are_refused() -> None:
    backbone = BACKBONES["resnet18"]
    empty = backbones.build_empty(backbone)
    assert cuts.split(empty, backbone, 5).trunk is None
    for wrong in (0, 6):
        with pytest.raises(UsageError, match="resnet18 has 5"):
            cuts.split(empty, backbone, wrong)


def test_training_the_tail_leaves_the_network_as_it_was() -> None:
    backbone = BACKBONES["squeezenet1_1"]
    whole = network(backbone)
    for unfrozen in (1, cuts.stages(whole, 224)):
        tail = cuts.split(whole, backbone, unfrozen).tail
        before = {name: tensor.clone() for name, tensor in whole.state_dict().items()}
        assert all(each.requires_grad for each in tail.parameters())
        with torch.no_grad():
            for each in tail.parameters():
                each += 1
        assert all(torch.equal(tensor, before[name]) for name, tensor in whole.state_dict().items())
        assert not any(each.requires_grad for each in whole.parameters())


@pytest.mark.parametrize("name", ["vgg11", "googlenet", "efficientnet_b0"])
def test_dropout_and_dropped_layers_work_in_a_training_tail_only(name: str) -> None:
    backbone = BACKBONES[name]
    whole = network(backbone).train()
    cut = cuts.split(whole, backbone, 1)
    assert whole.training
    assert cut.trunk is not None
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        activations = cut.trunk(images.clone())
        assert torch.equal(activations, cut.trunk(images.clone()))
        for module in cut.tail.modules():
            if not isinstance(module, nn.BatchNorm2d):
                module.training = True
        torch.manual_seed(0)
        results = [cut.tail(activations.clone()) for _ in range(16)]
        assert not all(torch.equal(each, results[0]) for each in results)
        cut.tail.eval()
        assert torch.equal(cut.tail(activations.clone()), cut.tail(activations.clone()))


def test_dropped_layers_of_efficientnet_are_kept_as_modules() -> None:
    backbone = BACKBONES["efficientnet_b0"]
    tail = cuts.split(backbones.build_empty(backbone), backbone, 1).tail
    assert any(type(module).__name__ == "StochasticDepth" for module in tail.modules())
