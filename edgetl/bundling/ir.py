"""OpenVINO's own format in place of ONNX, for targets that ask for it: a device then needs no ONNX reader's time."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgetl.errors import UsageError

_IR = ".zip"


@contextlib.contextmanager
def shipped(model: Path, *, wanted: bool) -> Iterator[Path]:
    """Yield the file to ship for ``model``: itself, or where IR is ``wanted`` and it is none, one made from it.

    Its answers are judged like those of any model: golden images are asked of the file that is yielded.
    """
    if not wanted or model.suffix == _IR:
        yield model
        return
    try:
        import openvino

        from edgetl.graph import metadata
        from edgetl.quantization.engines.ir import encode
    except ImportError as error:
        extra = "openvino" if error.name == "openvino" else "train"
        raise UsageError(f"The target asks for OpenVINO's IR. Run: pip install 'edgetl[{extra}]'") from None
    with tempfile.TemporaryDirectory(prefix="edgetl-") as folder:
        path = Path(folder) / f"model{_IR}"
        path.write_bytes(encode(openvino.Core().read_model(model), metadata.entries(metadata.read(model))))
        yield path
