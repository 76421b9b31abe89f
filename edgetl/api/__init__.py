"""What the commands do, as functions: `edgetl.finetune(...)`, `edgetl.run(...)` and so on are these.

::

    command line ─ parses, renders ─┐
                                    ├▶ edgetl.api ─ settings ─▶ a stage ─▶ its frozen result
    Python, a notebook ─────────────┘

Parameters are the options of the commands without their dashes, in Python's own types: a path may be a text or a Path,
a duration seconds or "90s", a share a float or "0.5%". Defaults stand in `edgetl.defaults`. Without ``run`` a function
takes the last run, as a command does. What goes wrong is an `edgetl.errors.EdgetlError` whose text says what to do.
Nothing heavy is imported before a function is called, since the command line imports this to parse.
"""

from edgetl.api.convert import explain, export, quantize
from edgetl.api.deliver import bundle, ship, verify
from edgetl.api.judge import bench, check, sweep
from edgetl.api.show import report
from edgetl.api.train import finetune, rank
from edgetl.api.whole import run

__all__ = [
    "bench",
    "bundle",
    "check",
    "explain",
    "export",
    "finetune",
    "quantize",
    "rank",
    "report",
    "run",
    "ship",
    "sweep",
    "verify",
]
