"""Peak memory of a whole `edgetl finetune` by the number of images: it may not grow with them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.transfer import whole
from benchmarks.transfer.generated import generate

# EDGETL_IMAGES=60000 takes more images, for whoever has the time.
BASE, COUNTS = 40, tuple(map(int, os.environ.get("EDGETL_IMAGES", "1000 20000").split()))
# For 60,000 images it may be 2 GiB above the base.
LIMIT_GIB = 2.0
GIB = 2**30


def measure() -> tuple[dict[str, Any], list[str]]:
    """Print the peaks; return all figures and the limits missed."""
    found: dict[str, Any] = {}
    missed = []
    print(f"{'images':>8}{'peak MiB':>10}{'above base':>12}{'seconds':>9}")
    base = 0
    for count in (BASE, *COUNTS):
        with tempfile.TemporaryDirectory() as folder:
            photos = generate(Path(folder) / "photos", count)
            done = whole.edgetl(Path(folder), "finetune", "--data", str(photos), "--weights", "embedded")
        base = base or done.peak_rss_bytes
        above = done.peak_rss_bytes - base
        print(f"{count:>8}{done.peak_rss_bytes / 2**20:>10.0f}{above / 2**20:>12.0f}{done.seconds:>9.1f}")
        found[str(count)] = {"peak_rss_bytes": done.peak_rss_bytes, "above_base": above, "seconds": done.seconds}
        if above > LIMIT_GIB * GIB:
            missed.append(f"memory: {above / GIB:.1f} GiB above the base for {count} images")
    return found, missed
