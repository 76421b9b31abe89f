"""Quantization-aware training, the last resort: a float network whose weights bear quantization better.

NNCF puts fake quantizers into the torch network, and a short training at a low rate moves the weights to where rounding
changes little, led by the labels and by the float network's own logits. Then the quantizers go. What is left is a
float network like the one before, to be exported and quantized by any recipe.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edgetl import classifier as classifiers
from edgetl.device.cores import cores_allowed
from edgetl.device.values import Preprocess
from edgetl.pixels import Pixels, iter_pixels
from edgetl.progress import Progress
from edgetl.quantization.engines._nncf import quiet

STEP = "train for int8"
BATCH, STEPS = 16, 300
# Of plain descent, whose steps shrink with the gradient: the network is right already, and Adam's would be as large
# where nothing is left to learn.
RATE, MOMENTUM = 3e-4, 0.9
# Images that the quantizers' ranges come from.
RANGED = 32
# The float network's logits are softened by this, and have so much of the say.
TEMPERATURE, DISTILLED = 2.0, 0.5


class _Wrapped(nn.Module):
    """The network as a part: NNCF adds a child to what it is given, which a Sequential would call as a layer."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits


def robust(
    classifier: Path, images: Sequence[Path], labels: Sequence[int], seconds: float, seed: int, progress: Progress
) -> nn.Module:
    """Return the network of the file ``classifier``, trained to be quantized, in float and in evaluation mode.

    It takes normalized float NCHW images and gives logits. The training on the images (``labels`` count the classes)
    ends after STEPS batches or about ``seconds``, in which at least one is trained on. BatchNorm keeps its statistics
    and nothing is dropped out. Raises ImportError without NNCF, RunError for a file that is no classifier, DataError
    for an image that cannot be decoded.
    """
    end = time.monotonic() + seconds
    with _ready(seed):
        value, teacher = classifiers.load(classifier)
        _, result = classifiers.load(classifier)
        student = _quantized(teacher, images, value.preprocess)
        _train(student, teacher, _batches(images, labels, value.preprocess, seed), end, progress)
    trained = student.network.state_dict()
    result.load_state_dict({name: trained[name].detach() for name in result.state_dict()})
    return result.eval()


@contextlib.contextmanager
def _ready(seed: int) -> Iterator[None]:
    """Let torch use the cores that this process may, leave its random numbers as they were, and let NNCF say nothing.

    Parts of NNCF's quantizers are functions that torch would compile: for so few steps that takes longer than it saves.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(cores_allowed())
    try:
        with torch.random.fork_rng(devices=[]), quiet(), torch.compiler.set_stance("force_eager"), _own_functions():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def _own_functions() -> Iterator[None]:
    """Let NNCF quantize by two functions of torch's own in the meantime.

    Otherwise it compiles C++ for a minute where it can, or takes a reference of ten operations a tensor.
    """
    from nncf.torch.quantization import extensions

    own = SimpleNamespace(Quantize_forward=_rounded, Quantize_backward=_passed)
    loader = extensions.QuantizedFunctionsCPULoader
    before = loader.__dict__["load"]
    loader.load = classmethod(lambda _: own)
    try:
        yield
    finally:
        loader.load = before


def _quantized(network: nn.Module, images: Sequence[Path], preprocess: Preprocess) -> Any:
    """Return a copy of ``network``, as ``network`` of a module, with fake quantizers whose ranges fit the images."""
    import nncf

    chosen = [images[place] for place in np.linspace(0, len(images) - 1, min(RANGED, len(images)), dtype=int)]
    inputs = [_normalized(pixels, preprocess) for _, pixels in iter_pixels(chosen, preprocess, batch=1)]
    return nncf.quantize(
        _Wrapped(network),
        nncf.Dataset(inputs),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(inputs),
        # The corrections are for weights that stay as they are, and would remain when the quantizers are gone.
        advanced_parameters=nncf.AdvancedQuantizationParameters(disable_bias_correction=True),
    )


def _rounded(values: Tensor, low: Tensor, span: Tensor, levels: int) -> Tensor:
    """Return ``values`` cut to ``low`` and above by ``span``, rounded to one of so many ``levels``."""
    scale = span / (levels - 1)
    zero = torch.round(-low / scale)
    if low.numel() == 1:
        return torch.fake_quantize_per_tensor_affine(values, scale.ravel(), zero.int().ravel(), 0, levels - 1)
    steps = torch.clamp(torch.round(values / scale + zero), 0, levels - 1)
    return (steps - zero) * scale


def _passed(gradient: Tensor, values: Tensor, low: Tensor, span: Tensor, *_: Any) -> tuple[Tensor, None, None]:
    """Return the gradient where `_rounded` does not cut, as if it did not round; none of the range, which stays."""
    return gradient * ((values >= low) & (values <= low + span)), None, None


def _train(
    student: nn.Module, teacher: nn.Module, batches: Iterator[tuple[Tensor, Tensor]], end: float, progress: Progress
) -> None:
    """Fit ``student`` in place to the labels and to the logits of ``teacher``, at a rate that falls to nothing."""
    student.eval()
    # Not the ranges: another quantizer will choose its own.
    parameters = [each for name, each in student.named_parameters() if name.startswith("network.")]
    optimizer = torch.optim.SGD(parameters, lr=RATE, momentum=MOMENTUM)
    start = time.monotonic()
    for step in range(STEPS):
        spent = (time.monotonic() - start) / max(end - start, 1e-9)
        if step and spent >= 1:
            break
        optimizer.param_groups[0]["lr"] = RATE * (1 - max(step / STEPS, min(spent, 0.99)))
        inputs, labels = next(batches)
        with torch.no_grad():
            wanted = teacher(inputs)
        loss = _loss(student(inputs), wanted, labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        progress.step(STEP, step + 1, STEPS)
    progress.step(STEP, STEPS, STEPS)


def _loss(logits: Tensor, wanted: Tensor, labels: Tensor) -> Tensor:
    """Return the mean over the batch of cross-entropy and distillation (Hinton et al., 2015)."""
    soft = functional.log_softmax(logits / TEMPERATURE, 1)
    target = functional.log_softmax(wanted / TEMPERATURE, 1)
    distance = functional.kl_div(soft, target, reduction="batchmean", log_target=True) * TEMPERATURE**2
    return DISTILLED * distance + (1 - DISTILLED) * functional.cross_entropy(logits, labels)


def _batches(
    images: Sequence[Path], labels: Sequence[int], preprocess: Preprocess, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield normalized images, half of them mirrored, and their labels, without end: in each epoch in another order."""
    random = np.random.default_rng(seed)
    numbers: NDArray[np.int64] = np.asarray(labels, np.int64)
    while True:
        order = random.permutation(len(images))
        for places, pixels in iter_pixels([images[index] for index in order], preprocess, batch=BATCH):
            mirrored = random.random(len(pixels)) < 0.5
            pixels[mirrored] = pixels[mirrored, :, ::-1].copy()
            yield _normalized(pixels, preprocess), torch.from_numpy(numbers[order[list(places)]])


def _normalized(pixels: Pixels, preprocess: Preprocess) -> Tensor:
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (preprocess.mean, preprocess.std))
    # A view of bytes in the images' own order: channels last, in which torch trains such networks faster.
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std
