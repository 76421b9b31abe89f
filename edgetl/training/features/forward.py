"""Running a frozen backbone on many images: on the device runner's engines when they agree with torch, else on torch.

Torch runs small convolutions several times slower on a CPU than ONNX Runtime does (MobileNetV2 on two cores: about 50
against 400 images/s), so the backbone is exported once, cached by the hash of its weights, and compared with torch on
real images each time that it is used. An engine gets its images one by one, each on one core: that is faster than to
share an image or a batch among cores, bears other work on the machine, and makes features depend on no other image.
"""

from __future__ import annotations

import contextlib
import copy
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from edgetl.device import providers
from edgetl.device.cores import cores_allowed
from edgetl.device.values import Preprocess, SessionSpec
from edgetl.files import replacing
from edgetl.pixels import Pixels
from edgetl.progress import Progress
from edgetl.training.features import cache
from edgetl.training.features.extraction import Features, Forward
from edgetl.training.threads import torch_threads

# Whether a session may be run from several threads at once; one that may not gets all cores for each image.
PROVIDERS = {"cpu": True, "openvino": False}
CHECKED = 4
# VGG's widest activations of so many images are 0.8 GB.
GPU_BATCH = 64
# Float32 rounds to 6e-8; trained networks bring that to about 1e-5 of the largest feature.
TOLERANCE = 1e-3
# Random ones double it every few layers: of a ResNet-152 two right results can differ by more than the tolerance. Then
# float64 tells: the engine may be off by so many times what torch itself is off by, itself at most ROUNDING.
TIMES, ROUNDING = 4, 1e-2


class Images(nn.Module):
    """A network that takes images as the runner makes them: uint8 NHWC instead of normalized float NCHW."""

    mean: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, preprocess: Preprocess) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", 255 * torch.tensor(preprocess.mean).view(1, 3, 1, 1))
        self.register_buffer("scale", 1 / (255 * torch.tensor(preprocess.std).view(1, 3, 1, 1)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the network's output for uint8 images of shape (N, height, width, 3)."""
        images = (pixels.permute(0, 3, 1, 2).to(self.mean.dtype) - self.mean) * self.scale
        output: Tensor = self.network(images)
        return output


def on_torch(network: nn.Module, preprocess: Preprocess) -> Forward:
    """Return the frozen network as a function on torch, on a GPU where there is one."""
    images = Images(network, preprocess).eval().to(memory_format=torch.channels_last)
    return _on_gpu(images) if torch.cuda.is_available() else _on_cpu(images)


def _on_cpu(images: Images) -> Forward:
    # One by one, as on an engine: as fast as batches, and as small as can be in memory.
    def run(pixels: Pixels) -> Features:
        with torch.inference_mode():
            output: Features = images(torch.from_numpy(pixels)).numpy()
        return output

    each = _one_by_one(run, cores_allowed())

    def forward(pixels: Pixels) -> Features:
        with torch_threads(1):
            return each(pixels)

    return forward


def _on_gpu(images: Images) -> Forward:
    device = torch.device("cuda", torch.cuda.current_device())
    images = images.to(device)

    def run(pixels: Pixels) -> Tensor:
        # Page-locked memory is copied by the GPU itself.
        output: Tensor = images(torch.from_numpy(pixels).pin_memory().to(device, non_blocking=True))
        return output.cpu()

    def forward(pixels: Pixels) -> Features:
        # Features do not depend on the machine that made them: no TF32, no autocast, the same algorithms each time.
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), exact, torch.autocast("cuda", enabled=False):
            parts = [run(pixels[start : start + GPU_BATCH]) for start in range(0, len(pixels), GPU_BATCH)]
        return torch.cat(parts).numpy()

    return forward


def fastest(
    network: nn.Module, preprocess: Preprocess, onnx: Path | None, sample: Pixels, progress: Progress
) -> Forward:
    """Return the frozen network as a function of uint8 NHWC images, on an engine if one agrees with torch.

    The network's output may have any shape (N, ...). ``onnx`` is where the exported network is cached, None to keep it
    nowhere; ``sample`` are a few real images to compare on. Falling back to torch is told to ``progress``. A GPU runs
    torch.
    """
    reference = on_torch(network, preprocess)
    if torch.cuda.is_available():
        return reference
    with contextlib.ExitStack() as stack:
        if onnx is None:
            onnx = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgetl-"))) / "network.onnx"
        return _checked(network, preprocess, onnx, sample[:CHECKED], reference, progress)


def _checked(
    network: nn.Module, preprocess: Preprocess, onnx: Path, sample: Pixels, reference: Forward, progress: Progress
) -> Forward:
    """Return the exported network on an engine if it computes on ``sample`` what the ``reference`` does, else that."""
    expected = reference(sample)
    try:
        if not onnx.is_file():
            _export(Images(network, preprocess), sample[:1], onnx)
        cache.used(onnx)
        engine = _engine(onnx)
        computed = engine(sample)
        difference = _difference(computed, expected)
        agrees = difference <= TOLERANCE or _is_rounding(network, preprocess, sample, computed, expected)
    except Exception as error:  # noqa: BLE001 - whatever keeps an engine from running, torch can do the work
        # What could not be written may not be removable either.
        with contextlib.suppress(OSError):
            onnx.unlink(missing_ok=True)
        progress.remark(f"The backbone runs on torch, which is slower: {_said(error)}")
        return reference
    if not agrees:
        onnx.unlink(missing_ok=True)
        progress.remark(
            f"The backbone runs on torch: the exported one differs by {difference:.1e} (at most {TOLERANCE})."
        )
        return reference
    return engine


def _said(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _is_rounding(
    network: nn.Module, preprocess: Preprocess, sample: Pixels, computed: Features, expected: Features
) -> bool:
    """Return whether an engine's result is as near to the exact one as torch's own is."""
    images = copy.deepcopy(Images(network, preprocess)).eval().double()
    with torch.inference_mode():
        exact = np.concatenate([images(torch.from_numpy(pixels)).numpy() for pixels in np.split(sample, len(sample))])
    own = _difference(expected, exact)
    return own <= ROUNDING and _difference(computed, exact) <= TIMES * own


def _difference(computed: Features, expected: Features) -> float:
    return float(np.abs(computed - expected).max() / (np.abs(expected).max() + 1e-12))


def _export(network: nn.Module, sample: Pixels, path: Path) -> None:
    with replacing(path) as temporary, torch_threads(1), warnings.catch_warnings():
        # The exporter by tracing is deprecated, but takes one second where the one by `torch.export` takes six; its
        # result is compared with torch before it is used and never leaves this cache.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.from_numpy(sample),),
            str(temporary),
            dynamo=False,
            input_names=["image"],
            output_names=["features"],
            dynamic_axes={"image": {0: "batch"}, "features": {0: "batch"}},
        )


def _engine(onnx: Path) -> Forward:
    reasons = []
    for provider, at_once in PROVIDERS.items():
        try:
            session = providers.load(onnx, SessionSpec(provider, threads=1 if at_once else 0))
            return _one_by_one(session.run, cores_allowed() if at_once else 1)
        except (providers.ProviderUnavailable, providers.ModelError) as error:
            reasons.append(str(error))
    raise RuntimeError(" ".join(reasons))


def _one_by_one(run: Forward, at_once: int) -> Forward:
    pool = ThreadPoolExecutor(at_once)

    def forward(pixels: Pixels) -> Features:
        return np.concatenate(list(pool.map(run, np.split(pixels, len(pixels)))))

    return forward
