"""Run every benchmark, one after the other; each prints its table and says on what machine."""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = (
    "command_line",
    "embedded_backbone",
    "main_job",
    "transfer",
    "adaptation",
    "quantization",
    "gate",
    "shipping",
)

if __name__ == "__main__":
    failed = []
    for name in BENCHMARKS:
        print(f"== benchmarks.{name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]], check=False).returncode:
            failed.append(name)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
