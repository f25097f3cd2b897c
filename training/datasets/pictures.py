"""Image files to pixels, by the very code that the service decodes and resizes with, in parallel threads.

A format that Pillow reads and the service does not (TIFF, JPEG 2000, AVIF, PNM ...) becomes a PNG first.
"""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int32, UInt16
from PIL import Image, ImageOps, UnidentifiedImageError

from service.arrays import Pixels
from service.engine.cpus import available_cpus
from service.errors import CorruptImageError, FoveaError, ImageTooLargeError
from service.images.decoding import FORMATS, ImageLimits
from service.images.network_input import picture
from service.images.preprocessing import Preprocessing
from service.images.signatures import image_format
from training.tensors import Images

# One's own photographs may be larger than what a stranger may send to the service.
LIMITS = ImageLimits(max_pixels=100_000_000, max_side=65_535)

# Formats that Pillow only recognises, or hands to another program.
_NOT_READ = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "PCD", "WMF"}
_ENDINGS = {ending: name for ending, name in Image.registered_extensions().items() if name in Image.OPEN}
ENDINGS = frozenset(ending for ending, name in _ENDINGS.items() if name not in _NOT_READ)
_OTHER_FORMATS = sorted(set(Image.OPEN) - _NOT_READ - set(FORMATS))
_MODES_OF_PNG = ("1", "L", "LA", "I;16", "P", "RGB", "RGBA")
_AT_ONCE = 32  # images a thread takes; a hand-over costs as much as a tenth of a tiny one


@dataclass(frozen=True)
class Picture:
    path: Path
    label: int


def decoded(pictures: Sequence[Picture], preprocessing: Preprocessing, images: Images) -> dict[int, str]:
    """Fills `images`, one picture after the other; says of each that cannot be read, by its number, why.

    Threads pay for photographs: Pillow decodes and resizes without Python's lock. They cost nothing for tiny ones.
    """

    def fill(first: int) -> dict[int, str]:
        found = {}
        for number in range(first, min(first + _AT_ONCE, len(pictures))):
            try:
                images[number] = torch.from_numpy(pixels(pictures[number].path.read_bytes(), preprocessing))
            except FoveaError as error:
                found[number] = error.detail
            except (OSError, ValueError) as error:  # ValueError: a path with a NUL
                found[number] = getattr(error, "strerror", None) or str(error)
        return found

    with ThreadPoolExecutor(available_cpus()) as threads:
        parts = threads.map(fill, range(0, len(pictures), _AT_ONCE))
        return {number: reason for part in parts for number, reason in part.items()}


def pixels(data: bytes, preprocessing: Preprocessing) -> Pixels:
    """What the network would be given were these bytes sent to the service. Raises what `decode` raises."""
    return picture(data if not data or image_format(data) else _as_png(data), LIMITS, preprocessing)


def _as_png(data: bytes) -> bytes:
    """The bytes themselves where Pillow knows them no more than the service does, which then says what they are."""
    name = "unknown"
    try:
        with Image.open(io.BytesIO(data), formats=_OTHER_FORMATS) as opened:
            name = opened.format or name
            return _saved(opened)
    except UnidentifiedImageError:
        return data
    except FoveaError:
        raise
    except Exception as error:  # Pillow raises OSError, ValueError, SyntaxError and more on hostile data
        raise CorruptImageError(name, str(error) or type(error).__name__) from error


def _saved(opened: Image.Image) -> bytes:
    width, height = opened.size
    if width * height > LIMITS.max_pixels or max(width, height) > LIMITS.max_side:
        raise ImageTooLargeError(width, height, LIMITS.max_pixels, LIMITS.max_side)
    upright = _in_mode_of_png(ImageOps.exif_transpose(opened))
    file = io.BytesIO()
    upright.save(file, "PNG", compress_level=0)
    return file.getvalue()


def _in_mode_of_png(image: Image.Image) -> Image.Image:
    if image.mode in _MODES_OF_PNG:
        return image
    if image.mode == "I":  # 16 bits in 32, as in a PGM
        return Image.fromarray(_in_sixteen_bits(np.asarray(image)))
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range")
    return image.convert("RGB")


def _in_sixteen_bits(values: Int32[np.ndarray, "height width"]) -> UInt16[np.ndarray, "height width"]:
    if values.min() < 0 or values.max() > 65_535:
        raise ValueError("32-bit pixels have no known range")
    return values.astype(np.uint16)
