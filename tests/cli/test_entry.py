"""How the program ends: at once, with its exit code, all that was printed, and what others want done in the end."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest


def _run(arguments: list[str], before: str = "") -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.argv = ['edgetl', *{arguments!r}]; {before}\nfrom edgetl.__main__ import run; run()"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["targets"], 0), (["nonsense"], 2)])
def test_the_exit_code_is_the_commands(arguments: list[str], code: int) -> None:
    done = _run(arguments)
    assert done.returncode == code
    assert done.stderr if code else done.stdout


def test_what_was_registered_for_the_end_is_done() -> None:
    assert _run(["--version"], "import atexit; atexit.register(print, 'done')").stdout.endswith("done\n")


def test_no_thread_is_waited_for() -> None:
    start = time.monotonic()
    done = _run(["--version"], "import threading, time; threading.Thread(target=time.sleep, args=(50,)).start()")
    assert done.returncode == 0
    assert time.monotonic() - start < 40


def test_a_reader_that_has_gone_is_no_error() -> None:
    code = f"{sys.executable} -m edgetl models | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
