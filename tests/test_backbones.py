"""The table of backbones against torchvision's own figures."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgetl import backbones
from edgetl.backbones import BACKBONES, Backbone
from edgetl.errors import UsageError


def test_the_table_is_read_without_torch() -> None:
    code = (
        "import sys, edgetl.backbones, edgetl.dataset, edgetl.weights, edgetl.classifier, edgetl.training.finetune;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'torchvision', 'onnxruntime', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_misspelt_name_offers_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'mobilnet_v2'.*Did you mean 'mobilenet_v2'"):
        backbones.backbone("mobilnet_v2")


@pytest.mark.training
@pytest.mark.parametrize("backbone", BACKBONES.values(), ids=BACKBONES)
def test_a_line_of_the_table_is_what_torchvision_publishes(backbone: Backbone) -> None:
    models = pytest.importorskip("torchvision.models")
    published = models.get_model_weights(backbone.name).IMAGENET1K_V1
    assert published.url.endswith(f"/models/{backbone.weights}.pth")
    assert backbone.params == published.meta["num_params"]
    assert backbone.macs == round(published.meta["_ops"] * 1e9)
    assert backbone.top1 == published.meta["_metrics"]["ImageNet-1K"]["acc@1"]
    transforms, preprocess = published.transforms(), backbone.preprocess
    assert [preprocess.resize] == transforms.resize_size
    assert [preprocess.crop] == transforms.crop_size
    assert preprocess.interpolation == transforms.interpolation.value


@pytest.mark.training
@pytest.mark.parametrize("backbone", BACKBONES.values(), ids=BACKBONES)
def test_every_backbone_gives_as_many_features_as_it_says_and_keeps_its_parameters(backbone: Backbone) -> None:
    torch = pytest.importorskip("torch")
    network = backbones.build_empty(backbone).eval()
    crop = backbone.preprocess.crop
    with torch.device("meta"):
        assert network(torch.zeros(2, 3, crop, crop)).shape == (2, backbone.features)
    original = sum(tensor.numel() for tensor in network.parameters()) + 1000 * (backbone.features + 1)
    # The published counts of these two include the auxiliary classifiers.
    assert original == backbone.params or backbone.auxiliary


@pytest.mark.training
@pytest.mark.parametrize("name", [name for name, backbone in BACKBONES.items() if backbone.auxiliary])
def test_the_preprocessing_does_what_transform_input_did(name: str) -> None:
    torch = pytest.importorskip("torch")
    models = pytest.importorskip("torchvision.models")
    preprocess = BACKBONES[name].preprocess
    image = torch.rand(1, 3, 8, 8)

    def normalized(mean: tuple[float, ...], std: tuple[float, ...]) -> object:
        return (image - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)

    transforms = models.get_model_weights(name).IMAGENET1K_V1.transforms()
    with torch.device("meta"):
        original = models.get_model(name, weights=None, transform_input=True, init_weights=False)
    expected = original._transform_input(normalized(transforms.mean, transforms.std))
    torch.testing.assert_close(normalized(preprocess.mean, preprocess.std), expected)
