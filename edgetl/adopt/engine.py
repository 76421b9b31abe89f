"""Running and tidying foreign models with ONNX Runtime, in this process: nothing here is timed."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from edgetl.device.cores import cores_allowed
from edgetl.errors import UsageError

Floats = NDArray[np.float32]

_ERRORS_ONLY = 4


@dataclass(frozen=True)
class Output:
    """The output that holds the logits, and the number of classes."""

    name: str
    classes: int


class Reference:
    """A model as ONNX Runtime runs it. ``model`` is a file or a loaded model, ``batch`` the size that it fixes."""

    def __init__(self, model: Path | onnx.ModelProto, batch: int | None, what: str) -> None:
        self._batch, self._what = batch, what
        given = str(model) if isinstance(model, Path) else model.SerializeToString()
        try:
            self._session = onnxruntime.InferenceSession(given, _options(), providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise UsageError(f"ONNX Runtime does not load {what}: {sentence(error)}.") from error
        self._input = self._session.get_inputs()[0].name

    def output(self, side: int) -> Output:
        """Return the one output of shape (batch, classes), found by running an image of ``side`` pixels a side."""
        # Two where the batch is free: one image cannot tell a batch from an axis of one.
        batch = self._batch or 2
        answers = self._run(np.zeros((batch, 3, side, side), np.float32), None)
        shapes = {
            each.name: getattr(answer, "shape", None) for each, answer in zip(self._outputs, answers, strict=True)
        }
        fitting = {
            name: shape
            for name, shape in shapes.items()
            if shape is not None and len(shape) == 2 and shape[0] == batch and shape[1] >= 2
        }
        floats = [each.name for each in self._outputs if each.type == "tensor(float)" and each.name in fitting]
        if len(floats) != 1:
            shown = ", ".join(f"{each.name}: {shapes[each.name] or each.type}" for each in self._outputs[:5])
            count = "no output" if not floats else f"{len(floats)} outputs"
            raise UsageError(
                f"{self._what} has {count} of float (batch, classes) with two classes or more (it has {shown}). Export "
                "it with its logits as the only such output."
            )
        return Output(floats[0], fitting[floats[0]][1])

    def logits(self, pixels: Floats, output: str) -> Floats:
        """Return logits (n, classes) of float NCHW ``pixels``, in batches of the size that the model was made for."""
        size = self._batch or 8
        parts = []
        for first in range(0, len(pixels), size):
            part = pixels[first : first + size]
            # A fixed batch is filled up with its last image.
            missing = (self._batch or len(part)) - len(part)
            filled = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)])
            parts.append(np.asarray(self._run(filled, [output])[0], np.float32)[: len(part)])
        return np.concatenate(parts)

    @property
    def _outputs(self) -> list[Any]:
        return list(self._session.get_outputs())

    def _run(self, pixels: Floats, outputs: list[str] | None) -> list[Any]:
        try:
            return list(self._session.run(outputs, {self._input: np.ascontiguousarray(pixels)}))
        except Exception as error:
            shape = " x ".join(str(size) for size in pixels.shape)
            raise UsageError(f"{self._what} does not run on an input of {shape}: {sentence(error)}.") from error


def tidied(model: onnx.ModelProto, what: str) -> onnx.ModelProto:
    """Return ``model`` with constants folded, BatchNorm in its convolutions and Dropout gone, in standard operators."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tidied.onnx"
        options = _options()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        try:
            onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
            return onnx.load(path)
        except Exception as error:
            raise UsageError(f"ONNX Runtime does not load {what}: {sentence(error)}.") from error


def sentence(error: BaseException) -> str:
    """Return the first line of what ONNX or ONNX Runtime said, without its prefix and its full stop."""
    lines = str(error).strip().splitlines()
    line = lines[0] if lines else type(error).__name__
    return line.removeprefix("[ONNXRuntimeError] : ")[:240].rstrip(".")


def _options() -> Any:
    options = onnxruntime.SessionOptions()
    # Its own default is a thread for each core of the host, whatever the cgroup allows.
    options.intra_op_num_threads = cores_allowed()
    options.log_severity_level = _ERRORS_ONLY
    return options
