"""Timing a bundle's model on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from edgetl.device import machine
from edgetl.device.app.local import Local
from edgetl.device.bundle.cost import Latency, latency_of, timed
from edgetl.device.bundle.opened import Bundle
from edgetl.device.bundle.verification import load
from edgetl.device.preprocess import load_image
from edgetl.device.values import LoadReport


@dataclass(frozen=True)
class Benched:
    """What one image costs, and what runs it.

    ``load_ms`` is the time to make the session, ``first_ms`` that of the first run.
    """

    version: str
    cpu: str
    latency: Latency
    load_ms: float
    first_ms: float
    report: LoadReport


def bench(bundle: Bundle, seconds: float) -> Benched:
    """Return the timings of one image at a time, for about ``seconds``; raises ProviderUnavailable, ModelError."""
    encoded = [bundle.archive.read(name) for name in bundle.manifest.golden.images]
    image = load_image(encoded[0], bundle.manifest.preprocess)[np.newaxis]
    runner = Local()
    report = load(bundle, runner)
    start = time.perf_counter_ns()
    runner.logits(image)
    first = time.perf_counter_ns() - start
    timings = timed(runner, image, encoded, bundle.manifest.preprocess, seconds)
    latency = latency_of(timings, runner.peak_rss_bytes())
    return Benched(bundle.version, machine.cpu_model(), latency, report.load_ns / 1e6, first / 1e6, report)
