"""Pixels to PNG files: plain ones, and pictures of a palette with their legend. Knows nothing of what they show."""

import io
import json
from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.arrays import Pixels
from service.images.colours import Colormap, palette

_DEFLATE_LEVEL = 1


def rgb_png(pixels: Pixels, legend: Mapping[str, object] | None = None) -> bytes:
    """[height, width, 1 or 3] as a PNG, the legend in it as `palette_png` puts it there."""
    return _png(Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels), legend or {})


def palette_png(indices: UInt8[np.ndarray, "_ _"], colormap: Colormap, legend: Mapping[str, object]) -> bytes:
    """Entries of the palette as a PNG; each entry of `legend` is a tEXt chunk `fovea.<key>`, JSON unless a text."""
    image = Image.fromarray(indices)
    image.putpalette(palette(colormap).tobytes())
    return _png(image, legend)


def _png(image: Image.Image, legend: Mapping[str, object]) -> bytes:
    text = PngInfo()
    for key, value in legend.items():
        text.add_text(f"fovea.{key}", value if isinstance(value, str) else json.dumps(value))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=_DEFLATE_LEVEL, pnginfo=text)
    return buffer.getvalue()
