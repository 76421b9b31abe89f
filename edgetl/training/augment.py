"""Random variations of photos for training: crops, mirror images, light and colours, on decoded pixels.

A crop of a random area and shape is resized to what the network takes (Szegedy et al., 2015), half of the pictures are
mirrored, and all changes of light and colour are one linear map of RGB (as torchvision's ColorJitter, whose steps are
linear too, but rounded once). `strong` hides a rectangle of half the pictures (Zhong et al., 2020). What is chosen for
a picture comes from its own seed sequence and from nothing else, whatever the order, batch, thread or process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgetl.errors import UsageError, nearest
from edgetl.pixels import Pixels

# How the eye weighs red, green and blue (ITU-R BT.601, as Pillow's conversion to grey).
GREY = np.array([0.299, 0.587, 0.114])
# Luma and two axes of chroma (YIQ): a turn of the latter changes the hue and leaves the luma.
YIQ = np.array([GREY, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
RGB = np.linalg.inv(YIQ)
# Area of a hidden rectangle as a share of the picture, and how many times longer one side is at most.
HIDDEN, HIDDEN_ASPECT = (0.02, 0.25), 2.0


@dataclass(frozen=True)
class Recipe:
    """What may happen to a picture.

    ``area`` is the smallest crop's share of the picture, ``aspect`` how many times wider or higher it is at most.
    Brightness, contrast and saturation are multiplied by up to ``1 ± colour``, the hue is turned by up to ``hue`` of a
    full turn; ``grey`` and ``hidden`` are the shares of pictures that lose their colours or a rectangle.
    """

    area: float
    aspect: float
    colour: float = 0.0
    hue: float = 0.0
    grey: float = 0.0
    hidden: float = 0.0


# The augmentation that takes the centre, as when the trained network is used.
PLAIN = "none"
AUGMENTATIONS: Mapping[str, Recipe | None] = {
    PLAIN: None,
    "light": Recipe(area=0.7, aspect=1.1),
    "standard": Recipe(area=0.35, aspect=4 / 3, colour=0.3, hue=0.02),
    "strong": Recipe(area=0.2, aspect=4 / 3, colour=0.5, hue=0.05, grey=0.1, hidden=0.5),
}


def recipe(name: str) -> Recipe | None:
    """Return the augmentation called ``name``; raises UsageError offering the nearest one."""
    try:
        return AUGMENTATIONS[name]
    except KeyError:
        hint = nearest(name, AUGMENTATIONS)
        raise UsageError(f"Unknown augmentation '{name}'.{hint} Known are {', '.join(AUGMENTATIONS)}.") from None


def augment(pixels: Pixels, name: str, size: int, seed_sequence: np.random.SeedSequence) -> Pixels:
    """Return the uint8 (height, width, 3) picture varied as ``name`` says, uint8 of shape (size, size, 3).

    A square picture keeps its proportions but for the ``aspect`` of the recipe. Raises UsageError for an unknown name.
    """
    chosen = recipe(name)
    if chosen is None:
        return _centre(pixels, size)
    random = np.random.default_rng(seed_sequence)
    image = _cropped(Image.fromarray(pixels), chosen, size, random)
    if chosen.colour:
        image = _coloured(image, chosen, random)
    varied = np.asarray(image)
    if random.random() < 0.5:
        varied = varied[:, ::-1]
    varied = np.array(varied)
    if random.random() < chosen.hidden:
        _hide(varied, random)
    return varied


def _centre(pixels: Pixels, size: int) -> Pixels:
    top, left = (round((side - size) / 2.0) for side in pixels.shape[:2])
    return np.array(Image.fromarray(pixels).crop((left, top, left + size, top + size)))


def _cropped(image: Image.Image, chosen: Recipe, size: int, random: np.random.Generator) -> Image.Image:
    width, height = _sides(random, chosen.area, 1.0, chosen.aspect)
    left, top = random.random() * (1 - width), random.random() * (1 - height)
    box = (left * image.width, top * image.height, (left + width) * image.width, (top + height) * image.height)
    return image.resize((size, size), Image.Resampling.BILINEAR, box)


def _sides(random: np.random.Generator, least: float, most: float, aspect: float) -> tuple[float, float]:
    """Return the sides, as shares of the picture's, of a rectangle of random area and shape.

    One that would be larger than the picture ends at its edges.
    """
    area, ratio = random.uniform(least, most), aspect ** random.uniform(-1, 1)
    return min(1.0, math.sqrt(area * ratio)), min(1.0, math.sqrt(area / ratio))


def _coloured(image: Image.Image, chosen: Recipe, random: np.random.Generator) -> Image.Image:
    brightness, contrast, saturation = random.uniform(1 - chosen.colour, 1 + chosen.colour, 3)
    turn = random.uniform(-chosen.hue, chosen.hue)
    if random.random() < chosen.grey:
        saturation = 0.0
    mean = float(np.asarray(image.convert("L")).mean())
    change = brightness * contrast * _chroma(saturation, turn)
    # Pillow cuts the fraction off.
    offset = brightness * (1 - contrast) * mean + 0.5
    return image.convert("RGB", tuple(np.column_stack([change, np.full(3, offset)]).ravel().tolist()))


def _chroma(saturation: float, turn: float) -> NDArray[np.float64]:
    """Return the (3, 3) map of RGB that turns the hue and multiplies the saturation."""
    cosine, sine = saturation * math.cos(2 * math.pi * turn), saturation * math.sin(2 * math.pi * turn)
    rotation: NDArray[np.float64] = RGB @ np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]) @ YIQ
    return rotation


def _hide(pixels: Pixels, random: np.random.Generator) -> None:
    """Paint a random rectangle of ``pixels``, in place, in the picture's mean colour: it says nothing there."""
    height, width = pixels.shape[:2]
    across, down = _sides(random, *HIDDEN, HIDDEN_ASPECT)
    left, top = random.random() * (1 - across), random.random() * (1 - down)
    rows = slice(round(top * height), round((top + down) * height))
    columns = slice(round(left * width), round((left + across) * width))
    pixels[rows, columns] = pixels.mean((0, 1))
