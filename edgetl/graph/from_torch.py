"""From a torch network to an ONNX model that takes images as they come."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgetl.device.values import Preprocess
from edgetl.errors import ExportError

if TYPE_CHECKING:
    import onnx
    from torch import nn

OUTPUT = "logits"
# The exporter's own default; HardSwish is one operator in it. TensorRT 10, OpenVINO and ONNX Runtime 1.17 read it.
OPSET = 20


def export_module(module: nn.Module, preprocess: Preprocess) -> onnx.ModelProto:
    """Return ``module`` (normalized float NCHW to logits) as an ONNX model that takes uint8 NHWC images.

    The batch is dynamic. The same weights give the same bytes. Nothing is compared yet: see `exporting.compare`. Raises
    ExportError when the batch did not stay dynamic.
    """
    import onnx
    import onnx_ir as ir
    import torch

    from edgetl.graph.clean import BATCH, clean
    from edgetl.graph.image_input import take_images
    from edgetl.graph.rewrite import rewrite

    example = torch.zeros(2, 3, preprocess.crop, preprocess.crop)
    folded = without_batch_norm(module)
    with _out_of_place(folded), warnings.catch_warnings():
        # The exporter warns of its own dependencies' deprecations, which a user cannot act on.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            folded,
            (example,),
            dynamo=True,
            external_data=False,
            opset_version=OPSET,
            input_names=["pixels"],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim(BATCH)},),
            verbose=False,
        )
    assert program is not None
    model = program.model
    take_images(model, preprocess)
    rewrite(model)
    _require_dynamic_batch(model)
    clean(model, output=OUTPUT)
    proto: onnx.ModelProto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def without_batch_norm(module: nn.Module) -> nn.Module:
    """Return a copy of ``module``, which is in eval mode, with each BatchNorm folded into the convolution before it.

    The exporter would do so as well, after it has traced both: MobileNetV2 takes it 10.0 s on one core, and 5.6 s so.
    """
    from torch.fx.experimental.optimization import fuse

    folded: nn.Module = fuse(module)
    return folded


def _require_dynamic_batch(model: object) -> None:
    import onnx_ir as ir

    assert isinstance(model, ir.Model)
    for value in (*model.graph.inputs, *model.graph.outputs):
        if value.shape is None or not isinstance(value.shape[0], ir.SymbolicDim):
            raise ExportError(f"The exporter fixed the batch of '{value.name}' to {value.shape}. Please report this.")


@contextlib.contextmanager
def _out_of_place(module: nn.Module) -> Iterator[None]:
    """Make activations write elsewhere, which the exporter traces in less time."""
    changed = [each for each in module.modules() if getattr(each, "inplace", False) is True]
    for each in changed:
        each.inplace = False  # type: ignore[assignment]
    try:
        yield
    finally:
        for each in changed:
            each.inplace = True  # type: ignore[assignment]
