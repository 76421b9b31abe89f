"""What stored results say over time: the points of each candidate, by run and by machine."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgetl.artifacts import Artifact, BenchResult, CheckResult, Interval, Outcome, Value
from edgetl.device.machine import speed
from edgetl.errors import RunError, UsageError, nearest_path
from edgetl.targets import short_name

_KINDS: Mapping[str, type[CheckResult] | type[BenchResult]] = {kind.FILE: kind for kind in (CheckResult, BenchResult)}
# What a benchmark's intervals hold at, whatever its target's verdicts are judged at.
_BENCH_CONFIDENCE = 0.95


class Machine(Value):
    """What makes latencies comparable; ``id`` is a short hash of the rest. ``engines`` are names and versions."""

    id: str
    cpu: str
    board: str | None
    cpu_features: tuple[str, ...]
    cores_allowed: int | None
    gpus: tuple[str, ...]
    engines: dict[str, str]


class Point(Value):
    """One result. ``created`` is ISO 8601 in UTC, ``path`` relative to the folder; None is what it does not say.

    ``latency_ratio`` is the candidate's over the baseline's, ``top1_drop`` baseline minus candidate as a fraction.
    Both intervals hold at ``confidence``.
    """

    created: str
    path: str
    verdict: Outcome | None
    latency_ratio: float | None
    latency_ci: Interval | None
    top1_drop: float | None
    drop_ci: Interval | None
    confidence: float


class Series(Value):
    """The points of one candidate of a run against one baseline, oldest first; ``machine`` is that machine's ``id``.

    ``target`` is its name, of a file of one's own the file's.
    """

    run: str
    candidate: str
    baseline: str
    target: str
    machine: str
    points: tuple[Point, ...]


# Run, candidate, baseline, target, machine: what a series is of.
_Key = tuple[str, str, str, str, str]


class History(Value):
    """All series, and what must be known to read them right: skipped files, times that are not sure."""

    machines: tuple[Machine, ...]
    series: tuple[Series, ...]
    remarks: tuple[str, ...]


def history(folder: Path) -> History:
    """Return what all check.json and bench.json below ``folder`` say; raises UsageError where there are none.

    Results of different machines are never in one series, nor are those of different runs, whose candidates are called
    alike. A result that says no time counts by its file's, with a remark; one that cannot be read is skipped, with
    another.
    """
    if not folder.is_dir():
        raise UsageError(
            f"There is no folder {folder}.{nearest_path(folder)} Name one that results are stored in, such as runs/."
        )
    machines: dict[str, Machine] = {}
    points: dict[_Key, list[Point]] = {}
    remarks: list[str] = []
    undated = 0
    for path in _stored(folder):
        try:
            result = _KINDS[path.name].load(path.parent)
        except RunError as error:
            remarks.append(f"Skipped: {error}")
            continue
        when = _created(result)
        undated += when is None
        created = _iso(when or datetime.fromtimestamp(path.stat().st_mtime, UTC))
        machine = _machine(result.machine)
        machines.setdefault(machine.id, machine)
        for candidate, baseline, point in _points(result, created, path.relative_to(folder).as_posix()):
            key = (result.run, candidate, baseline, short_name(result.target), machine.id)
            points.setdefault(key, []).append(point)
    if not points:
        raise UsageError(
            " ".join((f"No result with a candidate's measurements is stored below {folder}.", *remarks[:1]))
        )
    if undated:
        remarks.append(
            f"{undated} result{' says' if undated == 1 else 's say'} no time: the file's own stands for it, which a "
            "copy or a checkout may have changed."
        )
    if len(machines) > 1:
        remarks.append(f"Results of {len(machines)} machines: latencies compare only within a machine.")
    return History(
        machines=tuple(machines.values()),
        series=tuple(_series(key, points[key]) for key in sorted(points)),
        remarks=tuple(remarks),
    )


def _stored(folder: Path) -> Iterator[Path]:
    """Yield the results' files, each once: a link to a folder, such as runs/latest, is not followed."""
    for place, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(place) / name for name in sorted(files) if name in _KINDS)


def _series(key: _Key, points: list[Point]) -> Series:
    run, candidate, baseline, target, machine = key
    ordered = tuple(sorted(points, key=lambda point: (point.created, point.path)))
    return Series(run=run, candidate=candidate, baseline=baseline, target=target, machine=machine, points=ordered)


def _points(result: CheckResult | BenchResult, created: str, path: str) -> Iterator[tuple[str, str, Point]]:
    """Yield candidate, baseline and point of all that a result compares."""
    if isinstance(result, CheckResult):
        yield (
            result.candidate,
            result.baseline,
            Point(
                created=created,
                path=path,
                verdict=result.verdict,
                latency_ratio=_finite(result.latency.ratio),
                latency_ci=_finite_interval(result.latency.ci),
                top1_drop=_finite(result.accuracy.drop),
                # A model that is judged against itself differs by no chance.
                drop_ci=(0.0, 0.0) if result.candidate == result.baseline else _finite_interval(result.accuracy.ci),
                confidence=result.confidence,
            ),
        )
        return
    first = result.rows[0] if result.rows else None
    for row in result.rows[1:]:
        # A row without is the baseline's twin in another guise, or could not run.
        if first is None or row.speedup is None:
            continue
        drop = None if first.accuracy is None or row.accuracy is None else first.accuracy - row.accuracy
        yield (
            row.name,
            first.name,
            Point(
                created=created,
                path=path,
                verdict=None,
                latency_ratio=_inverse(row.speedup),
                latency_ci=_inverse_interval(row.speedup_ci),
                top1_drop=drop,
                drop_ci=None,
                confidence=_BENCH_CONFIDENCE,
            ),
        )


def _machine(facts: Mapping[str, Any]) -> Machine:
    values = speed(facts) | {"engines": dict(sorted((facts.get("engines") or {}).items()))}
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return Machine.model_validate({"id": digest[:8], **values})


def _created(result: Artifact) -> datetime | None:
    """Return when a result says that it was made, None if it does not."""
    # What does not stand in the file was made up when it was read.
    if "created" not in result.model_fields_set:
        return None
    try:
        when = datetime.fromisoformat(result.created)
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def _iso(when: datetime) -> str:
    return when.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _finite_interval(ends: Interval) -> Interval | None:
    return ends if all(map(math.isfinite, ends)) else None


def _inverse(value: float) -> float | None:
    return 1 / value if value > 0 else None


def _inverse_interval(ends: Interval | None) -> Interval | None:
    return None if ends is None or min(ends) <= 0 else (1 / ends[1], 1 / ends[0])
