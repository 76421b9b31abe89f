"""No image may serve two roles."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetl.dataset import (
    Dataset,
    ImageRef,
    calibration_images,
    fitting_images,
    judging_images,
    selection_images,
    stopping_images,
)
from edgetl.errors import DataError

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


def test_any_beginning_of_the_selection_images_has_the_classes_as_often_as_all() -> None:
    data = dataset(30, 99, 30)
    val = [image.model_copy(update={"label": "a" if place % 50 else "b"}) for place, image in enumerate(data.val)]
    labels = [image.label for image in selection_images(data.model_copy(update={"val": tuple(val)}), 12, 0)]
    assert labels[:50].count("b") == labels[50:].count("b") == 1


def test_the_first_selection_images_are_of_all_classes() -> None:
    """A search that has no time for all of them takes the first."""
    for data in (dataset(30, 6, 9), dataset(30, 6, 0)):
        first = selection_images(data, 12, 0)[:3]
        assert {image.label for image in first} == {"a", "b", "c"}


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
    assert set(selection_images(data, 12, 0)) == set(data.val)
    assert judging_images(data) == data.test
    assert {image.path.split("/")[0] for image in calibration_images(data, 12, 0)} == {"train"}


def test_without_one_train_serves_calibration_and_selection() -> None:
    data = dataset(30, 6, 0)
    assert len(calibration_images(data, 100, 0)) == 10
    assert len(selection_images(data, 100, 0)) == 20
    assert judging_images(data) == data.val


@given(
    train=st.integers(2, 60),
    val=st.integers(1, 20),
    test=st.integers(0, 20),
    overlap=st.integers(0, 2),
    seed=st.integers(0, 5),
)
def test_no_picture_is_fitted_to_and_stopped_by_or_stopped_by_and_judged(
    train: int, val: int, test: int, overlap: int, seed: int
) -> None:
    data = dataset(train, val, test, overlap=overlap)
    judged = {image.sha256 for image in judging_images(data)}
    left = {image.label for image in data.train if image.sha256 not in judged}
    if left < {image.label for image in data.train}:
        with pytest.raises(DataError, match="judged by"):
            stopping_images(data, seed)
        return
    fit, stopping = stopping_images(data, seed)
    contents = [{image.sha256 for image in role} for role in (fit, stopping)]
    assert not contents[0] & contents[1]
    assert not (contents[0] | contents[1]) & judged
    assert contents[0] <= {image.sha256 for image in data.train}
    assert {image.label for image in fit} == left


def test_with_a_test_split_training_stops_by_val_and_fits_to_all_of_train() -> None:
    data = dataset(30, 6, 9)
    assert stopping_images(data, 0) == (data.train, data.val)


def test_what_val_holds_as_well_is_not_fitted_to() -> None:
    data = dataset(30, 6, 9)
    copies = tuple(image.model_copy(update={"path": f"val/{image.path}"}) for image in data.train[:4])
    fit, stopping = stopping_images(data.model_copy(update={"val": copies}), 0)
    assert (fit, stopping) == (data.train[4:], copies)


@pytest.mark.parametrize(("val", "test"), [(30, 0), (6, 30)], ids=["val judges", "test judges"])
def test_what_is_judged_by_is_neither_fitted_to_nor_stopped_by(val: int, test: int) -> None:
    data = dataset(60, val, test, overlap=30)
    assert fitting_images(data) == data.train[:30]
    judged = {image.sha256 for image in judging_images(data)}
    fit, stopping = stopping_images(data, 0)
    assert stopping
    assert not judged & {image.sha256 for image in fit + stopping}


def test_splits_of_the_very_same_files_are_refused_in_a_sentence() -> None:
    data = dataset(9, 9, 0)
    same = data.model_copy(update={"val": data.train})
    for role in (fitting_images, lambda given: stopping_images(given, 0)):
        with pytest.raises(DataError, match=r"'a' is judged by as well.*2 more classes.*in one split only"):
            role(same)
    # Where there are others to judge by, the validation images may be fitted to, unless they stop the training.
    tested = data.model_copy(update={"val": data.train, "test": images("test", 9, 20_000)})
    assert fitting_images(tested) == data.train
    with pytest.raises(DataError, match="validated on"):
        stopping_images(tested, 0)


def test_without_one_training_stops_by_a_share_of_each_class_of_train() -> None:
    data = dataset(60, 6, 0)
    fit, stopping = stopping_images(data, 0)
    assert Counter(image.label for image in stopping) == {"a": 3, "b": 3, "c": 3}
    assert sorted(image.path for image in fit + stopping) == sorted(image.path for image in data.train)
    assert stopping_images(data, 0) == (fit, stopping)
    assert stopping_images(data, 1)[1] != stopping


def test_a_class_of_one_picture_is_fitted_to() -> None:
    data = dataset(4, 6, 0)
    fit, stopping = stopping_images(data, 0)
    assert [image.label for image in stopping] == ["a"]
    assert sorted(image.label for image in fit) == ["a", "b", "c"]


def test_near_identical_pictures_are_not_torn_apart_to_stop_by_them() -> None:
    data = dataset(60, 6, 0)
    scenes = tuple(image.model_copy(update={"alike": f"scene {index // 12}"}) for index, image in enumerate(data.train))
    fit, stopping = stopping_images(data.model_copy(update={"train": scenes}), 0)
    assert {image.label for image in stopping} == set(LABELS)
    assert not {(image.label, image.alike) for image in fit} & {(image.label, image.alike) for image in stopping}


@pytest.mark.parametrize("wanted", [3, 7, 12])
def test_calibration_takes_the_classes_in_turn(wanted: int) -> None:
    counts = Counter(image.label for image in calibration_images(dataset(60, 6, 9), wanted, 0))
    assert max(counts.values()) - min(counts.values()) <= 1


def test_calibration_follows_the_seed() -> None:
    data = dataset(60, 6, 9)
    assert calibration_images(data, 9, 0) == calibration_images(data, 9, 0)
    assert calibration_images(data, 9, 0) != calibration_images(data, 9, 1)


def test_copies_and_near_identical_images_are_of_one_group() -> None:
    first, second, third, *_ = images("train", 9)
    copy = first.model_copy(update={"path": "copy"})
    near = [image.model_copy(update={"alike": second.sha256}) for image in (second, third)]
    assert dataset(9, 3, 0).groups([first, near[0], copy, near[1]]) == [0, 1, 0, 1]
