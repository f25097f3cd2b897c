"""What the first bytes of a file say, and the few header fields Pillow does not give safely. Decodes nothing.

Every function takes hostile bytes, never raises, and costs at most one pass over them.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Literal

_IMAGE_SIGNATURES = {"JPEG": b"\xff\xd8\xff", "PNG": b"\x89PNG\r\n\x1a\n", "GIF": b"GIF8", "BMP": b"BM"}

_BINARY = (
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"8BPS", "a Photoshop image"),
    (b"\0\0\1\0", "an icon (ICO)"),
    (b"\0\0\2\0", "a cursor (CUR)"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"\0\0\0\x0cjP", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"qoif", "a QOI image"),
    (b"DDS ", "a DDS texture"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x7fELF", "a program (ELF)"),
    (b"MZ", "a program (EXE)"),
    (b"RIFF", "a RIFF file other than WebP"),
)

_TEXTUAL = (
    (rb"%pdf", "a PDF document"),
    (rb"%!ps", "a PostScript file"),
    (rb"data:image/", "a data URI (send what follows the comma, base64-decoded)"),
    (rb"(/9j/|ivborw0kgg|r0lgod|uklgr)", "base64 text (decode it first)"),
    (rb"(<\?xml[^>]*>|<!--.*?-->|<!doctype svg[^>]*>|\s)*<svg", "an SVG drawing"),
    (rb"(<\?xml[^>]*>|<!--.*?-->|\s)*<(!doctype )?html", "an HTML page"),
    (rb"<\?xml", "XML"),
    (rb"\s*[{\[]", "JSON or other text"),
    (rb"p[1-7]\s", "a PNM image"),
)
_TEXTUAL_PATTERNS = tuple((re.compile(pattern, re.DOTALL), name) for pattern, name in _TEXTUAL)

# Two bytes that end entropy-coded data: not a stuffed FF 00, a fill byte or a restart marker (ITU-T T.81, B.1.1).
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_START_OF_SCAN, _END_OF_IMAGE, _START_OF_IMAGE = 0xDA, 0xD9, 0xD8
_LOSSLESS_FRAMES = (b"\xff\xc3", b"\xff\xcb")
_FIRST_SEGMENT = 0xC0  # lower codes are reserved and carry no length
_MAX_JPEG_MARKERS = 10_000  # 3 ms; a file with 100 scans has some hundreds

_ORIENTATION_TAG, _SHORT = 0x0112, 3
_BYTE_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}


def image_format(data: bytes) -> str | None:
    """JPEG, PNG, WEBP, GIF or BMP by signature, whatever the file is called; None for anything else."""
    for name, signature in _IMAGE_SIGNATURES.items():
        if data.startswith(signature):
            return name
    return "WEBP" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def likeness(data: bytes) -> str:
    """What the bytes look like, as a phrase for a person: "an HTML page", "a PDF document", "text"."""
    if data[4:8] == b"ftyp":
        return "an AVIF or HEIC image" if data[8:11] in (b"avi", b"hei", b"mif", b"hev") else "a video (MP4)"
    binary = next((name for signature, name in _BINARY if data.startswith(signature)), None)
    return binary or _text_likeness(data[:1024]) or "of no known format"


def _text_likeness(start: bytes) -> str | None:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    named = next((name for pattern, name in _TEXTUAL_PATTERNS if pattern.match(text)), None)
    printable = all(byte >= 32 or byte in b"\t\n\r\f" for byte in start)
    return named or ("text" if printable else None)


def is_lossless_jpeg(header: bytes) -> bool:
    """Whether a JPEG's pixels are predicted, not transformed (ITU-T T.81, H). Another's metadata may look like it."""
    return any(marker in header for marker in _LOSSLESS_FRAMES)


def jpeg_scans(data: bytes, limit: int) -> int:
    """The number of scans a decoder makes over a JPEG; each costs a pass over all its pixels.

    Exact above `limit`; below it an upper bound, which is enough and 1,000 times cheaper. Bytes in metadata, in an
    embedded thumbnail or after the image (a phone's moving picture) do not count.
    """
    bound = data.count(b"\xff\xda")
    if bound <= limit:
        return bound
    codes = list(islice(_jpeg_markers(data), _MAX_JPEG_MARKERS))
    return codes.count(_START_OF_SCAN) if len(codes) < _MAX_JPEG_MARKERS else bound


def _jpeg_markers(data: bytes) -> Iterator[int]:
    """The marker codes from the start of an image to its end, in the order a decoder meets them."""
    position = len(_IMAGE_SIGNATURES["JPEG"]) - 1
    while marker := _JPEG_MARKER.search(data, position):
        code, position = data[marker.end() - 1], marker.end()
        if code == _END_OF_IMAGE:
            return
        yield code
        if code >= _FIRST_SEGMENT and code != _START_OF_IMAGE:
            position += int.from_bytes(data[position : position + 2], "big")


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height as a WebP's first chunk states them (RFC 9649, 2.5 to 2.7); None where it states none.

    libwebp takes memory for all pixels, twice, before it tells.
    """

    def number(start: int, end: int) -> int:
        return int.from_bytes(data[start:end], "little")

    match data[12:16]:
        case b"VP8X":
            return number(24, 27) + 1, number(27, 30) + 1
        case b"VP8L":
            bits = number(21, 25)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            return number(26, 28) & 0x3FFF, number(28, 30) & 0x3FFF
    return None


def exif_orientation(exif: bytes | None) -> int:
    """The orientation 1..8 of an EXIF block, 1 where there is none or it is invalid (CIPA DC-008, 4.6.4).

    Pillow's reader raises on some invalid blocks and warns on others.
    """
    tiff = (exif or b"").removeprefix(b"Exif\0\0")
    order = _BYTE_ORDERS.get(tiff[:4])
    if order is None:
        return 1

    def number(start: int, size: int) -> int:
        return int.from_bytes(tiff[start : start + size], order)

    directory = number(4, 4)
    end = min(directory + 2 + 12 * number(directory, 2), len(tiff))
    for entry in range(directory + 2, end, 12):
        if number(entry, 2) == _ORIENTATION_TAG and number(entry + 2, 2) == _SHORT:
            orientation = number(entry + 8, 2)
            return orientation if orientation in range(1, 9) else 1
    return 1
