"""What the runner adds to a run of the engine: one process calls the engine itself, another goes through the runner."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from edgetl.device.bundle.opened import Bundle
from edgetl.device.bundle.verification import load, model_file
from edgetl.environments.local import local_command
from edgetl.measure.interleave import interleave
from edgetl.measure.statistics import latency_ratio
from edgetl.measure.worker import Worker

LIMIT, SECONDS = 1.02, 30.0
_DIRECT = """
import json, sys, time
import numpy as np, onnxruntime as ort
model, threads, batch = sys.argv[1], int(sys.argv[2]), 1
options = ort.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
options.add_free_dimension_override_by_name("batch", 1)
session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
feed = {session.get_inputs()[0].name: np.zeros((1, 224, 224, 3), np.uint8)}
names = [session.get_outputs()[0].name]
print("ready", flush=True)
for line in sys.stdin:
    times = []
    for _ in range(int(line)):
        start = time.perf_counter_ns()
        session.run(names, feed)
        times.append(time.perf_counter_ns() - start)
    print(json.dumps(times), flush=True)
"""


class Direct:
    """A process that calls the engine and nothing else; idle ones wait for a line."""

    def __init__(self, model: Path, threads: int) -> None:
        command = [sys.executable, "-c", _DIRECT, str(model), str(threads)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._line()

    def __enter__(self) -> Direct:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def time(self, count: int) -> tuple[int, ...]:
        """Return the nanoseconds of each of ``count`` runs."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        return tuple(json.loads(self._line()))

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def measure(bundles: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Return the ratio of the runner's latency to the engine's, for fp32 and int8."""
    rows = []
    for name in ("fp32", "u8s8-equalized"):
        with Bundle(bundles[name]) as bundle, model_file(bundle) as model, Worker(local_command()) as worker:
            report = load(bundle, worker)
            worker.set_input(np.zeros((1, 224, 224, 3), np.uint8))
            with Direct(model, report.threads) as direct, Direct(model, report.threads) as twin:
                samples = interleave({"direct": direct, "twin": twin, "runner": worker}, time_budget_s=SECONDS)
        blocks = {each: samples[each].blocks for each in samples}
        ratio, noise = (latency_ratio(blocks[each], blocks["direct"]) for each in ("runner", "twin"))
        medians = {each: float(np.median(np.concatenate(blocks[each]))) / 1e6 for each in blocks}
        rows.append(
            {
                "recipe": name,
                "direct_p50_ms": medians["direct"],
                "runner_p50_ms": medians["runner"],
                "ratio": ratio.value,
                "ci": ratio.interval,
                "noise": noise.interval,
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows in Markdown."""
    lines = ["| model | engine itself, p50 ms | runner, p50 ms | ratio | two of the engine |", "|---|---|---|---|---|"]
    for row in rows:
        low, high = row["ci"]
        first, last = row["noise"]
        figures = (
            f"{row['direct_p50_ms']:.3f} | {row['runner_p50_ms']:.3f} | {row['ratio']:.3f} [{low:.3f}, {high:.3f}]"
        )
        lines.append(f"| {row['recipe']} | {figures} | [{first:.3f}, {last:.3f}] |")
    return "\n".join(lines)


def misses(rows: list[dict[str, Any]]) -> list[str]:
    """Return the models of which more than two per cent are the runner's, beyond the noise."""
    return [
        f"{row['recipe']}: {row['ratio']:.3f} of the engine's latency"
        for row in rows
        if row["ci"][0] > LIMIT * max(1.0, row["noise"][1])
    ]
