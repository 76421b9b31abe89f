"""The task that the embedded backbone learns from: which form lies on which ground, and how it shows there.

Nothing here looks like an inspection: 120 abstract forms, 48 textures and 6 ways in which a form can differ from
its ground, each a label of its own. Pictures are deterministic in (seed, index).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edgetl.demo.fields import Field, rotated_axes, shade, smooth
from edgetl.demo.source_objects import OBJECTS, draw
from edgetl.demo.source_textures import TEXTURES, colour

SOURCE_VERSION = 1
SIZE = 128
LOOKS = ("darker", "lighter", "coloured", "textured", "embossed", "graded")
LABELS: dict[str, int] = {"object": len(OBJECTS), "texture": len(TEXTURES), "look": len(LOOKS)}


@dataclass(frozen=True)
class Sample:
    """One picture of the source task."""

    pixels: NDArray[np.uint8]
    """(128, 128, 3)."""
    labels: tuple[int, int, int]
    """Numbers of the object, the texture and the look."""


def _lay(rng: np.random.Generator, ground: Field, mask: Field, look: str) -> Field:
    """The picture with the form laid over it."""
    amount = np.float32(rng.uniform(0.45, 1.0))
    if look == "darker":
        return ground * (1 - mask * amount * np.float32(0.85))[..., None]
    if look == "lighter":
        return ground + (mask * amount * np.float32(0.6))[..., None]
    if look == "embossed":
        return ground
    size = mask.shape[0]
    if look == "coloured":
        over = np.broadcast_to(rng.uniform(0, 1, 3).astype(np.float32), ground.shape)
    elif look == "textured":
        other = TEXTURES[int(rng.integers(len(TEXTURES)))](rng, size)
        over = colour(rng, other, float(rng.uniform(0.1, 0.6)))
    else:
        u, _ = rotated_axes(size, float(rng.uniform(0, 2 * np.pi)), size)
        ends = rng.uniform(0, 1, (2, 3)).astype(np.float32)
        over = ends[0] + (u + np.float32(0.5))[..., None] * (ends[1] - ends[0])
    return ground + (mask * amount)[..., None] * (over - ground)


def sample(seed: int, index: int) -> Sample:
    """The picture with this number."""
    rng = np.random.default_rng(np.random.SeedSequence((SOURCE_VERSION, seed, index)))
    thing, texture, look = (int(rng.integers(count)) for count in LABELS.values())
    kind, number = OBJECTS[thing]
    tone = TEXTURES[texture](rng, SIZE)
    strength = float(np.exp(rng.uniform(np.log(0.06), np.log(0.45))))
    image = colour(rng, tone, strength)
    relief = tone * np.float32(rng.uniform(0, 0.6))
    for _ in range(int(rng.integers(0, 2))):
        # Unlabelled clutter: the form must be recognized, not merely found.
        other, bulk = draw(rng, *OBJECTS[int(rng.integers(len(OBJECTS)))], SIZE)
        image = _lay(rng, image, other * np.float32(0.4), LOOKS[int(rng.integers(4))])
    mask, bulk = draw(rng, kind, number, SIZE)
    image = _lay(rng, image, mask, LOOKS[look])
    if LOOKS[look] == "embossed":
        relief = relief + ndimage.gaussian_filter(bulk, 1.0) * np.float32(3 * rng.choice([-1, 1]))
    elif kind == "solid":
        relief = relief + bulk
    azimuth = float(rng.uniform(0, 2 * np.pi))
    light = 1 + shade(relief, azimuth, float(rng.uniform(0.3, 0.9)))
    along, _ = rotated_axes(SIZE, azimuth, SIZE)
    light = light * (1 + np.float32(rng.uniform(0, 0.5)) * along) * (1 + np.float32(0.08) * smooth(rng, SIZE, 70.0))
    image = image * light[..., None]
    blur = float(rng.uniform(0, 1.0))
    if blur > 0.3:
        image = ndimage.gaussian_filter(image, (blur, blur, 0), truncate=2.5)
    pixels = np.clip(image, 0, 1) ** np.float32(rng.uniform(0.5, 1.2))
    return Sample((pixels * 255 + 0.5).astype(np.uint8), (thing, texture, look))
