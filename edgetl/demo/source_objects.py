"""Objects of the source task: each class is a fixed random form, drawn in any pose.

Five kinds: glyphs of curves, closed outlines, fractals of iterated functions, solids given as height fields and
arrangements of small signs. A form's prototype depends on its class alone; the pose comes with each picture.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from edgetl.demo.fields import Field, Point, rotated_axes

KINDS = ("glyph", "outline", "fractal", "solid", "signs")
PER_KIND = dict.fromkeys(KINDS, 24)
OBJECTS: tuple[tuple[str, int], ...] = tuple((kind, i) for kind in KINDS for i in range(PER_KIND[kind]))

Points = NDArray[np.float64]
Affine = NDArray[np.float64]
ZOOM = 2


def _prototype(kind: str, number: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence((7, KINDS.index(kind), number)))


def _unit(points: Points) -> Points:
    centred = points - points.mean(0)
    return np.asarray(centred / max(float(np.abs(centred).max()), 1e-6))


@cache
def _glyph(number: int) -> tuple[Points, ...]:
    rng = _prototype("glyph", number)
    strokes = []
    for _ in range(int(rng.integers(1, 4))):
        control = rng.uniform(-1, 1, (4, 2))
        t = np.linspace(0, 1, 14)[:, None]
        if rng.random() < 0.35:
            strokes.append(control[:3])
        else:
            a, b, c, d = control
            strokes.append(a * (1 - t) ** 3 + 3 * b * t * (1 - t) ** 2 + 3 * c * t**2 * (1 - t) + d * t**3)
    return tuple(strokes)


@cache
def _outline(number: int) -> Points:
    rng = _prototype("outline", number)
    if number % 2:
        corners = int(rng.integers(3, 9))
        angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
        return _unit(np.stack([np.cos(angle), np.sin(angle)], 1) * rng.uniform(0.3, 1, (corners, 1)))
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radius = np.full(60, 1.0)
    for k in range(2, 8):
        radius += rng.normal(0, 0.8 / k) * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
    return _unit(np.stack([np.cos(angle), np.sin(angle)], 1) * np.abs(radius)[:, None])


@cache
def _fractal(number: int) -> Points:
    rng = _prototype("fractal", number)
    maps = []
    for _ in range(int(rng.integers(2, 5))):
        left, right = rng.uniform(-np.pi, np.pi, 2)
        scale = np.diag(rng.uniform(0.3, 0.85, 2) * rng.choice([-1, 1], 2))
        turn = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in (left, right)]
        maps.append((turn[0] @ scale @ turn[1], rng.uniform(-1, 1, 2)))
    weight = np.array([abs(np.linalg.det(a)) + 0.05 for a, _ in maps])
    points = rng.uniform(-1, 1, (6000, 2))
    for _ in range(24):
        pick = rng.choice(len(maps), len(points), p=weight / weight.sum())
        a = np.stack([m[0] for m in maps])[pick]
        points = np.einsum("nij,nj->ni", a, points) + np.stack([m[1] for m in maps])[pick]
    points = points - np.median(points, axis=0)
    return np.asarray(np.clip(points / np.quantile(np.abs(points), 0.98), -1.3, 1.3))


@cache
def _signs(number: int) -> tuple[int, Points]:
    rng = _prototype("signs", number)
    count = int(rng.integers(5, 16))
    t = np.linspace(0, 1, count)
    layouts = (
        np.stack([t * 2 - 1, 0 * t], 1),
        np.stack([np.cos(2 * np.pi * t), np.sin(2 * np.pi * t)], 1),
        np.stack([t * np.cos(7 * t), t * np.sin(7 * t)], 1),
        rng.uniform(-1, 1, (count, 2)),
        np.stack(np.meshgrid([-1, -0.33, 0.33, 1], [-0.7, 0, 0.7]), -1).reshape(-1, 2),
    )
    return number % 7, layouts[(number // 7) % 5]


def pose(rng: np.random.Generator, size: int) -> Affine:
    """A random affine map (2, 3) from the unit square of prototypes to pixels."""
    scale = size * np.exp(rng.uniform(np.log(0.2), np.log(0.45)))
    angle, shear = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.2)
    stretch = np.exp(rng.normal(0, 0.15))
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.array([[stretch, shear], [0, 1 / stretch]]) * scale
    room = max(0.0, size / 2 - scale * 0.8)
    shift = size / 2 + rng.uniform(-room, room, 2)
    return np.hstack([linear, shift[:, None]])


def _map(affine: Affine, points: Points) -> Points:
    return np.asarray(points @ affine[:, :2].T + affine[:, 2])


def _solid(number: int, affine: Affine, size: int) -> Field:
    rng = _prototype("solid", number)
    inverse = np.linalg.inv(affine[:, :2])
    x, y = rotated_axes(size, 0.0)
    x, y = x + size / 2 - affine[0, 2], y + size / 2 - affine[1, 2]
    u, v = inverse[0, 0] * x + inverse[0, 1] * y, inverse[1, 0] * x + inverse[1, 1] * y
    power, squash = rng.uniform(0.8, 4), rng.uniform(0.5, 1)
    sides, phase, hollow = int(rng.integers(3, 7)), rng.uniform(0, 6), rng.uniform(0.3, 0.7)
    radius, angle = np.hypot(u, v / squash), np.arctan2(v, u)
    family = number % 4
    if family == 0:
        height = np.clip(1 - np.abs(u) ** power - np.abs(v / squash) ** power, 0, None) ** (1 / max(power, 1))
    elif family == 1:
        wedge = np.cos((angle + phase) % (2 * np.pi / sides) - np.pi / sides) * radius
        height = np.clip(1 - wedge, 0, rng.uniform(0.3, 1))
    elif family == 2:
        height = np.sqrt(np.clip((0.3) ** 2 - (radius - hollow) ** 2, 0, None)) * 2
    else:
        height = np.clip(1 - radius, 0, None) * (1 + 0.6 * np.cos(sides * angle + phase))
    return np.asarray(height, dtype=np.float32)


def draw(rng: np.random.Generator, kind: str, number: int, size: int) -> tuple[Field, Field]:
    """One object in a random pose: its mask in 0..1 and its height (pixels), both (size, size) float32."""
    affine = pose(rng, size)
    reach = float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))
    if kind == "solid":
        height = _solid(number, affine, size)
        return np.clip(height * 6, 0, 1), height * np.float32(reach * 0.5)
    if kind == "fractal":
        points = _map(affine, _fractal(number))
        inside = ((points >= 0) & (points < size)).all(1)
        x, y = points[inside].astype(np.int64).T
        count = np.bincount(y * size + x, minlength=size * size).reshape(size, size)
        mask = np.clip(np.log1p(count) / np.log(4), 0, 1).astype(np.float32)
        return mask, mask
    canvas = Image.new("L", (size * ZOOM, size * ZOOM))
    pen = ImageDraw.Draw(canvas)
    if kind == "outline":
        _draw_outline(rng, pen, affine, number)
    elif kind == "glyph":
        _draw_glyph(rng, pen, affine, number, reach)
    else:
        _draw_signs(rng, pen, affine, number, reach)
    mask = np.asarray(np.asarray(canvas.reduce(ZOOM)) / 255, dtype=np.float32)
    return mask, mask * np.float32(reach * 0.1)


def _zoomed(points: Points) -> list[Point]:
    return [(float(x), float(y)) for x, y in points * ZOOM]


def _draw_outline(rng: np.random.Generator, pen: ImageDraw.ImageDraw, affine: Affine, number: int) -> None:
    jitter = _outline(number) + rng.normal(0, 0.02, _outline(number).shape)
    if rng.random() < 0.8:
        pen.polygon(_zoomed(_map(affine, jitter)), fill=255)
    else:
        closed = np.vstack([jitter, jitter[:1]])
        pen.line(_zoomed(_map(affine, closed)), fill=255, width=int(rng.integers(2, 8)))


def _draw_glyph(rng: np.random.Generator, pen: ImageDraw.ImageDraw, affine: Affine, number: int, reach: float) -> None:
    width = max(2, round(ZOOM * reach * float(np.exp(rng.uniform(np.log(0.04), np.log(0.3))))))
    for path in _glyph(number):
        moved = _map(affine, path + rng.normal(0, 0.02, path.shape))
        pen.line(_zoomed(moved), fill=255, width=width, joint="curve")


def _draw_signs(rng: np.random.Generator, pen: ImageDraw.ImageDraw, affine: Affine, number: int, reach: float) -> None:
    sign, places = _signs(number)
    radius = ZOOM * max(1.2, reach * float(rng.uniform(0.07, 0.16)))
    turn = float(rng.uniform(0, 360))
    for x, y in _zoomed(_map(affine, places + rng.normal(0, 0.04, places.shape))):
        box = (x - radius, y - radius, x + radius, y + radius)
        if sign == 0:
            pen.ellipse(box, fill=255)
        elif sign == 1:
            pen.ellipse(box, outline=255, width=2)
        elif sign == 2:
            pen.arc(box, turn, turn + 200, fill=255, width=2)
        else:
            # Signs 3 to 6 are a dash, a hollow triangle, a square and a pentagon.
            step = np.deg2rad(turn) + np.arange(sign - 1) * 2 * np.pi / (sign - 1)
            ring = [(x + radius * float(np.cos(a)), y + radius * float(np.sin(a))) for a in step]
            if sign == 3:
                pen.line(ring, fill=255, width=3)
            else:
                pen.polygon(ring, outline=255, fill=255 if sign > 4 else None)
