"""How long `edgetl --help` takes as a whole process, against an empty Python and click's own smallest program."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks.machine import describe

RUNS = 21
LIMIT_S = 0.25
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import click": [sys.executable, "-c", "import click"],
    "edgetl --help": [sys.executable, "-m", "edgetl", "--help"],
    "edgetl --version": [sys.executable, "-m", "edgetl", "--version"],
}


def main() -> int:
    """Print the median of each, interleaved; return 1 when --help takes longer than the limit."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times[name].append(time.perf_counter() - start)
    print(describe())
    for name, values in times.items():
        print(f"{name:<20} median {statistics.median(values):.3f} s   [{min(values):.3f}, {max(values):.3f}]  n={RUNS}")
    return int(statistics.median(times["edgetl --help"]) > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main())
