"""What a model's int8 loses on more images than the verdict's: `python -m benchmarks.quantization.more_images MODEL`.

The files that a run of the benchmark left in the folder are judged on images of another seed, and the counts of both
are added up: for a difference that the verdict's images are too few to tell. Peers that the verdict is done with are
left out. Returns 1 where edgetl's int8 loses more of all images than is allowed, or than a peer.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.quantization import models, networks
from benchmarks.quantization.contestant import Contestant
from benchmarks.quantization.images import drawn
from benchmarks.quantization.judge import Judge
from benchmarks.quantization.models import CASES, Case
from benchmarks.quantization.peers import peers
from benchmarks.quantization.search import quantized_of
from edgetl.artifacts import QuantizeResult
from edgetl.files import cache_dir
from edgetl.measure.accuracy import drop_interval

SEED, COUNT = 404, 3000
USED = (networks.TRAINED_ON, networks.FITTED_ON, networks.JUDGED_ON)
HEAD = "| int8 | drop by the verdict, points | of more images | of all | agreement, of more |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class Counts:
    """Of so many ``images`` fp32 alone had ``lost`` right, and int8 alone ``won``."""

    images: int
    lost: int
    won: int

    @property
    def drop(self) -> float:
        """What int8 loses, a fraction."""
        return (self.lost - self.won) / self.images

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.images + other.images, self.lost + other.lost, self.won + other.won)

    def __str__(self) -> str:
        low, high = drop_interval(self.lost, self.won, self.images)
        return f"{100 * self.drop:.2f} [{100 * low:.2f}, {100 * high:.2f}] of {self.images}"


def main() -> int:
    """Judge, and print the table."""
    arguments = _parsed()
    case = next(each for each in CASES if each.name == arguments.model)
    folder = arguments.folder.resolve()
    kept = folder / "figures.json"
    cases = json.loads(kept.read_text())["cases"] if kept.is_file() else {}
    if case.name not in cases:
        sys.exit(f"{kept} has no verdict on {case.name}: run benchmarks.quantization on it first.")
    verdict = cases[case.name]["found"]
    run = models.run_of(case, folder)
    others, _ = peers(run, folder / "peers" / case.name)
    mine = _own(case, folder)
    known = verdict["peers"] | {row["int8"]["name"]: row["int8"] for row in verdict["threads"] if row["int8"]}
    entered = [*mine, *(each for each in others if each.quantized and known[each.name]["keeps"])]
    print("\n".join((describe(), "", HEAD)), flush=True)
    totals: dict[str, Counts] = {}
    with drawn(run, folder, arguments.images, arguments.seed) as images:
        judge = Judge(others[0], images)
        for each in entered:
            accuracy = judge.judged(each).accuracy
            if accuracy is None:
                raise RuntimeError(f"{each.name} ran for the verdict, and does not now")
            first, more = _counts(verdict["images"], known[each.name]), _counts(accuracy.images, vars(accuracy))
            totals[each.name] = first + more
            cells = (each.name, first, more, totals[each.name], f"{accuracy.agreement:.1%}")
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
    own = {each.name for each in mine}
    # As in the verdict: a peer that gains by luck sets no standard.
    best = max(min((each.drop for name, each in totals.items() if name not in own), default=case.allowed), 0.0)
    return int(any(totals[name].drop > min(best, case.allowed) + 1e-9 for name in own))


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    # Of photos the verdict has all that there are.
    parser.add_argument("model", choices=[case.name for case in CASES if not case.photos])
    parser.add_argument("--seed", type=int, default=SEED, help="of the images [default: %(default)s]")
    parser.add_argument("--images", type=int, default=COUNT, help="how many [default: %(default)s]")
    parser.add_argument("--folder", type=Path, default=cache_dir() / "benchmarks" / "quantization")
    arguments = parser.parse_args()
    if arguments.seed in USED:
        parser.error(f"images of seed {arguments.seed} were seen before")
    return arguments


def _own(case: Case, folder: Path) -> list[Contestant]:
    """Return edgetl's int8 candidate for each number of threads, once where it is the same."""
    runs = [folder / "searches" / f"{case.name}-{threads}" for threads in case.threads]
    found = [quantized_of(run, QuantizeResult.load(run)) for run in runs]
    return list({each.name: each for each in found if each is not None}.values())


def _counts(images: int, found: dict[str, Any]) -> Counts:
    return Counts(images, found["lost"], found["won"])


if __name__ == "__main__":
    sys.exit(main())
