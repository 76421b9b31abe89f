"""Run all parts, or those named; figures are kept as they are found, so that a run that is killed loses one model.

`python -m benchmarks.quantization [--model NAME ...] [--part models|hard|memory]`. The networks are trained on first
use, which takes an hour and more; set OMP_WAIT_POLICY=passive where other programs want the cores too. Where int8 is
missed by less than the images tell, `benchmarks.quantization.more_images` judges the same files on more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.quantization import figures, images, memory, models, table
from benchmarks.quantization.kept import Kept
from benchmarks.quantization.models import CASES, HARD, Case
from edgetl.files import cache_dir

PARTS = ("models", "hard", "memory")


def main() -> int:
    """Print the tables; return 1 when something that this project wants is missed."""
    arguments = _parsed()
    print(describe(), flush=True)
    kept = Kept(arguments.json or arguments.folder / "figures.json", again=arguments.again)
    parts = arguments.part or PARTS
    missed = _cases(arguments, parts, kept)
    if "memory" in parts and _ready(CASES[0]):
        missed += _memory(arguments.folder, kept)
    print("\nmissed:\n  " + "\n  ".join(missed) if missed else "\nall limits held")
    return int(bool(missed))


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [case.name for case in CASES]
    parser.add_argument("--model", action="append", choices=names, help="one model (repeatable)")
    parser.add_argument("--part", action="append", choices=PARTS, help="one part (repeatable)")
    parser.add_argument(
        "--folder",
        type=Path,
        default=cache_dir() / "benchmarks" / "quantization",
        help="where all that is made is kept",
    )
    parser.add_argument("--budget", help="what edgetl quantize is told, such as 90s [default: by the network's size]")
    parser.add_argument("--max-drop", help="what edgetl quantize is told")
    parser.add_argument("--accept-unproven", action="store_true", help="what edgetl quantize is told")
    parser.add_argument("--json", type=Path, help="the file of all figures [default: figures.json in the folder]")
    parser.add_argument("--again", action="store_true", help="measure also what the file has already")
    arguments = parser.parse_args()
    arguments.folder = arguments.folder.resolve()
    return arguments


def _cases(arguments: argparse.Namespace, parts: Sequence[str], kept: Kept) -> list[str]:
    """Measure the models and the hard case, print their rows, and return what they miss."""
    cases = [case for case in CASES if case.name in (arguments.model or [case.name])] if "models" in parts else []
    missed: list[str] = []
    rows: list[str] = []
    for case in [*cases, *([HARD] if "hard" in parts else [])]:
        try:
            found = _case(case, arguments, kept)
        except Exception as error:  # noqa: BLE001 - the other models are worth their hours all the same
            missed.append(f"{case.name}: {type(error).__name__}: {error}")
            continue
        if found is not None:
            print("\n".join(("", table.PEER_HEAD, *table.peer_rows(found))), flush=True)
            rows += table.rows(found)
            missed += figures.misses(found)
    if rows:
        print("\n".join(("", table.HEAD, *rows, "", table.LEGEND)), flush=True)
    return missed


def _case(case: Case, arguments: argparse.Namespace, kept: Kept) -> Any:
    """Return the figures of ``case``, now or when they were measured; None where it cannot be."""
    options = [*(("--max-drop", arguments.max_drop) if arguments.max_drop else ())]
    options += ["--accept-unproven"] * arguments.accept_unproven
    asked = [*figures.asked(case, arguments.budget, options), images.in_words(case)]
    found = kept.get("cases", case.name, asked)
    if found is None and _ready(case):
        measured = figures.measure(case, arguments.folder, arguments.budget, options, again=arguments.again)
        found = kept.keep("cases", case.name, asked, measured)
    return found


def _memory(folder: Path, kept: Kept) -> list[str]:
    """Measure what a calibration takes, print the rows, and return what they miss."""
    asked = list(memory.COUNTS)
    found = kept.get("memory", "calibration", asked)
    if found is None:
        found = kept.keep("memory", "calibration", asked, memory.measure(folder))
    print("\n".join(("", table.MEMORY_HEAD, *table.memory_rows(found))), flush=True)
    return memory.misses(found)


def _ready(case: Case) -> bool:
    if case.photos and not models.HERE:
        print(f"{case.name}: skipped, no photos or ImageNet weights here (EDGETL_DATA)")
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
