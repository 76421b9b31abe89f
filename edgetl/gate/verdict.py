"""Findings in, a verdict out, with what the machine did to them."""

from __future__ import annotations

from collections.abc import Sequence

from edgetl.artifacts import Finding, Outcome, State
from edgetl.gate.limits import LIMITS
from edgetl.measure.state import disturbances
from edgetl.measure.statistics import Estimate

SEVERITY: tuple[Outcome, ...] = ("fail", "inconclusive", "pass")
# Two processes of one model that differ by less are as alike as can be asked.
QUIET = 0.01


def ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return ``findings`` with the deciding ones first; raises ValueError for none."""
    if not findings:
        raise ValueError("there is nothing to judge")
    return tuple(sorted(findings, key=lambda finding: SEVERITY.index(finding.outcome)))


def reasons(findings: Sequence[Finding], floor: Estimate, state: State) -> tuple[str, ...]:
    """Return the sentence of each finding; where timing was not clear, also what made this machine noisy.

    ``floor`` is the ratio of two processes of the baseline itself.
    """
    said = list(dict.fromkeys(finding.reason for finding in findings))
    unclear = any(each.outcome == "inconclusive" and LIMITS[each.budget].is_timed for each in findings)
    if unclear:
        said += [*_floor(floor), *disturbances(state)]
    return tuple(said)


def _floor(floor: Estimate) -> Sequence[str]:
    half = max(floor.high / floor.value, floor.value / floor.low) - 1 if floor.low > 0 else float("inf")
    if half <= QUIET:
        return ()
    return (f"This machine is noisy: two processes of the baseline itself could be told apart only beyond {half:.1%}.",)
