"""What this machine is, read from /proc and /sys: facts only, no judgement, and no engine is imported."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from edgetl.device.cores import ROOT, cores_allowed, cpu_quota
from edgetl.device.kernel_files import text as text_of

# The instructions that decide which precision is fast, or right: the x86 names of /proc/cpuinfo, then the Arm ones.
CPU_FEATURES = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimdhp",
    "asimddp",
    "i8mm",
    "bf16",
)

# All of these install the module `onnxruntime`, over one another.
ONNXRUNTIMES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "onnxruntime-directml",
    "onnxruntime-training",
    "onnxruntime-rocm",
    "onnxruntime-migraphx",
    "onnxruntime-qnn",
    "ort-nightly",
    "ort-nightly-gpu",
)
ENGINES = (*ONNXRUNTIMES, "openvino", "tensorrt")


def facts(root: Path = ROOT) -> dict[str, Any]:
    """Return the machine's facts as plain JSON data; what cannot be read is None or empty.

    ``memory_bytes`` is the machine's; ``cpu_quota`` is in cores; ``frequency_mhz`` the highest allowed.
    """
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "cpu": cpu_model(root),
        "board": board(root),
        "cpu_features": list(cpu_features(root)),
        "cores_allowed": cores_allowed(root),
        "cpu_quota": cpu_quota(root),
        "memory_bytes": memory_bytes(root),
        "governor": text_of(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or None,
        "frequency_mhz": max_frequency_mhz(root),
        "nvidia_driver": nvidia_driver(root),
        "gpus": list(gpus(root)),
        "clashing_onnxruntimes": list(clashing_onnxruntimes()),
    }


def speed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the ``facts`` that decide how fast a model is: latencies compare where all of them are equal."""
    return {
        "cpu": str(facts.get("cpu") or "unknown"),
        "board": facts.get("board"),
        "cpu_features": sorted(facts.get("cpu_features") or ()),
        "cores_allowed": facts.get("cores_allowed"),
        "gpus": sorted(facts.get("gpus") or ()),
    }


def cpu_model(root: Path = ROOT) -> str:
    """Return the CPU's or the board's name; Arm kernels name only the board."""
    info = _cpuinfo(root)
    return info.get("model name") or board(root) or info.get("Model") or platform.processor() or "unknown"


def board(root: Path = ROOT) -> str | None:
    """Return the board's name from the device tree (Raspberry Pi, Jetson); None on machines without one."""
    return text_of(root / "proc/device-tree/model").rstrip("\0") or None


def cpu_features(root: Path = ROOT) -> tuple[str, ...]:
    """Return those of CPU_FEATURES that this CPU has."""
    info = _cpuinfo(root)
    flags = set((info.get("flags") or info.get("Features") or "").split())
    return tuple(feature for feature in CPU_FEATURES if feature in flags)


def memory_bytes(root: Path = ROOT) -> int | None:
    """Return the size of the main memory."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", text_of(root / "proc/meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def max_frequency_mhz(root: Path = ROOT) -> int | None:
    """Return the highest clock rate that core 0 may take."""
    text = text_of(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq")
    return int(text) // 1000 if text.isdigit() else None


def nvidia_driver(root: Path = ROOT) -> str | None:
    """Return the version of the NVIDIA kernel driver or of Jetson's system release; None without one."""
    found = re.search(r"Kernel Module.*?(\d+\.\d+(?:\.\d+)?)", text_of(root / "proc/driver/nvidia/version"))
    if found:
        return found[1]
    tegra = re.search(r"R(\d+).*?REVISION: ([\d.]+)", text_of(root / "etc/nv_tegra_release"))
    if tegra:
        return f"L4T {tegra[1]}.{tegra[2]}"
    # Under WSL the driver is the Windows host's.
    if (root / "dev/dxg").exists() and (root / "usr/lib/wsl/lib/libcuda.so.1").exists():
        return "WSL"
    # Some sandboxes pass the device on and not what the kernel says of it.
    return "of an unknown version" if (root / "dev/nvidiactl").exists() else None


def gpus(root: Path = ROOT) -> tuple[str, ...]:
    """Return the names of the NVIDIA GPUs that the driver lists."""
    listed = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    names = (re.search(r"^Model:\s*(.+)$", text_of(path), re.MULTILINE) for path in listed)
    return tuple(name[1].strip() for name in names if name)


def engines() -> dict[str, str]:
    """Return the installed engines' distributions and versions, without importing them."""
    return {name: version for name in ENGINES if (version := _version(name)) is not None}


def clashing_onnxruntimes(installed: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the installed distributions that overwrite each other's `onnxruntime`; empty when there is at most one."""
    installed = engines() if installed is None else installed
    found = tuple(name for name in ONNXRUNTIMES if name in installed)
    return found if len(found) > 1 else ()


def peak_rss_bytes(root: Path = ROOT) -> int:
    """Return the most memory that this process has had resident, 0 where the system does not tell.

    Not getrusage's ru_maxrss: that starts at the size of the process that spawned this one.
    """
    return _status_bytes(root, "VmHWM")


def rss_bytes(root: Path = ROOT) -> int:
    """Return the memory that this process has resident now, 0 where the system does not tell."""
    return _status_bytes(root, "VmRSS")


def _status_bytes(root: Path, key: str) -> int:
    found = re.search(rf"^{key}:\s+(\d+) kB", text_of(root / "proc/self/status"), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cpuinfo(root: Path) -> dict[str, str]:
    """Return the first value of each key."""
    info: dict[str, str] = {}
    for line in text_of(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        info.setdefault(key.strip(), value.strip())
    return info
