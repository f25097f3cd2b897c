"""How large a layer's output is and what it costs: the numbers, and the sum as text with its numbers filled in.

Pure integers along one spatial axis; knows no ONNX file, no tensor and no HTTP.
Sources: the ONNX operator specifications (Conv, MaxPool, ConvTranspose, opset 22) and V. Dumoulin, F. Visin,
"A guide to convolution arithmetic for deep learning", arXiv:1603.07285.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from service.errors import InvalidParameterError

AutoPad = Literal["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]


@dataclass(frozen=True)
class Window:
    """A convolution's or pooling's window along one axis. `padding` (begin, end) counts if `auto_pad` is NOTSET.

    ONNX Runtime pads a `pooling` by `auto_pad` as if it had no dilation, and cuts off where its stride is larger than
    its kernel; a dilated convolution it refuses.
    """

    kernel: int
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    dilation: int = 1
    auto_pad: AutoPad = "NOTSET"
    ceil_mode: bool = False
    pooling: bool = False

    def __post_init__(self) -> None:
        _require_positive(kernel=self.kernel, stride=self.stride, dilation=self.dilation)

    @property
    def extent(self) -> int:
        """Pixels from the first to the last one under the window, k' = dilation * (kernel - 1) + 1."""
        return self.dilation * (self.kernel - 1) + 1


@dataclass(frozen=True)
class TransposedWindow:
    """A transposed convolution's window along one axis. `output_size`, where given, decides the padding."""

    kernel: int
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    dilation: int = 1
    auto_pad: AutoPad = "NOTSET"
    output_padding: int = 0
    output_size: int | None = None

    def __post_init__(self) -> None:
        _require_positive(kernel=self.kernel, stride=self.stride, dilation=self.dilation)

    @property
    def extent(self) -> int:
        return self.dilation * (self.kernel - 1) + 1


# --- output sizes


def window_padding(size: int, window: Window) -> tuple[int, int]:
    """The zeros (begin, end) really added to an input of `size`, a negative number cuts off: `auto_pad` resolved."""
    if window.auto_pad == "NOTSET":
        return window.padding
    if window.auto_pad == "VALID":
        return 0, 0
    reach = size % window.stride or window.stride
    upper = window.auto_pad == "SAME_UPPER"
    if window.pooling:
        return _split_of_a_pool(window.kernel - reach, more_at_end=upper)
    return _split(max(window.extent - reach, 0), more_at_end=upper)


def window_size(size: int, window: Window) -> int:
    """Outputs along one axis for an input of `size`. Below 1: the window does not fit into the padded input."""
    span = size + sum(window_padding(size, window)) - window.extent
    if not window.ceil_mode:
        return span // window.stride + 1
    return -(-span // window.stride) + 1 - _starts_in_the_padding(size, window)


def window_formula(size: int, window: Window) -> str:
    """The size as a sum, such as `floor((27 + 2*2 - 5)/1) + 1 = 27`, with what dilation, rounding and auto_pad did."""
    rounding = "ceil" if window.ceil_mode else "floor"
    padded = f"{size}{_padding_text(window_padding(size, window), '+')}"
    correction = " - 1" if window.ceil_mode and _starts_in_the_padding(size, window) else ""
    result = f"{rounding}(({padded} - {window.extent})/{window.stride}) + 1{correction} = {window_size(size, window)}"
    notes = [_dilation_note(window), _auto_pad_note(window)]
    if correction:
        notes.append(" (the last window would start in the padding)")
    elif not window.ceil_mode:
        notes.append(_remainder_note(size, window))
    return result + "".join(notes)


def transposed_padding(size: int, window: TransposedWindow) -> tuple[int, int]:
    """What is cut off (begin, end) from the full output; a negative number adds zeros instead.

    Where an output is asked for that is larger than the full one, all that is missing comes at the end.
    """
    upper = window.auto_pad == "SAME_UPPER"
    if window.output_size is not None:
        total = _full(size, window) - window.output_size
        return (0, total) if total < 0 else _split(total, more_at_end=upper)
    if window.auto_pad == "NOTSET":
        return window.padding
    if window.auto_pad == "VALID":
        return 0, 0
    return _split(max(window.extent + window.output_padding - window.stride, 0), more_at_end=upper)


def transposed_size(size: int, window: TransposedWindow) -> int:
    """Outputs of a transposed convolution along one axis. Below 1: more is cut off than there is."""
    return _full(size, window) - sum(transposed_padding(size, window))


def transposed_formula(size: int, window: TransposedWindow) -> str:
    """The size as a sum, such as `2*(13 - 1) + 3 - 2*1 = 25`; the output padding stands after the kernel."""
    extra = f" + {window.output_padding}" if window.output_padding else ""
    cut = _padding_text(transposed_padding(size, window), "-")
    total = f"{window.stride}*({size} - 1) + {window.extent}{extra}{cut} = {transposed_size(size, window)}"
    asked = "" if window.output_size is None else " (output_shape)"
    return total + _dilation_note(window) + _auto_pad_note(window) + asked


# --- parameters and multiply-accumulates (MACs). A bias counts as a parameter and not as a MAC.


def conv_parameters(in_channels: int, out_channels: int, kernel: Sequence[int], groups: int = 1, *, bias: bool) -> int:
    """Each output channel has one kernel over in_channels / groups maps, and one bias."""
    return out_channels * (in_channels // groups) * prod(kernel) + out_channels * bias


def conv_macs(
    in_channels: int, out_channels: int, kernel: Sequence[int], output: Sequence[int], groups: int = 1
) -> int:
    """For one image: every output position of every channel costs one product per kernel weight."""
    return prod(output) * out_channels * (in_channels // groups) * prod(kernel)


def transposed_conv_parameters(
    in_channels: int, out_channels: int, kernel: Sequence[int], groups: int = 1, *, bias: bool
) -> int:
    """Each input channel has one kernel per out_channels / groups maps; each output channel one bias."""
    return in_channels * (out_channels // groups) * prod(kernel) + out_channels * bias


def transposed_conv_macs(
    in_channels: int, out_channels: int, kernel: Sequence[int], input_size: Sequence[int], groups: int = 1
) -> int:
    """For one image: every input position is multiplied into a whole kernel, also where padding cuts it off later."""
    return prod(input_size) * in_channels * (out_channels // groups) * prod(kernel)


def dense_parameters(inputs: int, outputs: int, *, bias: bool) -> int:
    """One weight for each pair of input and output."""
    return inputs * outputs + outputs * bias


def dense_macs(inputs: int, outputs: int) -> int:
    """For one row: one product for each weight."""
    return inputs * outputs


def batch_norm_parameters(channels: int) -> int:
    """Scale and shift of each channel are trained; its running mean and variance are not counted."""
    return 2 * channels


# --- parts


def _require_positive(**numbers: int) -> None:
    for name, value in numbers.items():
        if value < 1:
            raise InvalidParameterError(name, value, "it must be at least 1")


def _split(total: int, *, more_at_end: bool) -> tuple[int, int]:
    less = total // 2
    return (less, total - less) if more_at_end else (total - less, less)


def _split_of_a_pool(total: int, *, more_at_end: bool) -> tuple[int, int]:
    """As ONNX Runtime's, whose half of a negative number is the one nearer to zero."""
    begin = int((total if more_at_end else total + 1) / 2)
    return begin, total - begin


def _full(size: int, window: TransposedWindow) -> int:
    return window.stride * (size - 1) + window.output_padding + window.extent


def _starts_in_the_padding(size: int, window: Window) -> bool:
    begin, end = window_padding(size, window)
    last = -(-(size + begin + end - window.extent) // window.stride)
    return last * window.stride >= size + begin


def _padding_text(padding: tuple[int, int], sign: str) -> str:
    begin, end = padding
    if begin == end and begin > 0:
        return f" {sign} 2*{begin}"
    opposite = {"+": "-", "-": "+"}[sign]
    return "".join(f" {sign if p > 0 else opposite} {abs(p)}" for p in padding if p)


def _dilation_note(window: Window | TransposedWindow) -> str:
    if window.dilation == 1:
        return ""
    return f" (k' = {window.dilation}*({window.kernel}-1)+1 = {window.extent})"


def _auto_pad_note(window: Window | TransposedWindow) -> str:
    return "" if window.auto_pad == "NOTSET" else f" ({window.auto_pad})"


def _remainder_note(size: int, window: Window) -> str:
    """What `floor` throws away: positions of the input that no window reaches because the last step is incomplete."""
    begin, end = window_padding(size, window)
    span = size + begin + end - window.extent
    remainder = span % window.stride
    if span < 0 or not remainder:
        return ""
    unread = max(remainder - end, 0)
    what = "only padding is" if not unread else "the last row or column is" if unread == 1 else f"the last {unread} are"
    return f"; remainder {remainder}: {what} not read"
