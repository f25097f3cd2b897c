"""Rows I8, I9, I18, I19: decoding is right, not only safe.

Every picture is some pixels made here; what must become of them is written out in numbers or in one line of arithmetic
from the standard of its format, never by the code under test.
"""

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.images.decoding import ImageLimits, decode
from tests.hostile.made_images import bmp, chunk, oriented, png, saved
from tests.hostile.rows import row


def grey16(*values: int) -> bytes:
    return png(len(values), 1, depth=16, colour=0, rows=b"\0" + struct.pack(f">{len(values)}H", *values))


def rows_of(values: list[list[int]], depth: int = 8) -> bytes:
    """One row of pixels, not filtered."""
    flat = [sample for pixel in values for sample in pixel]
    return b"\0" + struct.pack(f">{len(flat)}{'H' if depth == 16 else 'B'}", *flat)


def on_white(colour: int, alpha: int) -> int:
    """Of 255, to the nearest."""
    return round((colour * alpha + 255 * (255 - alpha)) / 255)


def palette_png(transparency: bytes = b"") -> bytes:
    """Indices 0, 1, 2 of the colours (10, 20, 30), (40, 50, 60), (70, 80, 90)."""
    colours = chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60, 70, 80, 90]))
    return png(3, 1, colour=3, rows=b"\0\0\1\2", more=colours + (chunk(b"tRNS", transparency) if transparency else b""))


def flat_jpeg(mode: str, colour: tuple[int, ...], **options: Any) -> bytes:
    return saved(Image.new(mode, (16, 16), colour), "JPEG", quality=100, subsampling=0, **options)


def inks(cyan: int, magenta: int, yellow: int, black: int) -> bytes:
    """A CMYK JPEG as Adobe writes it: values inverted, APP14 with transform 0."""
    return flat_jpeg("CMYK", (cyan, magenta, yellow, black))


def ycck(cyan: int, magenta: int, yellow: int, black: int) -> bytes:
    """The same with transform 2: 255 less what would be stored, the ink again, as red, green, blue in Y, Cb, Cr."""
    red, green, blue = cyan, magenta, yellow
    luma = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601, as JFIF has it
    stored = (luma, 128 + 0.564 * (blue - luma), 128 + 0.713 * (red - luma), 255 - black)
    data = inks(*(255 - round(value) for value in stored))  # Pillow inverts what it writes
    transform = data.index(b"Adobe") + 11
    assert data[transform] == 0
    return data[:transform] + b"\2" + data[transform + 1 :]


def of_inks(cyan: int, magenta: int, yellow: int, black: int) -> list[int]:
    """Paper less what each ink takes of it, less black."""
    return [round((255 - ink) * (255 - black) / 255) for ink in (cyan, magenta, yellow)]


def frames(kind: str, **options: Any) -> bytes:
    red, green, blue = (Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue"))
    return saved(red, kind, save_all=True, append_images=[green, blue], **options)


def small_first_frame() -> bytes:
    """A GIF whose first frame covers one pixel of a canvas of two, in the second of its colours."""
    start = b"GIF89a" + struct.pack("<HHBBB", 2, 1, 0x80, 0, 0) + bytes([1, 2, 3, 9, 8, 7])
    return start + b"," + struct.pack("<HHHHB", 1, 0, 1, 1, 0) + b"\2\2\x4c\1\0;"


# (file, mode, the first pixels of the first row, how far each may be off)
GOLDENS = [
    row(
        "I19", "16-bit grey is divided by 257", grey16(0, 128, 129, 300, 32_768, 65_535), "L", [0, 0, 1, 1, 128, 255], 0
    ),
    row("I19", "16-bit grey white", grey16(65_535), "L", [255], 0),
    row(
        "I19",
        "16-bit colours",
        png(2, 1, depth=16, rows=rows_of([[0, 257, 65_535], [25_700, 32_896, 514]], 16)),
        "RGB",
        [[0, 1, 255], [100, 128, 2]],
        0,
    ),
    row(
        "I19",
        "16-bit colours and alpha",
        png(2, 1, depth=16, colour=6, rows=rows_of([[0, 0, 0, 65_535], [0, 25_700, 65_535, 32_896]], 16)),
        "RGB",
        [[0, 0, 0], [on_white(0, 128), on_white(100, 128), 255]],
        1,
    ),
    row(
        "I19",
        "alpha on white",
        png(3, 1, colour=6, rows=rows_of([[200, 100, 0, 255], [200, 100, 0, 64], [200, 100, 0, 0]])),
        "RGB",
        [[200, 100, 0], [on_white(200, 64), on_white(100, 64), on_white(0, 64)], [255, 255, 255]],
        1,
    ),
    row("I19", "alpha on white in numbers", png(1, 1, colour=6, rows=b"\0\xc8\x64\0\x40"), "RGB", [[241, 216, 191]], 1),
    row("I19", "grey with alpha", png(2, 1, colour=4, rows=rows_of([[10, 255], [10, 0]])), "L", [10, 255], 0),
    row("I19", "palette", palette_png(), "RGB", [[10, 20, 30], [40, 50, 60], [70, 80, 90]], 0),
    row(
        "I19",
        "palette with transparent entries",
        palette_png(bytes([0, 255, 51])),
        "RGB",
        [[255, 255, 255], [40, 50, 60], [on_white(70, 51), on_white(80, 51), on_white(90, 51)]],
        1,
    ),
    row(
        "I19",
        "a transparent colour",
        png(2, 1, rows=rows_of([[9, 8, 7], [9, 8, 6]]), more=chunk(b"tRNS", struct.pack(">HHH", 9, 8, 7))),
        "RGB",
        [[255, 255, 255], [9, 8, 6]],
        0,
    ),
    row(
        "I19", "a transparent grey", png(2, 1, colour=0, rows=b"\0\5\6", more=chunk(b"tRNS", b"\0\5")), "L", [255, 6], 0
    ),
    row("I19", "one bit", png(4, 1, depth=1, colour=0, rows=b"\0\xa0"), "L", [255, 0, 255, 0], 0),
    row("I19", "two bits", png(4, 1, depth=2, colour=0, rows=b"\0\x1b"), "L", [0, 85, 170, 255], 0),
    row("I19", "four bits", png(2, 1, depth=4, colour=0, rows=b"\0\x1f"), "L", [17, 255], 0),
    row("I19", "CMYK cyan", inks(255, 0, 0, 0), "RGB", [[0, 255, 255]], 2),
    row("I19", "CMYK mixed", inks(200, 100, 50, 40), "RGB", [of_inks(200, 100, 50, 40)], 3),
    row("I19", "CMYK mixed in numbers", inks(200, 100, 50, 40), "RGB", [[46, 131, 173]], 3),
    row("I19", "YCCK mixed", ycck(200, 100, 50, 40), "RGB", [of_inks(200, 100, 50, 40)], 4),
    row("I19", "YCCK yellow", ycck(0, 0, 255, 0), "RGB", [[255, 255, 0]], 4),
    row("I19", "JPEG grey", flat_jpeg("L", (77,)), "L", [77], 1),
    row("I19", "JPEG colour", flat_jpeg("RGB", (200, 100, 50)), "RGB", [[200, 100, 50]], 2),
    row("I19", "the first picture of an MPO", frames("MPO"), "RGB", [[254, 0, 0]], 2),
    row("I8", "the first frame of a GIF", frames("GIF"), "RGB", [[255, 0, 0]], 0),
    row("I8", "what the first frame does not cover", small_first_frame(), "RGB", [[1, 2, 3], [9, 8, 7]], 0),
    row("I9", "the first frame of an APNG", frames("PNG"), "RGB", [[255, 0, 0]], 0),
    row("I9", "the first frame of a WebP", frames("WEBP", lossless=True), "RGB", [[255, 0, 0]], 0),
    row("I10", "BMP, blue first, from the bottom up", bmp(1, 2, pixels=b"\1\2\3\0\4\5\6\0"), "RGB", [[6, 5, 4]], 0),
    row("I10", "BMP from the top down", bmp(1, -2, pixels=b"\1\2\3\0\4\5\6\0"), "RGB", [[3, 2, 1]], 0),
]


@pytest.mark.parametrize(("data", "mode", "expected", "off"), GOLDENS)
def test_the_pixels_are_those_of_the_standard(data: bytes, mode: str, expected: list[Any], off: int) -> None:
    image = decode(data, ImageLimits())
    assert image.mode == mode
    first = np.asarray(image, np.int64)[0, : len(expected)]
    assert np.abs(first - np.array(expected)).max() <= off, first.tolist()


# Where the pixel of the upright picture's upper left corner lies in the file: (row, column) of 2 x 3 or 3 x 2 pixels.
CORNERS = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (-1, 0), 7: (-1, -1), 8: (0, -1)}


@pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])
@pytest.mark.parametrize("orientation", [row("I18", str(value), value) for value in range(1, 9)])
def test_an_orientation_turns_the_corner_it_names_to_the_upper_left(orientation: int, order: str) -> None:
    """CIPA DC-008, 4.6.4: which side of what is stored is the top, and which the left."""
    stored = np.zeros((2, 3), np.uint8)
    corner = CORNERS[orientation]
    stored[corner] = 200
    image = decode(saved(Image.fromarray(stored), "PNG", exif=oriented(orientation, order=order)), ImageLimits())
    assert image.size == ((3, 2) if orientation < 5 else (2, 3))
    assert image.getpixel((0, 0)) == 200


@pytest.mark.parametrize("kind", [row("I18", kind, kind) for kind in ("JPEG", "PNG", "WEBP")])
def test_two_orientations_are_the_first(kind: str) -> None:
    """A block with the tag twice, 6 and 3, is nonsense; it is decided, not left to the reader's version."""
    twice = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2)
    twice += struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack("<HHIHH", 0x0112, 3, 1, 3, 0) + b"\0" * 4
    image = Image.new("L", (3, 2))
    assert decode(saved(image, kind, exif=twice), ImageLimits()).size == (2, 3)


def test_the_pictures_here_are_what_pillow_calls_them() -> None:
    """Else the goldens above would test something simpler."""
    opened = {
        "YCCK": Image.open(io.BytesIO(ycck(1, 2, 3, 4))),
        "MPO": Image.open(io.BytesIO(frames("MPO"))),
        "16 bits": Image.open(io.BytesIO(grey16(1))),
    }
    assert opened["YCCK"].mode == "CMYK"
    assert opened["YCCK"].info["adobe_transform"] == 2
    assert opened["MPO"].format == "MPO"
    assert opened["16 bits"].mode == "I;16"
