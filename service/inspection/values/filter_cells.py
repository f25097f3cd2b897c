"""A layer's weights laid out as small pictures: which axis is a row, which a column, and what has colours.

Knows layers and their shapes; draws nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from service.errors import InvalidParameterError
from service.images.preprocessing import Preprocessing
from service.inspection.graph.layers import Layer
from service.inspection.shapes.tensor_types import UNKNOWN, TensorType

Types = Mapping[str, TensorType]

# Layers that leave every value where it is, between a flatten and the dense layer behind it.
_LEAVES_IN_PLACE = frozenset({"flatten", "reshape", "dropout", "identity", "cast"})


@dataclass(frozen=True)
class Layout:
    """`cells`: [items, columns, height, width], in colour with RGB behind. `column` is None where there is only one."""

    cells: np.ndarray
    item: str
    column: str | None


def layout(
    layers: Sequence[Layer],
    layer: Layer,
    weight: np.ndarray,
    types: Types,
    preprocessing: Preprocessing,
    input_channel: int | None,
    chosen: int | None,
) -> Layout:
    """The first layer on colours in colour, one input alone as one cell per filter, else a row of cells per filter.

    `layers` are the whole network's. `input_channel` shows that input of every filter, `chosen` all of that filter.
    """
    maps = as_maps(layers, layer, weight, types)
    if maps is None:
        plain = weight[_one(chosen, weight, "filter")] if chosen is not None else weight
        return Layout(plain[:, None, None, :], "filter", "all inputs, left to right")
    if input_channel is not None:
        return Layout(maps[:, _one(input_channel, maps.swapaxes(0, 1), "input_channel")], "filter", None)
    if chosen is not None:
        return Layout(maps[_one(chosen, maps, "filter")].swapaxes(0, 1), "input channel", None)
    if maps.shape[1] == 1:
        return Layout(maps, "filter", None)
    if maps.shape[1] == 3 and layer.groups == 1 and _reads_the_picture(layers, layer):
        turned = maps[:, ::-1] if preprocessing.color == "bgr" else maps
        return Layout(np.moveaxis(turned, 1, -1)[:, None], "filter", None)
    return Layout(maps, "filter", "input channel")


def as_maps(layers: Sequence[Layer], layer: Layer, weight: np.ndarray, types: Types) -> np.ndarray | None:
    """[filters, inputs, height, width]: of a dense layer too, where its inputs are flattened maps; else None."""
    if layer.kind != "dense":
        return weight if weight.ndim == 4 else weight[:, :, None] if weight.ndim == 3 else None
    flattened = _flattened(layers, layer, weight.shape[1], types)
    if flattened is None:
        return None
    sizes, channels_last = flattened
    maps = weight.reshape(len(weight), *sizes)
    return np.moveaxis(maps, -1, 1) if channels_last else maps


def _reads_the_picture(layers: Sequence[Layer], layer: Layer) -> bool:
    """Whether nothing of the network itself comes before the layer: its three inputs are the picture's colours."""
    makers = _makers(layers)
    pending = list(layer.inputs)
    while pending:
        maker = makers.get(pending.pop())
        if maker is not None and maker.stage == "network":
            return False
        pending += maker.inputs if maker is not None else ()
    return True


def _flattened(layers: Sequence[Layer], layer: Layer, inputs: int, types: Types) -> tuple[tuple[int, ...], bool] | None:
    """The sizes that the dense layer's inputs had before they were flattened, and whether channels were the last."""
    makers = _makers(layers)
    tensor = layer.inputs[0] if layer.inputs else ""
    while (maker := makers.get(tensor)) is not None and maker.kind in _LEAVES_IN_PLACE and maker.inputs:
        tensor = maker.inputs[0]
        before = types.get(tensor, UNKNOWN).dims or ()
        sizes = tuple(size for size in before[1:] if size is not None)
        if len(sizes) == 3 and types.get(maker.output, UNKNOWN).dims != before:
            last = _channels_last(makers.get(tensor), sizes)
            plane = sizes[:2] if last else sizes[1:]
            return (sizes, last) if prod(sizes) == inputs and prod(plane) > 1 else None
    return None


def _channels_last(maker: Layer | None, sizes: tuple[int, ...]) -> bool:
    """Turned right before the flatten, as Keras has them, or never turned since the picture."""
    if maker is not None and maker.kind == "transpose":
        return maker.integers("perm") == (0, 2, 3, 1)
    untouched = maker is None or maker.stage == "preprocessing"
    return untouched and sizes[2] in (1, 3) and sizes[0] not in (1, 3)


def _makers(layers: Sequence[Layer]) -> dict[str, Layer]:
    return {tensor: layer for layer in layers for tensor in layer.outputs}


def _one(index: int, axis: np.ndarray, name: str) -> slice:
    if index >= len(axis):
        raise InvalidParameterError(name, index, f"this layer has {name} 0 to {len(axis) - 1}")
    return slice(index, index + 1)


def filters_first(layer: Layer, weight: np.ndarray) -> np.ndarray:
    """A transposed convolution's [inputs, outputs / groups, ...] as [outputs, inputs / groups, ...]; others as is."""
    if layer.kind != "transposed_conv":
        return weight
    groups = layer.groups
    inputs, outputs, *kernel = weight.shape
    parts: Any = weight.reshape(groups, inputs // groups, outputs, *kernel).swapaxes(1, 2)
    return np.asarray(parts.reshape(groups * outputs, inputs // groups, *kernel))
