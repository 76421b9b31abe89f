"""Grounds of the source task: families of procedural textures, each with classes that differ in their parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edgetl.demo.fields import Field, fractal, rotated_axes, smooth, streaks

Texture = Callable[[np.random.Generator, int], Field]
TAU = 2 * np.pi


def _field(values: NDArray[Any]) -> Field:
    return np.asarray(values, dtype=np.float32)


def _axes(rng: np.random.Generator, size: int) -> tuple[Field, Field]:
    return rotated_axes(size, float(rng.uniform(0, TAU)), float(rng.uniform(0.7, 1.5)))


def _waves(rng: np.random.Generator, size: int, period: float, bend: float) -> Field:
    u, _ = _axes(rng, size)
    return _field(np.sin(u * np.float32(TAU / period) + np.float32(bend) * smooth(rng, size, 40.0)))


def _hairs(rng: np.random.Generator, size: int, length: float, width: float) -> Field:
    u, v = _axes(rng, size)
    return streaks(rng, u, v, length, width)


def _clouds(rng: np.random.Generator, size: int, cell: float, octaves: int) -> Field:
    return fractal(rng, size, cell, octaves, 0.6)


def _lattice(rng: np.random.Generator, size: int, period: float, power: float) -> Field:
    u, v = _axes(rng, size)
    k = np.float32(TAU / period)
    wave = np.sin(u * k) * np.sin(v * k)
    return np.asarray(np.sign(wave) * np.abs(wave) ** np.float32(power), dtype=np.float32)


def _weave(rng: np.random.Generator, size: int, period: float, twill: bool) -> Field:
    u, v = _axes(rng, size)
    k = np.float32(TAU / period)
    over = np.sin((u + v) * k / 2) if twill else np.sin(u * k / 2) * np.sin(v * k / 2)
    return _field(np.where(over > 0, np.cos(u * k), np.cos(v * k)))


def _cells(rng: np.random.Generator, size: int, pitch: float, edges: bool) -> Field:
    count = max(6, round((size / pitch) ** 2))
    spots = np.ones((size, size), dtype=bool)
    where = rng.integers(0, size, (2, count))
    spots[where[0], where[1]] = False
    near, index = ndimage.distance_transform_edt(spots, return_indices=True)
    if edges:
        return _field(near / (pitch / 3) - 1)
    tones = rng.standard_normal((size, size), dtype=np.float32)
    return np.asarray(tones[index[0], index[1]], dtype=np.float32)


def _labyrinth(rng: np.random.Generator, size: int, cell: float, sharp: float) -> Field:
    # A band of noise, thresholded: what reaction and diffusion settle to, without the simulation.
    noise = smooth(rng, size, cell / 2)
    band = noise - ndimage.gaussian_filter(noise, cell)
    return _field(np.tanh(np.float32(sharp) * band))


def _rings(rng: np.random.Generator, size: int, period: float, bend: float) -> Field:
    x, y = rng.uniform(-0.5, 1.5, 2) * size
    u, v = rotated_axes(size, 0.0)
    radius = np.hypot(u + size / 2 - np.float32(x), v + size / 2 - np.float32(y))
    return _field(np.sin(radius * np.float32(TAU / period) + np.float32(bend) * smooth(rng, size, 25.0)))


def _gabor(rng: np.random.Generator, size: int, period: float, many: int) -> Field:
    total = np.zeros((size, size), dtype=np.float32)
    for _ in range(many):
        total += _waves(rng, size, period * float(rng.uniform(0.8, 1.25)), 1.5) * smooth(rng, size, 30.0)
    return total / np.float32(np.sqrt(many))


def _bricks(rng: np.random.Generator, size: int, period: float, ratio: float) -> Field:
    u, v = _axes(rng, size)
    row = np.floor(v / period)
    x = (u / (period * ratio) + row * 0.5) % 1
    joint = np.minimum(np.minimum(x, 1 - x) * ratio, np.minimum(v / period % 1, 1 - v / period % 1))
    return _field(np.clip(joint * 8, 0, 1) * 2 - 1 + np.float32(0.3) * smooth(rng, size, 4.0))


TEXTURES: tuple[Texture, ...] = (
    *(partial(_waves, period=p, bend=b) for p, b in ((5, 0.5), (9, 3), (16, 0.5), (16, 6), (30, 3))),
    *(partial(_hairs, length=a, width=b) for a, b in ((60, 1), (25, 1.3), (80, 3), (20, 4), (10, 1.5))),
    *(partial(_clouds, cell=c, octaves=o) for c, o in ((3, 1), (8, 1), (20, 4), (60, 5), (40, 1))),
    *(partial(_lattice, period=p, power=q) for p, q in ((8, 1), (16, 0.2), (28, 1), (28, 0.2), (14, 3))),
    *(partial(_weave, period=p, twill=t) for p, t in ((7, False), (7, True), (13, False), (13, True), (22, True))),
    *(partial(_cells, pitch=p, edges=e) for p, e in ((8, False), (8, True), (18, False), (18, True), (34, True))),
    *(partial(_labyrinth, cell=c, sharp=s) for c, s in ((3, 1), (5, 4), (9, 2), (9, 8), (14, 4))),
    *(partial(_rings, period=p, bend=b) for p, b in ((6, 0.3), (12, 2), (22, 5), (22, 0.5))),
    *(partial(_gabor, period=p, many=m) for p, m in ((6, 3), (12, 3), (12, 8), (24, 5))),
    *(partial(_bricks, period=p, ratio=r) for p, r in ((10, 1), (10, 2.5), (22, 1), (22, 2.5), (34, 1.6))),
)


def colour(rng: np.random.Generator, tone: Field, strength: float) -> Field:
    """The texture `tone` (size, size) in random colours: (size, size, 3) float32 in about 0..1."""
    base = rng.uniform(0.15, 0.85, 3)
    if rng.random() < 0.5:
        # Half of the grounds are nearly grey: light, not hue, must tell them apart.
        base = base.mean() + 0.2 * (base - base.mean())
    direction = base * rng.uniform(0.6, 1.4, 3) if rng.random() < 0.7 else rng.uniform(-0.7, 0.7, 3)
    low = np.asarray(base, dtype=np.float32)
    return _field(low + np.tanh(tone)[..., None] * np.asarray(direction * strength, dtype=np.float32))
