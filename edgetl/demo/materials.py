"""Flawless surfaces: brushed metal, wood and woven fabric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgetl.demo.fields import Field, fractal, rotated_axes, smooth, streaks


@dataclass(frozen=True)
class Surface:
    """A surface before light falls on it; colours are linear."""

    albedo: Field
    """(size, size, 3) float32 in about 0..1."""
    height: Field
    """(size, size) float32, in pixels."""
    grain: float
    """Direction of the grain in radians."""


def _tint(rng: np.random.Generator, colours: tuple[tuple[float, float, float], ...], spread: float) -> Field:
    base = np.asarray(colours[int(rng.integers(len(colours)))], dtype=np.float32)
    return np.asarray(base * rng.uniform(1 - spread, 1 + spread, 3) * rng.uniform(0.8, 1.2), dtype=np.float32)


def metal(rng: np.random.Generator, size: int) -> Surface:
    """Brushed metal: long fine streaks, a broad sheen."""
    grain = float(rng.uniform(-0.5, 0.5))
    u, v = rotated_axes(size, grain, float(rng.uniform(0.8, 1.6)))
    fine = streaks(rng, u, v, float(rng.uniform(30, 90)), float(rng.uniform(0.8, 1.6)))
    broad = streaks(rng, u, v, 120.0, float(rng.uniform(3, 7)))
    tone = 1 + np.float32(rng.uniform(0.05, 0.16)) * fine + np.float32(rng.uniform(0.02, 0.07)) * broad
    tint = _tint(rng, ((0.45, 0.46, 0.48), (0.5, 0.42, 0.3), (0.33, 0.34, 0.36)), 0.06)
    return Surface(tone[..., None] * tint, np.float32(0.12) * fine, grain)


def wood(rng: np.random.Generator, size: int) -> Surface:
    """Planed wood: growth rings cut lengthwise, pores along the grain."""
    grain = float(rng.uniform(-0.5, 0.5))
    u, v = rotated_axes(size, grain, float(rng.uniform(0.7, 1.7)))
    bend = np.float32(rng.uniform(4, 14)) * smooth(rng, size, float(rng.uniform(90, 160)))
    ring = np.sin((v + bend) * np.float32(2 * np.pi / rng.uniform(9, 24)) + smooth(rng, size, 40.0))
    pores = streaks(rng, u, v + bend, float(rng.uniform(12, 30)), 1.2)
    dark = np.float32(rng.uniform(0.06, 0.2)) * ring + np.float32(rng.uniform(0.05, 0.12)) * pores
    tint = _tint(rng, ((0.5, 0.32, 0.17), (0.6, 0.45, 0.28), (0.32, 0.19, 0.11)), 0.1)
    albedo = tint * (1 + dark[..., None] * np.asarray([0.8, 1.0, 1.2], dtype=np.float32))
    return Surface(albedo, np.float32(0.15) * pores, grain)


def fabric(rng: np.random.Generator, size: int) -> Surface:
    """Woven cloth: plain weave or twill, threads a little uneven."""
    grain = float(rng.uniform(-0.5, 0.5))
    u, v = rotated_axes(size, grain, float(rng.uniform(0.8, 1.5)))
    u = u + np.float32(rng.uniform(0.3, 1.2)) * smooth(rng, size, 40.0)
    v = v + np.float32(rng.uniform(0.3, 1.2)) * smooth(rng, size, 40.0)
    pitch = np.float32(2 * np.pi / rng.uniform(6, 11))
    warp, weft = np.cos(u * pitch), np.cos(v * pitch)
    plain = rng.random() < 0.5
    over = np.sin(u * pitch / 2) * np.sin(v * pitch / 2) if plain else np.sin((u + v) * pitch / 2)
    upper = (1 / (1 + np.exp(-4 * over))).astype(np.float32)
    thread = upper * warp + (1 - upper) * weft
    first = _tint(rng, ((0.3, 0.34, 0.4), (0.45, 0.4, 0.33), (0.4, 0.24, 0.22), (0.26, 0.33, 0.27)), 0.15)
    second = first * np.asarray(rng.uniform(0.75, 1.15, 3), dtype=np.float32)
    colour = upper[..., None] * first + (1 - upper[..., None]) * second
    lint = 1 + np.float32(0.05) * fractal(rng, size, 6.0, 2)
    relief = 1 + np.float32(rng.uniform(0.12, 0.28)) * thread
    return Surface(colour * (lint * relief)[..., None], np.float32(0.35) * thread, grain)


MATERIALS: tuple[Callable[[np.random.Generator, int], Surface], ...] = (metal, wood, fabric)
