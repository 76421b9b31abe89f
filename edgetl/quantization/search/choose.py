"""Choosing among candidates that were tried. Pure: nothing is run, read or written here.

A candidate that does not provably keep its accuracy is out. Among the rest the fastest measured one wins, if it is
faster than fp32 by more than the noise; else fp32 stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgetl.artifacts import MEASURES, Status
from edgetl.measure.accuracy import PairedAccuracy
from edgetl.quantization.search.standing import bound, lacking, provable, standing
from edgetl.quantization.search.trial import Trial
from edgetl.targets import Budgets

# A gain smaller than this is not worth another file, however certain it is.
MIN_SPEEDUP = 1.02


@dataclass(frozen=True)
class Rules:
    """What a candidate must keep to; ``accept_unproven`` lets one win that the images neither prove nor refute.

    ``measure`` is what the budget of top-1 is of, in words.
    """

    budgets: Budgets
    accept_unproven: bool = False
    measure: str = MEASURES["people"]

    def admit(self, trial: Trial) -> bool:
        """Return whether ``trial`` may be chosen as far as its accuracy goes; what has a setback may not."""
        if trial.setback is not None:
            return False
        found = standing(trial, self.budgets)
        return found == "kept" or (self.accept_unproven and found == "unproven" and trial.accuracy is not None)

    def can_admit(self, images: int) -> bool:
        """Return whether any candidate could be admitted that is judged by so many ``images``."""
        return self.accept_unproven or provable(images, self.budgets)


@dataclass(frozen=True)
class Choice:
    """The status of a candidate and the sentence that says why."""

    status: Status
    reason: str


def choose(baseline: Trial, trials: Sequence[Trial], rules: Rules, spare: int = 0) -> dict[str, Choice]:
    """Return the choice on ``baseline`` and each of ``trials`` by their names; at most one of them is ``chosen``.

    ``spare`` is how many images there are that the time did not suffice for.
    """
    faster = [trial for trial in trials if rules.admit(trial) and is_surely_faster(trial)]
    # What was timed at different moments does not compare: where there was a final race, it decides among its entrants.
    entered = [trial for trial in faster if trial.finalist] or faster
    winner = _winner(entered, rules)
    choices = {baseline.name: _on_baseline(baseline, trials, winner, rules, spare)}
    for trial in trials:
        choices[trial.name] = (
            _on_winner(trial, entered, rules) if trial is winner else _on_candidate(trial, winner, rules)
        )
    return choices


def _winner(entered: Sequence[Trial], rules: Rules) -> Trial | None:
    """Return the fastest, or of those that cannot be told from it the one that predicts most like the baseline.

    Not the one that was right most often: who wins an image that fp32 had wrong does so by chance, and of several
    candidates the luckiest is not the best on other images. How far the probabilities moved is hardly luck.
    """
    fastest = min(entered, key=lambda trial: trial.ratio, default=None)
    if fastest is None:
        return None
    alike = [each for each in entered if each.ratio <= MIN_SPEEDUP * fastest.ratio and _overlap(each, fastest)]
    return min(alike, key=lambda trial: (standing(trial, rules.budgets) != "kept", _moved(trial), trial.ratio))


def _overlap(trial: Trial, other: Trial) -> bool:
    return trial.latency is not None and other.latency is not None and trial.latency.low <= other.latency.high


def _moved(trial: Trial) -> float:
    return float("inf") if trial.distance is None else trial.distance


def is_surely_faster(trial: Trial) -> bool:
    """Return whether ``trial`` is faster than fp32 by more than the noise, and by enough to be worth a file."""
    return trial.latency is not None and trial.latency.high * MIN_SPEEDUP < 1


def _on_baseline(baseline: Trial, trials: Sequence[Trial], winner: Trial | None, rules: Rules, spare: int) -> Choice:
    if baseline.setback is not None:
        return Choice("baseline", f"Nothing could be compared with it: {baseline.setback.reason}")
    if winner is not None:
        keeps = "and provably keeps its accuracy" if standing(winner, rules.budgets) == "kept" else "but unproven"
        return Choice("baseline", f"{winner.name} is {_ratio(winner)} as fast {keeps}.")
    judged = [each for each in trials if each.accuracy is not None and is_surely_faster(each)]
    doubtful = [each for each in judged if standing(each, rules.budgets) == "unproven"]
    if not doubtful:
        return Choice("baseline", f"It stays chosen: {_nothing_better(trials)}")
    best = min(doubtful, key=lambda trial: trial.ratio)
    assert best.accuracy is not None
    return Choice(
        "baseline",
        f"It stays chosen: {best.name} is {_ratio(best)} as fast, but {_doubt(best.accuracy, rules)} {_advice(spare)}, "
        "allow more with --max-drop, or take it unproven with --accept-unproven.",
    )


def _advice(spare: int) -> str:
    if not spare:
        return "Add images"
    return f"Give more time with --time-budget (there {'is' if spare == 1 else 'are'} {spare} more)"


def _nothing_better(trials: Sequence[Trial]) -> str:
    untried = sum(trial.untried for trial in trials)
    if untried:
        return f"the time was over before {untried} of {len(trials)} candidates were tried, and no other is better."
    return "no candidate that keeps its accuracy is faster beyond the noise."


def _on_candidate(trial: Trial, winner: Trial | None, rules: Rules) -> Choice:
    if trial.setback is not None:
        return Choice(trial.setback.status, trial.setback.reason)
    if trial.accuracy is None:
        return _on_unjudged(trial, winner)
    found = standing(trial, rules.budgets)
    timed = "" if trial.latency is None else f" It is {_ratio(trial)} as fast as fp32."
    if found == "lost":
        return Choice("rejected", _loss(trial.accuracy, rules) + timed)
    if not rules.admit(trial):
        return Choice("rejected", f"Not proven: {_doubt(trial.accuracy, rules)}{timed}")
    doubt = _unproven(trial.accuracy, found, rules)
    if trial.latency is None:
        return Choice("accepted", f"It keeps its accuracy but was not timed.{doubt}")
    if winner is not None and is_surely_faster(trial):
        return Choice("accepted", f"It is {_ratio(trial)} as fast as fp32, {_behind(trial, winner)}.{doubt}")
    return Choice("rejected", _no_faster(trial))


def _on_winner(winner: Trial, entered: Sequence[Trial], rules: Rules) -> Choice:
    assert winner.accuracy is not None
    found = standing(winner, rules.budgets)
    keeps = "provably keeps its accuracy" if found == "kept" else "keeps its accuracy as seen"
    leads = all(winner.ratio <= each.ratio for each in entered)
    place = f"It is the fastest that {keeps}" if leads else f"It {keeps}, and nothing that does is surely faster"
    doubt = _unproven(winner.accuracy, found, rules)
    return Choice("chosen", f"{place}: {_ratio(winner)} as fast as fp32.{doubt}")


def _behind(trial: Trial, winner: Trial) -> str:
    """Return why ``winner`` was chosen in place of ``trial``, which may be chosen, too."""
    if trial.ratio > winner.ratio:
        return f"but {winner.name} is {_ratio(winner)}"
    if trial.finalist == winner.finalist:
        return f"not surely faster than {winner.name} with {_ratio(winner)}, which predicts more like fp32"
    return f"timed at another moment than {winner.name}, which won the final race with {_ratio(winner)}"


def _on_unjudged(trial: Trial, winner: Trial | None) -> Choice:
    if trial.latency is None:
        return Choice("unavailable", "It was not tried: the time was over.")
    if not is_surely_faster(trial):
        return Choice("rejected", _no_faster(trial))
    if winner is None:
        why = "another seemed faster then, or the time was over"
        return Choice("unavailable", f"It is {_ratio(trial)} as fast as fp32, but was not judged: {why}.")
    return Choice(
        "skipped",
        f"It is {_ratio(trial)} as fast as fp32, but {winner.name} is {_ratio(winner)}: it was not judged.",
    )


def _no_faster(trial: Trial) -> str:
    return f"It is not faster than fp32 beyond the noise: {_ratio(trial)} as fast."


def _loss(accuracy: PairedAccuracy, rules: Rules) -> str:
    return (
        f"It loses {_points(accuracy.drop)} points of {rules.measure} on {accuracy.images} images "
        f"({accuracy.baseline:.1%} to {accuracy.candidate:.1%}), more than the budget of "
        f"{_points(rules.budgets.top1_drop)}."
    )


def _unproven(accuracy: PairedAccuracy, found: str, rules: Rules) -> str:
    return "" if found == "kept" else f" Not proven: {_doubt(accuracy, rules)}"


def _doubt(accuracy: PairedAccuracy, rules: Rules) -> str:
    """Return the sentence for a drop that the images do not prove to be within the budget."""
    more = lacking(accuracy, rules.budgets)
    needed = "" if more is None else f"; about {more} more could"
    return (
        f"{accuracy.images} images, {accuracy.lost} of them lost and {accuracy.won} won, allow for a drop of up to "
        f"{_points(bound(accuracy, rules.budgets))} points, and {_points(rules.budgets.top1_drop)} are allowed{needed}."
    )


def _points(share: float) -> str:
    return f"{100 * share + 0.0:.1f}"


def _ratio(trial: Trial) -> str:
    assert trial.latency is not None
    low, value, high = (1 / each for each in (trial.latency.high, trial.latency.value, max(trial.latency.low, 1e-9)))
    return f"{value:.2f} times ({low:.2f} to {high:.2f})"
