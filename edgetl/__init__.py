"""Transfer learning for the edge: from a folder of photos to a verified model on the device.

::

    import edgetl
    trained = edgetl.finetune("photos/")        # what `edgetl finetune --data photos/` does
    edgetl.export()
    edgetl.quantize(target="raspberry-pi-5")
    edgetl.check().verdict

Each command is a function here (`edgetl.api`), found when it is first asked for: importing edgetl loads nothing, and a
device has no more of it than the runner. No module or folder of edgetl is called as one of these functions, since
importing it would put it in the function's place; rooms have nouns for names (`quantization`, `ranking`, `runs`).
"""

import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Unless told so before it is imported, ONNX Runtime reports its use to its makers and leaves a file in the temporary
# folder. This stands here since host and runner both begin with it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from edgetl.api import (
        bench,
        bundle,
        check,
        explain,
        export,
        finetune,
        quantize,
        rank,
        report,
        run,
        ship,
        sweep,
        verify,
    )

__all__ = [
    "__version__",
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

# For mypy every name would be there, and be anything.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Return the function of a command."""
        if name not in __all__:
            raise AttributeError(f"module 'edgetl' has no attribute '{name}'")
        import importlib

        return getattr(importlib.import_module("edgetl.api"), name)

    def __dir__() -> list[str]:
        """Return the names to offer for completion."""
        return __all__
