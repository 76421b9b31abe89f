"""Light and camera: from a surface to the 8-bit picture that an inspection station would take of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edgetl.demo.fields import Field, rotated_axes, shade, smooth, stroke
from edgetl.demo.materials import Surface

Range = tuple[float, float]


@dataclass(frozen=True)
class Station:
    """The ranges in which the light and the camera of one inspection station vary."""

    relief: Range
    """Strength of the light's slant: how much slopes show."""
    exposure: Range
    falloff: Range
    """Share of the light lost from one side of the picture to the other."""
    cast: tuple[float, float, float]
    """Gain of red, green and blue."""
    cast_spread: float
    blur: Range
    """Deviation of the Gaussian blur in pixels."""
    noise: Range
    """Deviation of the sensor noise at mid grey, of full scale."""
    gamma: Range


SOURCE = Station((0.5, 1.0), (0.85, 1.3), (0.0, 0.35), (1, 1, 1), 0.05, (0.3, 0.9), (0.005, 0.025), (2.0, 2.4))
SHIFTED = Station((0.4, 0.8), (0.5, 0.9), (0.4, 0.8), (1.2, 1.0, 0.72), 0.05, (0.9, 1.5), (0.03, 0.055), (1.5, 1.8))
STATIONS: dict[str, Station] = {"source": SOURCE, "shifted": SHIFTED}


def litter(rng: np.random.Generator, surface: Surface) -> Surface:
    """Harmless marks that sound and flawed parts share: uneven tone and a few specks of dust."""
    size = surface.height.shape[0]
    albedo = surface.albedo * (1 + np.float32(rng.uniform(0, 0.04)) * smooth(rng, size, 60.0))[..., None]
    for _ in range(int(rng.poisson(1.5))):
        x, y = (float(value) for value in rng.uniform(0, size, 2))
        speck = stroke(size, [(x, y), (x + float(rng.uniform(-2, 2)), y + float(rng.uniform(-2, 2)))], 1.2)
        albedo = albedo * (1 + np.float32(rng.uniform(-0.3, 0.3)) * speck[..., None])
    return Surface(albedo, surface.height, surface.grain)


def photograph(rng: np.random.Generator, surface: Surface, station: Station) -> NDArray[np.uint8]:
    """The picture of `surface` taken at `station`: (size, size, 3) uint8."""
    size = surface.height.shape[0]
    azimuth = float(rng.uniform(0, 2 * np.pi))
    light = 1 + shade(surface.height, azimuth, float(rng.uniform(*station.relief)))
    along, _ = rotated_axes(size, azimuth)
    light = light * (1 - np.float32(rng.uniform(*station.falloff)) * along / np.float32(size))
    gain = np.asarray(station.cast) * rng.uniform(1 - station.cast_spread, 1 + station.cast_spread, 3)
    gain = (gain * rng.uniform(*station.exposure)).astype(np.float32)
    image: Field = np.asarray(surface.albedo * light[..., None] * gain, dtype=np.float32)
    sigma = float(rng.uniform(*station.blur))
    image = ndimage.gaussian_filter(image, (sigma, sigma, 0), truncate=3.0)
    image = np.asarray(np.clip(image, 1e-4, None) ** (1 / rng.uniform(*station.gamma)), dtype=np.float32)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(*station.noise))
    return np.clip((image + noise) * 255 + 0.5, 0, 255).astype(np.uint8)
