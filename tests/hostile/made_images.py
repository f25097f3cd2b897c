"""Hostile images made byte by byte, small: headers that lie, structures without end, pictures inside of other files."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image


def saved(image: Image.Image, image_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def photograph(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    """A smooth picture with some noise, so that every format has something to compress."""
    across, down = np.meshgrid(np.linspace(0, 200, width), np.linspace(0, 200, height))
    noise = np.random.default_rng(0).integers(0, 50, (height, width))
    planes = np.stack([across + noise, down + noise, (across + down) / 2], axis=-1)
    return Image.fromarray(planes.astype(np.uint8)).convert(mode)


# --- PNG


def chunk(name: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, rows: bytes = b"", more: bytes = b"") -> bytes:
    """`rows` are filtered, not yet compressed; `more` are chunks before them."""
    return (
        b"\x89PNG\r\n\x1a\n"
        + header(width, height, depth, colour)
        + more
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND")
    )


def grey_png(more: bytes = b"", tail: bytes = b"") -> bytes:
    """4 x 4 pixels of one grey, with chunks before and bytes after the pixels."""
    whole = png(4, 4, colour=0, rows=b"\0\x80\x80\x80\x80" * 4, more=more)
    return whole[:-12] + tail + whole[-12:]


def inflating(name: bytes, mebibytes: int) -> bytes:
    """A chunk that holds so much once it is inflated."""
    start = b"x\0\1\0\0\0" if name == b"iTXt" else b"x\0\0"  # a keyword, and that it is compressed
    return chunk(name, start + zlib.compress(b"\0" * (mebibytes << 20)))


# --- JPEG


def jpeg_of_size(width: int, height: int) -> bytes:
    """A JPEG of 8 x 8 pixels whose header says otherwise."""
    data = bytearray(saved(Image.new("L", (8, 8), 90), "JPEG"))
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def scans(count: int, size: tuple[int, int] = (8, 8)) -> bytes:
    """A progressive JPEG that repeats its last scan until it has `count`."""
    data = saved(Image.new("L", size, 90), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    return data[:-2] + data[start:-2] * (count - data.count(b"\xff\xda")) + data[-2:]


# --- WebP


def riff(payload: bytes, size: int | None = None) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(payload) if size is None else size) + b"WEBP" + payload


def lossless_webp_of_size(width: int, height: int) -> bytes:
    """34 bytes: the header, then codes of one symbol each, which take no bits for any pixel."""
    bits = (width - 1) | (height - 1) << 14
    stream = b"\x2f" + struct.pack("<I", bits) + b"\x88\x88\x08" + b"\0" * 5
    return riff(b"VP8L" + struct.pack("<I", len(stream)) + stream + b"\0" * (len(stream) % 2))


def lossy_webp_of_size(width: int, height: int) -> bytes:
    stream = b"\x10\x00\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + b"\0" * 16
    return riff(b"VP8 " + struct.pack("<I", len(stream)) + stream)


# --- GIF


def gif(canvas: tuple[int, int], frame: tuple[int, int] | None, frames: int = 1) -> bytes:
    """Frames of one colour; `frame=None` leaves them out. The pixels are those of 1 x 1."""
    start = b"GIF89a" + struct.pack("<HHBBB", *canvas, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    if frame is None:
        return start + b";"
    return start + (b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\2\2\x44\1\0") * frames + b";"


# --- BMP


def bmp(width: int, height: int, *, compression: int = 0, bits: int = 24, pixels: bytes = b"") -> bytes:
    """`height` below 0 is a picture from the top down."""
    palette = b"\0\0\0\0\xff\xff\xff\0" * 128 if bits == 8 else b""
    offset = 54 + len(palette)
    info = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 0, 0, 256 if palette else 0, 0
    )
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + info + palette + pixels


# --- EXIF


def oriented(value: int | bytes, kind: int = 3, order: str = "<") -> bytes:
    """An EXIF block that holds the orientation alone; `kind` 3 is a number of 16 bits."""
    written = struct.pack(f"{order}HH", value, 0) if isinstance(value, int) else value
    mark = b"II*\0" if order == "<" else b"MM\0*"
    directory = struct.pack(f"{order}IHHHI", 8, 1, 0x0112, kind, 1)
    return b"Exif\0\0" + mark + directory + written + struct.pack(f"{order}I", 0)
