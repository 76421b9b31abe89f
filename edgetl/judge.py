"""Measurements and budgets in, a verdict out. Pure: nothing is run, read or written here.

Latency and accuracy are judged alike, each by its confidence interval against its budget:

==============  ==========================================================================================
fail            the whole interval is beyond the budget: a regression, significant *and* larger than allowed
pass            the whole interval is within the budget (non-inferiority, not merely "no difference found")
inconclusive    the interval holds the budget: more runs or images are needed, and how many is said
==============  ==========================================================================================

Fail wins over inconclusive, and inconclusive over pass. The intervals are two-sided at the budgets' confidence, so a wrong
fail and a wrong pass each have at most half of the rest as probability (2.5 % at 95 %), per budget.

The A/A pair, two workers of the baseline itself, is the noise floor. Where its interval excludes a ratio of 1, processes of
one model differ here by more than chance, and a candidate's process may as well: the latency interval is widened by
that proven difference before it is judged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgetl.measure.accuracy import PairedAccuracy, images_needed
from edgetl.measure.statistics import Estimate, autocorrelation_floor
from edgetl.targets import Budgets

Outcome = Literal["pass", "fail", "inconclusive"]

# Beyond this, saying how much more would settle it is no help: the difference sits on the budget.
MAX_MORE = 50


@dataclass(frozen=True)
class Finding:
    """The outcome for one budget and the sentence that gives its numbers."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True)
class Verdict:
    """The outcome over all budgets, with one reason for each, the decisive ones first."""

    outcome: Outcome
    reasons: tuple[str, ...]
