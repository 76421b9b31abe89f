"""What came of an adaptation: a frozen value that is stored as JSON."""

from __future__ import annotations

from edgetl.artifacts import Interval, Value

SOURCE_ONLY = "source-only"


class Row(Value):
    """A method, or the network without any (`SOURCE_ONLY`). Accuracies are fractions, intervals at 95 %.

    ``source_accuracy`` is on the source's validation images: what is left there. ``confidence`` is the mean probability
    of the predicted class on the unlabelled images of the target, ``entropy`` that of all classes in nats.

    What follows is None without labelled images of the target. ``gain`` is the accuracy on them less that of the
    source-only network on the same images, with its interval; ``recovered`` the gain as a share of what the
    source-only network loses between its own validation images and these, None where it does not lose.
    """

    method: str
    seconds: float
    source_accuracy: float
    confidence: float
    entropy: float
    accuracy: float | None = None
    accuracy_ci: Interval | None = None
    gain: float | None = None
    gain_ci: Interval | None = None
    recovered: float | None = None


class Left(Value):
    """A method that was not tried, and why."""

    method: str
    reason: str


class Adaptation(Value):
    """How a classifier was adapted: by ``method``, ``asked`` for by that name or as ``auto``; ``reason`` says why.

    ``images`` of the target were adapted to; ``skipped`` files were unusable, ``held`` images are judged by.
    ``check_images`` were labelled, and served the report alone. ``rows`` begin with the source-only network.
    """

    asked: str
    method: str
    reason: str
    images: int
    skipped: int
    held: int
    check_images: int
    sha256: str
    rows: tuple[Row, ...]
    left: tuple[Left, ...]

    def row(self, method: str) -> Row:
        """Return the row of that method; raises KeyError."""
        return {row.method: row for row in self.rows}[method]
