"""The flaws of the demo set, one function each: a sound surface in, a flawed one out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from edgetl.demo.fields import Field, Point, blob, fractal, rotated_axes, smooth, stroke
from edgetl.demo.materials import Surface

Painter = Callable[[np.random.Generator, Surface], Surface]


def _place(rng: np.random.Generator, size: int, margin: float = 0.18) -> Point:
    low, high = margin * size, (1 - margin) * size
    return float(rng.uniform(low, high)), float(rng.uniform(low, high))


def _mix(surface: Surface, mask: Field, colour: Field, height: Field | None = None) -> Surface:
    albedo = surface.albedo + mask[..., None] * (colour - surface.albedo)
    return Surface(albedo, surface.height if height is None else height, surface.grain)


def _contrast(rng: np.random.Generator, low: float, high: float) -> np.float32:
    return np.float32(rng.uniform(low, high))


def _wander(
    rng: np.random.Generator, start: Point, angle: float, length: float, turn: float, steps: int
) -> list[Point]:
    """A path of `steps` pieces whose heading drifts by `turn` radians (one deviation) at each."""
    path = [start]
    for _ in range(steps):
        angle += float(rng.normal(0, turn))
        x, y = path[-1]
        path.append((x + np.cos(angle) * length / steps, y + np.sin(angle) * length / steps))
    return path


def good(_: np.random.Generator, surface: Surface) -> Surface:
    """The surface as it is."""
    return surface


def scratch(rng: np.random.Generator, surface: Surface) -> Surface:
    """One to three thin, nearly straight furrows, brighter or darker than the ground."""
    size = surface.height.shape[0]
    angle = surface.grain + float(rng.uniform(0.25, np.pi - 0.25))
    height, albedo = surface.height, surface.albedo
    gain = _contrast(rng, 0.45, 1.0) * (1 if rng.random() < 0.7 else -0.6)
    for _ in range(int(rng.integers(2, 6))):
        length = float(rng.uniform(0.45, 0.9)) * size
        x, y = _place(rng, size, 0.3)
        start = x - np.cos(angle) * length / 2, y - np.sin(angle) * length / 2
        path = _wander(rng, start, angle + float(rng.normal(0, 0.08)), length, 0.025, 8)
        mask = stroke(size, path, float(rng.uniform(1.5, 3.5)))
        albedo = albedo * (1 + gain * mask[..., None])
        height = height - np.float32(rng.uniform(0.5, 1.5)) * mask
    return Surface(albedo, height, surface.grain)


def crack(rng: np.random.Generator, surface: Surface) -> Surface:
    """A dark jagged line that may fork."""
    size = surface.height.shape[0]
    length = float(rng.uniform(0.5, 0.9)) * size
    angle = float(rng.uniform(0, 2 * np.pi))
    x, y = _place(rng, size, 0.32)
    start = x - np.cos(angle) * length / 2, y - np.sin(angle) * length / 2
    path = _wander(rng, start, angle, length, 0.6, int(rng.integers(9, 16)))
    mask = stroke(size, path, float(rng.uniform(2.0, 4.5)))
    for _ in range(int(rng.integers(1, 5))):
        fork = path[int(rng.integers(2, len(path) - 1))]
        branch = _wander(rng, fork, angle + float(rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)), length * 0.35, 0.45, 6)
        mask = np.maximum(mask, stroke(size, branch, 2.0))
    mask = mask * np.clip(0.8 + 0.4 * smooth(rng, size, 14.0), 0, 1)
    return _mix(surface, mask * _contrast(rng, 0.6, 0.95), surface.albedo * 0.2, surface.height - 0.6 * mask)


def dent(rng: np.random.Generator, surface: Surface) -> Surface:
    """A smooth hollow or bump: nothing changes but the light."""
    size = surface.height.shape[0]
    x, y = _place(rng, size)
    u, v = rotated_axes(size, float(rng.uniform(0, np.pi)))
    radius = float(rng.uniform(0.14, 0.26)) * size
    stretch = np.float32(rng.uniform(0.75, 1.3))
    distance = ((u - (x - size / 2)) * stretch) ** 2 + ((v - (y - size / 2)) / stretch) ** 2
    bump = np.exp(-distance / np.float32(2 * (radius * 0.6) ** 2))
    depth = np.float32(rng.uniform(2.2, 3.4) * radius * (1 if rng.random() < 0.75 else -1))
    return Surface(surface.albedo, surface.height - depth * bump, surface.grain)


def hole(rng: np.random.Generator, surface: Surface) -> Surface:
    """A small opening with a dark floor and a lit rim."""
    size = surface.height.shape[0]
    radius = float(rng.uniform(0.06, 0.13)) * size
    mask = blob(rng, size, _place(rng, size), radius, 0.12, 1.5)
    floor = surface.albedo * _contrast(rng, 0.05, 0.25)
    rim = ndimage.gaussian_filter(mask, 1.5)
    return _mix(surface, mask, floor, surface.height - np.float32(rng.uniform(2.0, 4.0)) * rim)


def stain(rng: np.random.Generator, surface: Surface) -> Surface:
    """A faint patch of another colour, often darker at its edge; the texture shows through."""
    size = surface.height.shape[0]
    radius = float(rng.uniform(0.19, 0.34)) * size
    mask = blob(rng, size, _place(rng, size), radius, 0.25, float(rng.uniform(3, 12)))
    ring = 4 * mask * (1 - mask) * _contrast(rng, 0.0, 0.7)
    tint = np.asarray(rng.uniform(0.15, 0.6, 3), dtype=np.float32)
    amount = (mask + ring) * _contrast(rng, 0.65, 1.0)
    return _mix(surface, amount, surface.albedo * tint * _contrast(rng, 0.7, 0.95))


def contamination(rng: np.random.Generator, surface: Surface) -> Surface:
    """Foreign particles or short fibres lying on the surface, in a loose cluster."""
    size = surface.height.shape[0]
    tone = (0.0, 0.25) if rng.random() < 0.6 else (0.55, 1.0)
    colour = np.asarray(rng.uniform(*tone, 3), dtype=np.float32)
    x, y = _place(rng, size, 0.25)
    spread = float(rng.uniform(0.12, 0.25)) * size
    mask = np.zeros_like(surface.height)
    fibres = rng.random() < 0.5
    for _ in range(int(rng.integers(22, 45))):
        spot = x + float(rng.normal(0, spread)), y + float(rng.normal(0, spread))
        if fibres:
            turn = float(rng.uniform(0, 2 * np.pi))
            path = _wander(rng, spot, turn, float(rng.uniform(10, 28)), 0.5, 6)
            mask = np.maximum(mask, stroke(size, path, float(rng.uniform(2.0, 3.5))))
        else:
            reach = float(rng.uniform(2.2, 5.0))
            path = [(spot[0] - reach, spot[1]), (spot[0] + reach, spot[1] + float(rng.normal(0, 1.5)))]
            mask = np.maximum(mask, stroke(size, path, reach * 1.6))
    mask = mask * _contrast(rng, 0.75, 1.0)
    return _mix(surface, mask, np.broadcast_to(colour, surface.albedo.shape), surface.height + 0.8 * mask)


def abrasion(rng: np.random.Generator, surface: Surface) -> Surface:
    """A rubbed patch: the texture is worn away and a haze of fine rubbing marks is left."""
    size = surface.height.shape[0]
    radius = float(rng.uniform(0.28, 0.42)) * size
    mask = blob(rng, size, _place(rng, size), radius, 0.25, float(rng.uniform(6, 14)))
    mask = mask * np.clip(0.75 + 0.35 * fractal(rng, size, 9.0, 3), 0, 1) * _contrast(rng, 0.8, 1.0)
    worn = np.stack([ndimage.gaussian_filter(surface.albedo[..., c], 4.0) for c in range(3)], axis=-1)
    haze = 1 + _contrast(rng, 0.45, 0.9) + np.float32(0.05) * smooth(rng, size, 1.5)
    height = surface.height * (1 - mask)
    return _mix(surface, mask, worn * haze[..., None], height)


DEFECTS: dict[str, Painter] = {
    "good": good,
    "abrasion": abrasion,
    "contamination": contamination,
    "crack": crack,
    "dent": dent,
    "hole": hole,
    "scratch": scratch,
    "stain": stain,
}
