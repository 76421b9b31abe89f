"""How the training went, epoch by epoch."""

from __future__ import annotations

from edgetl.gather.values import Curve, Gathered
from edgetl.reporting.view.blocks import NONE, Absent, Chart, Column, Section, Table, table
from edgetl.reporting.view.charts import both
from edgetl.reporting.view.charts import curves as chart
from edgetl.reporting.view.figures import number, percent
from edgetl.training.descent.metrics import EpochMetrics

TITLE = "How the training went"
READING = (
    "Loss is what training lowers. When the validation loss rises while the training loss still falls, the network "
    "learns the training images by heart; edgetl keeps the best epoch. Epoch 0 is the state before."
)


def section(run: Gathered) -> Section | Absent:
    """Return a chart for each training by gradients."""
    if run.finetune is None:
        return Absent(TITLE, "This run has no training of edgetl's.")
    if run.finetune.strategy == "probe" or not run.curves:
        return Absent(
            TITLE,
            f"Strategy {run.finetune.strategy} left no epochs. `edgetl finetune --strategy finetune` has some.",
        )
    return Section("training", TITLE, READING, tuple(_chart(each) for each in run.curves))


def _chart(curve: Curve) -> Chart:
    best = min(curve.epochs, key=lambda each: each.val_loss if each.val_loss is not None else float("inf"))
    last = curve.epochs[-1]
    return Chart(
        f"{curve.name}: losses and top-1 of the images that training stops by",
        f"{last.epoch} epochs; the lowest validation loss is {number(best.val_loss, '.3f')} in epoch {best.epoch}, "
        f"with top-1 {percent(best.val_accuracy)}.",
        *both(lambda width: chart.spec(curve.epochs, width)),
        _table(curve),
    )


def _table(curve: Curve) -> Table:
    columns: list[Column[EpochMetrics]] = [
        Column("epoch", lambda each: str(each.epoch), numeric=False),
        Column("training loss", lambda each: number(each.train_loss, ".4f")),
        Column("validation loss", lambda each: number(each.val_loss, ".4f")),
        Column("top-1", lambda each: percent(each.val_accuracy)),
        Column("seconds", lambda each: number(each.seconds, ".1f")),
        Column("images/s", lambda each: number(each.images_per_s, ".0f") if each.images_per_s else NONE),
    ]
    return table("Epochs in figures", columns, curve.epochs, folded=True)
