"""The trained network made half precision before its export: for GPUs, beside the converted file."""

from __future__ import annotations

from pathlib import Path

import onnx

from edgetl.graph.metadata import ModelFacts


def half(classifier: Path, facts: ModelFacts) -> onnx.ModelProto:
    """Return the network of the file ``classifier``, computing in fp16, as a model that takes and gives what fp32 does.

    Normalized pixels are rounded to half precision, the logits are float32 again, divided by the facts' temperature.
    """
    import torch

    from edgetl import classifier as classifiers
    from edgetl import temperature
    from edgetl.graph.from_torch import export_module, without_batch_norm

    class Half(torch.nn.Module):
        def __init__(self, network: torch.nn.Module) -> None:
            super().__init__()
            # Folded before it is rounded: variances may be too small for half precision.
            self.network = without_batch_norm(network).half()

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.network(pixels.half()).float()
            return logits

    _, network = classifiers.load(classifier)
    return export_module(Half(temperature.divided(network, facts.temperature)).eval(), facts.preprocess)
