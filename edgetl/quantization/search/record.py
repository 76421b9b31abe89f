"""Keeping what is known so far on disk, so that a search that is killed leaves a usable choice."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgetl import runs
from edgetl.artifacts import Candidate, ExportResult, LabelledBy, QuantizeResult
from edgetl.errors import RunError
from edgetl.files import replacing_together, sha256_file, write_text
from edgetl.quantization.search.choose import Choice, Rules, choose
from edgetl.quantization.search.contest import Contest
from edgetl.quantization.search.trial import Trial
from edgetl.targets import Target

TIMINGS, CANDIDATES = "quantize-timings.json", "candidates"


@dataclass(frozen=True)
class Asked:
    """What a search is for; ``inputs`` is the hash of all that decides its result, but for its time."""

    target: Target
    rules: Rules
    time_budget_s: float
    inputs: str


@dataclass(frozen=True)
class Record:
    """Turns trials into the run's artifact. ``start`` is the monotonic time, in s, at which the search began.

    ``labelled_by`` is who said what the images show.
    """

    folder: Path
    asked: Asked
    exported: ExportResult
    labelled_by: LabelledBy
    start: float

    def write(self, contest: Contest, trials: Sequence[Trial], *, finished: bool = False) -> QuantizeResult:
        """Return the result so far, stored in the run with its raw timings.

        Only a finished one carries its ``inputs``, so that no other is taken for it. One that is not finished does not
        take the place of a finished one: who repeats a search and stops it loses nothing. Of a finished one that was
        out of time it does, as soon as what was chosen there has been tried again.
        """
        baseline = contest.baseline
        choices = choose(baseline, trials, self.asked.rules, contest.spare_images)
        rows = tuple(_row(trial, choices[trial.name], self.folder) for trial in (baseline, *trials))
        chosen = next((row.name for row in rows if row.status == "chosen"), baseline.name)
        result = QuantizeResult(
            run=str(self.folder),
            inputs=self.asked.inputs if finished else "",
            seconds=time.monotonic() - self.start,
            target=self.asked.target.name,
            chosen=chosen,
            measured_on=str(contest.machine.get("cpu", "unknown")),
            images=len(contest.ground.pixels),
            labelled_by=self.labelled_by,
            cut_short_s=self.asked.time_budget_s if _cut_short(contest, trials) else None,
            candidates=rows,
            timings=TIMINGS,
            parent_sha256=self.exported.sha256,
        )
        if finished or not self._stands(baseline, trials):
            raw = json.dumps({"schema_version": 1, "unit": "ns", "pairs": contest.timings})
            with replacing_together(self.folder) as together:
                write_text(together / TIMINGS, raw)
                result.save(together)
        if finished:
            self._sweep(trials)
        return result

    def _sweep(self, trials: Sequence[Trial]) -> None:
        """Remove files of candidates that are none any more: of mixes that were only timed, of an earlier search."""
        kept = {trial.model for trial in trials}
        for path in (self.folder / CANDIDATES).glob("*"):
            if path.is_file() and path.with_suffix("") not in kept and path not in kept:
                path.unlink(missing_ok=True)

    def _stands(self, baseline: Trial, trials: Sequence[Trial]) -> bool:
        """Return whether the run has a finished result that what was tried so far does not replace."""
        tried = {baseline.name, *(each.name for each in trials if not each.untried)}
        try:
            stored, asked = QuantizeResult.load(self.folder), self.asked
            holds = stored.holds_for(asked.time_budget_s) or stored.chosen not in tried
            # In this order: to verify half a gigabyte after every trial would take its time.
            return stored.inputs == asked.inputs and holds and bool(runs.quantized(self.folder))
        except RunError:
            return False


def _cut_short(contest: Contest, trials: Sequence[Trial]) -> bool:
    """Return whether more time would have tried more candidates, or have judged by more images."""
    return contest.spare_images > 0 or any(trial.untried for trial in trials)


@functools.lru_cache(maxsize=1024)
def _sha256(path: Path, _written_ns: int) -> str:
    # Rows are written after every trial, and a network's file may have half a gigabyte.
    return sha256_file(path)


def _row(trial: Trial, choice: Choice, folder: Path) -> Candidate:
    candidate, latency = trial.candidate, trial.latency
    return Candidate(
        name=candidate.name,
        path=trial.model.relative_to(folder).as_posix() if trial.model else "",
        sha256=_sha256(trial.model, trial.model.stat().st_mtime_ns) if trial.model else "",
        provider=candidate.provider,
        precision=candidate.precision,
        recipe=candidate.recipe,
        float_nodes=trial.recipe.exclude_nodes if trial.recipe else (),
        options=candidate.options,
        size_bytes=trial.model.stat().st_size if trial.model else 0,
        images=trial.accuracy.images if trial.accuracy else None,
        accuracy=trial.accuracy.candidate if trial.accuracy else None,
        agreement=trial.accuracy.agreement if trial.accuracy else None,
        distance=trial.distance,
        latency_p50_ms=trial.latency_p50_ns / 1e6 if trial.latency_p50_ns else None,
        speedup=1 / latency.value if latency else None,
        speedup_ci=(1 / latency.high, 1 / latency.low) if latency and latency.low > 0 else None,
        status=choice.status,
        reason=choice.reason,
    )
