"""Which environments can be made. A further one is a line in the table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edgetl.errors import UsageError, nearest

# What the runner itself needs beside an engine.
RUNNER = ("numpy>=1.26", "pillow>=10.3")


@dataclass(frozen=True)
class Environment:
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


ENVIRONMENTS: Mapping[str, Environment] = {
    each.name: each
    for each in (
        Environment(
            "openvino-ep",
            ("onnxruntime-openvino>=1.23",),
            "OpenVINOExecutionProvider",
            "ONNX Runtime with OpenVINO's kernels",
        ),
        Environment(
            "cuda",
            ("onnxruntime-gpu[cuda,cudnn]>=1.23",),
            "CUDAExecutionProvider",
            "ONNX Runtime on an NVIDIA GPU (some GB)",
        ),
        # onnxruntime-gpu 1.31 is linked with CUDA 13 and libnvinfer.so.10, so TensorRT 11 does not serve it. pip takes
        # TensorRT's libraries from NVIDIA's own index. No machine has confirmed yet that these two start together.
        Environment(
            "tensorrt",
            ("onnxruntime-gpu[cuda,cudnn]>=1.31", "tensorrt-cu13>=10.13,<11"),
            "TensorrtExecutionProvider",
            "ONNX Runtime with NVIDIA TensorRT (some GB)",
        ),
    )
}


def known(name: str) -> Environment:
    """Return the environment of that name; raises UsageError, with the nearest name, when there is none."""
    if name not in ENVIRONMENTS:
        offered = ", ".join(ENVIRONMENTS)
        raise UsageError(f"There is no environment '{name}'.{nearest(name, ENVIRONMENTS)} Known: {offered}.")
    return ENVIRONMENTS[name]
