"""The bytes of a file somebody sent to an upright image in mode L or RGB. Trusts nothing; knows no model and no HTTP.

The first frame of a JPEG, PNG, WebP, GIF or BMP; everything else is refused by name. Transparency is laid on white.
"""

import io
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, no_type_check

import numpy as np
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from service.errors import (
    CorruptImageError,
    EmptyImageError,
    ImageTooComplexError,
    ImageTooLargeError,
    UnsupportedImageError,
)
from service.images.plain_png import PlainPng, plain_png
from service.images.preprocessing import Extent, Preprocessing, reduction
from service.images.signatures import exif_orientation, image_format, is_lossless_jpeg, jpeg_scans, likeness, webp_size

# Plugins are called by name: `Image.open` would warn about large sizes before they can be compared with `ImageLimits`.
_PLUGINS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
}
FORMATS = tuple(_PLUGINS)

# What Pillow's plugins raise for bytes that are not their format (the list in `Image.open`).
_NOT_THIS_FORMAT = (SyntaxError, IndexError, TypeError)

# Pillow reads PNG chunks, JPEG markers, GIF blocks and BMP runs in Python, 2 to 6 microseconds a read: 10 MiB of empty
# chunks cost 10 s, these 0.5 s. Of 1,846 collected files the most demanding intact one (a run-length BMP) takes 26,009.
_MAX_READS = 100_000
_BLOCK_BYTES = 16_384  # handed to a decoder at once, so that it can be stopped in between: 16 MiB of rows at most

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_SIDEWAYS = (5, 6, 7, 8)
_JPEG_SCALES = (8, 4, 2)  # what Pillow offers of libjpeg-turbo, and what it has in SIMD

_CLOCKED_BYTES = 1024  # reads of headers are not timed, only counted
# Pixels of PNG that are more than 4 bytes take longer, and count for more than one.
_WEIGHTS = {"RGB;16B": 1.5, "RGBA;16B": 2.0}
# Grey samples of 2 and 4 bits are spread over 0 to 255 as they are read, and the transparent one is not.
_SAMPLE_STEPS = {"L;2": 85, "L;4": 17}
_DEEP_COLOURS, _THEIR_LOWER_BYTES = "RGB;16B", "RGB;16L"
_ORDINARY_SCANS = 12
_SCANNED_PIXELS = 500_000_000

# Once, at import, because the filters are global and not thread-safe: what a hostile file makes Pillow say about its
# metadata stays out of the log, and a GIF frame far outside its canvas, a size seen only while opening, is an error.
warnings.filterwarnings("ignore", module=r"PIL\.")
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


@dataclass(frozen=True)
class ImageLimits:
    """What one image may cost. 25 million pixels take up to 420 MiB while a WebP of that size is decoded."""

    max_pixels: int = 25_000_000
    max_side: int = 16_384
    max_jpeg_scans: int = 100  # as libjpeg-turbo's own fuzzers; ordinary progressive files have about 10
    max_cpu_seconds: float = 1.0  # of the thread that decodes; what is in the hands of WebP or of a plain PNG goes on

    def jpeg_scans(self, pixels: int) -> int:
        """Each costs a pass over all pixels, so a large image may have fewer of them."""
        return min(self.max_jpeg_scans, max(_ORDINARY_SCANS, _SCANNED_PIXELS // max(pixels, 1)))


class _BoundedReads(io.BytesIO):
    """Bytes that refuse to be read more often, or by a thread that computed for longer, than an honest file needs."""

    reads = 0

    def __init__(self, data: bytes, cpu_seconds: float) -> None:
        super().__init__(data)
        self._cpu_seconds = cpu_seconds
        self._until = time.thread_time() + cpu_seconds

    @no_type_check  # the tests' check of annotations would cost ten times the read
    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > _MAX_READS:
            raise ValueError(f"its structure takes more than {_MAX_READS:,} reads")
        if size is not None and size >= _CLOCKED_BYTES and time.thread_time() > self._until:
            raise ImageTooComplexError(f"the image takes more than {self._cpu_seconds:g} s to decode")
        return super().read(size)


class Decoded(NamedTuple):
    """`extent`: what was sent, in pixels of the image from its upper left corner.

    375 rows decoded at a quarter are 94 that show 376: their extent is 93.75.
    """

    image: Image.Image
    extent: Extent


def decode(data: bytes, limits: ImageLimits) -> Image.Image:
    """The first frame of `data`, upright, in mode L (greyscale files) or RGB, with all its pixels.

    16 bits are scaled to 8, transparency is composited on white, the EXIF orientation is applied (an invalid one counts
    as 1). Raises EmptyImageError, UnsupportedImageError, ImageTooLargeError and ImageTooComplexError from the header
    alone, CorruptImageError for whatever Pillow cannot decode. Thread-safe. A plain 28x28 PNG takes 10 microseconds,
    any other 40.
    """
    return decode_for(None, data, limits).image


def upright_size(data: bytes) -> tuple[int, int]:
    """Width and height of an image that `decode` has taken, its EXIF orientation applied; reads the header only, but
    of a PNG that states its orientation, which it may do behind the pixels.
    """
    name = image_format(data)
    if name is None:
        raise UnsupportedImageError(likeness(data), FORMATS)
    opened = _opened(data, name, math.inf)
    width, height = opened.size
    if name == "PNG" and b"eXIf" in data:
        opened.load()
    return (height, width) if exif_orientation(opened.info.get("exif")) in _SIDEWAYS else (width, height)


def decode_for(purpose: Preprocessing | None, data: bytes, limits: ImageLimits) -> Decoded:
    """As `decode`, but with fewer pixels and without colours in a JPEG where the purpose would not see the difference.

    The limits are for the pixels sent.
    """
    if not data:
        raise EmptyImageError
    name = image_format(data)
    if name is None:
        raise UnsupportedImageError(likeness(data), FORMATS)
    plain = plain_png(data) if name == "PNG" else None
    return _from_file(data, name, limits, purpose) if plain is None else _from_rows(plain, limits)


def _from_rows(plain: PlainPng, limits: ImageLimits) -> Decoded:
    """Pillow's decoder of PNG rows, in C, without its reader of PNG files, in Python."""
    _check_size(plain.size, limits)
    try:
        image = Image.new(plain.mode, plain.size, None)  # zeros that take no memory before they are written
        image.frombytes(plain.compressed, "zip", plain.mode)
    except Exception as error:
        raise CorruptImageError("PNG", str(error) or type(error).__name__) from error
    return Decoded(image, plain.size)


def _from_file(data: bytes, name: str, limits: ImageLimits, purpose: Preprocessing | None) -> Decoded:
    if name == "WEBP" and (size := webp_size(data)):
        _check_size(size, limits)
    opened = _opened(data, name, limits.max_cpu_seconds)
    opened.decodermaxblock = _BLOCK_BYTES
    _check_cost(data, opened, limits)
    try:
        extent = opened.size if purpose is None or name != "JPEG" else _drafted(opened, purpose)
        packing = str(opened.tile[0].args) if opened.tile else ""
        opened.load()
        if packing == _DEEP_COLOURS and "transparency" in opened.info:
            flat = _deep_on_white(opened, _lower_bytes(data, limits))
        else:
            flat = _flattened(opened, _SAMPLE_STEPS.get(packing, 1))
        orientation = exif_orientation(opened.info.get("exif"))
        upright = flat.transpose(_TRANSPOSITIONS[orientation]) if orientation in _TRANSPOSITIONS else flat
    except ImageTooComplexError:
        raise
    except Exception as error:  # Pillow raises OSError, ValueError, SyntaxError and more on hostile data
        raise CorruptImageError(name, str(error) or type(error).__name__) from error
    return Decoded(upright, extent[::-1] if orientation in _SIDEWAYS else extent)


def _opened(data: bytes, name: str, cpu_seconds: float) -> ImageFile.ImageFile:
    """The header only: size, mode and metadata, no pixels."""
    try:
        return _PLUGINS[name](_BoundedReads(data, cpu_seconds))
    except _NOT_THIS_FORMAT as error:
        raise UnsupportedImageError(f"a {name} signature without a readable {name} header", FORMATS) from error
    except ImageTooComplexError:
        raise
    except Exception as error:
        raise CorruptImageError(name, str(error) or type(error).__name__) from error


def _check_cost(data: bytes, opened: ImageFile.ImageFile, limits: ImageLimits) -> None:
    weight = _WEIGHTS.get(str(opened.tile[0].args), 1.0) if opened.tile else 1.0
    _check_size(opened.size, replace(limits, max_pixels=int(limits.max_pixels / weight)))
    width, height = opened.size
    most = limits.jpeg_scans(width * height)
    if opened.format == "JPEG" and (scans := jpeg_scans(data, most)) > most:
        raise ImageTooComplexError(f"the JPEG has {scans} scans, and at {width}x{height} pixels at most {most}")


def _check_size(size: tuple[int, int], limits: ImageLimits) -> None:
    width, height = size
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise ImageTooLargeError(width, height, limits.max_pixels, limits.max_side)


def _drafted(jpeg: ImageFile.ImageFile, purpose: Preprocessing) -> Extent:
    """Has libjpeg leave out what the network will not see: colours for a grey one, resolution for a small one.

    A block of 8x8 frequencies becomes 4x4, 2x2 or 1x1 pixels, which is averaging and not skipping. Gives the extent.
    """
    width, height = jpeg.size
    if is_lossless_jpeg(_header(jpeg)):  # it has no frequencies, and libjpeg-turbo converts none of its colours
        return width, height
    scale = _scale(jpeg.size, exif_orientation(jpeg.info.get("exif")), purpose)
    jpeg.draft("L" if purpose.color == "gray" else None, (max(1, width // scale), max(1, height // scale)))
    return width / scale, height / scale


def _header(jpeg: ImageFile.ImageFile) -> bytes:
    """What Pillow has read of the file so far: everything before the first pixel."""
    if jpeg.fp is None:
        return b""
    end = jpeg.fp.tell()
    jpeg.fp.seek(0)
    return jpeg.fp.read(end)


def _scale(size: tuple[int, int], orientation: int, purpose: Preprocessing) -> int:
    """8, 4, 2 or 1: by how much the JPEG is decoded smaller."""
    spare = reduction(size[::-1] if orientation in _SIDEWAYS else size, purpose)
    whole = math.gcd(*size)  # turned, an image would have its partial pixels on another side than the extent says
    return next((s for s in _JPEG_SCALES if s <= spare and (orientation == 1 or whole % s == 0)), 1)


def _flattened(image: Image.Image, sample_step: int = 1) -> Image.Image:
    """Any mode of the five formats in mode L or RGB, without transparency."""
    if image.mode.startswith("I"):
        return _eight_bits(image)
    if sample_step > 1 and isinstance(image.info.get("transparency"), int):
        image.info["transparency"] = (image.info["transparency"] & (255 // sample_step)) * sample_step
    if image.has_transparency_data:
        return _on_white(image)
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey over 257, rounded (65,535 = 255 * 257); Pillow's own conversion would clip it at 255."""
    values = np.asarray(image).astype(np.uint32)
    grey = ((values + 128) // 257).astype(np.uint8)
    grey[values == image.info.get("transparency", -1)] = 255
    return Image.fromarray(grey)


def _lower_bytes(data: bytes, limits: ImageLimits) -> Image.Image:
    """Of a PNG with 16 bits a colour, of which Pillow keeps the upper ones."""
    opened = _opened(data, "PNG", limits.max_cpu_seconds)
    opened.decodermaxblock = _BLOCK_BYTES
    opened.tile = [opened.tile[0]._replace(args=_THEIR_LOWER_BYTES)]
    opened.load()
    return opened


def _deep_on_white(image: Image.Image, lower: Image.Image) -> Image.Image:
    """The upper bytes, white where all 16 bits of all three colours are those of the transparent colour."""
    transparent = np.asarray(image.info["transparency"])
    pixels = np.array(image)
    hidden = ((pixels == transparent >> 8) & (np.asarray(lower) == transparent & 255)).all(axis=2)
    pixels[hidden] = 255
    return Image.fromarray(pixels)


def _on_white(image: Image.Image) -> Image.Image:
    grey = image.mode in ("1", "L", "LA", "La")
    layered = image.convert("LA" if grey else "RGBA")
    colours = layered.getchannel("L") if grey else layered.convert("RGB")
    canvas = Image.new(colours.mode, image.size, "white")
    canvas.paste(colours, mask=layered.getchannel("A"))
    return canvas
