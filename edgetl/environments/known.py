"""Which environments can be made. A further one is a line in the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from edgetl.environments.emulators import ARM64, X86_64
from edgetl.environments.record import Made
from edgetl.environments.site import Site
from edgetl.environments.wheels import Wheels
from edgetl.errors import UsageError, nearest


class Environment(Protocol):
    """Something that can be made: its name, what it is for, and how."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    @property
    def description(self) -> str:
        """What it is for."""

    def fill(self, site: Site) -> Made:
        """Make it and return what it is; raises EdgetlError."""


ENVIRONMENTS: Mapping[str, Environment] = {
    each.name: each
    for each in (
        Wheels(
            "openvino-ep",
            ("onnxruntime-openvino>=1.24",),
            "OpenVINOExecutionProvider",
            "ONNX Runtime with OpenVINO's kernels",
        ),
        Wheels(
            "cuda",
            ("onnxruntime-gpu[cuda,cudnn]>=1.23",),
            "CUDAExecutionProvider",
            "ONNX Runtime on an NVIDIA GPU (some GB)",
        ),
        # onnxruntime-gpu 1.31 is linked with CUDA 13 and libnvinfer.so.10, so TensorRT 11 does not serve it. pip takes
        # TensorRT's libraries from NVIDIA's own index. No machine has confirmed yet that these two start together.
        Wheels(
            "tensorrt",
            ("onnxruntime-gpu[cuda,cudnn]>=1.31", "tensorrt-cu13>=10.13,<11"),
            "TensorrtExecutionProvider",
            "ONNX Runtime with NVIDIA TensorRT (some GB)",
        ),
        ARM64,
        X86_64,
    )
}


def known(name: str) -> Environment:
    """Return the environment of that name; raises UsageError, with the nearest name, when there is none."""
    if name not in ENVIRONMENTS:
        offered = ", ".join(ENVIRONMENTS)
        raise UsageError(f"There is no environment '{name}'.{nearest(name, ENVIRONMENTS)} Known: {offered}.")
    return ENVIRONMENTS[name]
