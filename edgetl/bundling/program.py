"""The runner and the program of a bundle, as its members."""

from __future__ import annotations

from pathlib import Path

import edgetl

# Runs also on a Python that is too old for anything else, to say so.
_MAIN = b'''"""python BUNDLE verify | predict | bench"""
import sys

if sys.version_info < (3, 10):
    sys.exit("Error: this needs Python 3.10 or newer; here is " + sys.version.split()[0])

from pathlib import Path

from edgetl.device.app.main import main

sys.exit(main(Path(__file__).parent))
'''


def members() -> dict[str, bytes]:
    """Return the sources by their names in a zip that Python can run; of edgetl only what a device needs."""
    package = Path(edgetl.__file__).parent
    sources = (package / "__init__.py", *sorted((package / "device").rglob("*.py")))
    return {
        "__main__.py": _MAIN,
        **{path.relative_to(package.parent).as_posix(): path.read_bytes() for path in sources},
    }
