"""Reading the domain to adapt to: unlabelled images at any depth, and labelled ones that are never adapted to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgetl.dataset import Dataset, judging_images, scan
from edgetl.errors import DataError
from edgetl.training.adapt import target
from edgetl.training.settings import Adapt
from tests.photos import Remarks, class_folders, photo


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return scan(class_folders(tmp_path / "source", {"red": 6, "green": 6}))


def folder_of(root: Path, count: int = 10) -> Path:
    for index in range(count):
        photo(root / ("deep/deeper" if index % 2 else ".") / f"{index}.png", seed=500 + index)
    return root


def test_images_are_found_at_any_depth_and_folder_names_say_nothing(dataset: Dataset, tmp_path: Path) -> None:
    read, check = target.read(Adapt(folder_of(tmp_path / "new")), dataset, Remarks())
    assert len(read.paths) == len(set(read.hashes)) == 10
    assert check is None


def test_the_same_images_are_the_same_target_whatever_their_names(dataset: Dataset, tmp_path: Path) -> None:
    first, _ = target.read(Adapt(folder_of(tmp_path / "new")), dataset, Remarks())
    other = tmp_path / "other"
    other.mkdir()
    for index, path in enumerate(reversed(first.paths)):
        shutil.copy(path, other / f"renamed {7 * index % 10}.png")
        shutil.copy(path, other / f"copy {3 * index % 10}.png")
    second, _ = target.read(Adapt(other), dataset, Remarks())
    assert second.hashes == first.hashes
    assert target.fingerprint(second, None) == target.fingerprint(first, None)


def test_labelled_and_judged_images_are_not_adapted_to(dataset: Dataset, tmp_path: Path) -> None:
    new = folder_of(tmp_path / "new")
    labelled = tmp_path / "check" / "red"
    labelled.mkdir(parents=True)
    shutil.copy(new / "0.png", labelled / "a.png")
    shutil.copy(dataset.paths(judging_images(dataset))[0], new / "judged.png")
    remarks = Remarks()
    read, check = target.read(Adapt(new, tmp_path / "check"), dataset, remarks)
    assert check is not None
    assert check.labels == (dataset.classes.index("red"),)
    assert len(read.paths) == 9
    assert read.held == 2
    assert not set(read.hashes) & ({*check.hashes} | {image.sha256 for image in judging_images(dataset)})
    assert any("2 images" in remark for remark in remarks.remarks)
    assert target.fingerprint(read, check) != target.fingerprint(read, None)


def test_unusable_files_are_skipped_with_a_remark(dataset: Dataset, tmp_path: Path) -> None:
    new = folder_of(tmp_path / "new")
    (new / "notes.txt").write_text("no image")
    (new / ".hidden").write_text("passed over")
    remarks = Remarks()
    read, _ = target.read(Adapt(new), dataset, remarks)
    assert read.skipped == 1
    assert any("notes.txt" in remark for remark in remarks.remarks)


def test_a_link_back_into_the_folder_ends(dataset: Dataset, tmp_path: Path) -> None:
    new = folder_of(tmp_path / "new")
    (new / "deep" / "again").symlink_to(new)
    remarks = Remarks()
    assert len(target.read(Adapt(new), dataset, remarks)[0].paths) == 10
    assert {total for _, _, total in remarks.steps} == {10}


def test_a_manifest_can_label_the_slice(dataset: Dataset, tmp_path: Path) -> None:
    photo(tmp_path / "slice" / "a.png", seed=900)
    manifest = tmp_path / "slice.csv"
    manifest.write_text("path,label\nslice/a.png,green\n")
    _, check = target.read(Adapt(folder_of(tmp_path / "new"), manifest), dataset, Remarks())
    assert check is not None
    assert check.labels == (dataset.classes.index("green"),)


def test_what_cannot_be_adapted_to_is_said_in_a_sentence(dataset: Dataset, tmp_path: Path) -> None:
    new = folder_of(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    class_folders(tmp_path / "strange", {"grean": 1})
    few = folder_of(tmp_path / "few", target.LEAST - 1)
    for settings, told in (
        (Adapt(tmp_path / "nowhere"), "no folder"),
        (Adapt(tmp_path / "empty"), "empty"),
        (Adapt(few), f"at least {target.LEAST}"),
        (Adapt(new, tmp_path / "nowhere"), "--adapt-check"),
        (Adapt(new, tmp_path / "strange"), "Did you mean 'green'"),
    ):
        with pytest.raises(DataError, match=told):
            target.read(settings, dataset, Remarks())
