"""The program `edgetl`, also as `python -m edgetl`."""

from __future__ import annotations

import atexit
import os
import sys
from typing import NoReturn

from edgetl.cli import main


def run() -> NoReturn:
    """Run the command that the arguments name and end the process with its exit code.

    Python would now take a second to take torch's thousands of modules apart; the system takes none.
    """
    try:
        main(prog_name="edgetl")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    # What others registered (temporary files, logs) still happens.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
