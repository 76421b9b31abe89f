"""Near-identical pictures are found and different ones are not, in folders as people have them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from edgetl.dataset import Dataset, scan
from edgetl.dataset.alike import alike
from edgetl.dataset.descriptor import SIDE, SIZE, STRUCTURE, describe
from tests.photos import Remarks


def scene(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """A picture with structure at all scales and a colour of its own, unlike any of another seed."""
    generator = np.random.default_rng(seed)
    pixels = np.zeros((height, width, 3))
    for cells in (3, 6, 12, 24, 48):
        coarse = generator.normal(0, 60 / np.sqrt(cells), (cells, cells, 1)) + generator.normal(0, 8, (1, 1, 3))
        coarse = (coarse + 128).clip(0, 255).astype(np.uint8)
        layer = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        pixels += np.asarray(layer, float) - 128
    return Image.fromarray((pixels + 128).clip(0, 255).astype(np.uint8))


def crop(image: Image.Image, share: float) -> Image.Image:
    x, y = round(image.width * share / 2), round(image.height * share / 2)
    return image.crop((x, y, image.width - x, image.height - y))


COPIES: dict[str, tuple[Callable[[Image.Image], Image.Image], dict[str, int]]] = {
    "JPEG of quality 30": (lambda image: image, {"quality": 30}),
    "half the size": (lambda image: image.resize((image.width // 2, image.height // 2)), {}),
    "cropped by 5 %": (lambda image: crop(image, 0.05), {}),
    "10 % brighter": (lambda image: ImageEnhance.Brightness(image).enhance(1.1), {}),
    "mirrored": (ImageOps.mirror, {}),
    "grey": (lambda image: image.convert("L"), {}),
}


def write(image: Image.Image, path: Path, **options: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def two_splits(root: Path, seeds: int = 12) -> Path:
    """Write pictures of two classes into train and val, all different."""
    for number in range(seeds):
        split, label = ("val" if number % 3 == 0 else "train"), "ab"[number % 2]
        write(scene(number), root / split / label / f"{number}.jpg", quality=92)
    return root


def pairs(data: Dataset) -> list[tuple[str, str, str]]:
    return [(leak.first, leak.second, leak.kind) for leak in data.leaks]


@pytest.mark.parametrize("name", COPIES)
def test_a_changed_copy_in_another_split_is_a_leak(tmp_path: Path, name: str) -> None:
    root = two_splits(tmp_path / "photos")
    change, options = COPIES[name]
    write(change(scene(1)), root / "val" / "b" / "copy.jpg", **options)
    progress = Remarks()
    assert pairs(scan(root, progress=progress)) == [("train/b/1.jpg", "val/b/copy.jpg", "near-identical")]
    told = [remark for remark in progress.remarks if "two splits" in remark]
    assert len(told) == 1
    assert "train/b/1.jpg and val/b/copy.jpg (near-identical)" in told[0]


def test_different_pictures_are_none(tmp_path: Path) -> None:
    progress = Remarks()
    data = scan(two_splits(tmp_path / "photos", 40), progress=progress)
    assert not data.leaks
    assert not progress.remarks
    assert not any(image.alike for image in data.train + data.val)


def flat(seed: int, level: int, noise: float) -> Image.Image:
    """A wall under a light from somewhere, or a dark frame, with the noise of a camera."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[-1:1:240j, -1:1:320j]
    angle, slope, fall = generator.uniform(0, 6.3), generator.uniform(0, 30), generator.uniform(0, 30)
    light = level + slope * (np.cos(angle) * x + np.sin(angle) * y) - fall * (x * x + y * y)
    return Image.fromarray((light + generator.normal(0, noise, light.shape)).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize(("level", "noise"), [(150, 3), (2, 1), (255, 0)], ids=["walls", "dark frames", "white"])
def test_flat_pictures_are_not_taken_for_copies_of_one_another(tmp_path: Path, level: int, noise: float) -> None:
    root = two_splits(tmp_path / "photos")
    for number in range(24):
        path = root / ("val" if number % 3 == 0 else "train") / "ab"[number % 2] / f"flat-{number}.jpg"
        write(flat(number, level, noise), path, quality=80 + number % 3)
    data = scan(root)
    assert not [leak for leak in data.leaks if leak.kind == "near-identical"]


def test_light_that_falls_off_is_no_structure() -> None:
    generator = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    walls = []
    for angle, slope in zip(generator.uniform(0, 6.3, 200), generator.uniform(10, 60, 200), strict=True):
        light = 128 + slope * (np.cos(angle) * x + np.sin(angle) * y - 0.5 * (x * x + y * y))
        walls.append(np.repeat((light + generator.normal(0, 0.5, light.shape))[..., None], 3, 2))
    described = describe(np.array(walls).clip(0, 255).astype(np.uint8))
    assert not alike((f"{number}", row) for number, row in enumerate(described)).group


def test_black_with_a_stray_grey_level_is_flat() -> None:
    generator = np.random.default_rng(0)
    frames = np.zeros((300, SIDE, SIDE, 3), np.uint8)
    for frame, (y, x) in zip(frames, generator.integers(0, SIDE, (300, 2)), strict=True):
        frame[y, x] = 1
    assert not alike((f"{number}", row) for number, row in enumerate(describe(frames))).group


def test_a_copy_of_the_very_file_is_reported_once_as_such(tmp_path: Path) -> None:
    root = two_splits(tmp_path / "photos")
    shutil.copy(root / "train/b/1.jpg", root / "val/b/copy.jpg")
    write(scene(1), root / "val" / "b" / "other.jpg", quality=30)
    assert pairs(scan(root)) == [
        ("train/b/1.jpg", "val/b/copy.jpg", "same file"),
        ("train/b/1.jpg", "val/b/other.jpg", "near-identical"),
    ]


def test_one_shape_in_two_colours_is_two_pictures(tmp_path: Path) -> None:
    root = two_splits(tmp_path / "photos")
    for split, label, colours in (("train", "a", ("#400", "#f66")), ("val", "b", ("#004", "#66f"))):
        grey = ImageOps.autocontrast(scene(99).convert("L"))
        write(ImageOps.colorize(grey, *colours), root / split / label / "shape.jpg", quality=92)
    assert not scan(root).leaks


def test_of_a_fixed_camera_only_closer_pictures_are_copies() -> None:
    background = np.asarray(scene(0, SIDE, SIDE), float)
    generator = np.random.default_rng(0)
    thumbnails = []
    for _ in range(200):
        thumbnail = background + generator.normal(0, 2, background.shape)
        x, y = generator.integers(4, 20, 2)
        thumbnail[y : y + 8, x : x + 8] = generator.integers(0, 256, (8, 8, 3))
        thumbnails.append(thumbnail)
    thumbnails += [thumbnail + generator.normal(0, 1, background.shape) for thumbnail in thumbnails[:5]]
    described = describe(np.array(thumbnails).clip(0, 255).astype(np.uint8))
    group = alike((f"{number:03d}", row) for number, row in enumerate(described)).group
    assert group == {f"{number:03d}": f"{number % 200:03d}" for number in [*range(5), *range(200, 205)]}


def test_copies_are_found_among_many_and_whatever_the_order() -> None:
    generator = np.random.default_rng(0)
    structure = generator.normal(0, 1, (8_000, SIZE)).astype(np.float16)
    structure[:, STRUCTURE:] = 0
    copies = structure[:300].copy()
    copies[:, :STRUCTURE] += generator.normal(0, 0.3, (300, STRUCTURE)).astype(np.float16)
    rows = [(f"{number:05d}", row) for number, row in enumerate(np.concatenate([structure, copies]))]
    group = alike(rows).group
    found = sum(group.get(f"{number:05d}") == group.get(f"{8_000 + number:05d}", "") for number in range(300))
    assert found >= 297
    assert len(group) == 2 * found
    assert alike(reversed(rows)).group == group


def test_a_split_made_here_keeps_the_frames_of_a_scene_together(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for number in range(10):
        wide = scene(number, 400, 240)
        for frame in range(6):
            image = wide.crop((4 * frame, 0, 4 * frame + 320, 240))
            write(image, root / "ab"[number % 2] / f"{number}-{frame}.jpg", quality=90)
    progress = Remarks()
    data = scan(root, progress=progress)
    assert not data.leaks
    assert any("60 of 60 images are near-identical" in remark for remark in progress.remarks)
    scenes = [{image.path.split("-")[0] for image in part} for part in (data.train, data.val, data.test)]
    assert [len(part) for part in scenes] == [6, 2, 2]
    assert not scenes[0] & scenes[1]
    assert not scenes[0] & scenes[2]
    assert not scenes[1] & scenes[2]


def test_the_split_of_other_pictures_is_what_it_was(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for number in range(40):
        write(scene(number), root / "ab"[number % 2] / f"{number:02d}.jpg", quality=90)
    before = scan(root)
    write(scene(0), root / "a" / "copy.jpg", quality=30)
    after = scan(root)
    for one, other in ((before.val, after.val), (before.test, after.test)):
        assert [image for image in one if image.label == "b"] == [image for image in other if image.label == "b"]
    where = {image.path: name for name in ("train", "val", "test") for image in after.split(name)}
    assert where["a/copy.jpg"] == where["a/00.jpg"]


def test_a_class_of_one_scene_is_split_all_the_same_and_reported(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for number in range(8):
        write(scene(number), root / "a" / f"{number}.jpg", quality=90)
        write(scene(50), root / "b" / f"{number}.jpg", quality=60 + number)
    data = scan(root)
    assert {image.label for image in data.val} == {"a", "b"}
    assert {leak.second.split("/")[0] for leak in data.leaks} == {"b"}


def test_a_data_set_stored_before_leaks_had_a_kind_still_loads(tmp_path: Path) -> None:
    root = two_splits(tmp_path / "photos")
    shutil.copy(root / "train/b/1.jpg", root / "val/b/copy.jpg")
    data = scan(root)
    data.save(tmp_path)
    file = tmp_path / "data.json"
    text = file.read_text()
    for field in (',\n   "kind": "same file"', ',\n   "alike": ""'):
        assert field in text
        text = text.replace(field, "")
    file.write_text(text)
    assert Dataset.load(tmp_path) == data


@pytest.mark.realdata
def test_real_photos_raise_no_alarm_and_their_copies_do(shared_data: Path, tmp_path: Path) -> None:
    photos = shared_data / "datasets" / "hymenoptera"
    assert not scan(photos).leaks
    root = tmp_path / "photos"
    for split in ("train", "val"):
        for label in ("ants", "bees"):
            for path in sorted((photos / split / label).glob("*.jpg"))[:40]:
                (root / split / label).mkdir(parents=True, exist_ok=True)
                (root / split / label / path.name).symlink_to(path)
    originals = sorted((root / "train").rglob("*.jpg"))[::4]
    for number, (name, (change, options)) in enumerate(COPIES.items()):
        for path in originals[number::6]:
            with Image.open(path) as image:
                write(change(image), root / "val" / path.parent.name / f"{path.stem} {name}.jpg", **options)
    assert len([leak for leak in scan(root).leaks if leak.kind == "near-identical"]) == len(originals) == 20
