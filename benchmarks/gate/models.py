"""The model of these comparisons: the embedded MobileNetV2 as exported, and slower ones whose slowdown is measured."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.gate.compare import Bench, compare
from benchmarks.gate.slowed import slowed

TRIED = (1024, 4096)
SLOWER = (1.05, 1.10, 1.20)
# Launches for calibrating the added work: until the ratio is known to about half a per cent.
SECONDS = 25.0
# A budget that lies on the ratio is hardly ever decided, so that timing lasts for all of the seconds.
ON_THE_RATIO = 1.1


def baseline(folder: Path) -> Path:
    """Return the fp32 model of a run on the embedded images, made on first use."""
    run = folder / "run"
    if not (run / "model.onnx").is_file():
        edgetl = [sys.executable, "-m", "edgetl"]
        subprocess.run([*edgetl, "finetune", "--out", str(run)], check=True, cwd=folder)
        subprocess.run([*edgetl, "export", "--run", str(run)], check=True, cwd=folder)
    return run / "model.onnx"


def slower(bench: Bench, folder: Path) -> dict[float, Path]:
    """Return a model for each wanted slowdown as the machine is now, made on first use in ``folder``.

    Two amounts of added work are timed, and between or beyond them time grows in a straight line. What the slowdown
    really is, the comparisons themselves tell.
    """
    made = {wanted: folder / f"slower-{wanted:.2f}.onnx" for wanted in SLOWER}
    if all(path.is_file() for path in made.values()):
        return made
    folder.mkdir(exist_ok=True)
    ratios = []
    for channels in TRIED:
        trial = slowed(bench.baseline, channels, folder / f"added-{channels}.onnx")
        found, _ = compare(replace(bench, budget=ON_THE_RATIO, time_budget_s=SECONDS), trial, 0, [])
        ratios.append(float(found["ratio"]))
    slope = (ratios[1] - ratios[0]) / (TRIED[1] - TRIED[0])
    for wanted, path in made.items():
        slowed(bench.baseline, round(TRIED[0] + (wanted - ratios[0]) / slope), path)
    return made
