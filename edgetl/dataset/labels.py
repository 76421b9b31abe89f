"""What the user's labels mean to the model: class indices, from a list, from names, or from the order of folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgetl.dataset.find import Images
from edgetl.dataset.values import Source
from edgetl.errors import DataError, nearest

NONE = "No label says what the images show: candidates are judged by their agreement with the baseline."


@dataclass(frozen=True)
class Meaning:
    """The names of the model's classes in the order of its outputs, and each label's name among them.

    ``names`` is None where the labels do not tell the model's classes; ``remark`` is what the user should know.
    """

    classes: tuple[str, ...]
    names: Mapping[str, str] | None
    remark: str = ""


def meaning_of(found: Images, labels: Path | None, known: Sequence[str], outputs: int) -> Meaning:
    """Return what the labels of ``found`` images mean to a model of ``outputs`` classes.

    ``known`` are its classes' names, empty where nobody knows; ``labels`` is the list that the user gave, if any.
    Raises DataError for a label in it that is no class.
    """
    given = [image.label for image in found.images]
    if labels is not None:
        return of_list(given, known, outputs, labels)
    return of_layout(given, known, outputs, found.source)


def of_list(labels: Sequence[str], known: Sequence[str], outputs: int, where: Path) -> Meaning:
    """Return the meaning of labels that the user listed in ``where``: names that are known, or class indices.

    Raises DataError for a label that is neither.
    """
    if known and set(labels) <= set(known):
        return Meaning(tuple(known), {label: label for label in labels})
    classes = tuple(known) or numbered(outputs)
    wrong = sorted(label for label in set(labels) if not (_is_number(label) and int(label) < outputs))
    if wrong:
        hint = nearest(wrong[0], known) if known else ""
        names = f" and no name of a class such as '{known[0]}'" if known else ""
        raise DataError(
            f"The label '{wrong[0]}' in {where} is no class index from 0 to {outputs - 1}{names}. The model has "
            f"{outputs} classes.{hint}"
        )
    return Meaning(classes, {label: classes[int(label)] for label in labels})


def of_layout(labels: Sequence[str], known: Sequence[str], outputs: int, source: Source) -> Meaning:
    """Return the meaning of labels that folders or a manifest give, where they tell the model's classes."""
    distinct = sorted(set(labels))
    classes = tuple(known) or numbered(outputs)
    if distinct == [""]:
        return Meaning(classes, None, NONE)
    if known and set(distinct) <= set(known):
        return Meaning(classes, {label: label for label in distinct})
    numbers = all(_is_number(label) for label in distinct)
    if source == "manifest" and numbers and all(int(label) < outputs for label in distinct):
        return Meaning(classes, {label: classes[int(label)] for label in distinct})
    # Folders "10" and "2": torchvision would sort them as text, and someone may have counted.
    one_order = not numbers or distinct == sorted(distinct, key=int)
    if not known and len(distinct) == outputs and one_order:
        remark = (
            f"The {outputs} labels in alphabetical order are taken for the model's {outputs} classes, as torchvision's "
            f"ImageFolder counts: '{distinct[0]}' is 0. If that is wrong, give --labels."
        )
        return Meaning(tuple(distinct), {label: label for label in distinct}, remark)
    return Meaning(
        classes,
        None,
        f"The {len(distinct)} labels do not tell which of the model's {outputs} classes they are: candidates are "
        "judged by their agreement with the baseline. To judge by labels, give --labels with class indices.",
    )


def numbered(outputs: int) -> tuple[str, ...]:
    """Return the names of classes whose names nobody knows."""
    return tuple(str(index) for index in range(outputs))


def _is_number(label: str) -> bool:
    # Not isdigit alone, which takes superscripts as well.
    return label.isascii() and label.isdigit()
