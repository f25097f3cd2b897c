"""How values of sliding windows are re-derived: convolutions and pools, from settings and weights to bare arithmetic.

Knows layers and weights; the sums are in `convolution` and `pooling`. Never sees the layer's own output.
"""

from collections.abc import Sequence

import numpy as np

from service.inspection.graph.layers import Layer
from service.inspection.shapes.arithmetic import Window
from service.inspection.shapes.layer_windows import SizedWindow, sized_windows
from service.inspection.values.units import convolution, pooling
from service.inspection.values.units.asked import Asked, constant_weights, refused
from service.inspection.values.units.derived import Derived
from service.inspection.values.units.windows import Reads, counted, reads


def convolution_unit(asked: Asked) -> Derived:
    """Channel c of G groups reads the inputs of its group only."""
    channel, *position = asked.place
    kernel, bias = _kernel_and_bias(asked, channel)
    weight = kernel[channel]
    first = channel // max(1, len(kernel) // asked.layer.groups) * len(weight)
    read = _reads(asked, position)
    return convolution.convolution(_group(asked, first, len(weight)), weight, bias, read, first)


def transposed_convolution_unit(asked: Asked) -> Derived:
    channel, *position = asked.place
    kernel, bias = _kernel_and_bias(asked, channel)
    outputs = kernel.shape[1]
    count = len(kernel) // asked.layer.groups
    first = channel // outputs * count
    weight = kernel[first : first + count, channel % outputs]
    return convolution.convolution(_group(asked, first, count), weight, bias, _reads(asked, position), first)


def _kernel_and_bias(asked: Asked, channel: int) -> tuple[np.ndarray, float | None]:
    weights = constant_weights(asked)
    bias = weights.get("bias")
    return weights["weight"], None if bias is None else float(bias[channel])


def _group(asked: Asked, first: int, count: int) -> np.ndarray:
    group = asked.maps[first : first + count]
    if len(group) != count:
        raise refused(asked.layer, f"its kernels take channels {first} to {first + count - 1} of {len(asked.maps)}")
    return group


def _reads(asked: Asked, position: Sequence[int]) -> list[Reads]:
    windows = _windows(asked)
    sizes = asked.maps.shape[1:]
    return [
        reads(sized.window, sized.padding[0], size, output)
        for sized, size, output in zip(windows, sizes, position, strict=True)
    ]


def _windows(asked: Asked) -> tuple[SizedWindow, ...]:
    windows = sized_windows(asked.layer, asked.maps.shape[1:])
    if windows is None:
        raise refused(asked.layer, "the file's numbers for its window make no sense")
    return windows


def max_pool_unit(asked: Asked) -> Derived:
    channel, *position = asked.place
    return pooling.maximum(asked.maps[channel], _reads(asked, position))


def average_pool_unit(asked: Asked) -> Derived:
    channel, *position = asked.place
    divisor = _padded_count(asked, position) if asked.layer.settings.get("count_include_pad") == 1 else None
    return pooling.average(asked.maps[channel], _reads(asked, position), divisor)


def _padded_count(asked: Asked, position: Sequence[int]) -> int:
    counts = [
        counted(sized.window, sized.padding, size, output)
        for sized, size, output in zip(_windows(asked), asked.maps.shape[1:], position, strict=True)
        if isinstance(sized.window, Window)
    ]
    return int(np.prod(counts))


def l2_pool_unit(asked: Asked) -> Derived:
    channel, *position = asked.place
    return pooling.power_mean(asked.maps[channel], _reads(asked, position), _power(asked.layer))


def _power(layer: Layer) -> int:
    power = layer.settings.get("p", 2)
    if not isinstance(power, int) or power < 1:
        raise refused(layer, f"its power p is {power}")
    return power


def _global(asked: Asked) -> tuple[np.ndarray, list[Reads]]:
    """The whole of one channel: the last axes of the input, or those that a ReduceMean names."""
    axes = asked.layer.integers("axes")
    rank = asked.maps.ndim + 1
    reduced = sorted(axis % rank for axis in axes) if axes else list(range(2, rank))
    channels = [axis for axis in range(1, rank) if axis not in reduced]
    if len(channels) != 1:
        raise refused(asked.layer, f"it reduces axes {reduced} of {rank}: not one channel remains")
    channel = max(asked.place)  # the other coordinates, where there are any, have one value only
    plane = np.take(asked.maps, channel, axis=channels[0] - 1)
    return plane, [tuple(range(size)) for size in plane.shape]


def global_average_pool_unit(asked: Asked) -> Derived:
    return pooling.average(*_global(asked), None)


def global_max_pool_unit(asked: Asked) -> Derived:
    return pooling.maximum(*_global(asked))
