"""The figures as Markdown tables, and what of them is not as wanted."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.gate.compare import NAIVE
from edgetl.measure.replication import level
from edgetl.measure.statistics import Estimate, wilson

Found = Mapping[str, Sequence[Mapping[str, Any]]]

HEAD = (
    "| part | model | comparisons | true ratio | fail | inconclusive | pass | median s | means | minima | "
    "stored mean | stored minimum |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
)
# How often at least each slowdown is to be found, by the number of threads.
WANTED = {1: {"1.05": 0.90, "1.1": 1.0}, 2: {"1.1": 0.90, "1.2": 1.0}}
MOST_ALARMS, MOST_SECONDS = 0.01, 60.0

ACCURACY_HEAD = (
    "| images | discordant | covered | wrong pass | wrong fail | naive passes twice the budget |\n"
    "|---|---|---|---|---|---|"
)
APP_HEAD = "| two runs of benchmark_app | pairs | alarms at 5 % | ratios from | to |\n|---|---|---|---|---|"
PARITY_HEAD = (
    "| edgetl's workers | edgetl, ms | benchmark_app, ms | ratio, 95 % | the same with the rest of the call |\n"
    "|---|---|---|---|---|"
)


def rows(part: str, budget: float, found: Found) -> list[str]:
    """Return a row for each model: the gate's verdicts, and how often a naive peer raised an alarm."""
    return [_row(part, budget, float(wanted), found[wanted]) for wanted in sorted(found, key=float)]


def misses(part: str, threads: int, loaded: bool, found: Found) -> list[str]:
    """Return what is not as wanted."""
    said = []
    same = found.get("1.0", ())
    alarms = _share(same, _is("fail"))
    if alarms > MOST_ALARMS:
        said.append(f"{part}: {alarms:.1%} false alarms")
    for wanted, least in WANTED[threads].items():
        results = found.get(wanted, ())
        caught = _share(results, _is("fail"))
        if loaded:
            wrong = _share(results, _is("pass"))
            said += [f"{part}: {wrong:.0%} of {wanted} passed"] if wrong > MOST_ALARMS else []
        elif results and caught < least:
            said.append(f"{part}: {caught:.0%} found of {wanted}, wanted {least:.0%}")
    seconds = statistics.median(each["seconds"] for results in found.values() for each in results)
    if not loaded and seconds > MOST_SECONDS:
        said.append(f"{part}: {seconds:.0f} s to a verdict")
    return said


def accuracy_rows(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a row for each number of images and rate of discordance."""
    return [
        f"| {each['images']} | {each['discordant']:.0%} | {each['covered']:.1%} | {each['wrong_pass']:.1%} | "
        f"{each['wrong_fail']:.1%} | {each['missed_naive']:.1%} |"
        for each in found
    ]


def accuracy_misses(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return where the interval covers too seldom or a wrong verdict comes too often (with a point for chance)."""
    return [
        f"accuracy: {each['images']} images, {each['discordant']:.0%} discordant"
        for each in found
        if each["covered"] < 0.94 or each["wrong_pass"] > 0.035 or each["wrong_fail"] > 0.035
    ]


def parity_rows(sessions: Sequence[Mapping[str, float]], left_out_ms: float) -> list[str]:
    """Return a row for each way that edgetl's workers ran beside benchmark_app."""
    return [_parity_row(sessions, way, left_out_ms) for way in ("in turns", "left running")]


def parity_misses(sessions: Sequence[Mapping[str, float]], left_out_ms: float) -> list[str]:
    """Return that the two differ beyond chance where the same thing is compared: calls of one that is left running."""
    ratio = _ratio(sessions, "left running", left_out_ms)
    return [] if ratio.low <= 1.0 <= ratio.high else ["parity: edgetl and benchmark_app read different latencies"]


def _parity_row(sessions: Sequence[Mapping[str, float]], way: str, left_out_ms: float) -> str:
    levels = [level([each[name] for each in sessions]) for name in (way, "peer")]
    ratios = [_ratio(sessions, way, left_out) for left_out in (0.0, left_out_ms)]
    cells = [
        f"{way}, {len(sessions)} sessions",
        *(f"{each.value:.2f} [{each.low:.2f}, {each.high:.2f}]" for each in levels),
        *(f"{each.value:.3f} [{each.low:.3f}, {each.high:.3f}]" for each in ratios),
    ]
    return f"| {' | '.join(cells)} |"


def _ratio(sessions: Sequence[Mapping[str, float]], way: str, left_out_ms: float) -> Estimate:
    return level([each[way] / (each["peer"] + left_out_ms) for each in sessions])


def app_rows(found: Mapping[str, Sequence[float]]) -> list[str]:
    """Return a row for each model: how often its second run seemed slower by more than the threshold."""
    return [
        f"| {wanted} | {len(ratios)} | {sum(each > NAIVE for each in ratios) / len(ratios):.0%} | {min(ratios):.3f} | "
        f"{max(ratios):.3f} |"
        for wanted, ratios in sorted(found.items(), key=lambda item: float(item[0]))
    ]


def _row(part: str, budget: float, wanted: float, results: Sequence[Mapping[str, Any]]) -> str:
    true = level([each["ratio"] for each in results])
    verdicts = {name: _share(results, _is(name)) for name in ("fail", "inconclusive", "pass")}
    low, high = wilson(sum(each["verdict"] == "fail" for each in results), len(results))
    cells = [
        f"{part}, budget {budget:.2f}",
        f"{wanted:.2f}",
        str(len(results)),
        f"{true.value:.3f} [{true.low:.3f}, {true.high:.3f}]",
        f"{verdicts['fail']:.1%} [{low:.1%}, {high:.1%}]",
        f"{verdicts['inconclusive']:.1%}",
        f"{verdicts['pass']:.1%}",
        f"{statistics.median(each['seconds'] for each in results):.0f}",
        *(_alarms(results, name) for name in ("means", "minima", "stored_mean", "stored_minimum")),
    ]
    return f"| {' | '.join(cells)} |"


def _is(verdict: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda each: each["verdict"] == verdict


def _alarms(results: Sequence[Mapping[str, Any]], name: str) -> str:
    known = [each for each in results if each[name] is not None]
    return f"{_share(known, lambda each: each[name] > NAIVE):.0%}" if known else "–"


def _share(results: Sequence[Mapping[str, Any]], holds: Callable[[Mapping[str, Any]], bool]) -> float:
    return sum(map(holds, results)) / len(results) if results else 0.0
