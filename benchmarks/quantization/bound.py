"""What no mix of float and int8 layers can exceed: `python -m benchmarks.quantization.bound FP32.onnx INT8.onnx`.

OpenVINO tells what each node of either model takes, in turns and one thread. Each layer that computes (a convolution or
matrix product, with what is fused into it) is given the faster of the two, all other nodes together the faster sum, and
converting between the two is free. How many times as fast as the float model that would be is the bound.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from benchmarks.machine import describe

RUNS, TURNS = 20, 30
COMPUTE = ("Convolution", "GroupConvolution", "FullyConnected", "MatMul")
REST = "rest"


def main() -> int:
    """Print the sums and the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the float model")
    parser.add_argument("int8", type=Path, help="what a recipe made of it")
    arguments = parser.parse_args()
    print(describe(), flush=True)
    requests = {path: _request(path) for path in (arguments.model, arguments.int8)}
    found: dict[Path, list[dict[str, float]]] = {path: [] for path in requests}
    for _ in range(TURNS):
        for path, request in requests.items():
            found[path] += [_microseconds(request) for _ in range(RUNS)]
    floats, integers = (_medians(found[path]) for path in (arguments.model, arguments.int8))
    best = {name: min(time, integers.get(name, time)) for name, time in floats.items()}
    print("| | ms in nodes | times as fast |\n|---|---|---|")
    for name, times in (("float", floats), ("int8", integers), ("the faster of each layer", best)):
        print(f"| {name} | {sum(times.values()) / 1e3:.2f} | {sum(floats.values()) / sum(times.values()):.2f} |")
    return 0


def _request(path: Path) -> Any:
    core = openvino.Core()
    network = core.read_model(path)
    network.reshape([1, *(side.get_length() for side in list(network.input().partial_shape)[1:])])
    asked = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": "1",
        "PERF_COUNT": "YES",
    }
    compiled = core.compile_model(network, "CPU", asked)
    request = compiled.create_infer_request()
    noise = np.random.default_rng(0).integers(0, 256, tuple(compiled.input().shape), np.uint8)
    request.set_input_tensor(openvino.Tensor(noise))
    return request


def _microseconds(request: Any) -> dict[str, float]:
    """Return the microseconds of one run in each layer that computes, and in all other nodes together."""
    request.infer()
    found: defaultdict[str, float] = defaultdict(float)
    for node in request.get_profiling_info():
        layer = node.node_name.partition("/")[0] if node.node_type in COMPUTE else REST
        found[layer] += node.real_time.total_seconds() * 1e6
    return found


def _medians(runs: list[dict[str, float]]) -> Mapping[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


if __name__ == "__main__":
    sys.exit(main())
