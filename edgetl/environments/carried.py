"""The runner as something that a command line carries along, for interpreters that have no edgetl."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path

import edgetl

# The file goes when the process ends.
_START = (
    "import base64,sys,tempfile;f=tempfile.NamedTemporaryFile(suffix='.zip');f.write(base64.b64decode('{code}'));"
    "f.flush();sys.path.insert(0,f.name);from edgetl.device.worker import main;main()"
)


def start_code() -> str:
    """Return Python code, for an interpreter's ``-c``, that is a worker; it needs numpy, Pillow and an engine."""
    return _START.format(code=runner())


def runner() -> str:
    """Return the runner, `edgetl.device`, as a zip archive in base64; the same sources give the same text."""
    package = Path(edgetl.__file__).parent
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in (package / "__init__.py", *sorted((package / "device").rglob("*.py"))):
            name = path.relative_to(package.parent).as_posix()
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return base64.b64encode(packed.getvalue()).decode()
