"""BatchNorm statistics measured on images, for a network whose own say nothing about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from edgetl.device.values import Preprocess
from edgetl.pixels import Pixels
from edgetl.training.features.forward import Images

# So many images does the source count for among those of the target, so that a few of these change little (Schneider et
# al., NeurIPS 2020, whose best is 8 to 128 for 8 to 512 images).
PRIOR = 16
# Part of the mean variance of a layer's channels below which a channel is dead: it says nothing of how to scale it.
DEAD = 1e-6


@dataclass(frozen=True)
class Moments:
    """Mean and variance, each (channels,), of what a BatchNorm is given for ``images`` images."""

    mean: Tensor
    variance: Tensor
    images: int


class _Sum:
    """Adds up moments batch by batch."""

    def __init__(self) -> None:
        self.images = 0
        self.first: Tensor | float = 0.0
        self.second: Tensor | float = 0.0

    def add(self, activations: Tensor) -> Moments:
        """Return the moments of these ``activations`` (N, channels, ...) alone."""
        rows = activations.transpose(0, 1).flatten(1)
        mean, square = rows.mean(1), rows.square().mean(1)
        count = len(activations)
        self.images += count
        self.first, self.second = self.first + count * mean, self.second + count * square
        return Moments(mean, (square - mean.square()).clamp_min(0), count)

    def moments(self) -> Moments:
        """Return those of all that was added."""
        mean, square = torch.as_tensor(self.first) / self.images, torch.as_tensor(self.second) / self.images
        return Moments(mean, (square - mean.square()).clamp_min(0), self.images)


def reestimate(network: nn.Module, batches: Iterable[Pixels], preprocess: Preprocess) -> None:
    """Replace the mean and variance of every BatchNorm of ``network``, in place, by their averages over ``batches``.

    ``batches`` are uint8 NHWC images. All other layers work as in evaluation.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    images = Images(network, preprocess).eval()
    for layer in layers:
        layer.reset_running_stats()
        # None averages over all batches alike; a number would forget the first ones.
        layer.momentum = None
        layer.train()
    with torch.inference_mode():
        for pixels in batches:
            images(torch.from_numpy(pixels))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    network.eval()


def present(network: nn.Module) -> bool:
    """Return whether the network has any BatchNorm."""
    return any(isinstance(layer, _BatchNorm) for layer in network.modules())


def align(
    network: nn.Module,
    source: Iterable[Pixels],
    target: Iterable[Pixels],
    images: int,
    preprocess: Preprocess,
) -> None:
    """Give every BatchNorm of ``network`` statistics under which ``target`` looks to it as ``source`` did before.

    Both are batches of uint8 NHWC images, ``images`` is how many of the target there are. Each channel's output gets
    the mean and variance over the target that it had over the source. Where the stored statistics are those of the
    source, as after a training that learnt them, this puts the target's in their place (Li et al., *Revisiting batch
    normalization for practical domain adaptation*, 2016). A frozen backbone's are of the images that it was pretrained
    on instead; to replace them would change what the head was fitted to, even where there is no shift at all. The
    target's are mixed with the source's as if that had PRIOR images.

    The network is changed in place, the tensors that it was made of are not.
    """
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, _BatchNorm)}
    stored = {name: (_tensor(layer.running_mean), _tensor(layer.running_var)) for name, layer in layers.items()}
    sums = {name: _Sum() for name in layers}
    _run(network, layers, source, preprocess, lambda name, given: sums[name].add(given))
    before = {name: each.moments() for name, each in sums.items()}
    share = images / (images + PRIOR)
    sums = {name: _Sum() for name in layers}

    def change(name: str, now: Moments) -> None:
        layer, was = layers[name], before[name]
        mean = was.mean + share * (now.mean - was.mean)
        variance = was.variance + share * (now.variance - was.variance)
        old_mean, old_variance = stored[name]
        alive = was.variance > DEAD * was.variance.mean()
        ratio = torch.where(alive, variance / was.variance, 1.0)
        layer.running_mean = mean - (was.mean - old_mean) * ratio.sqrt()
        layer.running_var = (ratio * (old_variance + layer.eps) - layer.eps).clamp_min(0)

    # Within a batch by its own statistics, as in training: the layers after one see what it will give them.
    _run(network, layers, target, preprocess, lambda name, given: change(name, sums[name].add(given)))
    for name, each in sums.items():
        change(name, each.moments())


def _run(
    network: nn.Module,
    layers: Mapping[str, nn.Module],
    batches: Iterable[Pixels],
    preprocess: Preprocess,
    look: Callable[[str, Tensor], object],
) -> None:
    """Run the network in evaluation, and let ``look`` see what each layer is about to get."""
    images = Images(network, preprocess).eval()
    device = next(network.parameters()).device
    images.to(device)
    with torch.inference_mode(), _watched(layers, look):
        for pixels in batches:
            images(torch.from_numpy(pixels).to(device))


@contextmanager
def _watched(layers: Mapping[str, nn.Module], look: Callable[[str, Tensor], object]) -> Iterator[None]:
    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def watch(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            look(name, given[0])

        return watch

    handles = [layer.register_forward_pre_hook(hook(name)) for name, layer in layers.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _tensor(statistic: Tensor | None) -> Tensor:
    if statistic is None:
        raise ValueError("a BatchNorm without stored statistics cannot be adapted")
    return statistic.clone()
