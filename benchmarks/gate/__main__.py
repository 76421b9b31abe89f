"""Run all parts, or those named; every comparison is kept as it is made, so that a run can be continued.

`python -m benchmarks.gate [--part one|two|loaded-one|loaded-two|accuracy|parity|app] [--same N] [--slower N]`. With
real models in real workers: 200 comparisons of a model with itself and 50 with each slower one take an hour a part.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gate import benchmark_app, coverage, models, parity, table
from benchmarks.gate.compare import Bench, compare
from benchmarks.gate.load import load
from benchmarks.machine import describe
from benchmarks.quantization.kept import Kept
from edgetl.device.values import Preprocess
from edgetl.files import cache_dir

ONNX_RUNTIME = "cpu"
OTHERS = ("accuracy", "parity", "app")
PARITY_SESSIONS = 24


@dataclass(frozen=True)
class Part:
    """Comparisons at ``threads`` within a ``budget``, with a neighbour that competes for a core or without."""

    name: str
    threads: int
    budget: float
    loaded: bool


PARTS = (
    Part("one", 1, 1.03, loaded=False),
    Part("two", 2, 1.05, loaded=False),
    Part("loaded-one", 1, 1.03, loaded=True),
    Part("loaded-two", 2, 1.05, loaded=True),
)


def main() -> int:
    """Print the tables; return 1 when something that this project wants is missed."""
    arguments = _parsed()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    print(describe(), flush=True)
    kept = Kept(arguments.folder / "figures.json", again=False)
    wanted = arguments.part or [*(part.name for part in PARTS), *OTHERS]
    missed: list[str] = []
    for part in PARTS:
        if part.name in wanted:
            missed += _part(part, arguments.folder, kept, arguments.same, arguments.slower, arguments.time_budget)
    if "accuracy" in wanted:
        rows = kept.get("accuracy", "coverage", coverage.TRIALS)
        rows = rows or kept.keep("accuracy", "coverage", coverage.TRIALS, coverage.measure())
        print("\n".join(("", table.ACCURACY_HEAD, *table.accuracy_rows(rows))), flush=True)
        missed += table.accuracy_misses(rows)
    if "parity" in wanted and benchmark_app.program():
        missed += _parity(arguments.folder, kept)
    if "app" in wanted and benchmark_app.program():
        _app(arguments.folder, kept, arguments.app)
    print("\nmissed:\n  " + "\n  ".join(missed) if missed else "\nall limits held")
    return int(bool(missed))


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [*(part.name for part in PARTS), *OTHERS]
    parser.add_argument("--part", action="append", choices=names, help="one part (repeatable)")
    parser.add_argument("--same", type=int, default=200, help="comparisons of the model with itself")
    parser.add_argument("--slower", type=int, default=50, help="comparisons with each slower model")
    parser.add_argument("--app", type=int, default=20, help="pairs of runs of benchmark_app of each kind")
    parser.add_argument("--time-budget", type=float, default=60.0, help="seconds for one comparison at most")
    parser.add_argument("--folder", type=Path, default=cache_dir() / "benchmarks" / "gate", help="where all is kept")
    arguments = parser.parse_args()
    arguments.folder = arguments.folder.resolve()
    return arguments


def _part(part: Part, folder: Path, kept: Kept, same: int, slower: int, time_budget_s: float) -> list[str]:
    bench = Bench(models.baseline(folder), Preprocess(), ONNX_RUNTIME, part.threads, part.budget, time_budget_s)
    asked = [part.threads, part.budget, part.loaded, time_budget_s]
    found: dict[str, list[dict[str, Any]]] = kept.get("comparisons", part.name, asked) or {}
    stored: list[int] = []
    with load(part.loaded):
        made = {1.0: bench.baseline, **models.slower(bench, folder / part.name)}
        for seed, wanted in enumerate(_order({1.0: same, **dict.fromkeys(models.SLOWER, slower)}, found)):
            comparison, stored = compare(bench, made[wanted], seed, stored)
            found.setdefault(str(wanted), []).append(comparison)
            found = kept.keep("comparisons", part.name, asked, found)
    print("\n".join(("", table.HEAD, *table.rows(part.name, part.budget, found))), flush=True)
    return table.misses(part.name, part.threads, part.loaded, found)


def _order(counts: dict[float, int], found: dict[str, list[dict[str, Any]]]) -> Sequence[float]:
    """Return the comparisons that are left, the kinds mixed evenly: what the machine does meets all of them alike."""
    left = {wanted: count - len(found.get(str(wanted), ())) for wanted, count in counts.items()}
    places = [(index / left[wanted], wanted) for wanted in left for index in range(max(0, left[wanted]))]
    return [wanted for _, wanted in sorted(places)]


def _parity(folder: Path, kept: Kept) -> list[str]:
    """Compare what `edgetl` reads of OpenVINO with what benchmark_app reads, in turns, one thread."""
    bench = Bench(models.baseline(folder), Preprocess(), "openvino", 1, 1.03, 60.0)
    asked = [PARITY_SESSIONS, bench.threads, parity.SECONDS]
    found = kept.get("parity", "openvino", asked)
    if found is None:
        sessions = [parity.session(bench, seed) for seed in range(PARITY_SESSIONS)]
        found = {"sessions": sessions, "left_out_ms": parity.left_out_ms(bench)}
        found = kept.keep("parity", "openvino", asked, found)
    print("\n".join(("", table.PARITY_HEAD, *table.parity_rows(**found))), flush=True)
    return table.parity_misses(**found)


def _app(folder: Path, kept: Kept, count: int) -> None:
    """Print how often two runs of benchmark_app, one after the other, differ: on the same model, and slower ones."""
    bench = Bench(models.baseline(folder), Preprocess(), ONNX_RUNTIME, 1, 1.03, 60.0)
    made = {1.0: bench.baseline, **models.slower(bench, folder / "one")}
    found = kept.get("app", "openvino", count)
    if found is None:
        found = {}
        for wanted, model in made.items():
            pairs = [[benchmark_app.median_ms(each, 1) for each in (bench.baseline, model)] for _ in range(count)]
            found[str(wanted)] = [after / before for before, after in pairs]
        found = kept.keep("app", "openvino", count, found)
    print("\n".join(("", table.APP_HEAD, *table.app_rows(found))), flush=True)


if __name__ == "__main__":
    sys.exit(main())
