"""What this machine can run, and each problem with its remedy."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any

import pydantic

from edgetl import targets
from edgetl.device import machine, nvidia
from edgetl.errors import ConfigError

PACKAGES = ("edgetl", "numpy", "pillow", "torch", "torchvision", "onnx", "onnxscript", "safetensors")
# The features that decide whether int8, bf16 or dot products are fast, and right, on this CPU.
DECISIVE = ("avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm", "bf16")


class Problem(pydantic.BaseModel):
    """What is wrong and what to do; ``fatal`` when no model can be run and measured because of it."""

    model_config = pydantic.ConfigDict(frozen=True)

    what: str
    remedy: str
    fatal: bool = False


class Findings(pydantic.BaseModel):
    """Facts as short texts under their names, and the problems that they show."""

    model_config = pydantic.ConfigDict(frozen=True)

    facts: dict[str, str]
    problems: tuple[Problem, ...]


def examine() -> Findings:
    """Return what is found on this machine, without importing torch or an engine."""
    here, engines = machine.facts(), machine.engines()
    packages = {name: version for name in PACKAGES if (version := _version(name))}
    setback = nvidia.setback("CUDAExecutionProvider")
    problems = diagnose(here, engines, packages, setback)
    return Findings(facts=describe(here, engines, packages), problems=tuple(problems))


def describe(here: Mapping[str, Any], engines: Mapping[str, str], packages: Mapping[str, str]) -> dict[str, str]:
    """Return the facts of `device.machine.facts` and the versions as short texts for a person."""
    decisive = [feature for feature in DECISIVE if feature in here["cpu_features"]]
    memory = here["memory_bytes"]
    quota = here["cpu_quota"]
    try:
        target = targets.detect().description
    except ConfigError as error:
        target = str(error)
    return {
        "python": sys.version.split()[0],
        "system": f"{here['system']} {here['kernel']}, {here['architecture']}",
        "machine": here["board"] or here["cpu"],
        "cpu features": ", ".join(decisive) or "none that make int8 or bf16 fast",
        "cores": f"{here['cores_allowed']} usable" + (f" (cgroup quota {quota:g})" if quota else ""),
        "memory": f"{memory / 2**30:.1f} GiB" if memory else "unknown",
        "governor": here["governor"] or "not readable here",
        "gpu": _gpu(here),
        "engines": _versions(engines),
        "packages": _versions(packages),
        "target": target,
    }


def diagnose(
    here: Mapping[str, Any],
    engines: Mapping[str, str],
    packages: Mapping[str, str],
    setback: nvidia.Setback | None = None,
) -> Iterator[Problem]:
    """Yield each problem that the facts and versions show; ``setback`` is what keeps CUDA's libraries from loading."""
    if not engines:
        yield Problem(
            what="No engine is installed, so nothing can be measured.",
            remedy="Install one: pip install 'edgetl[cpu]' (onnxruntime) or 'edgetl[openvino]'.",
            fatal=True,
        )
    clashing: Sequence[str] = machine.clashing_onnxruntimes(engines)
    if clashing:
        yield Problem(
            what=f"{' and '.join(clashing)} are both installed and overwrite each other's files.",
            remedy=f"Keep one: pip uninstall -y {' '.join(clashing)}, then install the one that is wanted.",
            fatal=True,
        )
    missing = [name for name in ("torch", "torchvision", "onnx", "safetensors") if name not in packages]
    if missing:
        yield Problem(
            what=f"{', '.join(missing)} not installed: `finetune` and `export` cannot work here.",
            remedy="Install them: pip install 'edgetl[train]'.",
        )
    if here["nvidia_driver"] and "onnxruntime-gpu" not in engines:
        yield Problem(
            what="There is an NVIDIA GPU, but no ONNX Runtime that can use it.",
            remedy="In an environment of its own: pip install 'edgetl[cuda]'.",
        )
    if "onnxruntime-gpu" in engines and not here["nvidia_driver"]:
        yield Problem(
            what="onnxruntime-gpu is installed, but no NVIDIA driver was found.",
            remedy="Install the driver, or use pip install 'edgetl[cpu]' instead.",
        )
    elif setback is not None:
        yield Problem(what=setback.what, remedy=setback.remedy)
    if here["governor"] in ("powersave", "ondemand", "schedutil"):
        yield Problem(
            what=f"The CPU frequency governor is '{here['governor']}': latencies will scatter.",
            remedy="While measuring: sudo cpupower frequency-set -g performance.",
        )
    if here["cores_allowed"] == 1:
        yield Problem(
            what="Only one core is usable: the measuring program shares it with what it measures.",
            remedy="Allow two cores or more, or measure on another machine.",
        )


def _gpu(here: Mapping[str, Any]) -> str:
    if not here["nvidia_driver"]:
        return "none found"
    return f"{', '.join(here['gpus']) or 'NVIDIA'}, driver {here['nvidia_driver']}"


def _versions(found: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.items()) or "none"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
