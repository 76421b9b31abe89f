"""The values that a host and a runner exchange. All frozen, all plain JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PROTOCOL = 2


@dataclass(frozen=True)
class Preprocess:
    """How an image becomes a model's input: resize the short side, centre crop, then ``(x / 255 - mean) / std``.

    The runner does the resize and the crop (Pillow); the normalization is part of the exported graph, so a model
    takes uint8 NHWC. ``resize`` and ``crop`` are in pixels; ``mean`` and ``std`` are RGB on the 0..1 scale.
    """

    resize: int = 256
    crop: int = 224
    interpolation: str = "bilinear"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Preprocess:
        """Return the value that ``dataclasses.asdict`` was applied to, lists made tuples again."""
        mean, std = tuple(data["mean"]), tuple(data["std"])
        return cls(int(data["resize"]), int(data["crop"]), str(data["interpolation"]), mean, std)


@dataclass(frozen=True)
class SessionSpec:
    """What to run a model on: a provider, the precision asked of it, and its number of threads.

    ``precision`` is ``fp32``, ``bf16``, ``fp16`` or ``int8``. For a float model it is asked of engines that choose
    one themselves (OpenVINO); otherwise it says what the model file holds. ``threads`` of 0 means every core that
    this process may use.
    """

    provider: str = "cpu"
    precision: str = "fp32"
    threads: int = 0
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SessionSpec:
        """Return the value that ``to_json`` was applied to."""
        options = {str(name): str(value) for name, value in data["options"].items()}
        return cls(str(data["provider"]), str(data["precision"]), int(data["threads"]), options)


@dataclass(frozen=True)
class LoadReport:
    """What really runs after a session was made.

    ``placement`` maps an execution provider (or device) to its number of graph nodes; ``elsewhere`` names, for each but
    the one that was asked for, those of its nodes that multiply and accumulate, and is empty also where the engine does
    not tell nodes. ``precision`` is what the engine says it computes in; ``load_ns`` is the time to create the session;
    ``settings`` are the engine's own, such as CUDA's ``use_tf32``.
    """

    provider: str
    engine: str
    engine_version: str
    precision: str
    threads: int
    placement: Mapping[str, int]
    load_ns: int
    input_shape: tuple[int | None, ...]
    input_dtype: str
    elsewhere: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LoadReport:
        """Return the value that ``to_json`` was applied to, the shape and the names made tuples again."""
        elsewhere = {provider: tuple(names) for provider, names in data["elsewhere"].items()}
        return cls(**{**data, "input_shape": tuple(data["input_shape"]), "elsewhere": elsewhere})


@dataclass(frozen=True)
class Energy:
    """What a block of work consumed, in ``seconds`` of the session's clock.

    ``source`` is ``rapl`` (the processor's packages), ``ina3221`` (a Jetson's module) or ``nvml`` (the GPU); it and
    ``joules`` are None where the machine does not tell.
    """

    joules: float | None
    source: str | None
    seconds: float

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Energy:
        """Return the value that ``to_json`` was applied to."""
        return cls(data["joules"], data["source"], float(data["seconds"]))


@dataclass(frozen=True)
class Hello:
    """A runner's first answer: what it is and what it could run. ``cores`` is what cgroup and affinity allow."""

    protocol: int
    python: str
    machine: Mapping[str, Any]
    engines: Mapping[str, str]
    cores: int

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Hello:
        """Return the value that ``to_json`` was applied to."""
        return cls(**data)


def to_json(value: Any) -> dict[str, Any]:
    """Return a dataclass of this module as plain JSON data."""
    return dataclasses.asdict(value)
