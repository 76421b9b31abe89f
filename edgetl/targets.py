"""Targets: the files of ``targets/``, typed. A target says what may run there and what a verdict demands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

import pydantic

from edgetl import recipes
from edgetl.defaults import TARGET
from edgetl.errors import ConfigError, nearest
from edgetl.files import data_dir
from edgetl.settings import parse, read_toml

HOST = TARGET
# What systems call the architectures that the target files name.
_ARCHITECTURES = {"aarch64": "arm64", "AMD64": "x86_64"}
# int8+bf16: what an int8 model leaves in float is computed in bf16.
Precision = Literal["fp32", "bf16", "fp16", "int8", "int8+bf16"]


class _Frozen(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class TargetMachine(_Frozen):
    """Which machines a target describes: an architecture, and CPU features it must and must not have.

    ``any_of`` lists features of which it has at least one; ``model`` is part of the name of its board or CPU. Without
    ``gpu`` a GPU may be there but is not used. ``qemu_cpu`` is QEMU's model of such a CPU, where it has one.
    """

    architecture: Literal["x86_64", "arm64"]
    features: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    model: str = ""
    gpu: bool = False
    qemu_cpu: str | None = None


class TargetCandidate(_Frozen):
    """A provider with a precision; ``recipe`` names how the model file is made from fp32 (none: the fp32 file).

    ``instead_of`` is a recipe that runs as fast and is made sooner: this one is tried only where that one, on the same
    provider, did not keep its accuracy and nothing as fast does. ``setting`` names one of the provider's own
    (`device.providers.settings`), such as ``CUDA graph``.
    """

    provider: str
    precision: Precision = "fp32"
    recipe: str | None = None
    instead_of: str | None = None
    setting: str | None = None

    @property
    def name(self) -> str:
        """A name unique within a target, such as ``cpu-int8-u8s8-minmax``."""
        # Each word once: a recipe may be called after its precision.
        parts = (self.provider, self.precision, self.recipe, self.setting and _slug(self.setting))
        return "-".join(dict.fromkeys(part for part in parts if part))

    @property
    def options(self) -> dict[str, str]:
        """The session options that its setting stands for; none without one."""
        return dict(self._settings()[self.setting]) if self.setting else {}

    @pydantic.model_validator(mode="after")
    def _known_setting(self) -> TargetCandidate:
        if self.setting is not None and self.setting not in (known := self._settings()):
            raise ValueError(f"{self.provider} has no setting '{self.setting}'. It has: {', '.join(known) or 'none'}")
        return self

    def _settings(self) -> Mapping[str, Mapping[str, str]]:
        # Not at the top: it imports numpy, which to list targets does not take.
        from edgetl.device import providers

        # Of a provider that is not known its runner says so.
        return providers.settings(self.provider) if self.provider in providers.PROVIDERS else {}


def _slug(setting: str) -> str:
    return setting.lower().replace(",", "").replace(" ", "-")


_Limit = Annotated[float, pydantic.Field(gt=0)]
_Share = Annotated[float, pydantic.Field(ge=0, lt=1)]


class Budgets(_Frozen):
    """What a candidate may cost, each judged at ``confidence``; None is not judged, and two are judged always.

    ``_ratio`` is the largest allowed over the baseline's; ``_ms`` and ``_mb`` (10^6 bytes) are the largest allowed
    whatever the baseline's. ``latency`` is that of undisturbed runs, of inference alone; ``latency_p50`` and
    ``latency_p90`` are percentiles of all its runs. ``top1_drop`` is the largest allowed loss of top-1 as a fraction
    (0.02 is two points), ``worst_class_drop`` the same for each class, ``top1`` the least allowed top-1.
    """

    latency_ratio: _Limit = 1.05
    latency_p50_ratio: _Limit | None = None
    latency_p50_ms: _Limit | None = None
    latency_p90_ratio: _Limit | None = None
    latency_p90_ms: _Limit | None = None
    end_to_end_ratio: _Limit | None = None
    end_to_end_ms: _Limit | None = None
    cold_start_ratio: _Limit | None = None
    cold_start_ms: _Limit | None = None
    memory_ratio: _Limit | None = None
    memory_mb: _Limit | None = None
    size_ratio: _Limit | None = None
    size_mb: _Limit | None = None
    top1_drop: _Share = 0.02
    top1: _Share | None = None
    worst_class_drop: _Share | None = None
    confidence: float = pydantic.Field(default=0.95, gt=0.5, lt=1)


class Target(_Frozen):
    """One device class. ``threads`` of 0 means every core that the process may use.

    ``candidates`` stand cheapest first; the first must be an fp32 one, the baseline. ``openvino_ir`` says that bundles
    with a candidate on OpenVINO carry its own format instead of ONNX.
    """

    schema_version: Literal[1] = 1
    name: str
    description: str
    threads: int = pydantic.Field(default=0, ge=0)
    machine: TargetMachine
    candidates: tuple[TargetCandidate, ...] = pydantic.Field(min_length=1)
    budgets: Budgets = Budgets()
    openvino_ir: bool = False

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Target:
        first = self.candidates[0]
        if first.precision != "fp32" or first.recipe is not None:
            raise ValueError("the first candidate must be the fp32 baseline, without a recipe")
        seen = [candidate.name for candidate in self.candidates]
        if len(set(seen)) != len(seen):
            raise ValueError("two candidates are the same")
        for index, candidate in enumerate(self.candidates):
            earlier = {(each.provider, each.recipe) for each in self.candidates[:index]}
            if candidate.instead_of and (candidate.provider, candidate.instead_of) not in earlier:
                raise ValueError(f"{candidate.name} is instead of '{candidate.instead_of}', which none before it is")
        return self


def names() -> list[str]:
    """Return the names of the packaged targets, sorted; ``host`` (this machine) is not among them."""
    return sorted(path.stem for path in data_dir("targets").glob("*.toml"))


def load(name: str) -> Target:
    """Return the target of a packaged name, of a ``.toml`` path, or ``host``; raises ConfigError.

    A target from a path is named by it.
    """
    if name == HOST:
        return detect()
    path = Path(name) if name.endswith(".toml") else data_dir("targets") / f"{name}.toml"
    if not path.is_file():
        known = [HOST, *names()]
        raise ConfigError(f"There is no target '{name}'.{nearest(name, known)} Known: {', '.join(known)}.")
    target = parse(Target, read_toml(path), path)
    for candidate in target.candidates:
        if candidate.recipe is not None:
            recipes.load(candidate.recipe)
    # Its name is what the next stage finds it by.
    return target.model_copy(update={"name": str(path.resolve())}) if name.endswith(".toml") else target


def short_name(name: str) -> str:
    """Return a target's name; of a file of one's own without its folder, which differs from runner to runner."""
    return PurePath(name).name


def architecture(machine: str) -> str:
    """Return what target files call the architecture that a system calls ``machine``."""
    return _ARCHITECTURES.get(machine, machine)


def matches(target: Target, facts: Mapping[str, Any]) -> bool:
    """Return whether the machine with these ``facts`` (`device.machine.facts`) is one that ``target`` describes."""
    machine, features = target.machine, set(facts["cpu_features"])
    model = f"{facts.get('board') or ''} {facts.get('cpu') or ''}"
    return (
        machine.architecture == architecture(facts["architecture"])
        and features.issuperset(machine.features)
        and (not machine.any_of or not features.isdisjoint(machine.any_of))
        and features.isdisjoint(machine.without)
        and machine.model.lower() in model.lower()
        and (not machine.gpu or bool(facts.get("nvidia_driver")))
    )


def stranger(target: Target, facts: Mapping[str, Any]) -> str:
    """Return the sentence that says whose latencies those are of a machine that ``target`` does not describe."""
    return (
        f"The machine that measures is not what target {target.name} describes: the latency shown is that of "
        f"{facts.get('cpu')}, a host's and not the target's. Measure on a device with --on ssh://user@host."
    )


def detect() -> Target:
    """Return the packaged target that describes this machine, under the name ``host``; raises ConfigError."""
    found = load(detected())
    return found.model_copy(update={"name": HOST, "description": f"this machine, as {found.name}"})


def detected() -> str:
    """Return the name of the most specific packaged target that describes this machine; raises ConfigError for none.

    A GPU counts only where an ONNX Runtime that can use it is installed: else nothing of its target could run.
    """
    from edgetl.device.machine import engines, facts  # reads /proc: only when asked

    here = facts()
    if "onnxruntime-gpu" not in engines():
        here["nvidia_driver"] = None
    fitting = [target for target in map(load, names()) if matches(target, here)]
    if not fitting:
        raise ConfigError(
            f"No packaged target describes this machine ({here['architecture']}). "
            f"Name one with --target: {', '.join(names())}."
        )
    return max(fitting, key=_specificity).name


def _specificity(target: Target) -> tuple[int, int]:
    machine = target.machine
    return (bool(machine.model) + machine.gpu, len(machine.features) + len(machine.any_of) + len(machine.without))
