"""Quantizers as their own users call them, one in a process: `python -m benchmarks.quantization.makers KIND ...`.

Nothing of edgetl's engines is imported.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Make = Callable[[Path, Pixels, Path], None]


def static_defaults() -> Make:
    """Return `quantize_static` with nothing but a model, a place and images."""
    from onnxruntime.quantization import quantize_static

    def make(model: Path, pixels: Pixels, out: Path) -> None:
        quantize_static(model, out, _reader(model, pixels))

    return make


def static_x86() -> Make:
    """Return what ONNX Runtime documents for x86: prepared, Q/DQ, activations u8, weights s8 per channel."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    def make(model: Path, pixels: Pixels, out: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            prepared = Path(folder) / "prepared.onnx"
            quant_pre_process(str(model), str(prepared))
            quantize_static(
                prepared,
                out,
                _reader(model, pixels),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
            )

    return make


def nncf_onnx() -> Make:
    """Return `nncf.quantize` of the ONNX graph."""
    import nncf

    def make(model: Path, pixels: Pixels, out: Path) -> None:
        source = onnx.load(model)
        images = nncf.Dataset([*_feeds(source.graph.input[0].name, pixels)])
        onnx.save(nncf.quantize(source, images, subset_size=len(pixels)), out)

    return make


def nncf_openvino() -> Make:
    """Return `nncf.quantize` of what OpenVINO converts the file to, which goes into the zip that edgetl's runner reads.

    Converted for one image: NNCF warns of others, and the runner sends one.
    """
    import nncf
    import openvino

    from edgetl.quantization.engines.ir import encode

    def make(model: Path, pixels: Pixels, out: Path) -> None:
        source = openvino.convert_model(model, input=[1, *pixels.shape[1:]])
        images = nncf.Dataset([pixels[place : place + 1] for place in range(len(pixels))])
        quantized = nncf.quantize(source, images, subset_size=len(pixels))
        out.write_bytes(encode(quantized, {}))

    return make


MAKERS: dict[str, Callable[[], Make]] = {
    "quantize_static.onnx": static_defaults,
    "quantize_static-x86.onnx": static_x86,
    "nncf.onnx": nncf_onnx,
    "nncf.zip": nncf_openvino,
}
"""By the name of the file that each makes."""


def _feeds(name: str, pixels: Pixels) -> Iterator[dict[str, Pixels]]:
    return ({name: pixels[place : place + 1]} for place in range(len(pixels)))


def _reader(model: Path, pixels: Pixels) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    feeds = _feeds(onnx.load(model, load_external_data=False).graph.input[0].name, pixels)

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Hands out the images one by one."""

        def get_next(self) -> dict[str, Pixels] | None:
            """Return the next image, None after the last."""
            return next(feeds, None)

    return Reader()


def main() -> None:
    """Make one file; the last line printed is a JSON object with the seconds of its import and of its work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=MAKERS)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, help="uint8 (n, h, w, 3) as .npy")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    # It would report the import to an analytics service; without it a stub is taken.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    start = time.perf_counter()
    make = MAKERS[arguments.kind]()
    imported = time.perf_counter()
    make(arguments.model, np.load(arguments.images), arguments.out)
    print(json.dumps({"import_s": imported - start, "work_s": time.perf_counter() - imported}))


if __name__ == "__main__":
    main()
