"""The `check` stage: a candidate against a baseline, both run here and now, judged within the target's budgets."""

from __future__ import annotations

import time
from collections.abc import Sequence

from edgetl import targets
from edgetl.artifacts import CheckResult, Latency
from edgetl.errors import UsageError
from edgetl.files import replacing_together, require_place
from edgetl.gate import ground as grounds
from edgetl.gate import images as judging
from edgetl.gate.accuracy import told
from edgetl.gate.evidence import (
    BASELINE,
    CANDIDATE,
    ROLES,
    TWIN,
    Evidence,
    answers,
    compared,
    timed,
)
from edgetl.gate.ground import CheckSettings, Ground
from edgetl.gate.images import Images
from edgetl.gate.limits import is_asked, judge, runs_wanted, settled
from edgetl.gate.verdict import ordered, reasons
from edgetl.measure import record, replication
from edgetl.measure.launches import MIN_LAUNCHES, Launch, Plan, encoded
from edgetl.measure.state import together
from edgetl.measure.statistics import is_look
from edgetl.progress import Progress
from edgetl.targets import Budgets

__all__ = ["CheckSettings", "check", "inputs"]

TIMINGS = "check-timings.json"


def check(settings: CheckSettings, progress: Progress) -> CheckResult:
    """Return the verdict on a candidate, with all that it rests on.

    Raises WorkerError (nothing measured) when one side cannot run here, UsageError for a side that is not there or
    models of other classes, RunError for a run whose candidates were not made.
    """
    start, folder = time.monotonic(), settings.folder
    require_place(folder)
    ground, hashed = grounds.ground(settings)
    sides, target = ground.sides, ground.target
    images = _images(settings, ground, progress)
    if target.budgets.top1 is not None and images.labels is None:
        raise UsageError(
            f"Target {target.name} demands a top-1 of {target.budgets.top1:.1%}, which takes labelled images. Label "
            "them (class folders, or --labels), or leave top1 out of its budgets."
        )
    said = answers(sides, images, target.threads, settings.worker, progress)
    accuracy = compared(said, images, target.budgets.confidence)
    sizes = (sides[0].model.stat().st_size, sides[1].model.stat().st_size)
    same = sides[0].identity == sides[1].identity

    elsewhere = "" if targets.matches(target, said.machine) else str(said.machine.get("cpu"))
    if elsewhere:
        progress.remark(targets.stranger(target, said.machine))

    def evidence(launches: Sequence[Launch]) -> Evidence:
        return Evidence(tuple(launches), accuracy, images.classes, sizes, same, elsewhere)

    def decide(launches: Sequence[Launch]) -> bool:
        return is_look(len(launches), first=MIN_LAUNCHES) and settled(evidence(launches), target.budgets)

    plan = Plan(
        settings.time_budget_s,
        ROLES,
        _encoded(images, target.budgets),
        runs_wanted(target.budgets),
        settings.seed,
        "time both",
    )
    launches = timed(sides, said, target.threads, settings.worker, plan, decide, progress)
    findings = ordered(judge(evidence(launches), target.budgets))
    floor = replication.noise_floor(replication.undisturbed(launches, CANDIDATE, BASELINE, TWIN))
    state = together([launch.state for launch in launches])
    latency = next(finding for finding in findings if finding.budget == "latency_ratio")
    result = CheckResult(
        run=str(folder),
        inputs=hashed,
        seconds=time.monotonic() - start,
        verdict=findings[0].outcome,
        reasons=reasons(findings, floor, state),
        confidence=target.budgets.confidence,
        target=target.name,
        baseline=sides[0].name,
        candidate=sides[1].name,
        findings=findings,
        latency=Latency(ratio=latency.value, ci=latency.ci, budget=latency.limit),
        accuracy=told(accuracy, images, said, target.budgets),
        noise_floor=floor.interval,
        launches=len(launches),
        machine=dict(said.machine),
        state=state,
        timings=TIMINGS,
    )
    folder.mkdir(parents=True, exist_ok=True)
    with replacing_together(folder) as beside:
        record.save(beside / TIMINGS, launches)
        result.save(beside)
    return result


def inputs(settings: CheckSettings) -> str:
    """Return the hash of all that decides a verdict, but for the machine's mood; raises UsageError and RunError."""
    return grounds.ground(settings)[1]


def _images(settings: CheckSettings, ground: Ground, progress: Progress) -> Images:
    """Return the images that judge: those that were named, else those of the run, else those of a side's run."""
    if settings.images is not None:
        return judging.of_place(settings.images, settings.labels, ground.sides[0].classes, progress)
    if settings.labels is not None:
        raise UsageError("--labels lists what --images show. Give --images, too.")
    run = next((each for each in (ground.run, ground.sides[1].run, ground.sides[0].run) if each is not None), None)
    if run is None:
        raise UsageError("Two model files need images to be judged on: --images DIR, or --run of a run that has some.")
    return judging.of_run(run)


def _encoded(images: Images, budgets: Budgets) -> tuple[bytes, ...]:
    """Return image files to time from end to end, where a budget asks for it; spread over what is sorted by class."""
    if not is_asked(budgets, "end_to_end_ratio", "end_to_end_ms"):
        return ()
    return encoded(images.paths)
