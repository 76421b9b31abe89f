"""The verdict in one sentence, the figures worth a glance, and each budget."""

from __future__ import annotations

from edgetl.artifacts import MEASURES, CheckResult, Finding
from edgetl.gather.values import Gathered
from edgetl.reporting import findings
from edgetl.reporting.view.blocks import Absent, Banner, Card, Cards, Cell, Column, Notes, Section, Table, table
from edgetl.reporting.view.figures import interval, megabytes, number, percent
from edgetl.targets import short_name

READING = (
    "Each budget of the target is judged by its confidence interval: wholly within the limit is a pass, wholly beyond "
    "it a fail, and an interval that holds the limit is inconclusive: more images or runs are needed."
)
# Half of what is printed as 0.0 points.
SAME = 0.0005


def banner(run: Gathered) -> Banner:
    """Return the verdict on a run, or that it has none yet."""
    check = run.check
    if check is None:
        return Banner("muted", "No verdict yet", _so_far(run), ("Run `edgetl check` for a verdict.",))
    sentence = f"{_compared(check)}; {findings.headline(check)}."
    notes = (*(each.reason for each in check.findings if each.outcome != "pass"), *findings.remarks(check))
    if _is_stale(run):
        again = "The candidates were made again after this verdict. Run `edgetl check` again."
        return Banner("muted", f"Out of date: {check.verdict}", sentence, (again, *notes))
    return Banner(check.verdict, check.verdict.capitalize(), sentence, notes)


def section(run: Gathered) -> Section | Absent:
    """Return the figures behind the verdict and the table of budgets."""
    check = run.check
    if check is None:
        return Absent("The verdict", "Run `edgetl check`: it judges the candidate against the baseline.")
    return Section(
        "verdict",
        "What the verdict rests on",
        READING,
        (_cards(run, check), _budgets(check), Notes((findings.evidence(check), findings.timing(check)))),
    )


def _compared(check: CheckResult) -> str:
    if check.candidate == check.baseline:
        return f"{check.candidate} is the baseline itself, which stays because nothing faster is proven as good"
    ratio, drop = check.latency.ratio, check.accuracy.drop
    speed = f"is {1 / ratio:.2f} times as fast as" if ratio <= 1 else f"takes {ratio:.2f} times as long as"
    what = "top-1" if check.accuracy.labelled_by == "people" else "agreement with it"
    if abs(drop) < SAME:
        accuracy = f"keeps its {what}" if what == "top-1" else "answers as it does"
    else:
        accuracy = f"{'loses' if drop > 0 else 'gains'} {100 * abs(drop):.1f} points of {what}"
    return f"{check.candidate} {speed} {check.baseline} and {accuracy}"


def _so_far(run: Gathered) -> str:
    if run.quantize is not None:
        return f"{run.quantize.chosen} is chosen for {short_name(run.quantize.target)} and not judged yet."
    if run.export is not None:
        return "The fp32 model is exported; no candidates were made yet."
    if run.finetune is not None:
        done = run.finetune
        return f"{done.arch} is trained, with validation top-1 {percent(done.val_accuracy)}; it is not exported yet."
    return "There is a benchmark only."


def _is_stale(run: Gathered) -> bool:
    """Return whether the candidates were made again after they were judged."""
    return run.check is not None and run.quantize is not None and run.check.created < run.quantize.created


def _cards(run: Gathered, check: CheckResult) -> Cards:
    accuracy, ratio = check.accuracy, check.latency
    top1 = MEASURES[accuracy.labelled_by]
    cards = [
        Card("speed-up", f"{1 / ratio.ratio:.2f}×", f"{_level(check)} {_faster(ratio.ci)}"),
        *_latency(run),
        Card(top1, percent(accuracy.candidate), f"baseline {percent(accuracy.baseline)}, {accuracy.images} images"),
        Card(
            "top-1 drop, points",
            findings.figure(100 * accuracy.drop, findings.POINTS),
            "the same file"
            if check.candidate == check.baseline
            else f"{_level(check)} {interval(accuracy.ci, '.2f', 100)}",
        ),
        Card("same answer", percent(accuracy.agreement), f"{len(accuracy.flips)} of {accuracy.images} images changed"),
    ]
    sizes = {each.name: each.size_bytes for each in run.quantize.candidates} if run.quantize else {}
    if check.candidate in sizes and check.baseline in sizes:
        cards.append(Card("file", megabytes(sizes[check.candidate]), f"baseline {megabytes(sizes[check.baseline])}"))
    return Cards(tuple(cards))


def _latency(run: Gathered) -> tuple[Card, ...]:
    if run.timed_by != "check" or len(run.timed) < 2:
        return ()
    before, after = run.timed
    return (Card("latency, median", number(after.p50.value, unit="ms"), f"baseline {before.p50.value:.2f} ms"),)


def _level(check: CheckResult) -> str:
    return f"{100 * check.confidence:.4g} % interval"


def _faster(ratio: tuple[float, float]) -> str:
    return interval((1 / ratio[1], 1 / ratio[0]))


def _budgets(check: CheckResult) -> Table:
    named = list(zip(findings.names(check.findings), check.findings, strict=True))
    columns: list[Column[tuple[str, Finding]]] = [
        Column("budget", lambda each: each[0], numeric=False),
        Column("baseline", lambda each: findings.side(each[1], each[1].baseline)),
        Column("candidate", lambda each: findings.side(each[1], each[1].candidate)),
        Column("measured", lambda each: findings.measured(each[1])),
        Column(_level(check), lambda each: findings.interval(each[1].ci, each[1].unit)),
        Column("allowed", lambda each: findings.allowed(each[1])),
        Column("outcome", lambda each: Cell(each[1].outcome, each[1].outcome), numeric=False),
    ]
    return table(f"Budgets of target {short_name(check.target)}", columns, named)
