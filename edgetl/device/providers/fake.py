"""A scripted engine: its "model file" is JSON that says how long runs take and what they answer.

Its clock moves only when it runs, by exactly the scripted latency, so that timings are the same on every machine and
nothing sleeps. All keys are optional; an unknown one is an error::

    {
      "classes": 3,                         number of classes
      "latency_ns": [1000, 1200],           the runs' latencies, over and over; or noise around a median, the same for
                                            the same seed:
                                            {"median_ns": 1000000, "sigma": 0.02, "seed": 7}   (sigma of the logarithm)
      "tuned": 0.5,                         with option "tuned" a run takes so many times as long
      "per_image": false,                   true: a run of n images takes n times as long
      "load_ns": 5000000,                   what the report gives as load_ns
      "logits": {"by": "hash", "seed": 0},  by the image's content: any, but always the same for the same image and seed
                {"by": "brightness"}        class = floor(mean / 256 * classes): images can be made to have a class
                {"by": "index", "rows": [[0.1, 0.9, 0.0], ...]}   the i-th image since loading, over and over
      "flips": 0.05,                        on that share of the images (chosen by content) the next class wins instead
      "precision": "int8",                  what the report says; the precision asked for when left out
      "placement": {"FakeExecutionProvider": 10},
      "elsewhere": {"CPUExecutionProvider": ["conv_1"]},
      "input_shape": [null, null, null, 3],
      "fail": {"at": "load" or "run",       where to fail, and how: "unavailable" (no such device), "error" (the engine
               "how": "error",              refuses), "exit" (the process dies) or "hang" (it never answers)
               "after": 3,                  runs that succeed first
               "message": "No memory."}
    }
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgetl.device.providers.base import Logits, ModelError, Pixels, ProviderUnavailable
from edgetl.device.values import LoadReport, SessionSpec

KEYS = (
    "classes",
    "latency_ns",
    "tuned",
    "per_image",
    "load_ns",
    "logits",
    "flips",
    "precision",
    "placement",
    "elsewhere",
    "input_shape",
    "fail",
)
_EXIT_CODE = 70


class FakeSession:
    """A session that follows its script."""

    def __init__(self, script: Mapping[str, Any], spec: SessionSpec, threads: int) -> None:
        self.report = LoadReport(
            provider=spec.provider,
            engine="fake",
            engine_version="1",
            precision=script.get("precision", spec.precision),
            threads=threads,
            placement=script.get("placement", {"FakeExecutionProvider": 1}),
            load_ns=script.get("load_ns", 1_000_000),
            input_shape=tuple(script.get("input_shape", [None, None, None, 3])),
            input_dtype="uint8",
            elsewhere={provider: tuple(names) for provider, names in script.get("elsewhere", {}).items()},
        )
        self._classes = int(script.get("classes", 2))
        self._latency = _latency(script.get("latency_ns", [1_000_000]))
        self._factor = float(script.get("tuned", 1.0)) if spec.options.get("tuned") else 1.0
        self._per_image = bool(script.get("per_image", False))
        self._rule = script.get("logits", {"by": "hash"})
        self._row = ROWS[self._rule["by"]]
        self._flips = float(script.get("flips", 0.0))
        self._fail = script.get("fail", {})
        self._lock = threading.Lock()
        self._now = 0
        self._runs = 0
        self._images = 0

    def clock(self) -> int:
        """Return the scripted time in nanoseconds: 0 at loading."""
        return self._now

    def run(self, pixels: Pixels) -> Logits:
        """Return the scripted logits, float32 of shape (n, classes), and move the clock."""
        with self._lock:
            if self._fail.get("at") == "run" and self._runs >= int(self._fail.get("after", 0)):
                _fail(self._fail)
            self._now += round(self._factor * self._latency(self._runs)) * (len(pixels) if self._per_image else 1)
            self._runs += 1
            return np.stack([self._logits(image) for image in pixels]).astype(np.float32)

    def stream(self) -> Callable[[Pixels], Logits]:
        """Return `run`: all threads move the one clock, one after another."""
        return self.run

    def _logits(self, image: Pixels) -> Logits:
        row = self._row(self._rule, image, self._images, self._classes)
        self._images += 1
        if self._flips and _uniform(image, "flip") < self._flips:
            row = np.roll(row, 1)
        return row


def load(model: Path, spec: SessionSpec, threads: int) -> FakeSession:
    """Return a session that follows the script in ``model``; raises what the script says, ModelError for a bad one."""
    try:
        script = json.loads(model.read_text(encoding="utf-8"))
        unknown = sorted(set(script) - set(KEYS))
        if unknown:
            raise ModelError(f"The fake model has an unknown key '{unknown[0]}'; known are {', '.join(KEYS)}.")
        if script.get("fail", {}).get("at") == "load":
            _fail(script["fail"])
        return FakeSession(script, spec, threads)
    except (ModelError, ProviderUnavailable):
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"The fake model is not a script ({type(error).__name__}: {error}).") from error


def _fail(fail: Mapping[str, Any]) -> None:
    message = str(fail.get("message", "The script says so."))
    FAILURES[fail.get("how", "error")](message)


def _unavailable(message: str) -> None:
    raise ProviderUnavailable(message)


def _error(message: str) -> None:
    raise ModelError(message)


def _exit(message: str) -> None:
    os.write(2, message.encode() + b"\n")
    os._exit(_EXIT_CODE)


def _hang(message: str) -> None:
    os.write(2, message.encode() + b"\n")
    while True:
        time.sleep(3600)


FAILURES: Mapping[str, Callable[[str], None]] = {
    "unavailable": _unavailable,
    "error": _error,
    "exit": _exit,
    "hang": _hang,
}


def _latency(latency: Any) -> Callable[[int], int]:
    """Return the latency in nanoseconds of the i-th run."""
    if isinstance(latency, list):
        cycle = [int(value) for value in latency]
        return lambda run: cycle[run % len(cycle)]
    generator = np.random.default_rng(int(latency.get("seed", 0)))
    median, sigma = float(latency["median_ns"]), float(latency.get("sigma", 0.0))
    return lambda _run: round(median * float(np.exp(sigma * generator.standard_normal())))


def _by_hash(rule: Mapping[str, Any], image: Pixels, _index: int, classes: int) -> Logits:
    digest = hashlib.sha256(image.tobytes() + str(rule.get("seed", 0)).encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    return generator.standard_normal(classes, np.float32)


def _by_brightness(_rule: Mapping[str, Any], image: Pixels, _index: int, classes: int) -> Logits:
    row = np.zeros(classes, np.float32)
    row[int(image.mean() / 256 * classes)] = 1.0
    return row


def _by_index(rule: Mapping[str, Any], _image: Pixels, index: int, _classes: int) -> Logits:
    rows = rule["rows"]
    return np.asarray(rows[index % len(rows)], np.float32)


ROWS: Mapping[str, Callable[[Mapping[str, Any], Pixels, int, int], Logits]] = {
    "hash": _by_hash,
    "brightness": _by_brightness,
    "index": _by_index,
}


def _uniform(image: Pixels, salt: str) -> float:
    """Return a number in 0..1 that the image's content decides."""
    return int.from_bytes(hashlib.sha256(image.tobytes() + salt.encode()).digest()[:8], "little") / 2**64
