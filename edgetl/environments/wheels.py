"""A virtual environment with another build of ONNX Runtime than this one has."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgetl.environments.record import PYTHON, Made
from edgetl.environments.site import Site
from edgetl.errors import EdgetlError

# What the runner itself needs beside an engine.
RUNNER = ("numpy>=1.26", "pillow>=10.3")
PIP = ("pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off")

# Says what was installed, in a line beside those that the engine may print.
CHECK = """
import json, platform, sys
from importlib import metadata
import numpy, PIL, onnxruntime
print(json.dumps({
    "providers": onnxruntime.get_available_providers(),
    "python": platform.python_version(),
    "versions": {name: metadata.version(name) for name in sys.argv[1:]},
}))
"""


@dataclass(frozen=True)
class Wheels:
    """An environment for the provider of the same name: what pip installs, and what ONNX Runtime must then have."""

    name: str
    engine: tuple[str, ...]
    execution_provider: str
    description: str

    @property
    def requirements(self) -> tuple[str, ...]:
        """What is installed, as pip takes it."""
        return (*self.engine, *RUNNER)

    @property
    def distributions(self) -> tuple[str, ...]:
        """The names of the engine's distributions, without extras and versions."""
        return tuple(re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in self.engine)

    def fill(self, site: Site) -> Made:
        """Make the environment and return what it is; raises EdgetlError."""
        own = str(site.folder / PYTHON)
        site.step(0, 3)
        site.run([site.python, "-I", "-m", "venv", str(site.folder)], f"make a virtual environment for '{self.name}'")
        site.step(1, 3)
        site.run([own, "-I", "-u", "-m", *PIP, *self.requirements], f"install {', '.join(self.engine)}")
        site.step(2, 3)
        doing = f"use what was installed for '{self.name}'"
        found = reply(site.run([own, "-I", "-c", CHECK, *self.distributions, "numpy", "pillow"], doing))
        if self.execution_provider not in found["providers"]:
            has = ", ".join(found["providers"])
            raise EdgetlError(f"Could not {doing}: it has no {self.execution_provider}, but {has}.")
        site.step(3, 3)
        return Made(self.name, site.folder, found["python"], found["versions"])


def reply(lines: Sequence[str]) -> dict[str, Any]:
    """Return the object that `CHECK` printed, in a line beside those of engines."""
    found: dict[str, Any] = json.loads(next(line for line in reversed(lines) if line.startswith("{")))
    return found
