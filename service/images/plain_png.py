"""The usual PNG taken apart: 8 bits, grey or RGB, nothing in the file that could change a pixel. Decompresses nothing.

Takes hostile bytes, never raises, and leaves every file with anything else in it to Pillow's own reader, which takes
four times as long to read 28x28 pixels.
"""

import struct
import zlib
from typing import NamedTuple

_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
# Bit depth, colour type, compression, filtering, interlacing (PNG specification, 11.2.1), and Pillow's name for it.
_MODES = {b"\x08\0\0\0\0": "L", b"\x08\2\0\0\0": "RGB"}
_SIZE = struct.Struct(">II")
_CHUNK_HEAD = struct.Struct(">I4s")
_FIRST_CHUNK = 33
# Chunks that Pillow reads and that change no pixel, at the one length they have in an intact file.
_WITHOUT_EFFECT = {b"gAMA": 4, b"sRGB": 1, b"pHYs": 9, b"tIME": 7}
_MAX_CHUNKS = 10_000  # 4 ms; 80 MB in the 8 KiB chunks of libpng


class PlainPng(NamedTuple):
    """`size` is width, height; `compressed` the filtered rows as one zlib stream, if the file is intact."""

    mode: str
    size: tuple[int, int]
    compressed: bytes


def plain_png(data: bytes) -> PlainPng | None:
    """None for a PNG of any other kind, for a damaged header, and for what is no PNG."""
    mode = _MODES.get(data[24:29])
    if mode is None or not data.startswith(_START) or not _intact(data, 12, 29):
        return None
    size = width, height = _SIZE.unpack_from(data, 16)
    compressed = _compressed(data)
    return PlainPng(mode, size, compressed) if compressed and width and height else None


def _compressed(data: bytes) -> bytes | None:
    """What the IDAT chunks hold, where no chunk but those without effect precedes them and IEND follows."""
    parts: list[bytes] = []
    position, last = _FIRST_CHUNK, len(data) - 12
    for _ in range(_MAX_CHUNKS):
        if position > last:
            return None
        length, name = _CHUNK_HEAD.unpack_from(data, position)
        end = position + 8 + length
        if name == b"IDAT":
            parts.append(data[position + 8 : end])
        elif name == b"IEND":
            return b"".join(parts)
        elif parts or _WITHOUT_EFFECT.get(name) != length or not _intact(data, position + 4, end):
            return None
        position = end + 4
    return None


def _intact(data: bytes, start: int, end: int) -> bool:
    """Whether the checksum after a chunk is that of its name and content."""
    return zlib.crc32(data[start:end]) == int.from_bytes(data[end : end + 4], "big")
