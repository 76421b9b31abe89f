"""An evaluation on a terminal: it fits, it does not flood, and it says what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgetl.artifacts import FinetuneResult
from edgetl.evaluation import Evaluation, Lineage, evaluate
from edgetl.reporting import terminal
from tests.honest import honest
from tests.reporting.test_terminal import drawn

EIGHT = ("abrasion", "contamination", "crack", "dent", "good", "hole", "scratch", "stain")
LONG = "a class whose name does not end where one would wish"


def result(classes: tuple[str, ...], images: int) -> FinetuneResult:
    return FinetuneResult(
        run="runs/photos-mobilenet_v2", inputs="", seconds=3.2, arch="mobilenet_v2", weights="imagenet",
        weights_sha256="", classes=classes, strategy="probe", head="linear", seed=0, train_images=5 * images,
        val_images=images, skipped_images=0, train_accuracy=1.0, val_accuracy=0.9, val_accuracy_ci=(0.85, 0.95),
        classifier="classifier.safetensors", sha256="", preprocess={}, data="data.json", data_sha256="", phases={},
    )  # fmt: skip


def evaluation(classes: tuple[str, ...], images: int = 320, sharpness: float = 1.0, **more: Any) -> Evaluation:
    logits, labels = honest(images, len(classes), **more)
    paths = [f"val/{classes[label]}/IMG_{number:05d} of the new camera.jpg" for number, label in enumerate(labels)]
    lineage = Lineage("runs/photos-mobilenet_v2", "", "")
    return evaluate(sharpness * logits, labels, classes, paths, split="val", lineage=lineage)


def shown(value: Evaluation, width: int) -> str:
    classes = tuple(each.name for each in value.classes)
    return drawn(terminal.finetune(result(classes, value.images), value), width)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    "classes",
    [("ants", "bees"), EIGHT, tuple(f"{n} {LONG}" for n in range(10)), tuple(f"n{n:08d}" for n in range(100))],
    ids=["two", "eight", "ten with long names", "hundred"],
)
def test_it_fits_the_terminal_and_a_screen(classes: tuple[str, ...], width: int) -> None:
    lines = shown(evaluation(classes, images=400, sharpness=3.0), width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 30
    assert lines[-1].endswith("next: edgetl export --calibrated")


def test_what_is_kept_for_the_verdict_and_what_contradicts_itself_is_said() -> None:
    some = {"test_images": 40, "contradictory_images": 2}
    text = drawn(terminal.finetune(result(("ants", "bees"), 30).model_copy(update=some)), 120)
    assert "40 more are kept for the verdict" in text
    assert "2 images are in two classes at once" in text
    text = drawn(terminal.finetune(result(("ants", "bees"), 30)), 120)
    assert "verdict" not in text and "two classes" not in text


def test_few_classes_are_a_matrix_with_every_count() -> None:
    value = evaluation(("ants", "bees"), 150)
    ants, bees = value.classes
    wrong = {each.label: each.images for each in value.confusions}
    lines = [line.split() for line in shown(value, 80).splitlines()]
    assert next(line for line in lines if "ants" in line)[:2] == ["ants", "bees"]
    assert next(line for line in lines if line[:1] == ["ants"] and line[1].isdigit())[1:3] == [
        str(ants.right),
        str(wrong["ants"]),
    ]
    assert next(line for line in lines if line[:1] == ["bees"])[1:3] == [str(wrong["bees"]), str(bees.right)]


def test_the_matrix_has_names_where_they_fit_and_numbers_where_not() -> None:
    value = evaluation(EIGHT)
    narrow, wide = shown(value, 80).splitlines(), shown(value, 120).splitlines()
    assert narrow[1].split()[:8] == list("12345678")
    assert narrow[3].startswith("2 contamination")
    assert wide[1].split()[:8] == list(EIGHT)
    assert wide[3].startswith("contamination")


def test_many_classes_are_the_worst_ones_and_the_most_frequent_confusions() -> None:
    classes = tuple(f"n{n:03d}" for n in range(100))
    value = evaluation(classes, images=2000, strength=6.0)
    lines = shown(value, 80).splitlines()
    start = lines.index(next(line for line in lines if line.startswith("worst of 100 classes")))
    recalls = [float(line.split()[4]) for line in lines[start + 2 : start + 7]]
    assert recalls == sorted(recalls)
    assert recalls[0] == pytest.approx(100 * min(each.recall or 0.0 for each in value.classes), abs=0.05)
    start = lines.index("most frequent confusions")
    first = value.confusions[0]
    assert lines[start + 2].split() == [first.label, first.predicted, str(first.images)]
    assert lines[start + 7].startswith("most confident mistakes")


def test_a_mistake_names_its_file_whole() -> None:
    value = evaluation(EIGHT)
    for width in (80, 120):
        text = shown(value, width)
        for each in value.mistakes[:3]:
            assert any(line.endswith(each.path) for line in text.splitlines())
        assert value.mistakes[3].path not in text


@pytest.mark.parametrize(
    ("sharpness", "sentence", "following"),
    [
        (1.0, "off by no more than chance", "edgetl export"),
        (3.0, "too sure of itself", "edgetl export --calibrated"),
        (0.4, "too unsure of itself", "edgetl export --calibrated"),
    ],
)
def test_whether_probabilities_can_be_believed_is_a_sentence(sharpness: float, sentence: str, following: str) -> None:
    value = evaluation(EIGHT, 600, sharpness)
    text = shown(value, 80)
    assert sentence in text
    assert text.splitlines()[-1].endswith(f"next: {following}")
    assert (f"temperature {value.temperature:.2f}" in text) == (sharpness != 1.0)


def test_nothing_is_said_of_mistakes_where_there_are_none() -> None:
    for classes in (2, 20):
        names = tuple(f"class {number}" for number in range(classes))
        labels = [number % classes for number in range(60)]
        logits = 9 * np.eye(classes)[labels]
        value = evaluate(logits, labels, names, ["x.jpg"] * 60, split="val", lineage=Lineage("", "", ""))
        text = shown(value, 80)
        assert not any(word in text for word in ("mistakes", "confusions", "worst", "balanced", "x.jpg"))


def test_a_balanced_accuracy_is_shown_where_it_differs() -> None:
    labels = [0] * 90 + [1] * 10
    logits = np.tile([3.0, 0.0], (100, 1))
    value = evaluate(logits, labels, ("many", "few"), ["x.jpg"] * 100, split="val", lineage=Lineage("", "", ""))
    assert "the mean over classes: 50.0 %" in shown(value, 80)


def test_without_an_evaluation_the_summary_stands_alone() -> None:
    text = drawn(terminal.finetune(result(EIGHT, 320)), 80)
    assert text.startswith("finetune mobilenet_v2")
    assert text.splitlines()[-1].endswith("next: edgetl export")


def test_brackets_in_the_name_of_a_class_are_part_of_it() -> None:
    lines = shown(evaluation(("[/red]", "bees [x]"), 150), 80).splitlines()
    heading = next(line for line in lines if line.split()[-1] in ("interval", "precision"))
    assert heading.split()[:3] == ["[/red]", "bees", "[x]"]
