"""After the choice: the candidates that were too slow to be judged are judged for the list, as far as there is time."""

from __future__ import annotations

from edgetl.quantization.search.field import Field

# What part of the time that is left this may take, and what starting a worker takes of it each time.
SHARE, STARTING_S = 0.5, 2.0


def judge_rest(field: Field) -> None:
    """Add the accuracy of what was only timed, the fastest first."""
    end = field.clock.share(SHARE)
    baseline_ns = field.contest.baseline.latency_p50_ns or 0.0
    images = len(field.contest.ground.pixels)
    unjudged = [each for each in field.trials if each.accuracy is None and each.latency is not None]
    for number, trial in enumerate(sorted(unjudged, key=lambda each: each.ratio)):
        field.progress.step("judge the slower ones", number, len(unjudged))
        if field.clock.left - STARTING_S - images * baseline_ns * trial.ratio / 1e9 < field.clock.end - end:
            return
        field.add(field.contest.judge(trial))
    field.progress.step("judge the slower ones", len(unjudged), len(unjudged))
