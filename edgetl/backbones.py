"""The networks that can be fine-tuned: one line each in a literal table that needs no torch to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgetl.device.values import Preprocess
from edgetl.errors import UsageError, nearest

if TYPE_CHECKING:
    from torch import nn

IMAGENET = Preprocess()
BICUBIC = Preprocess(interpolation="bicubic")
# torchvision gives these two ImageNet's mean and deviation and has the network undo them (``transform_input``); what
# the layers were trained on is this.
HALF = Preprocess(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
HALF_299 = Preprocess(resize=342, crop=299, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

GOOGLENET_AUX = ("aux1.", "aux2.")
INCEPTION_AUX = ("AuxLogits.",)
WITHOUT_AUXILIARY = {"aux_logits": False, "transform_input": False, "init_weights": True}


@dataclass(frozen=True)
class Backbone:
    """A torchvision network. ``params``, ``macs`` (of one image) and ``top1`` (%) are of its 1000-class original.

    ``weights`` is the name of torchvision's file, which ends in the beginning of its SHA-256. It is that of the older
    recipe (IMAGENET1K_V1), whose features transfer better when frozen than those of label smoothing (Kornblith et al.,
    2021). ``head`` is the path of the layer that the new head replaces and ``features`` the number of its inputs.
    ``auxiliary`` are the prefixes of layers that only its original training used.
    """

    name: str
    weights: str
    head: str
    features: int
    params: int
    macs: int
    top1: float
    preprocess: Preprocess = IMAGENET
    auxiliary: tuple[str, ...] = ()

    @property
    def replaced(self) -> tuple[str, ...]:
        """Prefixes of the parameters that a fine-tuned network does not take from its source."""
        return (f"{self.head}.", *self.auxiliary)


M = 1_000_000

_TABLE = (
    Backbone("mobilenet_v2", "mobilenet_v2-b0353104", "classifier", 1280, 3_504_872, 301 * M, 71.878),
    Backbone("mobilenet_v3_small", "mobilenet_v3_small-047dcff4", "classifier.3", 1024, 2_542_856, 57 * M, 67.668),
    Backbone("mobilenet_v3_large", "mobilenet_v3_large-8738ca79", "classifier.3", 1280, 5_483_032, 217 * M, 74.042),
    Backbone("resnet18", "resnet18-f37072fd", "fc", 512, 11_689_512, 1_814 * M, 69.758),
    Backbone("resnet34", "resnet34-b627a593", "fc", 512, 21_797_672, 3_664 * M, 73.314),
    Backbone("resnet50", "resnet50-0676ba61", "fc", 2048, 25_557_032, 4_089 * M, 76.130),
    Backbone("resnet101", "resnet101-63fe2227", "fc", 2048, 44_549_160, 7_801 * M, 77.374),
    Backbone("resnet152", "resnet152-394f9c45", "fc", 2048, 60_192_808, 11_514 * M, 78.312),
    Backbone("vgg11", "vgg11-8a719046", "classifier.6", 4096, 132_863_336, 7_609 * M, 69.020),
    Backbone("vgg11_bn", "vgg11_bn-6002323d", "classifier.6", 4096, 132_868_840, 7_609 * M, 70.370),
    Backbone("vgg13", "vgg13-19584684", "classifier.6", 4096, 133_047_848, 11_308 * M, 69.928),
    Backbone("vgg13_bn", "vgg13_bn-abd245e5", "classifier.6", 4096, 133_053_736, 11_308 * M, 71.586),
    Backbone("vgg16", "vgg16-397923af", "classifier.6", 4096, 138_357_544, 15_470 * M, 71.592),
    Backbone("vgg16_bn", "vgg16_bn-6c64b313", "classifier.6", 4096, 138_365_992, 15_470 * M, 73.360),
    Backbone("vgg19", "vgg19-dcbb9e9d", "classifier.6", 4096, 143_667_240, 19_632 * M, 72.376),
    Backbone("vgg19_bn", "vgg19_bn-c79401a0", "classifier.6", 4096, 143_678_248, 19_632 * M, 74.218),
    Backbone("googlenet", "googlenet-1378be20", "fc", 1024, 6_624_904, 1_498 * M, 69.778, HALF, GOOGLENET_AUX),
    Backbone(
        "inception_v3",
        "inception_v3_google-0cc3c7bd",
        "fc",
        2048,
        27_161_264,
        5_713 * M,
        77.294,
        HALF_299,
        INCEPTION_AUX,
    ),
    Backbone(
        "efficientnet_b0", "efficientnet_b0_rwightman-7f5810bc", "classifier", 1280, 5_288_548, 386 * M, 77.692, BICUBIC
    ),
    Backbone("shufflenet_v2_x1_0", "shufflenetv2_x1-5666bf0f80", "fc", 1024, 2_278_604, 145 * M, 69.362),
    # Its last layer is a convolution; without it the network ends in the pooled features themselves.
    Backbone("squeezenet1_1", "squeezenet1_1-b8a52dc0", "classifier.1", 512, 1_235_496, 349 * M, 58.178),
    Backbone("regnet_x_400mf", "regnet_x_400mf-adf1edd5", "fc", 400, 5_495_976, 414 * M, 72.834),
    Backbone("regnet_y_400mf", "regnet_y_400mf-c65dace8", "fc", 440, 4_344_144, 402 * M, 74.046),
)

BACKBONES: Mapping[str, Backbone] = {backbone.name: backbone for backbone in _TABLE}


def backbone(name: str) -> Backbone:
    """Return the backbone called ``name``; raises UsageError offering the nearest one."""
    try:
        return BACKBONES[name]
    except KeyError:
        hint = nearest(name, BACKBONES)
        raise UsageError(f"Unknown model '{name}'.{hint} `edgetl models` lists all {len(BACKBONES)}.") from None


def build(chosen: Backbone) -> nn.Module:
    """Return torchvision's network with random weights, its head replaced by nothing.

    It maps float NCHW images, normalized, to features of shape (N, ``chosen.features``).
    """
    from torch import nn

    from edgetl import torchvision_networks

    network = torchvision_networks.build(chosen.name, **(WITHOUT_AUXILIARY if chosen.auxiliary else {}))
    network.set_submodule(chosen.head, nn.Identity())
    return network


def build_empty(chosen: Backbone) -> nn.Module:
    """Return the same network without memory for its weights, which spares making random ones: to load others into."""
    import torch

    from edgetl import torchvision_networks

    try:
        with torch.device("meta"), torchvision_networks.not_random():
            return build(chosen)
    except NotImplementedError:
        # RegNet computes its widths with tensors, which must hold something.
        return build(chosen).to("meta")
