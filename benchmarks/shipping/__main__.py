"""`python -m benchmarks.shipping [--part footprint|overhead|ship|processors] [--golden N] [--folder FOLDER]`.

The model is the shared MobileNetV2 (EDGETL_DATA); `ship` takes an ssh server on the loopback, `processors` the
environments that `edgetl env create emulate-x86-64` and `emulate-arm64` make.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.quantization.models import CASES, HERE, run_of
from benchmarks.shipping import footprint, overhead, processors, way
from benchmarks.shipping.candidates import bundles
from edgetl.files import cache_dir, write_text

PARTS = {"footprint": footprint, "overhead": overhead, "ship": way, "processors": processors}


def main() -> int:
    """Print a table for each part; return 1 where something that this project wants is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", action="append", choices=list(PARTS), help="one part (repeatable)")
    parser.add_argument(
        "--folder", type=Path, default=cache_dir() / "benchmarks" / "quantization", help="as quantization's"
    )
    parser.add_argument(
        "--golden", type=int, default=128, help="photos in a bundle; an emulated CPU takes seconds each"
    )
    parser.add_argument("--json", type=Path, help="write all figures there")
    arguments = parser.parse_args()
    if not HERE:
        print("skipped: no photos or ImageNet weights here (EDGETL_DATA)")
        return 0
    print(describe(), flush=True)
    made = bundles(
        run_of(CASES[0], arguments.folder.resolve()), arguments.folder.resolve() / "shipping", arguments.golden
    )
    figures: dict[str, Any] = {"machine": describe()}
    missed: list[str] = []
    for name in arguments.part or PARTS:
        figures[name] = PARTS[name].measure(made)
        print(f"\n## {name}\n\n{PARTS[name].table(figures[name])}", flush=True)
        missed += PARTS[name].misses(figures[name])
    if arguments.json:
        write_text(arguments.json, json.dumps(figures, indent=2))
    print("\nmissed:\n  " + "\n  ".join(missed) if missed else "\nall limits held")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
