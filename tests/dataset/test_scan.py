"""What `scan` makes of folders as people really have them."""

from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path

import pytest

from edgetl.dataset import Dataset, scan
from edgetl.errors import DataError
from tests.photos import Remarks, class_folders, photo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder: `tmp_path` itself holds the working folder and the cache."""
    path = tmp_path / "photos"
    path.mkdir()
    return path


def names(images: object) -> list[str]:
    return [image.path for image in images]  # type: ignore[attr-defined]


def test_class_folders_are_split_so_that_each_class_is_everywhere(folder: Path) -> None:
    data = scan(class_folders(folder, {"red": 20, "blue": 3, "green": 7}))
    assert data.classes == ("blue", "green", "red")
    for split in (data.train, data.val, data.test):
        assert {image.label for image in split} == set(data.classes)
    assert len(data.train) + len(data.val) + len(data.test) == 30
    assert [sum(image.label == "red" for image in split) for split in (data.train, data.val, data.test)] == [14, 3, 3]
    assert not set(names(data.train)) & set(names(data.val) + names(data.test))


def test_two_images_of_a_class_go_to_train_and_val(folder: Path) -> None:
    data = scan(class_folders(folder, {"red": 2, "blue": 9}))
    assert [sum(image.label == "red" for image in split) for split in (data.train, data.val, data.test)] == [1, 1, 0]


def test_the_split_depends_on_the_seed_and_on_nothing_else(folder: Path) -> None:
    here = class_folders(folder / "here", {"red": 20, "blue": 20})
    first = scan(here, seed=1)
    assert scan(here, seed=1) == first
    assert names(scan(here, seed=2).val) != names(first.val)
    there = shutil.copytree(here, folder / "there")
    assert scan(there, seed=1).sha256 == first.sha256


def test_images_added_to_one_class_leave_the_split_of_the_others(folder: Path) -> None:
    root = class_folders(folder, {"red": 20, "blue": 20})
    before = [name for name in names(scan(root).val) if name.startswith("red")]
    photo(root / "blue" / "new.png", seed=99)
    assert [name for name in names(scan(root).val) if name.startswith("red")] == before


def test_the_fingerprint_follows_the_content(folder: Path) -> None:
    root = class_folders(folder, {"red": 5, "blue": 5})
    before = scan(root).sha256
    photo(root / "red" / "000.png", seed=77)
    assert scan(root).sha256 != before


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_split_folders_are_kept_as_they_are(folder: Path, val: str) -> None:
    class_folders(folder / "train", {"red": 4, "blue": 4}, seed=1)
    class_folders(folder / val, {"red": 2, "blue": 2}, seed=2)
    data = scan(folder)
    assert (len(data.train), len(data.val), len(data.test)) == (8, 4, 0)
    assert data.source == "split folders"


def test_without_a_val_folder_one_is_taken_from_train_and_not_from_test(folder: Path) -> None:
    class_folders(folder / "train", {"red": 20, "blue": 20}, seed=1)
    class_folders(folder / "test", {"red": 5, "blue": 5}, seed=2)
    data = scan(folder)
    assert (len(data.train), len(data.val), len(data.test)) == (34, 6, 10)
    assert all(name.startswith("test/") for name in names(data.test))


def test_a_class_may_be_called_train(folder: Path) -> None:
    assert scan(class_folders(folder, {"train": 4, "bus": 4})).classes == ("bus", "train")


def test_unusable_files_are_skipped_with_a_count_and_a_reason(folder: Path) -> None:
    root = class_folders(folder, {"red": 5, "blue": 5})
    (root / "red" / "zero.jpg").touch()
    (root / "red" / "notes.jpg").write_text("not an image")
    whole = photo(folder.parent / "whole.jpg", side=200).read_bytes()
    (root / "blue" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    progress = Remarks()
    data = scan(root, progress=progress)
    assert sorted(names(data.skipped)) == ["blue/half.jpg", "red/notes.jpg", "red/zero.jpg"]
    assert {item.path: item.reason for item in data.skipped}["red/zero.jpg"] == "empty (0 bytes)"
    assert len(data.train + data.val + data.test) == 10
    assert any("3 of 13 files" in remark and "half.jpg" in remark for remark in progress.remarks)
    with pytest.raises(DataError, match=r"3 of 13 files.*--strict"):
        scan(root, strict=True)


def test_a_placeholder_graphic_is_no_photo_but_other_gifs_are(folder: Path) -> None:
    from PIL import Image

    root = class_folders(folder, {"red": 3, "blue": 3})
    colours = photo(folder.parent / "colours.png", side=64)
    with Image.open(colours) as image:
        image.save(root / "red" / "photo.gif")
        few = image.quantize(16)
        few.save(root / "red" / "placeholder.gif")
        few.save(root / "red" / "moving.gif", save_all=True, append_images=[image.rotate(90).quantize(16)])
    assert names(scan(root).skipped) == ["red/placeholder.gif"]


def test_links_to_files_and_folders_are_followed_but_never_in_circles(folder: Path) -> None:
    store = class_folders(folder / "store", {"red": 3, "blue": 3})
    root = folder / "data"
    (root / "red").mkdir(parents=True)
    for path in (store / "red").iterdir():
        (root / "red" / path.name).symlink_to(path)
    (root / "blue").symlink_to(store / "blue")
    (root / "red" / "again").symlink_to(root / "red")
    (root / "red" / "gone.png").symlink_to(folder / "nowhere.png")
    (root / "red" / "self.png").symlink_to(root / "red" / "self.png")
    data = scan(root)
    assert len(data.train + data.val + data.test) == 6
    assert [item.path for item in data.skipped] == ["red/gone.png", "red/self.png"]
    assert data.skipped[0].reason == "no such file"


def test_unicode_names_are_one_class_however_they_are_stored(folder: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "grün") for form in ("NFC", "NFD"))
    class_folders(folder / "train", {composed: 3, "red": 3}, seed=1)
    class_folders(folder / "val", {decomposed: 2, "red": 2}, seed=2)
    data = scan(folder)
    assert data.classes == (composed, "red")
    assert all(path.is_file() for path in data.paths(data.train + data.val))


def test_hidden_files_and_folders_are_passed_over(folder: Path) -> None:
    root = class_folders(folder, {"red": 3, "blue": 3, ".ipynb_checkpoints": 2})
    (root / "red" / ".DS_Store").write_text("x")
    (root / "README.txt").write_text("about this data")
    data = scan(root)
    assert data.classes == ("blue", "red")
    assert not data.skipped


def test_copies_of_a_picture_stay_in_one_split(folder: Path) -> None:
    root = class_folders(folder, {"red": 12, "blue": 12})
    for path in list((root / "red").iterdir()):
        shutil.copy(path, path.with_name(f"copy-{path.name}"))
    data = scan(root)
    assert not data.leaks
    assert any(name.startswith("red/copy") for name in names(data.val))


def test_a_picture_in_train_and_val_is_reported_as_a_leak(folder: Path) -> None:
    class_folders(folder / "train", {"red": 3, "blue": 3}, seed=1)
    class_folders(folder / "val", {"red": 2, "blue": 2}, seed=2)
    shutil.copy(folder / "train/red/000.png", folder / "val/red/other-name.png")
    progress = Remarks()
    data = scan(folder, progress=progress)
    assert [(leak.first, leak.second) for leak in data.leaks] == [("train/red/000.png", "val/red/other-name.png")]
    assert any("two splits" in remark for remark in progress.remarks)


def test_all_three_splits_are_kept_as_they_are(folder: Path) -> None:
    for split, count in (("training", 4), ("dev", 2), ("Test", 3)):
        class_folders(folder / split, {"red": count, "blue": count}, seed=count)
    data = scan(folder)
    assert (len(data.train), len(data.val), len(data.test)) == (8, 4, 6)


def test_links_may_lead_outside_and_to_one_another(folder: Path) -> None:
    outside = class_folders(folder / "outside", {"red": 3, "blue": 3})
    root = folder / "data"
    for label in ("red", "blue"):
        (root / label).mkdir(parents=True)
        for path in (outside / label).iterdir():
            (root / label / path.name).symlink_to(path)
    (root / "red" / "loop").symlink_to(root / "blue")
    (root / "blue" / "loop").symlink_to(root / "red")
    data = scan(root)
    assert {image.sha256 for image in data.train + data.val + data.test} == {
        image.sha256 for split in ("train", "val", "test") for image in scan(outside).split(split)
    }
    assert not data.skipped


def test_names_of_any_kind_are_kept_stored_and_opened(folder: Path) -> None:
    odd = ("with blank.png", 'it\'s "quoted".png', "line\nbreak.png", "🐝 größe 蜂.png", "%41 $HOME ;.png", "-rf.png")
    both = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    root = class_folders(folder / "data", {"red": 3, "it's a \n 🐜": 3})
    for index, name in enumerate([*odd, *both]):
        photo(root / "red" / name, seed=900 + index)
    data = scan(root)
    data.save(folder)
    images = data.train + data.val + data.test
    assert Dataset.load(folder) == data
    assert {f"red/{name}" for name in (*odd, *both)} < set(names(images))
    assert all(path.is_file() for path in data.paths(images))


def test_names_that_are_no_utf_8_are_refused_or_skipped(folder: Path) -> None:
    import os

    root = class_folders(folder / "data", {"red": 3, "blue": 3})
    shutil.copy(root / "red/000.png", os.fsdecode(os.fsencode(root / "red") + b"/\xff.png"))
    assert [item.reason for item in scan(root).skipped] == ["its name is not UTF-8; rename it"]
    (root / "blue").rename(os.fsdecode(os.fsencode(root) + b"/\xff"))
    with pytest.raises(DataError, match=r"not UTF-8. Rename it"):
        scan(root)


def test_a_film_among_the_photos_is_not_read(folder: Path) -> None:
    import os

    root = class_folders(folder, {"red": 3, "blue": 3})
    with (root / "red" / "film.mp4").open("wb") as file:
        os.truncate(file.fileno(), 1 << 42)
    assert [item.reason for item in scan(root).skipped] == ["too large: more than 1 GiB"]


BAD = {
    "has images beside train/ and val/, but no folders": ({"train": 2, "val": 2}, "train.*no train folder with"),
    "has no train folder": ({"val/red": 2, "val/blue": 2, "test/red": 2}, "test, val.*no train folder with"),
    "is missing": ({}, "no folder or manifest"),
    "is empty": ({"": 0}, "is empty"),
    "has one class": ({"red": 5}, "one class"),
    "has a class with one image": ({"red": 5, "blue": 1}, "'blue': a class needs two"),
    "has an empty class": ({"red": 5, "blue": 0}, "holds no files"),
    "has a val class without training images": ({"train/red": 3, "train/blue": 3, "val/green": 2}, "'green'"),
}


@pytest.mark.parametrize(("counts", "message"), BAD.values(), ids=BAD)
def test_bad_data_is_refused_in_a_sentence(folder: Path, counts: dict[str, int], message: str) -> None:
    root = folder / "data"
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        class_folders(root, {name: count}, seed=hash(name) % 1000)
    with pytest.raises(DataError, match=message) as caught:
        scan(root)
    assert caught.value.exit_code == 2


def test_a_folder_of_junk_alone_is_refused_with_the_first_reason(folder: Path) -> None:
    for name in ("red", "blue"):
        (folder / name).mkdir()
        (folder / name / "a.jpg").touch()
    with pytest.raises(DataError, match=r"No file .* usable image.*0 bytes"):
        scan(folder)


def test_images_without_class_folders_are_refused(folder: Path) -> None:
    photo(folder / "a.png")
    with pytest.raises(DataError, match="no class folders"):
        scan(folder)


def test_a_folder_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    root = class_folders(folder, {"red": 3, "blue": 3})
    real = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "red":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"red cannot be read: permission denied"):
        scan(root)


def test_a_saved_data_set_comes_back_and_a_newer_or_damaged_one_is_refused(folder: Path) -> None:
    from edgetl.errors import RunError

    data = scan(class_folders(folder / "data", {"red": 3, "blue": 3}))
    run = folder / "run"
    data.save(run)
    assert Dataset.load(run) == data
    file = run / "data.json"
    text = file.read_text()
    file.write_text(text.replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(RunError, match="newer"):
        Dataset.load(run)
    file.write_text(text[:100])
    with pytest.raises(RunError, match="damaged"):
        Dataset.load(run)
    file.unlink()
    with pytest.raises(RunError, match="edgetl finetune"):
        Dataset.load(run)


@pytest.mark.realdata
def test_hymenoptera_has_its_junk_file_reported(shared_data: Path) -> None:
    data = scan(shared_data / "datasets" / "hymenoptera")
    assert (len(data.train), len(data.val)) == (244, 153)
    assert names(data.skipped) == ["train/ants/imageNotFound.gif"]


def test_a_picture_in_two_classes_is_reported_and_refused_when_strict(folder: Path) -> None:
    class_folders(folder, {"red": 4, "blue": 4})
    one = sorted((folder / "red").iterdir())[0]
    shutil.copy(one, folder / "blue" / "copy.png")
    progress = Remarks()
    scan(folder, progress=progress)
    (remark,) = (remark for remark in progress.remarks if "two classes" in remark)
    assert f"red/{one.name}" in remark and "blue/copy.png" in remark
    assert len(scan(folder).contradictions()) == 1
    with pytest.raises(DataError, match="two classes"):
        scan(folder, strict=True)
