"""What the tests of the whole command line share: real processes, photos for them, and what lies in a folder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from edgetl.cli import main
from edgetl.progress import Silent
from tests.photos import class_folders

COMMAND = (sys.executable, "-m", "edgetl")
COLOURS = ("blue", "green", "red")


@dataclass(frozen=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return the one object on stdout; NaN and Infinity are no JSON."""
        return json.loads(self.out, parse_constant=_not_json)

    @property
    def error(self) -> str:
        """Return the sentence of an error, which is alone of its kind and the last line of stderr but for the page."""
        assert "Traceback" not in self.err, self.err
        *_, last = [each for each in self.err.strip().splitlines() if not each.startswith("More: edgetl docs")]
        assert last.startswith("Error: "), self.err
        assert self.err.count("Error: ") == 1, self.err
        assert last.endswith((".", "?", ")")), last
        return last.removeprefix("Error: ")


def invoke(*arguments: str) -> Said:
    """Run a command in this process."""
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def start(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> subprocess.Popen[str]:
    """Start a command as a process of its own; ``env`` is added to this one's."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        start_new_session=True,
    )


def run(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Said:
    """Run a command as a process of its own."""
    process = start(*arguments, env=env, cwd=cwd)
    out, err = process.communicate(timeout=300)
    return Said(process.returncode, out, err)


# Takes the terminal that it was started at for its own, so that Ctrl-C there reaches it.
_OWNING = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


def on_terminal(
    *arguments: str, columns: int = 80, env: Mapping[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], int]:
    """Start a command on a terminal of its own that is so wide; return it and the other end of the terminal.

    Not forked by hand: this process may hold engines whose threads a child does not have, and it would die of that.
    """
    terminal, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", _OWNING, *COMMAND, *arguments],
        stdin=end,
        stdout=end,
        stderr=end,
        env={**plain, "TERM": "xterm-256color", **(env or {})},
        start_new_session=True,
    )
    os.close(end)
    return process, terminal


def at_terminal(*arguments: str, columns: int = 80, env: Mapping[str, str] | None = None) -> str:
    """Return what a command shows on a terminal of its own that is so wide."""
    process, terminal = on_terminal(*arguments, columns=columns, env=env)
    shown = b""
    # Linux ends the reading side of a terminal that all have left with an error.
    with contextlib.suppress(OSError):
        while read := os.read(terminal, 65_536):
            shown += read
    os.close(terminal)
    process.wait()
    return shown.decode().replace("\r\n", "\n")


def photos(root: Path, per_class: int = 9, seed: int = 0) -> Path:
    """Write photos of three colours, which are their classes."""
    return class_folders(root, dict.fromkeys(COLOURS, per_class), seed=seed)


def small_run(root: Path) -> Path:
    """Make ``root/runs/small``, the last run there: a random SqueezeNet with a head, as `edgetl finetune` leaves it."""
    from edgetl.runs import remember
    from edgetl.training.finetune import FinetuneSettings, finetune

    folder = Path("runs") / "small"
    settings = FinetuneSettings(run=folder, data=photos(root / "photos"), arch="squeezenet1_1", weights="none")
    before = Path.cwd()
    os.chdir(root)
    try:
        finetune(settings, Silent())
        remember(folder)
    finally:
        os.chdir(before)
    return root / folder


def contents(folder: Path) -> dict[str, str]:
    """Return all files below ``folder`` by name with a hash of their content, folders and links too."""
    return {path.relative_to(folder).as_posix(): _content(path) for path in sorted(folder.rglob("*"))}


def _content(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _not_json(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
