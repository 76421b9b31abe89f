"""Keeping what is known so far on disk, so that a search that is killed leaves a usable choice."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgetl.artifacts import Candidate, ExportResult, QuantizeResult
from edgetl.files import sha256_file, write_text
from edgetl.quantize.choose import Choice, choose
from edgetl.quantize.contest import Contest
from edgetl.quantize.trial import Trial
from edgetl.targets import Target

TIMINGS = "quantize-timings.json"


@dataclass(frozen=True)
class Record:
    """Turns trials into the run's artifact. ``images`` is how many candidates were chosen by; ``start`` in s."""

    folder: Path
    target: Target
    exported: ExportResult
    images: int
    start: float

    def write(self, contest: Contest, trials: Sequence[Trial], inputs: str = "") -> QuantizeResult:
        """Return the result so far, stored in the run with its raw timings.

        ``inputs`` is given with the last write only, so that an unfinished search is not taken for a finished one.
        """
        baseline = contest.baseline
        choices = choose(baseline, trials, self.target.budgets)
        rows = tuple(_row(trial, choices[trial.candidate.name], self.folder) for trial in (baseline, *trials))
        chosen = next((row.name for row in rows if row.status == "chosen"), baseline.candidate.name)
        write_text(self.folder / TIMINGS, json.dumps({"schema_version": 1, "unit": "ns", "pairs": contest.timings}))
        result = QuantizeResult(
            run=str(self.folder),
            inputs=inputs,
            seconds=time.monotonic() - self.start,
            target=self.target.name,
            chosen=chosen,
            measured_on=str(contest.machine.get("cpu", "unknown")),
            images=self.images,
            candidates=rows,
            timings=TIMINGS,
            parent_sha256=self.exported.sha256,
        )
        result.save(self.folder)
        return result


def _row(trial: Trial, choice: Choice, folder: Path) -> Candidate:
    candidate, latency = trial.candidate, trial.latency
    return Candidate(
        name=candidate.name,
        path=trial.model.relative_to(folder).as_posix() if trial.model else "",
        sha256=sha256_file(trial.model) if trial.model else "",
        provider=candidate.provider,
        precision=candidate.precision,
        recipe=candidate.recipe,
        size_bytes=trial.model.stat().st_size if trial.model else 0,
        accuracy=trial.accuracy.candidate if trial.accuracy else None,
        agreement=trial.accuracy.agreement if trial.accuracy else None,
        latency_p50_ms=trial.latency_p50_ns / 1e6 if trial.latency_p50_ns else None,
        speedup=1 / latency.value if latency else None,
        speedup_ci=(1 / latency.high, 1 / latency.low) if latency and latency.low > 0 else None,
        status=choice.status,
        reason=choice.reason,
    )
