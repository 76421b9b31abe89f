"""Networks that take images as the runner makes them, and their ONNX files in each precision."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import get_model

Pixels = NDArray[np.uint8]
INPUT, OUTPUT, OPSET = "pixels", "logits", 17
CALIBRATION = 8


class Images(nn.Module):
    """A network that takes uint8 NHWC; computes in ``dtype`` and gives float32 logits."""

    mean: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.dtype = network.to(dtype), dtype
        self.register_buffer("mean", torch.tensor([123.7, 116.3, 103.5]).view(1, 3, 1, 1))
        self.register_buffer("scale", 1 / torch.tensor([58.4, 57.1, 57.4]).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits (n, classes) for images (n, h, w, 3)."""
        # Cast first: no engine lacks a transposition of floats.
        images = (pixels.float().permute(0, 3, 1, 2) - self.mean) * self.scale
        logits: Tensor = self.network(images.to(self.dtype))
        return logits.float()


def network(name: str, classes: int, side: int) -> nn.Module:
    """Return a network with random weights whose batch-norm statistics are those of random images.

    Without these, activations of random weights vanish or grow from layer to layer, and half precision has none left.
    """
    torch.manual_seed(0)
    made: nn.Module = get_model(name, weights=None, num_classes=classes)
    norms = [each for each in made.modules() if isinstance(each, nn.BatchNorm2d)]
    momenta = [each.momentum for each in norms]
    for each in norms:
        each.momentum = 1.0
    if norms:
        with torch.no_grad():
            made.train()(torch.randn(16, 3, side, side))
    for each, momentum in zip(norms, momenta, strict=True):
        each.momentum = momentum
    return made.eval()


def pixels(count: int, side: int, seed: int = 0) -> Pixels:
    """Return random images that are not plain noise: coarse blotches under it."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (count, 4, 4, 3)).repeat(side // 4, 1).repeat(side // 4, 2)
    return np.clip(coarse + generator.normal(0, 20, coarse.shape), 0, 255).astype(np.uint8)


def export(images: Images, side: int, path: Path) -> Path:
    """Write the ONNX file of any batch; by torch's older exporter, which needs no package besides onnx."""
    device = next(images.parameters()).device
    example = torch.zeros(2, side, side, 3, dtype=torch.uint8, device=device)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            images,
            (example,),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
        )
    return path


def converted(fp32: Path, path: Path) -> Path:
    """Write the fp32 file with everything inside in half precision."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(fp32), keep_io_types=True), path)
    return path


def quantized(fp32: Path, side: int, path: Path) -> Path:
    """Write the fp32 file with symmetric int8 Q/DQ pairs as TensorRT wants them: on weights too, biases in float."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left: Iterator[dict[str, Any]] = iter([{INPUT: pixels(1, side, seed)} for seed in range(CALIBRATION)])

        def get_next(self) -> dict[str, Any] | None:
            return next(self.left, None)

    options = {
        "ActivationSymmetric": True,
        "WeightSymmetric": True,
        "AddQDQPairToWeight": True,
        "DedicatedQDQPair": True,
        "QuantizeBias": False,
    }
    quantize_static(
        str(fp32),
        str(path),
        Reader(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        extra_options=options,
    )
    return path
