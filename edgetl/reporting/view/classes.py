"""Class by class: what is taken for what, and which classes the candidate costs most."""

from __future__ import annotations

from edgetl.artifacts import Accuracy, ClassResult
from edgetl.evaluation import ClassFigures, Confusion, Evaluation
from edgetl.gather.values import Gathered
from edgetl.reporting.view.blocks import Absent, Block, Column, Matrix, Notes, Section, Table, table
from edgetl.reporting.view.figures import interval, number, percent

TITLE = "Class by class"
READING = (
    "Recall: how much of a class is found. Precision: how often the name of the class is right when it is said. In the "
    "matrix, rows are what an image shows and columns what the classifier says: the diagonal is right."
)
# More classes make a matrix that nobody reads; then the worst are listed.
MATRIX_CLASSES, WORST, CONFUSIONS = 12, 10, 10


def section(run: Gathered) -> Section | Absent:
    """Return the trained classifier by class, and what the candidate changed."""
    trained = _trained(run.evaluation) if run.evaluation else ()
    judged = (_drops(run.check.accuracy),) if run.check is not None and run.check.accuracy.classes else ()
    if not trained and not judged:
        return Absent(TITLE, "Run `edgetl finetune` or `edgetl check`: they judge class by class.")
    return Section("classes", TITLE, READING, (*trained, *judged))


def _trained(value: Evaluation) -> tuple[Block, ...]:
    where = f"of the trained network on {value.images} images ({value.split})"
    if len(value.classes) <= MATRIX_CLASSES:
        return (_matrix(value, f"Confusion matrix {where}"), _worst(value, where), *_probabilities(value))
    return (_worst(value, where), *_confused(value), *_probabilities(value))


def _matrix(value: Evaluation, caption: str) -> Matrix:
    confused = {(each.label, each.predicted): each.images for each in value.confusions}
    right = {each.name: each.right for each in value.classes}
    names = tuple(right)
    counts = tuple(
        tuple(right[true] if true == said else confused.get((true, said), 0) for said in names) for true in names
    )
    return Matrix(caption, names, counts)


def _worst(value: Evaluation, where: str) -> Table:
    judged = [each for each in value.classes if each.images]
    worst = sorted(judged, key=lambda each: (each.right / each.images, -each.images))[:WORST]
    columns: list[Column[ClassFigures]] = [
        Column("class", lambda each: each.name, numeric=False),
        Column("right", lambda each: f"{each.right} of {each.images}"),
        Column("recall", lambda each: percent(each.recall)),
        Column("95 % interval, %", lambda each: interval(each.recall_ci, ".1f", 100)),
        Column("precision", lambda each: percent(each.precision)),
    ]
    caption = "Classes" if len(worst) == len(judged) else f"Worst {len(worst)} of {len(judged)} classes"
    return table(f"{caption} {where}, the worst first", columns, worst)


def _confused(value: Evaluation) -> tuple[Table, ...]:
    columns: list[Column[Confusion]] = [
        Column("shows", lambda each: each.label, numeric=False),
        Column("taken for", lambda each: each.predicted, numeric=False),
        Column("images", lambda each: str(each.images)),
    ]
    shown = value.confusions[:CONFUSIONS]
    return (table("Most frequent confusions", columns, shown),) if shown else ()


def _probabilities(value: Evaluation) -> tuple[Notes, ...]:
    now = value.calibration
    believed = "off by more than chance" if now.off else "off by no more than chance"
    return (
        Notes(
            (
                f"Its probabilities say {percent(now.confidence)} on average, and it is right in "
                f"{percent(value.accuracy)}: {believed} (mean gap, ECE, {percent(now.ece)}).",
            )
        ),
    )


def _drops(accuracy: Accuracy) -> Table | Notes:
    losing = [each for each in accuracy.classes if each.drop > 0][:WORST]
    if not losing:
        return Notes(("By the candidate none of the classes loses anything.",))
    columns: list[Column[ClassResult]] = [
        Column("class", lambda each: each.name, numeric=False),
        Column("images", lambda each: str(each.images)),
        Column("baseline", lambda each: percent(each.baseline)),
        Column("candidate", lambda each: percent(each.candidate)),
        Column("drop, points", lambda each: number(100 * each.drop + 0.0, ".1f")),
        Column("interval", lambda each: interval(each.ci, ".1f", 100)),
    ]
    return table("Classes that the candidate costs something, the most first", columns, losing)
