"""The short way to a PNG's pixels against Pillow's own reader, which any chunk of text sends a file to."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from service.errors import FoveaError, ImageTooLargeError
from service.images.decoding import ImageLimits, decode
from service.images.plain_png import plain_png

SIDES = st.integers(1, 40)
HEADER = 33  # signature and IHDR


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def saved(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def noise(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


def with_chunks(data: bytes, *chunks: bytes) -> bytes:
    return data[:HEADER] + b"".join(chunks) + data[HEADER:]


def in_pieces(data: bytes, size: int) -> bytes:
    """The same file with its rows in many IDAT chunks, as libpng writes a large one."""
    start = data.index(b"IDAT") - 4
    rows = data[start + 8 : data.rindex(b"IEND") - 8]
    pieces = [chunk(b"IDAT", rows[at : at + size]) for at in range(0, len(rows), size)]
    return data[:start] + b"".join(pieces) + chunk(b"IEND")


def rows_and_end(compressed: bytes) -> bytes:
    return chunk(b"IDAT", compressed) + chunk(b"IEND")


def outcome(data: bytes) -> bytes | str:
    try:
        return decode(data, ImageLimits()).tobytes()
    except FoveaError as error:
        return error.code


@given(SIDES, SIDES, st.sampled_from(["L", "RGB"]), st.integers(0, 2**32), st.integers(1, 300))
def test_a_plain_file_gives_the_pixels_that_were_saved(
    width: int, height: int, mode: str, seed: int, piece: int
) -> None:
    image = noise(width, height, mode, seed)
    data = in_pieces(saved(image), piece)
    assert plain_png(data) is not None
    assert (decode(data, ImageLimits()).mode, outcome(data)) == (mode, image.tobytes())


def test_what_says_nothing_about_pixels_leaves_a_file_plain() -> None:
    data = with_chunks(saved(noise(3, 2), dpi=(72, 72)), chunk(b"sRGB", b"\0"), chunk(b"tIME", bytes(7)))
    plain = plain_png(data + b"bytes after the end")
    assert plain is not None
    assert plain[:2] == ("RGB", (3, 2))


@pytest.mark.parametrize(
    "data",
    [
        saved(noise(2, 2), transparency=(1, 2, 3)),
        saved(noise(2, 2).quantize(2)),
        saved(Image.fromarray(np.zeros((2, 2), np.uint16))),
        saved(noise(2, 2), exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
        with_chunks(saved(noise(2, 2)), chunk(b"tEXt", b"a\0b")),
        saved(noise(2, 2), save_all=True, append_images=[noise(2, 2, seed=1)]),
        with_chunks(saved(noise(2, 2)), chunk(b"sRGB", b"\0\0")),
        with_chunks(saved(noise(2, 2)), chunk(b"sRGB", b"\0")[:-1] + b"!"),
        in_pieces(saved(noise(2, 2)), 9).replace(chunk(b"IEND"), chunk(b"sRGB", b"\0") + chunk(b"IEND")),
        saved(noise(2, 2)).replace(b"IHDR", b"IHDS"),
        saved(noise(2, 2))[:29] + bytes(4) + saved(noise(2, 2))[HEADER:],
        saved(noise(2, 2))[:-12],
        saved(noise(2, 2))[:40],
        saved(noise(2, 2))[:20],
        saved(noise(2, 2))[:HEADER] + chunk(b"IEND"),
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 2, 8, 2, 0, 0, 0)) + rows_and_end(b"x"),
        with_chunks(saved(noise(2, 2)), chunk(b"IDAT") * 20_000),
        b"",
    ],
    ids=lambda data: f"{len(data)} bytes",
)
def test_any_other_file_is_left_to_pillows_reader(data: bytes) -> None:
    assert plain_png(data) is None


@given(st.integers(0, 2**32), st.integers(1, 4), st.sampled_from([None, 20]))
def test_a_damaged_file_comes_out_as_it_does_of_pillows_reader(seed: int, damages: int, piece: int | None) -> None:
    random = np.random.default_rng(seed)
    data = saved(noise(9, 7, seed=seed))
    broken = bytearray(data if piece is None else in_pieces(data, piece))
    for place in random.integers(HEADER, len(broken), damages):
        broken[place] ^= 1 << random.integers(0, 8)
    assert outcome(bytes(broken)) == outcome(with_chunks(bytes(broken), chunk(b"tEXt", b"a\0b")))


def test_too_many_pixels_are_refused_before_any_is_decoded() -> None:
    with pytest.raises(ImageTooLargeError, match="4x3 = 12 pixels"):
        decode(saved(noise(4, 3)), ImageLimits(max_pixels=11))


@pytest.mark.parametrize(
    "rows", [b"", b"\0\1\2", b"\0\1\2" * 9, b"\7\1\2" * 2], ids=["none", "few", "many", "filtered"]
)
def test_rows_that_do_not_fit_the_header_come_out_as_they_do_of_pillows_reader(rows: bytes) -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + rows_and_end(zlib.compress(rows))
    assert plain_png(data) is not None
    assert outcome(data) == outcome(with_chunks(data, chunk(b"tEXt", b"a\0b")))
