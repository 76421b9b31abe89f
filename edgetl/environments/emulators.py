"""Environments that emulate another processor: QEMU's user mode, and for 64-bit Arm a small Debian with Python.

No privileges are needed. Packages are fetched by an apt with folders of its own, from the sources of this machine, and
unpacked, not installed; QEMU finds the libraries of the other architecture by its option -L, so there is no chroot.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgetl.environments.record import Made
from edgetl.environments.site import Site
from edgetl.environments.wheels import CHECK, PIP, RUNNER, reply
from edgetl.errors import EdgetlError, UsageError

ROOT, SITE, BIN = "root", "site", "bin"
_QEMU = "qemu-user-static"
_PYTHON = ("python3-minimal", "libpython3-stdlib", "libstdc++6")
_ENGINE = "onnxruntime"
# Those that wheels for 64-bit Arm are built for; pip takes only what it is told.
_PLATFORMS = [*(f"manylinux_2_{minor}_aarch64" for minor in (39, 35, 34, 31, 28, 27, 26, 17)), "manylinux2014_aarch64"]
# A Cortex-A72, as its kernel tells it: QEMU shows this machine's own file, which libraries on Arm do not understand.
# What a later one has besides QEMU tells them; were it in this file, they would use it on an earlier one too, and die.
_CPU = """\
processor\t: {index}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""


@dataclass(frozen=True)
class Emulator:
    """An environment that runs Python as another processor does; ``root`` says that it brings a system of its own."""

    name: str
    architecture: str
    root: bool
    description: str

    @property
    def program(self) -> str:
        """What starts it, relative to its folder."""
        return f"{BIN}/qemu-{self.architecture}"

    def fill(self, site: Site) -> Made:
        """Make the environment and return what it is; raises EdgetlError, UsageError where apt is missing."""
        for tool in ("apt-get", "dpkg-deb", "dpkg"):
            if shutil.which(tool) is None:
                raise UsageError(
                    f"Environment '{self.name}' is made with {tool}, of Debian and its kin; it is not here."
                )
        site.step(0, 4)
        here = site.run(["dpkg", "--print-architecture"], "ask dpkg for the architecture")[0]
        qemu = site.folder / "qemu"
        _unpacked(site, here, (_QEMU,), qemu)
        self._take(qemu, site.folder)
        site.step(1, 4)
        if not self.root:
            version = site.run([str(site.folder / self.program), "--version"], f"start QEMU for '{self.name}'")[0]
            site.step(4, 4)
            return Made(self.name, site.folder, "this machine's", {"qemu": _version(version)}, self.program)
        root = site.folder / ROOT
        _unpacked(site, "arm64", _PYTHON, root)
        (root / "proc").mkdir()
        (root / "proc" / "cpuinfo").write_text("".join(_CPU.format(index=i) for i in range(os.cpu_count() or 1)))
        site.step(2, 4)
        python = _python(root)
        options = [f"--platform={each}" for each in _PLATFORMS]
        wheels = ["--only-binary=:all:", "--no-compile", f"--python-version={python}", f"--target={site.folder / SITE}"]
        site.run(
            [site.python, "-I", "-u", "-m", *PIP, *options, *wheels, _ENGINE, *RUNNER],
            f"fetch wheels for '{self.name}'",
        )
        site.step(3, 4)
        start = command(site.folder, self)
        found = reply(site.run([*start, "-c", CHECK, _ENGINE, "numpy", "pillow"], f"start Python in '{self.name}'"))
        site.step(4, 4)
        return Made(self.name, site.folder, found["python"], found["versions"], self.program)

    def _take(self, unpacked: Path, folder: Path) -> None:
        """Keep of QEMU's many programs the one that is needed."""
        names = (f"qemu-{self.architecture}-static", f"qemu-{self.architecture}")
        found = next(
            (unpacked / "usr" / "bin" / name for name in names if (unpacked / "usr" / "bin" / name).is_file()), None
        )
        if found is None:
            raise EdgetlError(f"The package {_QEMU} has no {names[0]}.")
        (folder / BIN).mkdir()
        found.rename(folder / self.program)
        shutil.rmtree(unpacked)


ARM64 = Emulator("emulate-arm64", "aarch64", True, "a 64-bit Arm processor, to check answers (never latency)")
X86_64 = Emulator("emulate-x86-64", "x86_64", False, "an x86-64 processor with AVX2 and without VNNI, to check answers")


def command(folder: Path, emulator: Emulator, cpu: str | None = None) -> tuple[str, ...]:
    """Return the command line of Python in the environment in ``folder``, as QEMU's ``cpu`` model computes."""
    root = folder / ROOT
    model = ("-cpu", cpu) if cpu else ()
    brings = ("-E", f"PYTHONPATH={folder / SITE}", "-U", "PYTHONHOME", "-L", str(root))
    python = root / "usr" / "bin" / f"python{_python(root)}"
    return (str(folder / emulator.program), *model, *brings, str(python))


def _unpacked(site: Site, architecture: str, packages: Sequence[str], place: Path) -> None:
    """Unpack ``packages`` and all that they depend on into ``place``."""
    apt = site.folder / f"apt-{architecture}"
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True)
    (apt / "status").touch()
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Install-Recommends": "false",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "",
        "Dir::State": str(apt / "state"),
        "Dir::State::status": str(apt / "status"),
        "Dir::Cache": str(apt / "cache"),
    }
    options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
    site.run(["apt-get", *options, "-q", "update"], f"read the list of packages for {architecture}")
    fetch = ["apt-get", *options, "-q", "-y", "--download-only", "install", *packages]
    site.run(fetch, f"fetch {', '.join(packages)} for {architecture}")
    archives = sorted((apt / "cache" / "archives").glob("*.deb"))
    if not archives:
        raise EdgetlError(f"apt fetched nothing of {', '.join(packages)} for {architecture}.")
    place.mkdir()
    for archive in archives:
        site.run(["dpkg-deb", "-x", str(archive), str(place)], f"unpack {archive.name}")
    shutil.rmtree(apt)


def _python(root: Path) -> str:
    """Return the version of the Python in ``root``, such as 3.11."""
    found = sorted((root / "usr" / "bin").glob("python3.*"))
    if not found:
        raise EdgetlError(f"There is no Python in {root}.")
    return found[0].name.removeprefix("python")


def _version(line: str) -> str:
    found = re.search(r"version (\S+)", line)
    return found[1] if found else "unknown"
