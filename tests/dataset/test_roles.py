"""No image may serve two roles."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetl.dataset import Dataset, ImageRef, calibration_images, judging_images, selection_images

LABELS = ("a", "b", "c")


def images(split: str, count: int, offset: int = 0) -> tuple[ImageRef, ...]:
    return tuple(ImageRef(path=f"{split}/{i}", label=LABELS[i % 3], sha256=f"{offset + i:064x}") for i in range(count))


def dataset(train: int, val: int, test: int, *, overlap: int = 0) -> Dataset:
    """Return a data set whose last split begins with ``overlap`` pictures of the training split."""
    return Dataset(
        root="/data",
        source="split folders",
        classes=LABELS,
        train=images("train", train),
        val=images("val", val, 10_000 if test else train - overlap),
        test=images("test", test, train - overlap),
        skipped=(),
        leaks=(),
        sha256="",
    )


@given(
    train=st.integers(2, 60),
    val=st.integers(1, 20),
    test=st.integers(0, 20),
    overlap=st.integers(0, 2),
    wanted=st.integers(1, 80),
    seed=st.integers(0, 5),
)
def test_roles_share_no_picture(train: int, val: int, test: int, overlap: int, wanted: int, seed: int) -> None:
    data = dataset(train, val, test, overlap=overlap)
    roles = (
        calibration_images(data, wanted, seed),
        selection_images(data, wanted, seed),
        judging_images(data),
    )
    contents = [{image.sha256 for image in role} for role in roles]
    assert not contents[0] & contents[1]
    assert not contents[0] & contents[2]
    assert not contents[1] & contents[2]
    assert len(roles[0]) <= wanted


def test_with_a_test_split_val_selects_and_test_judges() -> None:
    data = dataset(30, 6, 9)
    assert selection_images(data, 12, 0) == data.val
    assert judging_images(data) == data.test
    assert {image.path.split("/")[0] for image in calibration_images(data, 12, 0)} == {"train"}


def test_without_one_train_serves_calibration_and_selection() -> None:
    data = dataset(30, 6, 0)
    assert len(calibration_images(data, 100, 0)) == 15
    assert len(selection_images(data, 100, 0)) == 15
    assert judging_images(data) == data.val


@pytest.mark.parametrize("wanted", [3, 7, 12])
def test_calibration_takes_the_classes_in_turn(wanted: int) -> None:
    counts = Counter(image.label for image in calibration_images(dataset(60, 6, 9), wanted, 0))
    assert max(counts.values()) - min(counts.values()) <= 1


def test_calibration_follows_the_seed() -> None:
    data = dataset(60, 6, 9)
    assert calibration_images(data, 9, 0) == calibration_images(data, 9, 0)
    assert calibration_images(data, 9, 0) != calibration_images(data, 9, 1)
