"""Every kind of image file that people have, through what reads a data set: `scan`, then `iter_pixels`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgetl.dataset import scan
from edgetl.device.values import Preprocess
from edgetl.pixels import iter_pixels
from tests.photos import class_folders

SIDE = 32
EXACT, ENCODED = 0, 3


def drawn(seed: int = 0) -> Image.Image:
    """A coloured picture, 96 x 64, without detail that JPEG would lose; the left half is darker than the right."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(40, 120, (4, 6, 3)).astype(np.uint8)
    coarse[:, 3:] += 100
    return Image.fromarray(coarse).resize((96, 64), Image.Resampling.BICUBIC)


def grey() -> Image.Image:
    return drawn().convert("L")


def sixteen(path: Path) -> None:
    # The low bytes are noise, which must not show.
    low = np.random.default_rng(0).integers(0, 256, (64, 96))
    Image.fromarray((np.asarray(grey()).astype(np.uint16) << 8) + low.astype(np.uint16)).save(path)


def sixteen_rgb(path: Path) -> None:
    """Write a 16-bit RGB PNG, which Pillow cannot."""
    import struct
    import zlib

    pixels = np.asarray(drawn()).astype(">u2") << 8
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 96, 64, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )


def frames(path: Path, **options: object) -> None:
    """Write an animation that begins with the picture and goes on with its negative."""
    first = drawn()
    second = Image.fromarray(255 - np.asarray(first))
    first.save(path, save_all=True, append_images=[second, second.rotate(180)], **options)


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    drawn().transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)


def transparent(path: Path) -> None:
    """Write the picture with a black ring that is not seen."""
    image = Image.new("RGBA", (96, 64), (0, 0, 0, 0))
    image.paste(drawn().convert("RGBA"), (0, 0))
    pixels = np.array(image)
    pixels[:10] = (0, 0, 0, 0)
    Image.fromarray(pixels).save(path)


def whitened() -> Image.Image:
    pixels = np.array(drawn())
    pixels[:10] = 255
    return Image.fromarray(pixels)


def palette() -> Image.Image:
    return drawn().quantize(256)


# The name of the file, what writes it, what one sees in it, and by how many grey levels it may differ from that.
FORMATS: dict[str, tuple[str, Callable[[Path], None], Callable[[], Image.Image], int]] = {
    "JPEG": ("a.jpg", lambda path: drawn().save(path, quality=95), drawn, ENCODED),
    "progressive JPEG": ("a.jpeg", lambda path: drawn().save(path, quality=95, progressive=True), drawn, ENCODED),
    "grey JPEG": ("a.JPG", lambda path: grey().save(path, "JPEG", quality=95), grey, ENCODED),
    "CMYK JPEG, inverted by Adobe": ("a.jpg", lambda p: drawn().convert("CMYK").save(p, quality=95), drawn, ENCODED),
    "JPEG turned by EXIF": ("a.jpg", turned, drawn, ENCODED),
    "MPO of two pictures": ("a.jpg", lambda path: frames(path, format="MPO", quality=95), drawn, ENCODED),
    "PNG": ("a.png", lambda path: drawn().save(path), drawn, EXACT),
    "PNG under another name": ("a.jpg", lambda path: drawn().save(path, "PNG"), drawn, EXACT),
    "grey PNG": ("a.png", lambda path: grey().save(path), grey, EXACT),
    "bilevel PNG": ("a.png", lambda path: grey().convert("1").save(path), lambda: grey().convert("1"), EXACT),
    "palette PNG": ("a.png", lambda path: palette().save(path), palette, EXACT),
    "16-bit grey PNG": ("a.png", sixteen, grey, EXACT),
    "16-bit RGB PNG": ("a.png", sixteen_rgb, drawn, EXACT),
    "16-bit TIFF": ("a.tiff", sixteen, grey, EXACT),
    "TIFF": ("a.tif", lambda path: drawn().save(path, compression="tiff_lzw"), drawn, EXACT),
    "CMYK TIFF": ("a.tif", lambda path: drawn().convert("CMYK").save(path), drawn, EXACT),
    "TIFF of several pages": ("a.tif", frames, drawn, EXACT),
    "PNG with transparency": ("a.png", transparent, whitened, EXACT),
    "GIF": ("a.gif", lambda path: palette().save(path), palette, EXACT),
    "animated GIF": ("a.gif", frames, lambda: drawn().quantize(256), 12),
    "animated WebP": ("a.webp", lambda path: frames(path, lossless=True), drawn, EXACT),
    "animated PNG": ("a.png", frames, drawn, EXACT),
    "WebP": ("a.webp", lambda path: drawn().save(path, lossless=True), drawn, EXACT),
    "BMP": ("a.bmp", lambda path: drawn().save(path), drawn, EXACT),
    "PPM": ("a.ppm", lambda path: drawn().save(path), drawn, EXACT),
    "JPEG 2000": ("a.jp2", lambda path: drawn().save(path), drawn, ENCODED),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_data_set_may_hold_it(tmp_path: Path, name: str) -> None:
    file, write, seen, tolerance = FORMATS[name]
    root = class_folders(tmp_path / "photos", {"red": 3, "blue": 3})
    write(root / "red" / file)
    data = scan(root)
    assert not data.skipped
    (image,) = [image for image in data.train + data.val + data.test if image.path == f"red/{file}"]
    ((_, pixels),) = list(iter_pixels(data.paths([image]), Preprocess(resize=64, crop=64)))
    # The centre crop of 96 x 64 at its own size is a matter of cutting only.
    expected = np.asarray(seen().convert("RGB")).astype(int)[:, 16:80]
    assert pixels.shape == (1, 64, 64, 3)
    assert np.abs(pixels[0] - expected).mean() <= tolerance
    assert np.abs(pixels[0] - expected[:, ::-1]).mean() > 20


def cut(path: Path) -> None:
    drawn().resize((960, 640)).save(path, quality=95)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def bomb(side: int) -> Callable[[Path], None]:
    """Return what writes a few kB that unpack to ``side`` x ``side`` pixels."""
    return lambda path: Image.new("1", (side, side)).save(path, "PNG")


UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (cut, "damaged or truncated"),
    "zero bytes": (lambda path: path.touch(), r"empty \(0 bytes\)"),
    "text": (lambda path: path.write_text("<html>404</html>"), "not an image"),
    "bomb": (bomb(20_000), "too large"),
    "bomb that Pillow only warns of": (bomb(10_000), "too large"),
    "vector": (lambda path: path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>"), "not an image"),
    "floating point": (lambda path: Image.new("F", (9, 9)).save(path, "TIFF"), "floating point"),
    "pipe": (os.mkfifo, "not a regular file"),
}


# As outside of tests, where `preprocess` turns it off.
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_used_is_skipped_with_the_reason(tmp_path: Path, name: str) -> None:
    write, reason = UNUSABLE[name]
    root = class_folders(tmp_path / "photos", {"red": 3, "blue": 3})
    write(root / "red" / "bad.jpg")
    (skipped,) = scan(root).skipped
    assert skipped.path == "red/bad.jpg"
    assert re.search(reason, skipped.reason)


MEASURED = """
import resource, sys
from pathlib import Path
from edgetl.dataset import scan
from edgetl.device.values import Preprocess
from edgetl.pixels import iter_pixels
scan(Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = scan(Path(sys.argv[2]))
(_, pixels), *_ = iter_pixels(data.paths(data.train), Preprocess())
assert not data.skipped and pixels.shape[1:] == (224, 224, 3), data.skipped
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_photo_of_100_megapixels_takes_little_memory(tmp_path: Path) -> None:
    small, large = (class_folders(tmp_path / name, {"red": 3, "blue": 3}) for name in ("small", "large"))
    Image.new("L", (12_000, 9_000), 90).save(large / "red" / "000.jpg")
    (large / "red" / "000.png").unlink()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, small, large], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    # The grey pixels alone would be 103 MiB.
    assert int(done.stdout) < 60
