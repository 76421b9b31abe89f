"""A disk that runs full: one sentence, exit code 2, what was there is whole, and no rubbish beside it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from tests.cli.hostile import contents, photos, run, small_run

pytestmark = [pytest.mark.training, pytest.mark.engine]

Disk = Callable[[Path, str], Path]


@pytest.fixture
def disk() -> Iterator[Disk]:
    """Return a function that mounts a disk of a given size on a folder."""
    mounted: list[Path] = []

    def mount(folder: Path, size: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "edgetl-test", str(folder)]
        try:
            subprocess.run(command, capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("this user may not mount a small disk")
        mounted.append(folder)
        return folder

    yield mount
    for folder in reversed(mounted):
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, a finetuned run and a warm cache."""
    root = tmp_path_factory.mktemp("full-disk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGETL_CACHE", str(root / "cache"))
        small_run(root)
    return root


def test_the_run_s_disk_is_full(template: Path, disk: Disk, tmp_path: Path) -> None:
    environment = {"EDGETL_CACHE": str(template / "cache")}
    folder = disk(tmp_path / "disk", "8m")
    arguments = ("--data", str(template / "photos"), "--arch", "squeezenet1_1", "--weights", "none")
    first = run("finetune", *arguments, "--out", str(folder), env=environment)
    assert first.code == 0, first.err
    (folder / "ballast").write_bytes(bytes(3_000_000))
    before = contents(folder)
    for command in (("finetune", *arguments, "--seed", "1", "--out"), ("export", "--run")):
        said = run(*command, str(folder), env=environment)
        assert said.code == 2, said
        assert "The disk is full" in said.error
        assert str(folder) in said.error
        assert contents(folder) == before
    (folder / "ballast").unlink()
    assert run("finetune", *arguments, "--seed", "1", "--out", str(folder), env=environment).code == 0


def test_the_cache_s_disk_is_full(disk: Disk, tmp_path: Path) -> None:
    cache = disk(tmp_path / "small-cache", "16k")
    said = run(
        "finetune",
        *("--data", str(photos(tmp_path / "photos")), "--arch", "squeezenet1_1", "--weights", "none"),
        env={"EDGETL_CACHE": str(cache)},
    )
    assert said.code == 2, said
    assert "The disk is full" in said.error
    assert str(cache) in said.error
    assert [path for path in cache.rglob("*") if path.is_file() and path.name.startswith(".")] == []
    assert list(Path.cwd().iterdir()) == []


def test_the_temporary_disk_is_full(template: Path, disk: Disk, tmp_path: Path) -> None:
    shutil.copytree(template / "runs", Path.cwd() / "runs", symlinks=True)
    said = run("export")
    assert said.code == 0, said.err
    before = contents(Path.cwd())
    temporary = disk(tmp_path / "small-tmp", "256k")
    said = run("quantize", "--time-budget", "5s", env={"TMPDIR": str(temporary)})
    assert said.code == 2, said
    assert "The disk is full" in said.error
    assert contents(Path.cwd()) == before
    assert list(temporary.iterdir()) == []
