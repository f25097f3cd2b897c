"""Which axis of a tensor holds its channels, and the channels a request means. Knows no pictures and no answer."""

import re
from collections.abc import Sequence

import numpy as np

from service.arrays import FeatureMaps
from service.errors import InvalidParameterError
from service.inspection.graph.layers import Layer
from service.inspection.maps.placement import spatial_axes
from service.inspection.network import Network

Picked = tuple[int, ...] | str  # channels, or "mean"

_CHANNELS = re.compile(r"\d{1,9}(,\d{1,9})*")
_CHANNELS_LAST = (-3, -2)


def channel_axis(network: Network, layer: Layer, rank: int) -> int | None:
    """1 for [batch, channels], [batch, channels, height, width] and where nothing is known, 3 where the layer's map
    is known to lie on the picture as [batch, height, width, channels]; None for tensors of another rank.
    """
    if rank == 4 and spatial_axes(network, layer) == _CHANNELS_LAST:
        return 3
    return 1 if rank in (2, 4) else None


def picked(text: str) -> Picked:
    """`mean`, or numbers with commas between, each once, in the order they are named."""
    if text == "mean":
        return text
    if not _CHANNELS.fullmatch(text):
        raise InvalidParameterError("channel", text, "name channels by number, as 0 or 0,3,5, or ask for their mean")
    return tuple(dict.fromkeys(map(int, text.split(","))))


def of_channels(values: np.ndarray, axis: int | None, wanted: Picked, layer_id: str) -> np.ndarray:
    """Only these channels of a tensor, or their mean as the only one; all other axes stay."""
    if axis is None:
        shape = "x".join(map(str, values.shape))
        raise InvalidParameterError("channel", wanted, f"{layer_id} of shape {shape} has no channels: leave it out")
    if isinstance(wanted, str):
        with np.errstate(over="ignore", invalid="ignore"):
            mean = values.mean(axis=axis, keepdims=True, dtype=np.float64)
        return np.asarray(mean, np.result_type(values.dtype, np.float32))
    require_channels(wanted, values.shape[axis], layer_id)
    return values.take(wanted, axis)


def channels_first(values: np.ndarray, axis: int | None) -> np.ndarray:
    """[batch, channels, height, width], however the file has them; a tensor without channels stays as it is."""
    return values if axis is None else np.moveaxis(values, axis, 1)


def require_channels(wanted: Sequence[int], count: int, layer_id: str) -> None:
    missing = next((channel for channel in wanted if channel >= count), None)
    if missing is not None:
        raise InvalidParameterError("channel", missing, f"layer {layer_id} has channels 0 to {count - 1}")


def as_maps(layer_id: str, values: np.ndarray, axis: int | None) -> FeatureMaps:
    """A tensor of one image as [channels, height, width].

    [1, units] becomes one pixel each; [1, rows, columns], as of a transformer's tokens, one map.
    """
    if values.ndim not in (2, 3, 4) or values.shape[0] != 1:
        shape = "x".join(map(str, values.shape))
        raise InvalidParameterError("layers", layer_id, f"its shape {shape} is no set of maps; ask for format=npz")
    maps: FeatureMaps = values[0] if values.dtype.kind == "f" else values[0].astype(np.float32)
    if values.ndim == 2:
        return maps[:, None, None]
    return maps[None] if values.ndim == 3 else np.moveaxis(maps, (axis or 1) - 1, 0)
