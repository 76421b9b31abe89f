"""Running a program to its end: its lines as they come, its last words when it fails, and no process left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import textwrap
from collections.abc import Callable, Sequence

from edgetl.errors import EdgetlError

_ENDING_S = 5.0
_SHOWN = 400
# What a traceback ends with: of a package that could not be built, and of an engine that could not be imported.
_EXCEPTION = re.compile(r"[\w.]+Error: \S")
# What pip says beside the matter.
_ASIDE = re.compile(r"(WARNING|DEPRECATION|\[notice\]|note:|hint:)")


def run(
    command: Sequence[str], doing: str, heard: Callable[[str], None], *, keep_open: Sequence[int] = ()
) -> list[str]:
    """Return the lines that a program wrote, on either stream; ``heard`` is called with each as it comes.

    Raises EdgetlError, with ``doing`` and the program's last words, when it cannot start or fails. Whatever ends the
    wait for it ends the program too. ``keep_open`` are file descriptors that stay open as long as it runs.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Its own group: Ctrl-C is for this program, and what it started can be ended with it.
            start_new_session=True,
            pass_fds=keep_open,
        )
    except OSError as error:
        raise EdgetlError(f"Could not {doing}: '{command[0]}' does not start ({error.strerror}).") from error
    lines = []
    with process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line.strip())
                heard(lines[-1])
            code = process.wait()
        except BaseException:
            _end(process)
            raise
    if code:
        raise EdgetlError(f"Could not {doing}: {_last_words(lines)}")
    return lines


def _last_words(lines: Sequence[str]) -> str:
    """Return what a program said of its failure as one line: its errors, the last exception, or else its end."""
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    exceptions = [line for line in lines if _EXCEPTION.match(line)][-1:]
    said = errors or exceptions or [line for line in lines if line and not _ASIDE.match(line)][-3:]
    return textwrap.shorten(" ".join(said), _SHOWN, placeholder=" ...") or "it ended without a word."


def _end(process: subprocess.Popen[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_ENDING_S)
            return
