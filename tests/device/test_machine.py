"""Facts read from made-up /proc and /sys trees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgetl.device import machine
from edgetl.device.cores import cores_allowed, cpu_quota


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


V2 = "0::/jobs/one\n"
V1 = "9:memory:/\n4:cpu,cpuacct:/docker/abc\n"

QUOTAS = {
    "no cgroup": ({}, None, 8),
    "v2, none": ({"proc/self/cgroup": V2, "sys/fs/cgroup/jobs/one/cpu.max": "max 100000\n"}, None, 8),
    "v2": ({"proc/self/cgroup": V2, "sys/fs/cgroup/jobs/one/cpu.max": "200000 100000\n"}, 2.0, 2),
    "v2, an ancestor's is smaller": (
        {
            "proc/self/cgroup": V2,
            "sys/fs/cgroup/jobs/one/cpu.max": "400000 100000\n",
            "sys/fs/cgroup/jobs/cpu.max": "300000 100000\n",
        },
        3.0,
        3,
    ),
    "v2, only the mount is seen": ({"proc/self/cgroup": V2, "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5, 1),
    "v2, half a core": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5, 1),
    "v2, more than there are": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "6400000 100000\n"}, 64.0, 8),
    "v1": (
        {
            "proc/self/cgroup": V1,
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "250000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
        },
        2.5,
        2,
    ),
    "v1, none": (
        {
            "proc/self/cgroup": "1:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        None,
        8,
    ),
}


@pytest.mark.parametrize("name", QUOTAS)
def test_cores_are_those_of_the_cgroup_and_not_of_the_host(name: str, tmp_path: Path) -> None:
    files, quota, cores = QUOTAS[name]
    root = tree(tmp_path, files)
    assert cpu_quota(root) == quota
    assert cores_allowed(root, affinity=8) == cores


def test_the_affinity_mask_counts_too(tmp_path: Path) -> None:
    assert cores_allowed(tree(tmp_path, QUOTAS["v2"][0]), affinity=1) == 1


def test_an_x86_cpu(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/cpuinfo": "model name\t: Intel N100\nflags\t\t: fpu avx2 avx_vnni\n\nmodel name\t: other\n",
            "proc/meminfo": "MemTotal:       16000 kB\nMemFree: 1 kB\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "3400000\n",
        },
    )
    facts = machine.facts(root)
    assert facts["cpu"] == "Intel N100"
    assert facts["cpu_features"] == ["avx2", "avx_vnni"]
    assert facts["memory_bytes"] == 16000 * 1024
    assert (facts["governor"], facts["frequency_mhz"]) == ("powersave", 3400)
    assert facts["nvidia_driver"] is None


def test_an_arm_board(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/cpuinfo": "processor : 0\nFeatures : fp asimd asimdhp asimddp\nCPU implementer : 0x41\n",
            "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        },
    )
    assert machine.cpu_model(root) == "Raspberry Pi 5 Model B Rev 1.0"
    assert machine.cpu_features(root) == ("asimdhp", "asimddp")


@pytest.mark.parametrize(
    ("files", "version"),
    [
        (
            {"proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue\n"},
            "550.54.15",
        ),
        (
            {
                "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.82.07  "
                "Release Build\nGCC version:  gcc version 12.3.0\n"
            },
            "580.82.07",
        ),
        ({"etc/nv_tegra_release": "# R36 (release), REVISION: 4.0, GCID: 37\n"}, "L4T 36.4.0"),
        ({"dev/dxg": "", "usr/lib/wsl/lib/libcuda.so.1": ""}, "WSL"),
        ({"dev/dxg": ""}, None),
        ({"dev/nvidiactl": ""}, "of an unknown version"),
        ({}, None),
    ],
)
def test_the_nvidia_driver(files: dict[str, str], version: str | None, tmp_path: Path) -> None:
    assert machine.nvidia_driver(tree(tmp_path, files)) == version


def test_an_unreadable_machine_has_no_facts_and_no_error(tmp_path: Path) -> None:
    facts = machine.facts(tmp_path)
    assert facts["memory_bytes"] is None
    assert facts["cpu_features"] == []
    assert facts["cores_allowed"] >= 1
    assert machine.peak_rss_bytes(tmp_path) == 0


def test_wheels_that_overwrite_each_other_are_told() -> None:
    assert machine.clashing_onnxruntimes({"onnxruntime": "1", "openvino": "2"}) == ()
    clash = machine.clashing_onnxruntimes({"onnxruntime": "1", "onnxruntime-gpu": "1", "openvino": "2"})
    assert clash == ("onnxruntime", "onnxruntime-gpu")


def test_peak_memory_follows_what_is_used() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc here")
    # In a process of its own: the peak of the one that runs the tests may be gigabytes.
    code = """
from edgetl.device import machine
before = machine.peak_rss_bytes()
block = bytearray(b"x" * (before + 64 * 2**20))
assert machine.peak_rss_bytes() >= before + 64 * 2**20
del block
assert machine.peak_rss_bytes() >= before + 64 * 2**20
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_gpus_are_named_as_the_driver_lists_them(tmp_path: Path) -> None:
    information = "proc/driver/nvidia/gpus/0000:01:00.0/information"
    files = {information: "Model: \t\t NVIDIA GeForce RTX 4070\nIRQ:   \t\t 150\n"}
    assert machine.gpus(tree(tmp_path, files)) == ("NVIDIA GeForce RTX 4070",)
    assert machine.gpus(tmp_path / "nothing") == ()
