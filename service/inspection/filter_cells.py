"""A layer's weights laid out as small pictures: which axis is a row, which a column, and what has colours.

Knows layers and their shapes; draws nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from service.errors import InvalidParameterError
from service.images.preprocessing import Preprocessing
from service.inspection.graph import Layer
from service.inspection.layer_table import LayerRow, LayerShapes

# Layers that leave every value where it is, between a flatten and the dense layer behind it.
_LEAVES_IN_PLACE = frozenset({"flatten", "reshape", "dropout", "identity", "cast"})


@dataclass(frozen=True)
class Layout:
    """`cells`: [items, columns, height, width], in colour with RGB behind. `column` is None where there is only one."""

    cells: np.ndarray
    item: str
    column: str | None


def layout(
    layer: Layer,
    weight: np.ndarray,
    table: LayerShapes,
    preprocessing: Preprocessing,
    input_channel: int | None,
    chosen: int | None,
) -> Layout:
    """The first layer on colours in colour, one input alone as one cell per filter, else a row of cells per filter.

    `input_channel` shows that input of every filter, `chosen` all inputs of that filter.
    """
    maps = as_maps(layer, weight, table)
    if maps is None:
        plain = weight[_one(chosen, weight, "filter")] if chosen is not None else weight
        return Layout(plain[:, None, None, :], "filter", "all inputs, left to right")
    if input_channel is not None:
        return Layout(maps[:, _one(input_channel, maps.swapaxes(0, 1), "input_channel")], "filter", None)
    if chosen is not None:
        return Layout(maps[_one(chosen, maps, "filter")].swapaxes(0, 1), "input channel", None)
    if maps.shape[1] == 1:
        return Layout(maps, "filter", None)
    if reads_colours(layer, maps, table):
        turned = maps[:, ::-1] if preprocessing.color == "bgr" else maps
        return Layout(np.moveaxis(turned, 1, -1)[:, None], "filter", None)
    return Layout(maps, "filter", "input channel")


def as_maps(layer: Layer, weight: np.ndarray, table: LayerShapes) -> np.ndarray | None:
    """[filters, inputs, height, width]: of a dense layer too, where its inputs are flattened maps; else None."""
    if layer.kind != "dense":
        return weight if weight.ndim == 4 else weight[:, :, None] if weight.ndim == 3 else None
    flattened = _flattened(layer, weight.shape[1], table)
    if flattened is None:
        return None
    sizes, channels_last = flattened
    maps = weight.reshape(len(weight), *sizes)
    return np.moveaxis(maps, -1, 1) if channels_last else maps


def reads_colours(layer: Layer, maps: np.ndarray, table: LayerShapes) -> bool:
    """Whether the layer's three inputs are the picture's colours: only preprocessing comes before it."""
    rows = {row.id: row for row in table.layers}
    reads = rows[layer.id].inputs if layer.id in rows else ()
    first = all(name not in rows or rows[name].stage == "preprocessing" for name in reads)
    return maps.shape[1] == 3 and layer.groups == 1 and first


def _flattened(layer: Layer, inputs: int, table: LayerShapes) -> tuple[tuple[int, ...], bool] | None:
    """The sizes that the dense layer's inputs had before they were flattened, and whether channels were the last."""
    rows = {row.id: row for row in table.layers}
    row = rows.get(layer.id)
    while row is not None and len(row.inputs) == 1:
        row = rows.get(row.inputs[0])
        if row is None or row.kind not in _LEAVES_IN_PLACE:
            return None
        sizes = tuple(size for size in (row.input_shape or ())[1:] if size is not None)
        if len(sizes) == 3 and row.output_shape != row.input_shape:
            last = _channels_last(row, sizes, rows)
            plane = sizes[:2] if last else sizes[1:]
            return (sizes, last) if prod(sizes) == inputs and prod(plane) > 1 else None
    return None


def _channels_last(row: LayerRow, sizes: tuple[int, ...], rows: Mapping[str, LayerRow]) -> bool:
    """Turned right before the flatten, as Keras has them, or never turned since the picture."""
    before = rows.get(row.inputs[0])
    if before is not None and before.kind == "transpose":
        dims = before.input_shape or ()
        return len(dims) == 4 and (*dims[2:], dims[1]) == sizes
    untouched = before is None or (before.stage == "preprocessing" and before.kind != "transpose")
    return untouched and sizes[2] in (1, 3) and sizes[0] not in (1, 3)


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
