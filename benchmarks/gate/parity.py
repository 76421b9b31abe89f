"""What `edgetl` reads of OpenVINO beside what its own benchmark_app reads, in short turns on the same core.

One after the other they cannot be compared on a shared machine: it passes from one state into another within seconds,
and two readings of the same program differ by a fourth.

The two do not read the same thing. benchmark_app prints the latency that OpenVINO tells of a request, `edgetl` what
its caller waits: `left_out_ms` is the difference. And the first runs of a turn find caches that another process has
used: what one worker reads when it is left running is told besides.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Mapping

from benchmarks.gate import benchmark_app
from benchmarks.gate.compare import Bench
from edgetl.gate.evidence import BASELINE, CANDIDATE, TWIN
from edgetl.measure.interleave import Samples, interleave
from edgetl.measure.launches import open_worker
from edgetl.measure.loading import last_cores

SECONDS = 20
# Some thirty runs of either side a turn, so that the one which benchmark_app is stopped in counts for little.
TURN_S = 0.3
RUNS_A_TURN = 30
ROUNDS_A_TURN = 3
CALLS = 200


def session(bench: Bench, seed: int) -> dict[str, float]:
    """Return the median ms of one image by three workers in turns as in a check, by one left running, by the peer."""
    variant = bench.variant(bench.baseline)
    left_running: list[int] = []
    with contextlib.ExitStack() as opened:
        workers = {role: opened.enter_context(open_worker(variant)) for role in (BASELINE, TWIN, CANDIDATE)}
        peer = opened.enter_context(
            benchmark_app.InTurns(bench.baseline, bench.threads, SECONDS, last_cores(bench.threads))
        )

        def others_turn(samples: Mapping[str, Samples]) -> bool:
            if samples[BASELINE].rounds % ROUNDS_A_TURN == 0:
                peer.turn(TURN_S)
                left_running.extend(workers[TWIN].time(RUNS_A_TURN))
            return peer.ended

        found = interleave(workers, time_budget_s=2 * SECONDS, decide=others_turn, seed=seed)
        runs = [run for each in found.values() for block in each.blocks for run in block]
        return {
            "in turns": statistics.median(runs) / 1e6,
            "left running": statistics.median(left_running) / 1e6,
            "peer": peer.median_ms(),
        }


def left_out_ms(bench: Bench) -> float:
    """Return the median ms that a call of OpenVINO takes beyond the latency that it tells of the same call."""
    import openvino

    core = openvino.Core()
    network = core.read_model(bench.baseline)
    network.reshape([1, *bench.variant(bench.baseline).pixels.shape[1:]])
    asked = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": str(bench.threads)}
    request = core.compile_model(network, "CPU", asked).create_infer_request()
    found: list[float] = []
    for _ in range(CALLS):
        start = time.perf_counter_ns()
        request.infer()
        found.append((time.perf_counter_ns() - start) / 1e6 - request.latency)
    return statistics.median(found)
