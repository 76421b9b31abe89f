"""The same files as several processors compute them: top-1, agreement and signal to noise against native fp32."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgetl.device.bundle.opened import Bundle
from edgetl.device.bundle.verification import verify
from edgetl.environments.emulation import emulated
from edgetl.environments.local import local_command
from edgetl.measure.worker import Worker

PROCESSORS = ("native", "avx2", "arm64")
# What a recipe whose 8-bit products saturate must lose there, and others must not, in dB.
CAUGHT_DB, SAME_DB = 3.0, 1.0
SAME = ("fp32", "u8s8-reduced-range")
# Beyond this the difference is rounding.
EXACT_DB = 60.0


def measure(bundles: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Return a row for each recipe and processor."""
    rows = []
    for name, path in bundles.items():
        for processor in PROCESSORS:
            command = local_command() if processor == "native" else emulated(processor)
            with Bundle(path) as bundle, Worker(command) as worker:
                found = verify(bundle, worker, seconds=None)
            rows.append(
                {
                    "recipe": name,
                    "processor": processor,
                    "images": found.images,
                    "top1": found.accuracy,
                    "agreement": found.agreement,
                    "sqnr_db": found.sqnr_db,
                    "ok": found.ok,
                }
            )
            # An emulated processor takes minutes: what is known is said.
            print(f"{name} on {processor}: {found.sqnr_db:.1f} dB, top-1 {found.accuracy}", flush=True)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows in Markdown."""
    lines = [
        "| recipe | processor | top-1 | agreement with fp32 | logits, dB | verified |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        shares = f"{row['top1']:.1%} | {row['agreement']:.1%} | {row['sqnr_db']:.1f}"
        lines.append(f"| {row['recipe']} | {row['processor']} | {shares} | {'ok' if row['ok'] else 'refused'} |")
    return "\n".join([*lines, "", f"{rows[0]['images']} photos."])


def misses(rows: list[dict[str, Any]]) -> list[str]:
    """Return where saturation was not caught, or something else was.

    An emulated Arm sums 8-bit products exactly. This machine does so with VNNI only, which is for the table to tell.
    """
    decibels = {(row["recipe"], row["processor"]): row["sqnr_db"] for row in rows}
    found = []
    for (recipe, processor), value in decibels.items():
        lost = decibels[recipe, "arm64"] - value
        if recipe.startswith("u8s8-eq") and processor == "avx2" and lost < CAUGHT_DB:
            found.append(f"{recipe} loses only {lost:.1f} dB on {processor}")
        if recipe in SAME and lost > SAME_DB and value < EXACT_DB:
            found.append(f"{recipe} loses {lost:.1f} dB on {processor}")
    return found
