"""A short description of a picture by which its copies are found: re-encoded, resized, mirrored, a bit cropped.

It is made of the 32 x 32 thumbnail that the check of an image decodes anyway:

1. grey values without their smooth part (polynomials up to degree 2: light that falls off over a wall, vignetting) and
   with local contrast normalized, so that brightness, contrast and a dominant object count for little;
2. of that, the 10 x 10 lowest frequencies of the cosine transform without the constant, as in the well-known pHash
   (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010), but as numbers, not bits;
3. the mean colour, because pictures of one shape in two colours are two pictures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 32
FREQUENCIES = 10
STRUCTURE = FREQUENCIES**2 - 1
# Mean Cb, mean Cr, and the root mean square of both, which tells colour from grey.
COLOUR = 3
SIZE = STRUCTURE + COLOUR
# The columns of the structure that change their sign when the picture is mirrored: odd horizontal frequencies.
ODD = np.tile(np.arange(FREQUENCIES) % 2 == 1, FREQUENCIES)[1:]

# Y, and the factors of B - Y and R - Y for Cb and Cr, as in JPEG (ITU-T T.871).
GREY = np.array([0.299, 0.587, 0.114], np.float32)
CHROMA = np.array([0.564, 0.713], np.float32)

NEIGHBOURHOOD = 3.0
# Grey levels of contrast below which normalizing would only raise noise.
NOISE = 4.0
# White walls and dark frames have only noise, below this root mean square; nothing can be said of them.
FLAT = 0.05

Matrix = NDArray[np.float32]
Descriptors = NDArray[np.float16]


def describe(thumbnails: NDArray[np.uint8]) -> Descriptors:
    """Return the descriptors, float16 of shape (n, SIZE), of RGB thumbnails, uint8 of shape (n, SIDE, SIDE, 3).

    The structure of a flat picture is all zero.
    """
    pixels = thumbnails.astype(np.float32)
    grey = pixels @ GREY
    structure = _structure(grey)
    structure[np.sqrt(np.square(structure).mean(1)) * FREQUENCIES / SIDE < FLAT] = 0
    chroma = (pixels[..., [2, 0]] - grey[..., None]) * CHROMA
    strength = np.sqrt(np.square(chroma).mean((1, 2, 3)))
    return np.concatenate([structure, chroma.mean((1, 2)), strength[:, None]], 1).astype(np.float16)


def _structure(grey: Matrix) -> Matrix:
    detail = grey - SMOOTH @ grey @ SMOOTH
    detail -= BLUR @ detail @ BLUR.T
    normal = detail / np.sqrt(BLUR @ np.square(detail) @ BLUR.T + np.float32(NOISE**2))
    return np.asarray((COSINES @ normal @ COSINES.T).reshape(len(grey), -1)[:, 1:], np.float32)


def _smooth() -> Matrix:
    """Return the projection onto polynomials up to degree 2 over SIDE points."""
    basis, _ = np.linalg.qr(np.vander(np.linspace(-1, 1, SIDE), 3))
    return np.asarray(basis @ basis.T, np.float32)


def _blur() -> Matrix:
    """Return the matrix that takes Gaussian means over a neighbourhood; at the borders over what there is of it."""
    place = np.arange(SIDE)
    weights = np.exp(-np.square(place[:, None] - place) / (2 * NEIGHBOURHOOD**2))
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


def _cosines() -> Matrix:
    """Return the first rows of the orthonormal cosine transform (DCT-II)."""
    rows = np.sqrt(2 / SIDE) * np.cos(np.pi / SIDE * np.outer(np.arange(FREQUENCIES), np.arange(SIDE) + 0.5))
    rows[0] /= np.sqrt(2)
    return np.asarray(rows, np.float32)


SMOOTH = _smooth()
BLUR = _blur()
COSINES = _cosines()
