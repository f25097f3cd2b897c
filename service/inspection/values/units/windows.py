"""What one output of a sliding window reads: which input positions meet which kernel positions. Knows no layer."""

from collections.abc import Sequence

import numpy as np

from service.inspection.shapes.arithmetic import TransposedWindow, Window

# Per kernel position along one axis: the input position it meets, None where there is none (padding, or a gap).
Reads = tuple[int | None, ...]


def reads(window: Window | TransposedWindow, padding_begin: int, size: int, output: int) -> Reads:
    """For output number `output` of an input of `size`; `padding_begin` is what is really added (transposed: cut)."""
    places = range(0, window.extent, window.dilation)
    if isinstance(window, Window):
        met = [output * window.stride - padding_begin + place for place in places]
        return tuple(position if 0 <= position < size else None for position in met)
    # Input i times kernel place k lands on stride * i + k - cut: the inputs that land on this output.
    spans = [output + padding_begin - place for place in places]
    exact = (span // window.stride if span % window.stride == 0 else -1 for span in spans)
    return tuple(position if 0 <= position < size else None for position in exact)


def patch(maps: np.ndarray, read: Sequence[Reads]) -> tuple[np.ndarray, np.ndarray]:
    """Of [channels, *axes] the values read, [channels, *kernel] in float64 with 0 where nothing is, and that mask."""
    places = [[position or 0 for position in axis] for axis in read]
    missing = np.zeros((), bool)
    for axis in read:
        missing = missing[..., None] | np.array([position is None for position in axis])
    values = maps[np.ix_(range(len(maps)), *places)].astype(np.float64)
    values[:, missing] = 0
    return values, missing


def counted(window: Window, padding: tuple[int, int], size: int, output: int) -> int:
    """Positions along one axis that lie on the input or its stated padding: ceil_mode may reach beyond both."""
    begin, end = padding
    first = output * window.stride - begin
    return sum(first + place < size + end for place in range(0, window.extent, window.dilation))
