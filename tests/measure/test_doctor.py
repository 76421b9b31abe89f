"""The doctor on machines made of plain facts: each problem is found, named and has its remedy."""

from __future__ import annotations

from typing import Any

import pytest

from edgetl.device.nvidia import Setback, of_library
from edgetl.measure.doctor import diagnose, examine

HEALTHY: dict[str, Any] = {
    "governor": "performance",
    "nvidia_driver": None,
    "cores_allowed": 4,
}
PACKAGES = dict.fromkeys(("torch", "torchvision", "onnx", "safetensors"), "1")
ENGINES = {"onnxruntime": "1.31.1"}
GPU = {"nvidia_driver": "580.1"}


def problems(
    facts: dict[str, Any] | None = None,
    engines: dict[str, str] | None = None,
    packages: dict[str, str] | None = None,
    setback: Setback | None = None,
) -> str:
    found = diagnose(
        HEALTHY | (facts or {}),
        ENGINES if engines is None else engines,
        PACKAGES if packages is None else packages,
        setback,
    )
    return "\n".join(f"{each.fatal}: {each.what} {each.remedy}" for each in found)


def test_a_healthy_machine_has_no_problem() -> None:
    assert problems() == ""


@pytest.mark.parametrize(
    ("changed", "sentences"),
    [
        ({"engines": {}}, ("True: No engine", "edgetl[cpu]")),
        (
            {"engines": {"onnxruntime": "1", "onnxruntime-gpu": "1"}, "facts": GPU},
            ("True: onnxruntime and onnxruntime-gpu", "pip uninstall -y onnxruntime onnxruntime-gpu"),
        ),
        ({"packages": {}}, ("False: torch, torchvision, onnx, safetensors", "edgetl[train]")),
        ({"facts": GPU}, ("False: There is an NVIDIA GPU", "edgetl[cuda]")),
        ({"engines": {"onnxruntime-gpu": "1"}}, ("no NVIDIA driver", "edgetl[cpu]")),
        (
            {"engines": {"onnxruntime-gpu": "1"}, "facts": GPU, "setback": of_library("libcudnn.so.9")},
            ("cuDNN 9 is missing: libcudnn.so.9", "onnxruntime-gpu[cuda,cudnn]"),
        ),
        # One cause, one problem: without a driver its library is missing, too.
        ({"engines": {"onnxruntime-gpu": "1"}, "setback": of_library("libcuda.so.1")}, ("no NVIDIA driver",)),
        ({"facts": {"governor": "powersave"}}, ("'powersave'", "cpupower")),
        ({"facts": {"cores_allowed": 1}}, ("Only one core", "two cores")),
    ],
)
def test_each_problem_comes_with_its_remedy(changed: dict[str, Any], sentences: tuple[str, ...]) -> None:
    said = problems(**changed)
    assert len(said.splitlines()) == 1
    for sentence in sentences:
        assert sentence in said


def test_this_machine_is_described() -> None:
    findings = examine()
    assert {"python", "cpu features", "cores", "engines", "target"} <= set(findings.facts)
    assert all(findings.facts.values())
