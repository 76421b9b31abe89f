"""Run all parts, or those named, print their tables and write all figures as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.transfer import memory, strategies, throughput, tutorial

PARTS = {
    "tutorial": tutorial.measure,
    "strategies": strategies.measure,
    "throughput": throughput.measure,
    "memory": memory.measure,
}


def main() -> int:
    """Print each part's table; return 1 when a limit of this project is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", action="append", choices=PARTS, help="one part (repeatable)")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    arguments = parser.parse_args()
    print(describe())
    figures: dict[str, object] = {"machine": describe()}
    missed: list[str] = []
    for name in arguments.part or PARTS:
        print(f"\n-- {name}", flush=True)
        found, misses = PARTS[name]()
        figures[name] = found
        missed += misses
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(f"\nmissed: {'; '.join(missed)}" if missed else "\nall limits held")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
