"""Which command line starts a worker that computes as another processor does."""

from __future__ import annotations

import platform
import shutil
import sys

from edgetl import targets
from edgetl.environments.carried import start_code
from edgetl.environments.emulators import ARM64, X86_64, command
from edgetl.environments.local import local_command
from edgetl.environments.record import made
from edgetl.errors import ConfigError, UsageError, nearest

# What people call an instruction set, as architecture and QEMU's model of a processor: an x86-64 without VNNI, and what
# a Raspberry Pi 5 has.
ALIASES = {"avx2": ("x86_64", "Haswell-noTSX"), "arm64": ("arm64", "cortex-a76")}


def emulated(name: str) -> tuple[str, ...]:
    """Return the command line of a worker that computes as ``name`` does: avx2, arm64, or a target.

    Raises UsageError for what cannot be emulated here, with what to do.
    """
    architecture, cpu = _processor(name)
    here = targets.architecture(platform.machine())
    if architecture == "arm64":
        there = made(ARM64.name)
        if there is None:
            raise UsageError(f"Emulating {name} takes an environment. Run: edgetl env create {ARM64.name}")
        return (*command(there.folder, ARM64, cpu), "-c", start_code())
    if here != architecture:
        raise UsageError(
            f"{name} is {architecture}, which only a machine of that architecture emulates; this is {here}."
        )
    return (_qemu(name), "-cpu", cpu, sys.executable, *local_command()[1:])


def _processor(name: str) -> tuple[str, str]:
    """Return the architecture and QEMU's model of a processor."""
    if name in ALIASES:
        return ALIASES[name]
    try:
        machine = targets.load(name).machine
    except ConfigError:
        known = [*ALIASES, *targets.names()]
        raise UsageError(
            f"There is no processor or target '{name}'.{nearest(name, known)} Known: {', '.join(known)}."
        ) from None
    if machine.qemu_cpu is None:
        raise UsageError(
            f"Target {name} cannot be emulated: QEMU's user mode has no processor with its instructions. "
            "Verify on a device: --on ssh://user@host."
        )
    return machine.architecture, machine.qemu_cpu


def _qemu(name: str) -> str:
    """Return the emulator of x86-64: the system's, else that of the environment."""
    for program in ("qemu-x86_64-static", "qemu-x86_64"):
        if (found := shutil.which(program)) is not None:
            return found
    there = made(X86_64.name)
    if there is None:
        raise UsageError(f"Emulating {name} takes QEMU. Run: edgetl env create {X86_64.name}")
    return str(there.interpreter)
