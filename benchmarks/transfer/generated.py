"""Photos in any number, made in a moment: clouds of colour in the size and weight of a small photo."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

SIZE, GRAIN, QUALITY = (500, 375), (60, 45), 85
CLASSES = 4


def generate(root: Path, count: int) -> Path:
    """Write ``count`` different JPEGs of 500x375 pixels, about 20 kB each, in class folders; return ``root``."""
    for label in range(CLASSES):
        (root / f"class {label}").mkdir(parents=True)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda index: _photo(root, index), range(count)))
    return root


def _photo(root: Path, index: int) -> None:
    label = index % CLASSES
    noise = np.random.default_rng(index).integers(0, 160, (GRAIN[1], GRAIN[0], 3), dtype=np.uint8)
    noise[..., label % 3] += np.uint8(40 + 50 * (label // 3))
    picture = Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC)
    picture.save(root / f"class {label}" / f"{index:06d}.jpg", quality=QUALITY)
