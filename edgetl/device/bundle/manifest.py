"""What a bundle says of itself, in ``bundle.json``: how to run its model, and what it must do on a device."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgetl.device.bundle.archive import BundleError
from edgetl.device.providers import PROVIDERS, settings
from edgetl.device.values import Preprocess, SessionSpec

FORMAT = 1


@dataclass(frozen=True)
class Limits:
    """What the model may cost on the device; None is not judged. Megabytes are 10^6 bytes."""

    latency_p50_ms: float | None = None
    latency_p90_ms: float | None = None
    end_to_end_ms: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True)
class Machine:
    """Which machines the bundle is for, as its target says: architecture, CPU features that it has or has not."""

    architecture: str
    features: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Golden:
    """Images with what is known of their answers.

    ``images`` are member names; ``labels`` their classes as indices, None where nobody labelled them. Two members are
    arrays, float32 (images, classes): ``expected``, the logits of this model where it was measured, and ``reference``,
    those of the fp32 model. ``least_sqnr_db`` is the least ratio of signal to noise, in dB, that logits must have
    against ``reference``; ``lost`` is how many more images than ``expected`` a device may get wrong.
    """

    images: tuple[str, ...]
    labels: tuple[int, ...] | None
    expected: str
    reference: str
    least_sqnr_db: float
    lost: int


@dataclass(frozen=True)
class Manifest:
    """All that a runner needs. ``model`` is a member; ``about`` is for people and for the host: it decides nothing."""

    name: str
    edgetl: str
    model: str
    spec: SessionSpec
    classes: tuple[str, ...]
    preprocess: Preprocess
    target: str
    machine: Machine
    limits: Limits
    golden: Golden
    about: Mapping[str, Any] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """Return the text of ``bundle.json``."""
        data = {"format": FORMAT, **dataclasses.asdict(self)}
        return (json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def decoded(text: bytes) -> Manifest:
    """Return what a ``bundle.json`` says; raises BundleError when it is damaged or of a newer format."""
    try:
        data = json.loads(text)
        known = data["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BundleError("has a bundle.json that is none") from None
    if known != FORMAT:
        raise BundleError(
            f"is of format {known!r:.20}, this program knows {FORMAT}: use the edgetl that made it, or a newer one"
        )
    try:
        return _manifest(data)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BundleError(f"has a bundle.json that is damaged ({type(error).__name__}: {str(error)[:80]})") from None


def _manifest(data: Mapping[str, Any]) -> Manifest:
    preprocess = Preprocess.from_json(data["preprocess"])
    if not 1 <= preprocess.crop <= _MOST_PIXELS or not 1 <= preprocess.resize <= _MOST_PIXELS:
        raise ValueError("preprocess")
    machine, golden = data["machine"], data["golden"]
    classes = _texts(data["classes"])
    images, labels = _texts(golden["images"]), golden["labels"]
    if labels is not None:
        labels = tuple(_whole(label, len(classes) - 1) for label in labels)
        if len(labels) != len(images):
            raise ValueError("labels")
    if not classes or not images:
        raise ValueError("classes or images are missing")
    return Manifest(
        name=_plain(data["name"]),
        edgetl=_text(data["edgetl"]),
        model=_text(data["model"]),
        spec=_spec(data["spec"]),
        classes=classes,
        preprocess=preprocess,
        target=_text(data["target"]),
        machine=Machine(
            _text(machine["architecture"]), *(_texts(machine[key]) for key in ("features", "any_of", "without"))
        ),
        limits=Limits(
            **{name: _limit(data["limits"][name]) for name in (each.name for each in dataclasses.fields(Limits))}
        ),
        golden=Golden(
            images=images,
            labels=labels,
            expected=_text(golden["expected"]),
            reference=_text(golden["reference"]),
            least_sqnr_db=_number(golden["least_sqnr_db"]),
            lost=_whole(golden["lost"], len(images)),
        ),
        about=dict(data["about"]),
    )


def _spec(data: Mapping[str, Any]) -> SessionSpec:
    """Return how the model is run.

    An engine's own options could make it write files: a bundle has none but a setting that edgetl itself tries.
    """
    spec = SessionSpec.from_json(data)
    known = settings(spec.provider).values() if spec.provider in PROVIDERS else ()
    if (spec.options and spec.options not in known) or not 0 <= spec.threads <= _MOST_THREADS:
        raise ValueError("spec has options, or an odd number of threads")
    return spec


_MOST_PIXELS, _MOST_THREADS = 4096, 4096
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,79}")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def _plain(value: Any) -> str:
    """Return a text that can be a folder's name on a device and nothing more: a version is called after it."""
    if not _NAME.fullmatch(_text(value)):
        raise ValueError(f"{value!r:.40} is no plain name")
    return str(value)


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r:.40} is no list")
    return tuple(map(_text, values))


def _whole(value: Any, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{value!r:.40} is no whole number from 0 to {most}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError(f"{value!r:.40} is no number")
    return float(value)


def _limit(value: Any) -> float | None:
    return None if value is None else _number(value)
