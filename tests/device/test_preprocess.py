from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgetl.device import preprocess as module
from edgetl.device.preprocess import ImageError, load_image
from edgetl.device.values import Preprocess

WHOLE = Preprocess(resize=32, crop=32)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(width: int, height: int, seed: int = 0, channels: int = 3) -> Image.Image:
    """A picture with structure at several scales, so that a filter that is off by a little shows."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (6, 6, channels), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    return Image.fromarray(np.clip(smooth + generator.integers(-20, 20, smooth.shape), 0, 255).astype(np.uint8))


@pytest.mark.training
@pytest.mark.parametrize("size", [(300, 200), (200, 301), (256, 256), (257, 999), (100, 90), (31, 77), (640, 481)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("resize", "crop"), [(256, 224), (232, 224), (64, 64), (50, 71), (225, 224)])
def test_pixels_are_those_of_torchvisions_preset(
    size: tuple[int, int], interpolation: str, resize: int, crop: int
) -> None:
    functional = pytest.importorskip("torchvision.transforms.functional")
    image = noise(*size)
    mode = functional.InterpolationMode(interpolation)
    for source in (encoded(image), encoded(image, "JPEG", quality=95)):
        decoded = Image.open(io.BytesIO(source)).convert("RGB")
        theirs = np.asarray(
            functional.center_crop(functional.resize(decoded, [resize], interpolation=mode, antialias=True), [crop])
        )
        ours = load_image(source, Preprocess(resize, crop, interpolation), draft=False)
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("size", [(1600, 1200), (1203, 2049), (4000, 2250)])
def test_the_draft_changes_pixels_by_little_and_the_framing_not_at_all(size: tuple[int, int]) -> None:
    photo = encoded(noise(*size), "JPEG", quality=92)
    exact = load_image(photo, Preprocess(), draft=False).astype(int)
    quick = load_image(photo, Preprocess()).astype(int)
    assert np.abs(exact - quick).mean() < 1.0
    shifted = np.roll(exact, 1, axis=1)
    assert np.abs(shifted - quick).mean() > 2 * np.abs(exact - quick).mean()


def test_the_draft_never_goes_below_twice_the_size_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    rgb = module._rgb
    monkeypatch.setattr(module, "_rgb", lambda image: (seen.append(image.size), rgb(image))[1])
    for short in (511, 1023, 1024, 2048, 4095, 4096):
        load_image(encoded(Image.new("RGB", (short, short + 8)), "JPEG"), Preprocess())
    assert [min(size) for size in seen] == [511, 1023, 512, 512, 1024, 512]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_comes_upright(orientation: int) -> None:
    upright = np.zeros((40, 60, 3), np.uint8)
    upright[:20, :30] = (250, 0, 0)
    upright[:20, 30:] = (0, 250, 0)
    upright[20:, :30] = (0, 0, 250)
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = Image.fromarray(upright)
    if orientation in back:
        stored = stored.transpose(back[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = load_image(encoded(Image.fromarray(upright)), WHOLE)
    np.testing.assert_array_equal(load_image(encoded(stored, exif=exif), WHOLE), expected)


def palette_with_transparency() -> bytes:
    image = Image.new("P", (32, 32), 1)
    image.putpalette([10, 20, 30, 0, 0, 0])
    return encoded(image, transparency=1)


def sixteen_bit(kind: str) -> bytes:
    return encoded(Image.fromarray(np.full((32, 32), 0x80FF, np.uint16)), kind)


def animation() -> bytes:
    frames = [Image.new("RGB", (32, 32), (c, c, c)) for c in (40, 200)]
    return encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)


MODES = {
    "1": (encoded(Image.new("1", (32, 32), 1)), 255),
    "L": (encoded(Image.new("L", (32, 32), 99)), 99),
    "LA, transparent": (encoded(Image.new("LA", (32, 32), (0, 0))), 255),
    "LA, opaque": (encoded(Image.new("LA", (32, 32), (7, 255))), 7),
    "P": (encoded(Image.new("L", (32, 32), 50).convert("P")), 50),
    "P, transparent": (palette_with_transparency(), 255),
    "RGBA, half": (encoded(Image.new("RGBA", (32, 32), (0, 0, 0, 128))), 127),
    "RGB with a transparent colour": (encoded(Image.new("RGB", (32, 32), (5, 5, 5)), transparency=(5, 5, 5)), 255),
    "16-bit PNG": (sixteen_bit("PNG"), 0x80),
    "16-bit TIFF": (sixteen_bit("TIFF"), 0x80),
    "32-bit TIFF that holds 16": (encoded(Image.new("I", (32, 32), 0x4000), "TIFF"), 0x40),
    "first frame": (animation(), 40),
    "CMYK TIFF, white": (encoded(Image.new("CMYK", (32, 32), (0, 0, 0, 0)), "TIFF"), 255),
    "CMYK JPEG (Adobe, stored inverted)": (encoded(Image.new("CMYK", (32, 32), (0, 0, 0, 0)), "JPEG"), 255),
}


@pytest.mark.parametrize("name", MODES)
def test_every_mode_becomes_the_rgb_one_sees(name: str) -> None:
    source, value = MODES[name]
    np.testing.assert_array_equal(load_image(source, WHOLE), np.full((32, 32, 3), value, np.uint8))


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


PHOTO = encoded(noise(320, 240), "JPEG")
JUNK = {
    "zero bytes": (b"", "empty"),
    "text": (b"<html>404 not found</html>", "not an image"),
    "random": (bytes(np.random.default_rng(3).integers(0, 256, 4096, dtype=np.uint8)), "not an image"),
    "truncated JPEG": (PHOTO[: len(PHOTO) // 2], "truncated"),
    "truncated PNG": (encoded(noise(64, 64))[:2000], "truncated"),
    "header only": (PHOTO[:3], "not an image"),
    "bomb above twice the limit": (png_header(60000, 60000), "too large"),
    "bomb above the limit": (png_header(10000, 10000), "too large"),
    "line": (encoded(Image.new("L", (60000, 1))), "too narrow"),
    "float": (encoded(Image.new("F", (8, 8), 0.5), "TIFF"), "floating point"),
    "32-bit": (encoded(Image.new("I", (8, 8), 70000), "TIFF"), "more than 16 bits"),
    "PostScript, which would start a program": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", JUNK)
def test_junk_is_refused_with_a_short_reason(name: str, tmp_path: Path) -> None:
    source, reason = JUNK[name]
    path = tmp_path / "image"
    path.write_bytes(source)
    for given_as in (source, path, str(path)):
        with pytest.raises(ImageError, match=reason) as caught:
            load_image(given_as, Preprocess())
        assert len(str(caught.value)) < 200
        assert "\n" not in str(caught.value)


def test_what_is_not_a_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, reason in {"pipe": "regular", ".": "regular", "missing": "no such file"}.items():
        with pytest.raises(ImageError, match=reason):
            load_image(tmp_path / name, Preprocess())


def test_an_unknown_interpolation_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"bilinaer.*bilinear, hamming"):
        load_image(PHOTO, Preprocess(interpolation="bilinaer"))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_image_is_pixels_or_a_reason(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"]))
    source = bytearray(encoded(noise(40, 30), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        source[data.draw(st.integers(0, len(source) - 1))] = data.draw(st.integers(0, 255))
    try:
        pixels = load_image(bytes(source), WHOLE)
    except ImageError:
        return
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
