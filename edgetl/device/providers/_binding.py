"""Running an ONNX Runtime session in buffers of its own on a device, instead of in those of each call."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from edgetl.device.providers.base import Logits, ModelError, Pixels

# What option ``binding`` may be: images copied to the device at every run, or left there from the run before.
COPIES, RESIDENT = "copies", "device"
KINDS = (COPIES, RESIDENT)


class Bound:
    """Runs batches in fixed buffers on ``device`` (``cuda``, ``cpu``); what captures CUDA graphs needs such.

    When ``resident``, a batch that is the very array of the run before is taken to be on the device still: an array
    must not be changed between runs. Logits come back to the host either way. For one thread.
    """

    def __init__(self, ort: ModuleType, session: Any, device: str, *, resident: bool) -> None:
        self._ort, self._session, self._device, self._resident = ort, session, device, resident
        self._input, self._output = session.get_inputs()[0].name, session.get_outputs()[0]
        self._shape: tuple[int, ...] = ()
        self._last: Pixels | None = None
        self._binding: Any = None
        self._buffer: Any = None

    def __call__(self, pixels: Pixels) -> Logits:
        """Return float32 logits of shape (n, classes)."""
        if pixels.shape != self._shape:
            self._bind(pixels)
        elif not (self._resident and pixels is self._last):
            self._buffer.update_inplace(np.ascontiguousarray(pixels))
        self._last = pixels
        self._binding.synchronize_inputs()
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        return np.asarray(self._binding.copy_outputs_to_cpu()[0], np.float32)

    def _bind(self, pixels: Pixels) -> None:
        values = self._ort.OrtValue
        # A copy, since on the CPU the buffer is the array itself, which `update_inplace` would write into.
        self._buffer = values.ortvalue_from_numpy(pixels.copy(), self._device, 0)
        self._binding, self._shape = self._session.io_binding(), pixels.shape
        self._binding.bind_ortvalue_input(self._input, self._buffer)
        sides = [side if isinstance(side, int) else None for side in self._output.shape]
        if len(sides) == 2 and sides[1] is not None:
            dtype = np.float16 if "float16" in self._output.type else np.float32
            value = values.ortvalue_from_shape_and_type([len(pixels), sides[1]], dtype, self._device, 0)
            self._binding.bind_ortvalue_output(self._output.name, value)
        else:
            self._binding.bind_output(self._output.name, self._device)


def kind_of(text: str) -> str:
    """Return option ``binding``, one of `KINDS`; raises ModelError for another."""
    if text not in KINDS:
        raise ModelError(f"Option 'binding' must be {' or '.join(KINDS)}, not '{text}'.")
    return text
