"""Rows I: bytes that are no image, images that lie about their size, bombs, cut and damaged ones, polyglots.

Each is sent through all doors of the service, which must answer alike. What pictures become, pixel by pixel, is
test_decoded_pixels.py; the collection of files from elsewhere is test_corpus.py.
"""

import math
import random
import struct
import zlib
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.hostile.conftest import COLOUR, GREY, asked
from tests.hostile.made_images import (
    bmp,
    chunk,
    gif,
    grey_png,
    header,
    inflating,
    jpeg_of_size,
    lossless_webp_of_size,
    lossy_webp_of_size,
    oriented,
    photograph,
    png,
    riff,
    saved,
    scans,
)
from tests.hostile.rows import row

FINE: tuple[int, str | None] = (200, None)
UNSUPPORTED = (415, "image_format_unsupported")
CORRUPT = (422, "image_corrupt")
TOO_LARGE = (422, "image_too_large")
TOO_COMPLEX = (422, "image_too_complex")

PHOTO = photograph()
JPEG, PNG, GIF, BMP, WEBP = (saved(PHOTO, kind) for kind in ("JPEG", "PNG", "GIF", "BMP", "WEBP"))
PROGRESSIVE = saved(PHOTO, "JPEG", progressive=True)
LAUGHS = b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><svg>&b;</svg>'
XXE = b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>'
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (w) file closefile\n"
MVG = b"push graphic-context\nfill 'url(https://127.0.0.1/x.png\"|id \")'\npop graphic-context\n"


def other(kind: str, **options: Any) -> bytes:
    """The photograph in a format that is not served."""
    return saved(PHOTO, kind, **options)


def icon_with_a_bomb() -> bytes:
    bomb = png(30_000, 30_000, depth=1, colour=0)
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(bomb), 22) + bomb


def animation(frames: int, stated: int) -> bytes:
    """An APNG of 1 x 1 pixels."""
    rows = zlib.compress(b"\0\x80")
    control = [chunk(b"acTL", struct.pack(">II", stated, 0))]
    for number in range(frames):
        place = struct.pack(">IIIIIHHBB", 2 * number, 1, 1, 0, 0, 1, 10, 0, 0)
        control.append(chunk(b"fcTL", place))
        control.append(chunk(b"IDAT", rows) if not number else chunk(b"fdAT", struct.pack(">I", 2 * number - 1) + rows))
    return b"\x89PNG\r\n\x1a\n" + header(1, 1, colour=0) + b"".join(control) + chunk(b"IEND")


def damaged(data: bytes, seed: int, flips: int, start: int = 0) -> bytes:
    choice, bytes_ = random.Random(seed), bytearray(data)
    for _ in range(flips):
        bytes_[choice.randrange(start, len(data) - 2)] ^= 1 << choice.randrange(8)
    return bytes(bytes_)


def png_of(compressed: bytes) -> bytes:
    """1 x 1 pixel from rows that are compressed already."""
    return b"\x89PNG\r\n\x1a\n" + header(1, 1) + chunk(b"IDAT", compressed) + chunk(b"IEND")


def with_byte(data: bytes, place: int, value: int) -> bytes:
    return data[:place] + bytes([value]) + data[place + 1 :]


NO_IMAGES = [
    row("I1", f"{len(data)} bytes like {data[:8]!r}", data, UNSUPPORTED)
    for data in (
        b"\xff",
        b"\xff\xd8",
        b"\x89PNG\r\n\x1a\n",
        b"hello, world",
        b"<!DOCTYPE html><script>alert(1)</script>",
        b'{"image": "cat.jpg"}',
        b"\x7fELF\x02\x01\x01\0" + b"\0" * 64,
        b"PK\x03\x04" + b"\0" * 64,
        b"\x1f\x8b\x08\0" + b"\0" * 64,
        b"\0" * 4096,
        random.Random(0).randbytes(4096),
    )
]
OTHER_FORMATS = [
    row("I2", "SVG with an entity of a file", XXE, UNSUPPORTED),
    row("I2", "SVG of a billion laughs", LAUGHS, UNSUPPORTED),
    row("I2", "EPS with a program", EPS, UNSUPPORTED),
    row("I2", "PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", UNSUPPORTED),
    row("I2", "MVG", MVG, UNSUPPORTED),
    row("I2", "XPM", b'/* XPM */\nstatic char *x[] = {"1 1 1 1", "a c #000000", "a"};', UNSUPPORTED),
    row("I2", "Photoshop", b"8BPS\0\1" + b"\0" * 40, UNSUPPORTED),
    row("I2", "FITS", b"SIMPLE  =                    T" + b" " * 80, UNSUPPORTED),
    row("I2", "BLP", b"BLP2\1\0\0\0" + b"\0" * 64, UNSUPPORTED),
    row("I2", "FLI", struct.pack("<IHHHH", 128, 0xAF11, 1, 8, 8) + b"\0" * 116, UNSUPPORTED),
    *(row("I2", kind, other(kind), UNSUPPORTED) for kind in ("PPM", "TIFF", "TGA", "SGI", "DDS", "JPEG2000", "AVIF")),
    row(
        "I23",
        "TIFF whose directory is in itself",
        b"II*\0\x08\0\0\0" + b"\1\0" + b"\0" * 12 + b"\x08\0\0\0",
        UNSUPPORTED,
    ),
    row("I23", "TIFF of deflated rows", other("TIFF", compression="tiff_deflate"), UNSUPPORTED),
    row("I24", "an icon with a bomb in it", icon_with_a_bomb(), UNSUPPORTED),
    row("I24", "a cursor", b"\0\0\2\0\1\0" + b"\0" * 32, UNSUPPORTED),
]
SIZES = [
    row("I3", "PNG of 900 million bits", png(30_000, 30_000, depth=1, colour=0, rows=b"\0" * 1000), TOO_LARGE),
    row("I3", "PNG of 2^31-1 squared", png(2**31 - 1, 2**31 - 1), TOO_LARGE),
    row("I3", "PNG of 65535 squared, 16 bits", png(65_535, 65_535, depth=16, colour=6), TOO_LARGE),
    row("I4", "PNG of 169 million pixels", png(13_000, 13_000), TOO_LARGE),
    row("I4", "PNG just below Pillow's own limit", png(9459, 9459, colour=0), TOO_LARGE),
    row("I4", "PNG just above ours", png(5001, 5000), TOO_LARGE),
    row("I5", "JPEG that says 64250 squared", jpeg_of_size(64_250, 64_250), TOO_LARGE),
    row("I5", "JPEG that says 65535 squared", jpeg_of_size(65_535, 65_535), TOO_LARGE),
    row("I5", "JPEG that says 9400 squared", jpeg_of_size(9400, 9400), TOO_LARGE),
    row("I4", "16-bit RGBA, which counts twice", png(4000, 4000, depth=16, colour=6), TOO_LARGE),
    row("I5", "JPEG that says 0 x 0", jpeg_of_size(0, 0), UNSUPPORTED),
    row("I6", "JPEG of 300 scans", scans(300), TOO_COMPLEX),
    row("I6", "JPEG of 5000 scans", scans(5000), TOO_COMPLEX),
    row("I6", "JPEG of 100 small scans", scans(100), FINE),
    row("I6", "JPEG of 50 large scans", scans(50, (4000, 4000)), TOO_COMPLEX),
    row("I6", "JPEG of 31 large scans", scans(31, (4000, 4000)), FINE),
    row("I7", "WebP of 34 bytes and 81 million pixels", lossless_webp_of_size(9000, 9000), TOO_LARGE),
    row("I7", "WebP of 16383 squared", lossless_webp_of_size(16_383, 16_383), TOO_LARGE),
    row("I7", "lossy WebP of 16383 squared", lossy_webp_of_size(16_383, 16_383), TOO_LARGE),
    row("I7", "WebP that says 4 GB", riff(WEBP[12:], 2**32 - 2), CORRUPT),
    row("I7", "WebP without pixels", riff(b""), UNSUPPORTED),
    row("I7", "WebP of 2^24 squared", riff(b"VP8X\x0a\0\0\0\0\0\0\0" + b"\xff" * 6), TOO_LARGE),
    row("I7", "WebP cut in half", WEBP[: len(WEBP) // 2], CORRUPT),
    row("I8", "GIF of 65535 squared", gif((65_535, 65_535), (1, 1)), TOO_LARGE),
    row("I8", "GIF of 50000 frames", gif((1, 1), (1, 1), 50_000), FINE),
    row("I8", "GIF without frames", gif((4, 4), None), UNSUPPORTED),
    row("I8", "GIF of no width", gif((0, 4), (0, 4)), UNSUPPORTED),
    row("I9", "APNG of 5000 frames", animation(5000, 5000), FINE),
    row("I9", "APNG that says 2^31-1 frames", animation(2, 2**31 - 1), FINE),
    row("I9", "APNG of more frames than it says", animation(2, 0), CORRUPT),
    row(
        "I9",
        "WebP of 50 frames",
        saved(PHOTO, "WEBP", save_all=True, append_images=[photograph(64, 48)] * 49),
        FINE,
    ),
    row("I10", "BMP of run lengths, 30000 squared", bmp(30_000, 30_000, compression=1, bits=8), TOO_LARGE),
    row("I10", "BMP of 2^31-1 x 1", bmp(2**31 - 1, 1), TOO_LARGE),
    row("I10", "BMP of negative width", bmp(-4, 4, pixels=b"\0" * 48), TOO_LARGE),
    row("I10", "BMP of the lowest height", bmp(4, -(2**31)), TOO_LARGE),
    row("I10", "BMP from the top down", bmp(4, -4, pixels=b"\x40" * 48), FINE),
    row("I20", "1 x 1", png(1, 1, rows=b"\0\1\2\3"), FINE),
    row("I20", "1 x 10000", png(1, 10_000, colour=0, rows=b"\0\1" * 10_000), FINE),
    row("I20", "10000 x 1", png(10_000, 1, colour=0, rows=b"\0" * 10_001), FINE),
    row("I20", "65500 x 1", jpeg_of_size(65_500, 1), TOO_LARGE),
]
METADATA = [
    row("I11", "zTXt of 16 MiB", grey_png(inflating(b"zTXt", 16)), CORRUPT),
    row("I11", "iTXt of 16 MiB after the pixels", grey_png(tail=inflating(b"iTXt", 16)), CORRUPT),
    row("I11", "iCCP of 16 MiB", grey_png(inflating(b"iCCP", 16)), CORRUPT),
    row("I11", "a hundred texts of 1 MiB", grey_png(inflating(b"zTXt", 1) * 100), CORRUPT),
    row("I11", "text after the pixels", grey_png(tail=chunk(b"tEXt", b"x\0y")), FINE),
    row("I12", "20 MB behind the last pixel", png(1, 1, colour=0, rows=b"\0\x80" + b"\0" * 20_000_000), FINE),
]
CUT = [
    *(
        row("I13", f"half of a {name}", data[: len(data) // 2], CORRUPT)
        for name, data in (("JPEG", JPEG), ("PNG", PNG), ("GIF", GIF), ("BMP", BMP), ("WebP", WEBP))
    ),
    row("I13", "a JPEG 3 bytes short", JPEG[:-3], CORRUPT),
    row("I13", "a progressive JPEG 3 bytes short", PROGRESSIVE[:-3], CORRUPT),
    row("I13", "a BMP 3 bytes short", BMP[:-3], CORRUPT),
    row("I13", "a WebP 3 bytes short", WEBP[:-3], CORRUPT),
    row("I13", "a PNG without the end of its end", PNG[:-3], FINE),
    row("I13", "a GIF without the end of its end", GIF[:-1], FINE),
    row("I14", "a wrong checksum of the header", with_byte(PNG, 30, PNG[30] ^ 1), UNSUPPORTED),
    row("I14", "a wrong checksum of the rows", png_of(zlib.compress(b"\0\1\2\3")[:-1] + b"\0"), CORRUPT),
    row("I14", "a wrong checksum of their chunk", with_byte(png(1, 1, rows=b"\0\1\2\3"), -16, 0), FINE),
    row("I14", "no header", PNG[:8] + PNG[33:], UNSUPPORTED),
    row("I14", "no pixels", PNG[:33] + PNG[-12:], CORRUPT),
    row("I14", "no end", PNG[:-12], FINE),
    row("I14", "two headers", PNG[:33] + PNG[8:33] + PNG[33:], FINE),
    row("I14", "a chunk of 4 GB", PNG[:33] + b"\xff\xff\xff\xfftEXt" + PNG[33:], CORRUPT),
    row("I14", "3 bits a sample", png(4, 4, depth=3, colour=0, rows=b"\0" * 40), UNSUPPORTED),
    row("I14", "colour type 5", png(4, 4, colour=5, rows=b"\0" * 80), UNSUPPORTED),
    row("I14", "a palette picture without a palette", png(4, 4, colour=3, rows=b"\0" * 20), CORRUPT),
]
POLYGLOTS = [
    row("I16", "PNG and ZIP", PNG + b"PK\x05\x06" + b"\0" * 18, FINE),
    row("I16", "JPEG and HTML", saved(PHOTO, "JPEG", comment=b"<script>alert(1)</script>"), FINE),
    row("I16", "GIF and JavaScript", GIF + b"/*\n*/=1;alert(1)", FINE),
    row("I16", "JPEG and PDF", JPEG + b"%PDF-1.7\n", FINE),
    row("I16", "PNG and PHP", grey_png(chunk(b"tEXt", b"x\0<?php system($_GET[0]); ?>")), FINE),
    row("I16", "1 MB behind the end", PNG + b"\0" * 1_000_000, FINE),
]
ORIENTED = [
    row("I18", note, saved(PHOTO, "JPEG", exif=exif), FINE)
    for note, exif in (
        *((str(value), oriented(value)) for value in (*range(10), 65_535)),
        ("text", oriented(b"6\0\0\0", kind=2)),
        ("NaN", oriented(struct.pack("<f", math.nan), kind=11)),
        ("a directory that follows itself", oriented(6)[:-4] + struct.pack("<I", 8)),
        ("4 GB of values", b"Exif\0\0II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 3, 2**32 - 1, 26)),
        ("garbage", b"Exif\0\0" + random.Random(1).randbytes(200)),
    )
]


@pytest.mark.parametrize(
    ("data", "expected"), [*NO_IMAGES, *OTHER_FORMATS, *SIZES, *METADATA, *CUT, *POLYGLOTS, *ORIENTED]
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # what Pillow thinks of metadata; see `service.images.decoding`
def test_an_image_is_answered_alike_through_every_door(
    client: httpx.Client, data: bytes, expected: tuple[int, str | None]
) -> None:
    assert asked(client, GREY, data) == asked(client, COLOUR, data) == expected


@pytest.mark.parametrize(
    ("sent", "name", "content_type"),
    [
        row("I17", "a JPEG called PNG", JPEG, "a.png", "image/png"),
        row("I17", "a PNG called JPEG", PNG, "a.jpg", "image/jpeg"),
        row("I17", "a WebP called a page", WEBP, "a.html", "text/html"),
    ],
)
def test_the_content_decides_and_no_name(client: httpx.Client, sent: bytes, name: str, content_type: str) -> None:
    assert client.post(COLOUR, files={"file": (name, sent, content_type)}).status_code == 200


@pytest.mark.parametrize("data", [row("I16", "JPEG and HTML", saved(PHOTO, "JPEG", comment=b"<script>alert(1)"))])
def test_what_was_sent_is_never_sent_back(client: httpx.Client, data: bytes) -> None:
    answer = client.post(COLOUR, content=data)
    assert b"alert" not in answer.content
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("seed", [row("I15", f"seed {seed}", seed) for seed in range(20)])
def test_damage_inside_the_pixels_is_an_image_or_the_clients_error(client: httpx.Client, seed: int) -> None:
    start = JPEG.index(b"\xff\xda") + 14  # behind the header of the scan
    answer = client.post(COLOUR, content=damaged(JPEG, seed, 80, start))
    assert answer.status_code in {200, 422}


@pytest.mark.parametrize(
    "image",
    [
        row("I21", "black", Image.new("RGB", (32, 32))),
        row("I21", "white", Image.new("RGB", (32, 32), "white")),
        row("I21", "one colour", Image.new("RGB", (32, 32), (7, 99, 200))),
        row("I20", "one pixel", Image.new("RGB", (1, 1), "red")),
    ],
)
def test_a_picture_of_one_colour_has_probabilities(client: httpx.Client, image: Image.Image) -> None:
    (result,) = client.post(COLOUR, content=saved(image, "PNG")).json()["results"]
    probabilities = np.array([one["probability"] for one in result["predictions"]])
    assert np.isfinite(probabilities).all()
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("orientation", [row("I18", str(value), value) for value in range(1, 9)])
def test_a_turned_photograph_is_the_same_photograph(client: httpx.Client, orientation: int) -> None:
    """Lossless, so that the pixels and with them the scores are the same."""
    upright = np.asarray(photograph(8, 8))
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    sent = saved(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=oriented(orientation))
    plain = saved(Image.fromarray(upright), "PNG")
    answers = [client.post(COLOUR, content=data).json()["results"] for data in (sent, plain)]
    assert answers[0] == answers[1]
