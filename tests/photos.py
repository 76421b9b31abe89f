"""Small image folders for tests: each class has a colour of its own, under noise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}


def photo(path: Path, colour: tuple[int, int, int] = (120, 120, 120), seed: int = 0, side: int = 48) -> Path:
    """Write a noisy picture of one colour; the suffix decides the format, the seed the noise."""
    noise = np.random.default_rng(seed).normal(0, 40, (side, side + 16, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(noise + colour, 0, 255).astype(np.uint8)).save(path)
    return path


def class_folders(root: Path, counts: Mapping[str, int], *, seed: int = 0, suffix: str = ".png") -> Path:
    """Write ``counts[name]`` pictures into ``root/name`` each, all of different content."""
    for number, (name, count) in enumerate(counts.items()):
        for index in range(count):
            colour = COLOURS.get(name, (50 * number % 256, 120, 200))
            photo(root / name / f"{index:03d}{suffix}", colour, seed=10_000 * seed + 1000 * number + index)
    return root


class Remarks:
    """Progress that keeps what it was told."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int]] = []
        self.remarks: list[str] = []

    def step(self, name: str, done: int, total: int) -> None:
        self.steps.append((name, done, total))

    def remark(self, text: str) -> None:
        self.remarks.append(text)
