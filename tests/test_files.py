"""A killed or failed write leaves the old file."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgetl.errors import UsageError
from edgetl.files import replacing, require_place, write_text


def test_a_failed_write_leaves_the_old_content_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "here" / "result.json"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise RuntimeError
    assert path.read_text(encoding="utf-8") == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_is_one_sentence_with_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_text(path, "old")
    with pytest.raises(UsageError, match="disk is full") as caught, replacing(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.exit_code == 2
    assert path.read_text(encoding="utf-8") == "old"


def test_a_killed_writer_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_text(path, "old")
    script = (
        "import os, signal, sys; from pathlib import Path; from edgetl.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as t: t.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text(encoding="utf-8") == "old"


def test_a_folder_that_is_a_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="Cannot write"):
        write_text(tmp_path / "file" / "result.json", "new")


def test_a_place_that_cannot_be_one_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for path in (tmp_path / "notes.txt", tmp_path / "notes.txt" / "run"):
        with pytest.raises(UsageError, match=r"notes\.txt is not a folder"):
            require_place(path)
    require_place(tmp_path / "not" / "yet" / "there")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["notes.txt"]
    assert not (tmp_path / "not").exists()
