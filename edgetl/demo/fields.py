"""Random fields and soft masks that the procedural images are made of (numpy, Pillow and scipy only)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

Field = NDArray[np.float32]
Point = tuple[float, float]


def smooth(rng: np.random.Generator, size: int, cell: float) -> Field:
    """A field of (size, size) float32 with mean about 0 and deviation about 1, correlated over `cell` pixels."""
    coarse = max(2, round(size / cell) + 1)
    grid = rng.standard_normal((coarse, coarse), dtype=np.float32)
    if coarse >= size:
        return grid[:size, :size]
    field = np.asarray(Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32)
    # Interpolation averages neighbours, which would make coarse fields fainter than fine ones.
    return np.asarray(field / np.float32(max(float(field.std()), 1e-3)), dtype=np.float32)


def fractal(rng: np.random.Generator, size: int, cell: float, octaves: int = 3, gain: float = 0.5) -> Field:
    """A sum of `octaves` smooth fields, each of half the cell and `gain` times the strength of the one before."""
    total = smooth(rng, size, cell)
    for octave in range(1, octaves):
        total = total + np.float32(gain**octave) * smooth(rng, size, cell / 2**octave)
    return total


def rotated_axes(size: int, angle: float, scale: float = 1.0) -> tuple[Field, Field]:
    """Coordinates (u, v) in pixels about the centre, turned by `angle` (radians) and divided by `scale`."""
    axis = (np.arange(size, dtype=np.float32) - np.float32(size / 2)) / np.float32(scale)
    x, y = axis[None, :], axis[:, None]
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * cos + y * sin, y * cos - x * sin


def streaks(rng: np.random.Generator, u: Field, v: Field, length: float, width: float) -> Field:
    """Noise drawn out along `u`: correlated over `length` pixels that way and over `width` pixels along `v`."""
    period = 256
    table = rng.standard_normal((period, period), dtype=np.float32)
    coordinates = np.stack([v / np.float32(width) + period, u / np.float32(length) + period])
    field = ndimage.map_coordinates(table, coordinates, order=1, mode="grid-wrap", output=np.float32)
    return np.asarray(field, dtype=np.float32)


def blob(rng: np.random.Generator, size: int, centre: Point, radius: float, ragged: float, soft: float) -> Field:
    """A mask in 0..1 of an irregular round patch; `ragged` bends its outline, `soft` (pixels) fades its edge."""
    u, v = rotated_axes(size, float(rng.uniform(0, np.pi)))
    cos = u - np.float32(centre[0] - size / 2)
    sin = v - np.float32(centre[1] - size / 2)
    # The centre is given in the turned frame; callers draw it at random, so that frame does not matter.
    stretch = np.float32(rng.uniform(0.7, 1.4))
    distance = np.sqrt((cos * stretch) ** 2 + (sin / stretch) ** 2)
    outline = np.float32(radius) * (1 + np.float32(ragged) * smooth(rng, size, max(radius * 0.8, 3.0)))
    return np.asarray(np.clip((outline - distance) / np.float32(soft) + 0.5, 0, 1), dtype=np.float32)


def stroke(size: int, path: Sequence[Point], width: float) -> Field:
    """A mask in 0..1 of a line along `path` (x, y in pixels), `width` pixels wide and antialiased."""
    zoom = 4
    canvas = Image.new("L", (size * zoom, size * zoom))
    points = [(x * zoom, y * zoom) for x, y in path]
    ImageDraw.Draw(canvas).line(points, fill=255, width=max(1, round(width * zoom)), joint="curve")
    return np.asarray(np.asarray(canvas.reduce(zoom)) / 255, dtype=np.float32)


def shade(height: Field, azimuth: float, relief: float) -> Field:
    """How much more or less light than flat ground each point of `height` (pixels) gets: about -relief..relief."""
    gy, gx = np.gradient(height)
    slope = gx * np.float32(np.cos(azimuth)) + gy * np.float32(np.sin(azimuth))
    return np.asarray(relief * slope / np.sqrt(1 + gx**2 + gy**2), dtype=np.float32)
