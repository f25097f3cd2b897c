"""The exact picture a network received of an image file, and the numbers it became. Knows no layers and no HTTP."""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.arrays import Pixels
from service.errors import InvalidParameterError
from service.images.decoding import ImageLimits, upright_size
from service.images.png import rgb_png
from service.images.preprocessing import MAX_SIDE, Preprocessing, fitted
from service.inspection.forms import Reply, as_json, as_npy
from service.inspection.network import Network


class ReceivedQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal["png", "npy", "json"] = Field(
        default="png", description="the picture, the network's input with its batch axis, or what was done"
    )
    magnification: int = Field(
        default=1, ge=1, le=64, description="png: each pixel becomes a square of so many; 1 is the picture itself"
    )


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Size(_Frozen):
    width: int
    height: int


class NetworkInputFacts(_Frozen):
    """The tensor that the picture became."""

    shape: tuple[int, ...] = Field(description="batch first")
    dtype: str
    layout: Literal["NHWC", "NCHW"]
    min: float
    mean: float
    max: float


class Received(_Frozen):
    """What became of an image file on its way into the network."""

    model: str
    version: int
    sent: Size = Field(description="of the file, upright as its EXIF orientation says")
    received: Size = Field(description="of the picture that the network was given")
    color: Literal["gray", "rgb", "bgr"] = Field(description="the channels that the network takes, in their order")
    resize: str = Field(description="how the one size became the other, in words")
    preprocessing: Preprocessing = Field(description="as the model file states it, or as it was assumed")
    assumed: tuple[str, ...] = Field(description="what the file does not state")
    input: NetworkInputFacts


def received(
    network: Network,
    data: bytes,
    query: ReceivedQuery,
    limits: ImageLimits,
    max_bytes: int,
    model: str,
    version: int,
) -> Reply:
    """The answer for one image file. Raises what decoding raises; runs nothing of the network."""
    if query.format == "png":
        return _png(network.received(data, limits), query.magnification)
    values = network.input(data, limits)[None]
    if query.format == "npy":
        return as_npy("received", values, max_bytes)
    preprocessing = network.file.metadata.preprocessing
    width, height = upright_size(data)
    facts = NetworkInputFacts(
        shape=values.shape,
        dtype=str(values.dtype),
        layout=preprocessing.layout,
        min=float(values.min()),
        mean=float(values.mean(dtype=np.float64)),
        max=float(values.max()),
    )
    return as_json(
        Received(
            model=model,
            version=version,
            sent=Size(width=width, height=height),
            received=Size(width=preprocessing.width, height=preprocessing.height),
            color=preprocessing.color,
            resize=resize_in_words(width, height, preprocessing),
            preprocessing=preprocessing,
            assumed=tuple(network.file.metadata.assumed),
            input=facts,
        )
    )


def resize_in_words(width: int, height: int, preprocessing: Preprocessing) -> str:
    """The step from the sent size to the network's, with its numbers."""
    goal = f"{preprocessing.width}x{preprocessing.height}"
    if (width, height) == (preprocessing.width, preprocessing.height) and preprocessing.crop_fraction == 1:
        return f"none: it was sent as {goal}"
    ratios = width / preprocessing.width, height / preprocessing.height
    way = f"{preprocessing.interpolation} interpolation"
    if preprocessing.resize == "crop":
        side = min(ratios) * preprocessing.crop_fraction
        box = f"{preprocessing.width * side:g}x{preprocessing.height * side:g}"
        return f"the middle {box} of {width}x{height} pixels was cut out and brought to {goal}, {way}"
    if preprocessing.resize == "pad":
        inside = "x".join(map(str, fitted((width, height), (preprocessing.width, preprocessing.height))))
        return (
            f"{width}x{height} pixels were brought to {inside} and set in the middle of {goal}, the rest black, {way}"
        )
    return f"{width}x{height} pixels were stretched to {goal}, {way}"


def _png(pixels: Pixels, magnification: int) -> Reply:
    if max(pixels.shape[:2]) * magnification > MAX_SIDE:
        most = max(1, MAX_SIDE // max(pixels.shape[:2]))
        raise InvalidParameterError("magnification", magnification, f"this picture can be magnified {most} times")
    enlarged = pixels.repeat(magnification, axis=0).repeat(magnification, axis=1)
    return Reply(rgb_png(enlarged), "image/png")
