"""A layer's window with its numbers: from ONNX settings to the arithmetic of each spatial axis.

Knows layers and their input sizes; the sums themselves are in `service.inspection.shapes.arithmetic`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import get_args

from service.errors import InvalidParameterError
from service.inspection.graph.layers import Layer
from service.inspection.shapes.arithmetic import (
    AutoPad,
    TransposedWindow,
    Window,
    transposed_formula,
    transposed_padding,
    transposed_size,
    window_formula,
    window_padding,
    window_size,
)

# Others may have a kernel and mean something else by it: a MaxUnpool undoes the pool that it is of.
WINDOWED = frozenset(
    {
        "conv",
        "transposed_conv",
        "quantized_conv",
        "conv_integer",
        "deform_conv",
        "fused_conv",
        "max_pool",
        "average_pool",
        "lp_pool",
        "q_linear_average_pool",
    }
)


@dataclass(frozen=True)
class SizedWindow:
    """One spatial axis of a layer at one input size: what it adds (or, transposed, cuts off) and gives."""

    window: Window | TransposedWindow
    size: int
    padding: tuple[int, int]
    output: int

    @cached_property
    def formula(self) -> str:
        if isinstance(self.window, Window):
            return window_formula(self.size, self.window)
        return transposed_formula(self.size, self.window)


def sized_windows(layer: Layer, sizes: Sequence[int]) -> tuple[SizedWindow, ...] | None:
    """One per spatial axis for inputs of these `sizes`; None for a layer without a window, or with a senseless one."""
    windows = windows_of(layer)
    if windows is None or len(windows) != len(sizes):
        return None
    return tuple(_sized(window, size) for window, size in zip(windows, sizes, strict=True))


def windows_of(layer: Layer) -> tuple[Window | TransposedWindow, ...] | None:
    """The window along each spatial axis; None where the layer has none or the file's numbers make no sense."""
    kernel, strides, dilations, padding = layer.kernel, layer.stride, layer.dilation, layer.padding
    auto_pad = _auto_pad(layer)
    if (
        layer.kind not in WINDOWED
        or kernel is None
        or strides is None
        or dilations is None
        or padding is None
        or auto_pad is None
    ):
        return None
    parts = list(zip(kernel, strides, padding, dilations, strict=True))
    try:
        if layer.kind != "transposed_conv":
            ceil_mode = layer.settings.get("ceil_mode") == 1
            return tuple(_window(*part, auto_pad, ceil_mode, layer.kind.endswith("_pool")) for part in parts)
        extra = layer.integers("output_padding") or (0,) * len(parts)
        asked = layer.integers("output_shape") or (None,) * len(parts)
        ends = zip(extra, asked[-len(parts) :], strict=True)
        return tuple(TransposedWindow(*p, auto_pad, *end) for p, end in zip(parts, ends, strict=True))
    except (InvalidParameterError, ValueError):
        return None


def _auto_pad(layer: Layer) -> AutoPad | None:
    stated = layer.settings.get("auto_pad", "NOTSET")
    return next((known for known in get_args(AutoPad) if known == stated), None)


# Most axes of a network are like another one of it, and a table asks for each of them several times.
_window = lru_cache(maxsize=4096)(Window)


@lru_cache(maxsize=4096)
def _sized(window: Window | TransposedWindow, size: int) -> SizedWindow:
    if isinstance(window, Window):
        return SizedWindow(window, size, window_padding(size, window), window_size(size, window))
    return SizedWindow(window, size, transposed_padding(size, window), transposed_size(size, window))
