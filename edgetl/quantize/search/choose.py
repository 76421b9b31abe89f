"""Choosing among candidates that were tried. Pure: nothing is run, read or written here.

A candidate that loses accuracy is out. Among the rest the fastest measured one wins, if it is faster than fp32 by more
than the noise; else fp32 stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgetl.artifacts import Status
from edgetl.judge import outcome
from edgetl.measure.accuracy import PairedAccuracy, images_needed
from edgetl.quantize.search.trial import Trial
from edgetl.targets import Budgets

# A gain smaller than this is not worth another file, however certain it is.
MIN_SPEEDUP = 1.02


@dataclass(frozen=True)
class Choice:
    """The status of a candidate and the sentence that says why."""

    status: Status
    reason: str


def choose(baseline: Trial, trials: Sequence[Trial], budgets: Budgets) -> dict[str, Choice]:
    """Return the choice on ``baseline`` and each of ``trials`` by their names; at most one of them is ``chosen``."""
    faster = [trial for trial in trials if keeps_accuracy(trial, budgets) and _speedup(trial)[1] > MIN_SPEEDUP]
    winner = max(faster, key=lambda trial: _speedup(trial)[0], default=None)
    choices = {baseline.candidate.name: _on_baseline(baseline, winner)}
    for trial in trials:
        choices[trial.candidate.name] = _on_candidate(trial, winner, budgets)
    return choices


def keeps_accuracy(trial: Trial, budgets: Budgets) -> bool:
    """Return whether the drop seen is within the budget.

    Few images cannot prove that the true drop is (the reason then says so, and how many would); `edgetl check` demands
    the proof, on other images.
    """
    return trial.accuracy is not None and trial.accuracy.drop <= budgets.top1_drop


def _on_baseline(baseline: Trial, winner: Trial | None) -> Choice:
    if baseline.setback is not None:
        return Choice("baseline", f"Nothing could be compared with it: {baseline.setback.reason}")
    if winner is None:
        return Choice("baseline", "It stays chosen: no candidate that keeps its accuracy is faster beyond the noise.")
    return Choice("baseline", f"{winner.candidate.name} is {_ratio(winner)} as fast and keeps its accuracy.")


def _on_candidate(trial: Trial, winner: Trial | None, budgets: Budgets) -> Choice:
    if trial.setback is not None:
        return Choice(trial.setback.status, trial.setback.reason)
    if trial.accuracy is None:
        return Choice("unavailable", "It was not tried: the time was over.")
    if not keeps_accuracy(trial, budgets):
        return Choice("rejected", _loss(trial.accuracy, budgets))
    doubt = _doubt(trial.accuracy, budgets)
    if trial.latency is None:
        return Choice("accepted", f"It keeps its accuracy but was not timed: the time was over.{doubt}")
    if trial is winner:
        return Choice("chosen", f"It is the fastest that keeps its accuracy: {_ratio(trial)} as fast as fp32.{doubt}")
    if winner is not None and _speedup(trial)[1] > MIN_SPEEDUP:
        reason = f"It is {_ratio(trial)} as fast as fp32, but {winner.candidate.name} is {_ratio(winner)}."
        return Choice("accepted", reason + doubt)
    return Choice("rejected", f"It is not faster than fp32 beyond the noise: {_ratio(trial)} as fast.")


def _loss(accuracy: PairedAccuracy, budgets: Budgets) -> str:
    return (
        f"It loses {100 * accuracy.drop:.1f} points of top-1 on {accuracy.images} images ({accuracy.baseline:.1%} to "
        f"{accuracy.candidate:.1%}), more than the budget of {100 * budgets.top1_drop:.1f}."
    )


def _doubt(accuracy: PairedAccuracy, budgets: Budgets) -> str:
    """Return a sentence for a drop that the images do not prove to be within the budget, else nothing."""
    if outcome(*accuracy.drop_ci, budgets.top1_drop) == "pass":
        return ""
    total = images_needed(
        accuracy.lost, accuracy.won, accuracy.images, budgets.top1_drop, confidence=accuracy.confidence
    )
    more = "" if total is None else f"; about {total - accuracy.images} more could"
    return (
        f" {accuracy.images} images cannot prove that its drop of {100 * accuracy.drop + 0.0:.1f} points stays within "
        f"{100 * budgets.top1_drop:.1f}{more}."
    )


def _speedup(trial: Trial) -> tuple[float, float, float]:
    """Return the speed-up over fp32 and its interval; zeros for what was not timed."""
    if trial.latency is None:
        return (0.0, 0.0, 0.0)
    low = 1 / trial.latency.high
    high = 1 / trial.latency.low if trial.latency.low > 0 else float("inf")
    return (1 / trial.latency.value, low, high)


def _ratio(trial: Trial) -> str:
    value, low, high = _speedup(trial)
    return f"{value:.2f} times ({low:.2f} to {high:.2f})"
