"""From an encoded image to the pixels that a model takes; the same code in training, calibration and on the device."""

from __future__ import annotations

import io
import os
import stat
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from edgetl.device.values import Preprocess

# Formats whose decoders are in Pillow itself: others (EPS) start an external program on a file from who knows where.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000")

# As many pixels as Pillow calls safe: 256 MiB of RGB.
MAX_PIXELS = 89_478_485

# Transparent pixels hold any colour at all; on white they look as they do on paper and in most viewers.
BACKGROUND = (255, 255, 255)

# A JPEG is decoded at 1/2, 1/4 or 1/8 only while its short side stays at least this many times the size wanted, so
# that the antialiasing filter still has two source pixels for each one it makes. Pillow's reducing_gap has the same 2.
DRAFT_GAP = 2

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Between one and two times MAX_PIXELS Pillow only warns. A large photo is fine there if the draft makes it small, so
# `_decoded` judges by what will be decoded; above that Pillow raises.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class ImageError(ValueError):
    """An image cannot be used; the message is the short reason, without the image's name."""


def load_image(
    source: str | os.PathLike[str] | bytes, preprocess: Preprocess, *, draft: bool = True
) -> NDArray[np.uint8]:
    """Return the image as RGB pixels, uint8 of shape (crop, crop, 3).

    ``source`` is a path or the encoded bytes. The first frame is taken and turned upright (EXIF), transparency is laid
    on white, CMYK and 16-bit grey become 8-bit RGB; colour profiles are ignored. Then the short side is resized to
    ``preprocess.resize`` and the centre cropped, pixel for pixel as torchvision's ``ImageClassification`` does with a
    PIL image; ``draft`` lets JPEGs be decoded at a fraction of their size first, which is several times faster and
    changes pixels by a grey level or two. Raises ImageError for anything that is not a whole image.
    """
    resample = FILTERS.get(preprocess.interpolation)
    if resample is None:
        raise ValueError(f"Unknown interpolation '{preprocess.interpolation}'; known are {', '.join(FILTERS)}.")
    try:
        with _opened(source) as image:
            pixels, size = _decoded(image, preprocess.resize * DRAFT_GAP if draft else None)
            return np.array(_centre(_resized(pixels, size, preprocess.resize, resample), preprocess.crop))
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"too large: more than {2 * MAX_PIXELS // 10**6} megapixels") from None
    except UnidentifiedImageError:
        raise ImageError("not an image of a known format") from None
    except MemoryError:
        raise ImageError("too large for the memory of this machine") from None
    except Exception as error:  # Pillow's decoders raise nearly every built-in exception on junk
        raise ImageError(_reason(error)) from error


def _opened(source: str | os.PathLike[str] | bytes) -> Image.Image:
    if isinstance(source, bytes):
        if not source:
            raise ImageError("empty (0 bytes)")
        return Image.open(io.BytesIO(source), formats=FORMATS)
    # Opening a pipe would wait for a writer for ever.
    status = os.stat(source)  # noqa: PTH116 - any path-like will do
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("not a regular file")
    if status.st_size == 0:
        raise ImageError("empty (0 bytes)")
    return Image.open(source, formats=FORMATS)


def _decoded(image: Image.Image, draft: int | None) -> tuple[Image.Image, tuple[int, int]]:
    """Return upright RGB pixels and the (width, height) they would have without the draft."""
    width, height = image.size
    orientation = _orientation(image)
    if draft is not None:
        image.draft(None, (draft, draft))  # None keeps the mode, as Image.thumbnail does
    if image.size[0] * image.size[1] > MAX_PIXELS:
        raise ImageError(f"too large: more than {MAX_PIXELS // 10**6} megapixels to decode")
    image.load()
    pixels = _rgb(image)
    if orientation in ORIENTATIONS:
        pixels = pixels.transpose(ORIENTATIONS[orientation])
    return pixels, ((height, width) if orientation >= 5 else (width, height))


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - damaged metadata; the pixels may well be whole
        return 1
    return value if value in ORIENTATIONS else 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_16_bit(image)
    if image.mode == "F":
        raise ImageError("its pixels are floating point, without a defined white; save it with 8 or 16 bits")
    if image.has_transparency_data:
        # Through RGBA, for palettes and single transparent colours too.
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (*BACKGROUND, 255)), image).convert("RGB")
    return image.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    """Return the high bytes, as Pillow itself does for 16-bit colour; its own conversion of grey clips at 255."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise ImageError("its pixels have more than 16 bits; save it with 8 or 16 bits")
    return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")


def _resized(image: Image.Image, size: tuple[int, int], short: int, resample: Image.Resampling) -> Image.Image:
    width, height = size
    long = int(short * max(size) / min(size))
    if short * long > MAX_PIXELS:
        raise ImageError(f"too narrow: {width} x {height} pixels")
    new = (short, long) if width <= height else (long, short)
    return image if image.size == new else image.resize(new, resample)


def _centre(image: Image.Image, crop: int) -> Image.Image:
    left, top = (_offset(side, crop) for side in image.size)
    return image.crop((left, top, left + crop, top + crop))


def _offset(side: int, crop: int) -> int:
    # Pillow fills with black what lies outside, as torchvision pads; the rounding is torchvision's too.
    return -((crop - side) // 2) if crop > side else round((side - crop) / 2.0)


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"damaged or truncated: {text[:120]}"
