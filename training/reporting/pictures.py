"""The pictures of a report: those that the service gives of filters and feature maps, and images of the data set.

Draws nothing itself. Knows layers and pixels, no page.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import onnxruntime
from jaxtyping import UInt8
from PIL import Image

from service.arrays import Pixels
from service.engine.model_file import ModelFile
from service.errors import FoveaError
from service.images.decoding import ImageLimits
from service.images.png import rgb_png
from service.images.preprocessing import normalized
from service.inspection.forms import Reply
from service.inspection.graph.layers import Layer
from service.inspection.maps.activations import taps
from service.inspection.maps.map_pictures import several_pictures
from service.inspection.maps.map_reading import Reader
from service.inspection.network import Network
from service.inspection.prefix_sessions import PrefixSessions
from service.inspection.values.filters import FiltersQuery, filters

CONVOLUTIONS = ("conv", "transposed_conv")
FILTERED_LAYERS = 3
MAPPED_LAYERS = 6
SIDE_PIXELS = 112

_SESSIONS_BYTES = 2**28

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Picture:
    """`alt` says in words what it shows."""

    png: bytes
    alt: str

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = struct.unpack(">II", self.png[16:24])
        return width, height


@dataclass(frozen=True)
class FilterPanels:
    """A layer's filters, before training left where there is a before; `shape` is that of its weights.

    `change` is in parts of the norm before; `problem` says why something is missing.
    """

    layer: str
    shape: str
    picture: Picture | None
    legend: str
    change: float | None
    problem: str | None


def network_of(file: ModelFile) -> Network:
    """The file as the service looks into it, on the CPU."""
    return Network(file, PrefixSessions(_session, _SESSIONS_BYTES))


def convolutions(network: Network) -> list[Layer]:
    """In the order they run."""
    return [layer for layer in network.layers if layer.kind in CONVOLUTIONS]


def filters_beside(network: Network, before: Network | None, name: str, version: int) -> list[FilterPanels]:
    """The first, the middle and the last convolution, of both versions on one scale.

    A cell for each filter; behind the first layer it shows what the filter takes from the first of its inputs.
    """
    return [_panels(network, before, layer, name, version) for layer in spread(convolutions(network), FILTERED_LAYERS)]


def depth(network: Network, image: Pixels, title: str) -> Picture:
    """What the convolutions saw of one image, from the first to the last: a row for each, the strongest maps first.

    Behind the activation. Raises what reading the network raises.
    """
    shown = spread(convolutions(network), MAPPED_LAYERS)
    reader = Reader(network, taps(shown, network.layers, "after"), ImageLimits())
    read = reader.read(normalized(image, network.file.metadata.preprocessing))
    sheet = several_pictures([read], "layer", None, "mean", 1, title)
    return Picture(sheet.png, f"Feature maps of {', '.join(one.tap.name for one in read)}, a row for each")


def example(image: Pixels, alt: str) -> Picture:
    """An image of the data set: small ones enlarged by whole numbers, each pixel a square, large ones made smaller."""
    side = max(image.shape[:2])
    if side > SIDE_PIXELS:
        return Picture(rgb_png(_smaller(image, SIDE_PIXELS / side)), alt)
    magnification = max(1, SIDE_PIXELS // side)
    return Picture(rgb_png(image.repeat(magnification, axis=0).repeat(magnification, axis=1)), alt)


def first_of_each(labels: Sequence[int], most: int) -> list[int]:
    """The number of the first image of each of up to `most` classes at even distances: always the same ones."""
    return [labels.index(each) for each in spread(sorted(set(labels)), most)]


def spread(things: Sequence[Thing], most: int) -> list[Thing]:
    """Up to `most` of them at even distances, the first and the last among them; none of none."""
    places = np.linspace(0, len(things) - 1, min(most, len(things))).round().astype(int)
    return [things[place] for place in places]


def _panels(network: Network, before: Network | None, layer: Layer, name: str, version: int) -> FilterPanels:
    """Of this version alone, and why, where the other one's filters cannot stand beside it."""
    try:
        return _answered(network, before, layer, name, version)
    except FoveaError as error:
        if before is None:
            return FilterPanels(layer.id, "", None, "", None, f"They cannot be shown: {error}.")
        alone = _panels(network, None, layer, name, version)
        return replace(alone, problem=f"Version 0 cannot stand beside it: {error}.")


def _answered(network: Network, before: Network | None, layer: Layer, name: str, version: int) -> FilterPanels:
    """As the service answers. Raises what its answer raises."""
    other = None if before is None else 0

    def asked(query: FiltersQuery) -> Reply:
        return filters(network, layer.id, query, 0, name, version, "", before)

    numbers = json.loads(asked(FiltersQuery(with_version=other)).body)
    shape = numbers["shape"]
    first_input = 0 if shape[1] not in (1, 3) else None
    picture = asked(FiltersQuery(format="png", with_version=other, input_channel=first_input))
    sides = "" if before is None else ", untrained left, trained right"
    change = None if before is None else numbers["change"]["relative_change"]
    written = _written(json.loads(picture.legend or "{}"), shape[1] if first_input == 0 else None)
    png = Picture(picture.body, f"Filters of {layer.id}{sides}")
    return FilterPanels(layer.id, "x".join(map(str, shape)), png, written, change, None)


def _written(legend: Mapping[str, Any], inputs: int | None) -> str:
    """A legend as a sentence."""
    part = f", its weights for input channel 0 of {inputs}" if inputs else ""
    across = f", a column for each {legend['column']}" if legend["column"] else ""
    unit = "row" if across else "cell"
    colours = "in colour, grey is zero" if legend["colours"] == "rgb" else "blue is negative, white zero, red positive"
    pages = f"; page 1 of {legend['pages']}" if legend["pages"] > 1 else ""
    ends = f"{legend['low']:.3g} to {legend['high']:.3g}"
    return f"A {unit} for each {legend['item']}{part}{across}: {colours}; {ends}{pages}."


def _smaller(image: Pixels, factor: float) -> UInt8[np.ndarray, "_ _ channels"]:
    height, width, channels = image.shape
    size = max(1, round(width * factor)), max(1, round(height * factor))
    flat = Image.fromarray(image[:, :, 0] if channels == 1 else image)
    return np.asarray(flat.resize(size, Image.Resampling.LANCZOS)).reshape(size[1], size[0], channels)


def _session(model: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
