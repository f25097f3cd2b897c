"""A decoded image to a network's input: resize, colours, arithmetic, layout.

Training and serving both call `prepare`, so they can never differ. Knows no model and no HTTP.
"""

from functools import cached_property
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.arrays import NetworkInput, Pixels

MAX_SIDE = 4096

_FLOAT32 = np.finfo(np.float32)  # the arithmetic is done in it

# Where an image has more pixels than this for each of the network's, along both axes, it may be averaged over whole
# pixels first: docs/decisions/0010-decoding.md has what that does to the picture.
MARGIN = 3.0

Extent = tuple[int | float, int | float]

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


class Preprocessing(BaseModel):
    """How a decoded image becomes the network's input: (pixel * scale - mean) / std per channel.

    `resize`: `stretch` ignores the aspect ratio; `crop` scales the short side to size / crop_fraction and cuts the
    centre; `pad` fits the whole image inside and fills the rest with black. Interpolation is Pillow's, antialiased.
    Our own exports take uint8 pixels as decoded (scale 1, mean 0, std 1): their arithmetic is in the graph.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: int = Field(gt=0, le=MAX_SIDE)
    width: int = Field(gt=0, le=MAX_SIDE)
    color: Literal["gray", "rgb", "bgr"]
    resize: Literal["stretch", "crop", "pad"] = "stretch"
    crop_fraction: float = Field(default=1.0, gt=0, le=1)
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    layout: Literal["NHWC", "NCHW"] = "NHWC"
    dtype: Literal["uint8", "float32", "float16"] = "uint8"
    scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    @property
    def channels(self) -> int:
        return 1 if self.color == "gray" else 3

    @cached_property
    def in_graph(self) -> bool:
        """True where the network takes pixels as decoded, so that all arithmetic is inside the model file."""
        return self.scale == 1 and not any(self.mean) and all(s == 1 for s in self.std)

    @model_validator(mode="after")
    def _consistent(self) -> "Preprocessing":
        for name, values in (("scale", (self.scale,)), ("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels):
                raise ValueError(f"{name} has {len(values)} values; {self.color} needs 1 or {self.channels}")
            if not (np.abs(values) <= _FLOAT32.max).all():
                raise ValueError(f"{name} must be finite in float32")
        if min(self.std) < _FLOAT32.tiny:
            raise ValueError("std must be above 0 in float32")
        if self.dtype == "uint8" and not self.in_graph:
            raise ValueError("a uint8 input takes pixels as they are: scale 1, mean 0, std 1")
        return self


def received(image: Image.Image, preprocessing: Preprocessing, extent: Extent | None = None) -> Pixels:
    """The exact picture the network is given, before any arithmetic: RGB or grey, at the network's size.

    `extent`: width and height of what counts of the image, from its upper left corner; all of it where none is given.
    """
    converted = _in_mode(image, "L" if preprocessing.color == "gray" else "RGB")
    resized = _resized(converted, preprocessing, extent or image.size)
    # A copy: Pillow's own memory is read-only, PyTorch warns of it.
    pixels = np.frombuffer(bytearray(resized.tobytes()), np.uint8)
    return pixels.reshape(resized.height, resized.width, preprocessing.channels)


def prepare(image: Image.Image, preprocessing: Preprocessing, extent: Extent | None = None) -> NetworkInput:
    """One image (mode L or RGB) as one network input, without the batch axis, C-contiguous, in the network's dtype."""
    return normalized(received(image, preprocessing, extent), preprocessing)


def normalized(pixels: Pixels, preprocessing: Preprocessing) -> NetworkInput:
    """Pixels already at the network's size through colour order, arithmetic and layout."""
    values: NetworkInput = pixels[:, :, ::-1] if preprocessing.color == "bgr" else pixels
    if not preprocessing.in_graph:
        mean, std = np.asarray(preprocessing.mean, np.float32), np.asarray(preprocessing.std, np.float32)
        values = (values * np.float32(preprocessing.scale) - mean) / std
    if preprocessing.layout == "NCHW":
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values, dtype=preprocessing.dtype)


def reduction(size: Extent, preprocessing: Preprocessing) -> float:
    """How many times smaller an upright image of this width and height may be made before it is prepared.

    `MARGIN` of its pixels remain for each of the network's. At most 1 where all of them are needed.
    """
    across, down = size[0] / preprocessing.width, size[1] / preprocessing.height
    if preprocessing.interpolation == "nearest":
        return 1.0
    match preprocessing.resize:
        case "crop":
            return min(across, down) * preprocessing.crop_fraction / MARGIN
        case "pad":
            return max(across, down) / MARGIN
        case _:
            return min(across, down) / MARGIN


def fitted(size: Extent, goal: tuple[int, int]) -> tuple[int, int]:
    """Width and height to which `pad` brings an image of this size, so that all of it lies inside."""
    ratio = min(goal[0] / size[0], goal[1] / size[1])
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))


def _resized(image: Image.Image, preprocessing: Preprocessing, extent: Extent) -> Image.Image:
    target = (preprocessing.width, preprocessing.height)
    if extent == target and preprocessing.crop_fraction == 1:
        return image
    resampling = _RESAMPLING[preprocessing.interpolation]
    match preprocessing.resize:
        case "crop":
            return _cropped(image, extent, target, preprocessing.crop_fraction, resampling)
        case "pad":
            return _padded(image, extent, target, resampling)
        case _:
            return image.resize(target, resampling, box=(0, 0, *extent), reducing_gap=MARGIN)


def _cropped(
    image: Image.Image, extent: Extent, target: tuple[int, int], fraction: float, resampling: Image.Resampling
) -> Image.Image:
    """Scales and cuts in one step: the source box that lands on the target is resampled, nothing else."""
    width, height = extent
    ratio = min(width / target[0], height / target[1]) * fraction
    box_width, box_height = target[0] * ratio, target[1] * ratio
    # Rounding may put an edge outside the image by the last digit, which Pillow refuses.
    left, top = max(0.0, (width - box_width) / 2), max(0.0, (height - box_height) / 2)
    right, bottom = min(left + box_width, width), min(top + box_height, height)
    return image.resize(target, resampling, box=(left, top, right, bottom), reducing_gap=MARGIN)


def _padded(image: Image.Image, extent: Extent, target: tuple[int, int], resampling: Image.Resampling) -> Image.Image:
    size = fitted(extent, target)
    canvas = Image.new(image.mode, target)
    shrunk = image.resize(size, resampling, box=(0, 0, *extent), reducing_gap=MARGIN)
    canvas.paste(shrunk, ((target[0] - size[0]) // 2, (target[1] - size[1]) // 2))
    return canvas


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)
