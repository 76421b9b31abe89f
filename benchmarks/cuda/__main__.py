"""``python -m benchmarks.cuda``: see `benchmarks.cuda`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# Before ONNX Runtime: it finds CUDA's libraries where torch has loaded them.
import torch

from benchmarks.machine import describe


def main() -> int:
    """Measure, write both files, and return 0 where the provider ran."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cuda", description="An NVIDIA GPU, measured.")
    parser.add_argument("--out", type=Path, default=Path("cuda-benchmark"), help="where cuda.json and cuda.md go")
    parser.add_argument("--minutes", type=float, default=9.0, help="when no further figure is begun")
    parser.add_argument("--onnxruntime", type=Path, help="a folder with an unpacked onnxruntime-gpu")
    parser.add_argument("--model", action="append", help="only this network (repeatable)")
    parser.add_argument("--smoke", action="store_true", help="tiny, on a CPU: to see that it works")
    options = parser.parse_args()
    start = time.monotonic()
    if options.onnxruntime:
        if not (options.onnxruntime / "onnxruntime").is_dir():
            parser.error(f"{options.onnxruntime} has no folder 'onnxruntime': unpack the wheel there.")
        sys.path.insert(0, str(options.onnxruntime.resolve()))
    return _measure(options, start)


def _measure(options: Any, start: float) -> int:
    # Only now: these import ONNX Runtime.
    import dataclasses

    from benchmarks.cuda.record import Record
    from benchmarks.cuda.scale import GPU, SMOKE
    from benchmarks.cuda.steps import Bench

    scale = SMOKE if options.smoke else GPU
    if options.model:
        scale = dataclasses.replace(scale, models=tuple(options.model))
    options.out.mkdir(parents=True, exist_ok=True)
    record = Record(options.out, start + 60 * options.minutes)
    record.know(**_facts(), smoke=options.smoke)
    if scale.device == "cuda" and not torch.cuda.is_available():
        record.know(ended="torch sees no GPU")
        print("torch sees no GPU here: nothing was measured (--smoke runs the same code on the CPU).", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory() as folder:
        Bench(scale, record, Path(folder)).run()
    record.know(seconds=time.monotonic() - start, ended="the time was over" if record.over else "all was tried")
    print((options.out / "cuda.md").read_text(encoding="utf-8"))
    ran = any(row.get("engine") == "onnxruntime" and row["status"] == "measured" for row in record.rows)
    return 0 if ran else 3


def _facts() -> dict[str, Any]:
    import onnx
    import onnxruntime
    import torchvision

    found = torch.cuda.is_available()
    versions = {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "CUDA of torch": str(torch.version.cuda),
        "cuDNN of torch": str(torch.backends.cudnn.version()) if found else "",
        "onnxruntime": onnxruntime.__version__,
        "onnx": onnx.__version__,
    }
    return {
        "machine": describe(),
        "gpu": torch.cuda.get_device_name() if found else None,
        "versions": versions,
        "providers": list(onnxruntime.get_available_providers()),
        "onnxruntime_at": Path(onnxruntime.__file__).parent.name,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


if __name__ == "__main__":
    sys.exit(main())
