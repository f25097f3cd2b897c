"""The shapes and receptive fields of a network's tensors, at the size that images are brought to before it.

Runs nothing and knows no image.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from service.inspection.network import Network
from service.inspection.shapes.input_size import picture
from service.inspection.shapes.sight import View, views
from service.inspection.shapes.tensor_types import TensorType, tensor_types


@dataclass(frozen=True)
class Geometry:
    """By tensor name. `size` is the picture's height and width, None for a network without those."""

    types: Mapping[str, TensorType]
    views: Mapping[str, View]
    size: tuple[int, int] | None


def geometry(network: Network) -> Geometry:
    """Cost: one shape inference, about 30 ms for a hundred layers."""
    stated = network.file.metadata.preprocessing
    image = picture(network.file.model, network.layers, None, stated.height, stated.width)
    types = tensor_types(network.file.model, image)
    whole = None if image is None or len(image.axes) != 2 else (stated.height, stated.width)
    return Geometry(types, views(network.layers, types, image), whole)
