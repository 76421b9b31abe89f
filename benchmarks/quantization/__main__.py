"""Run all parts, or those named; figures are kept as they are found, so that a run that is killed loses one model.

`python -m benchmarks.quantization [--model NAME ...] [--part models|hard|memory]`. The networks are trained on first
use, which takes an hour and more; set OMP_WAIT_POLICY=passive where other programs want the cores too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.quantization import figures, memory, models, table
from benchmarks.quantization.models import CASES, HARD, Case
from edgetl.files import cache_dir, write_text

PARTS = ("models", "hard", "memory")


def main() -> int:
    """Print the tables; return 1 when something that this project wants is missed."""
    arguments = _parsed()
    print(describe(), flush=True)
    kept = Kept(arguments.json or arguments.folder / "figures.json", arguments.again)
    parts = arguments.part or PARTS
    missed = _cases(arguments, parts, kept)
    if "memory" in parts and _ready(CASES[0]):
        if not kept.has("memory", "calibration"):
            kept.keep("memory", "calibration", memory.measure(arguments.folder))
        found, too_much = kept.get("memory", "calibration")
        print("\n".join(("", table.MEMORY_HEAD, *table.memory_rows(found))), flush=True)
        missed += too_much
    print("\nmissed:\n  " + "\n  ".join(missed) if missed else "\nall limits held")
    return int(bool(missed))


class Kept:
    """The file of all figures, by part and name; what it has already is not measured again."""

    def __init__(self, path: Path, again: bool) -> None:
        self._path, self._again = path, again
        self._all: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
        self._new: set[tuple[str, str]] = set()

    def has(self, part: str, name: str) -> bool:
        """Return whether the figures are there, and need not be measured ``again``."""
        return name in self._all.get(part, {}) and ((part, name) in self._new or not self._again)

    def get(self, part: str, name: str) -> Any:
        """Return figures that are there."""
        return self._all[part][name]

    def keep(self, part: str, name: str, found: object) -> None:
        """Write ``found`` into the file."""
        self._all.setdefault(part, {})[name] = found
        self._all["machine"] = describe()
        self._new.add((part, name))
        # What is read next is what a later run reads: no tuples.
        text = json.dumps(self._all, indent=2)
        self._all = json.loads(text)
        write_text(self._path, text + "\n")


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
    wanted = [case for case in CASES if case.name in (arguments.model or [case.name])]
    asked = [
        *(("models", case) for case in wanted if "models" in parts),
        *(("hard", HARD) for _ in "1" if "hard" in parts),
    ]
    options = [*(("--max-drop", arguments.max_drop) if arguments.max_drop else ())]
    options += ["--accept-unproven"] * arguments.accept_unproven
    missed: list[str] = []
    done: list[Any] = []
    for part, case in asked:
        if not kept.has(part, case.name):
            if not _ready(case):
                continue
            try:
                kept.keep(part, case.name, _measured(case, arguments, options))
            except Exception as error:  # noqa: BLE001 - the other models are worth their hours all the same
                missed.append(f"{case.name}: {type(error).__name__}: {error}")
                continue
        done.append(kept.get(part, case.name))
        print("\n".join(("", table.PEER_HEAD, *table.peer_rows(done[-1]))), flush=True)
        missed += figures.misses(done[-1])
    print(
        "\n".join(("", table.HEAD, *(row for each in done for row in table.rows(each)), "", table.LEGEND)), flush=True
    )
    return missed


def _measured(case: Case, arguments: argparse.Namespace, options: Sequence[str]) -> object:
    return figures.measure(case, arguments.folder, arguments.budget, options, again=arguments.again)


def _ready(case: Case) -> bool:
    if case.photos and not models.HERE:
        print(f"{case.name}: skipped, no photos or ImageNet weights here (EDGETL_DATA)")
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
