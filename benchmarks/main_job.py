"""The main job as a user runs it: `edgetl run` on the demo set and on hymenoptera, whole processes, empty cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import describe

SHARED = Path(os.environ.get("EDGETL_DATA") or Path(__file__).resolve().parents[2] / "shared")
FINETUNE_LIMIT_S, RUN_LIMIT_S, HYMENOPTERA_ACCURACY = 30.0, 180.0, 0.94


def edgetl(folder: Path, *arguments: str) -> tuple[dict[str, object], float]:
    """Return the JSON object and the wall seconds of one command in ``folder``, the cache inside it."""
    environment = os.environ | {"EDGETL_CACHE": str(folder / "cache")}
    start = time.perf_counter()
    command = [sys.executable, "-m", "edgetl", *arguments, "--json"]
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, check=False)
    if done.returncode not in (0, 1, 4):
        sys.exit(f"edgetl {' '.join(arguments)} ended with {done.returncode}")
    return json.loads(done.stdout), time.perf_counter() - start


def main() -> int:
    """Print each job's table; return 1 when a limit of this project is missed."""
    print(describe())
    missed = []
    with tempfile.TemporaryDirectory() as name:
        _, seconds = edgetl(Path(name), "finetune")
        print(f"finetune on the demo set, nothing cached: {seconds:.1f} s (limit {FINETUNE_LIMIT_S:.0f})")
        missed += ["demo finetune"] * (seconds > FINETUNE_LIMIT_S)
    jobs: dict[str, tuple[str, ...]] = {"demo": ()}
    if (SHARED / "datasets").is_dir():
        weights = SHARED / "weights" / "mobilenet_v2-imagenet1k.pth"
        jobs["hymenoptera"] = ("--data", str(SHARED / "datasets" / "hymenoptera"), "--weights", str(weights))
    else:
        print("hymenoptera: skipped, no photos here (EDGETL_DATA)")
    for job, arguments in jobs.items():
        with tempfile.TemporaryDirectory() as name:
            result, seconds = edgetl(Path(name), "run", *arguments)
            _table(job, result, seconds)
            missed += [f"{job} run"] * (seconds > RUN_LIMIT_S)
            if job == "hymenoptera" and result["finetune"]["val_accuracy"] < HYMENOPTERA_ACCURACY:  # type: ignore[index]
                missed.append("hymenoptera accuracy")
    print(f"missed: {', '.join(missed)}" if missed else "all limits held")
    return int(bool(missed))


def _table(job: str, result: dict, seconds: float) -> None:
    tuned, quantized = result["finetune"], result["quantize"]
    print(f"\n{job}: verdict {result['verdict']} after {seconds:.1f} s; chosen {quantized['chosen']}")
    print(
        f"  finetune {tuned['seconds']:.1f} s, val top-1 {100 * tuned['val_accuracy']:.1f} % of {tuned['val_images']}"
    )
    columns = ("latency_p50_ms", "speedup", "speedup_ci", "accuracy", "agreement", "size_bytes", "cold_start_ms")
    print(f"  {'row':<34}" + "".join(f"{name:>22}" for name in columns))
    for row in result["bench"]["rows"]:
        print(f"  {row['name']:<34}" + "".join(f"{_cell(row[name]):>22}" for name in columns) + f"  {row['status']}")
    for reason in result["check"]["reasons"]:
        print(f"  {reason}")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "[" + ", ".join(f"{part:.3f}" for part in value) + "]" if isinstance(value, list) else str(value)


if __name__ == "__main__":
    sys.exit(main())
