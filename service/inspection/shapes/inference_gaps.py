"""Nodes whose sizes ONNX's shape inference gets wrong, written as equally large ones that it gets right.

Pools that round up: before opset 22 it counts a last window that lies in the padding alone, which the operators' text
and ONNX Runtime leave out. Transposed convolutions that state their output's size, or leave the padding to the
operator: it forgets the size, or makes it larger by the output padding. ONNX Runtime's quantised operators: it does not
know them. Some normalisations: it gives up on them. Knows nodes and sizes only.
"""

from collections.abc import Mapping, Sequence

import onnx
from onnx.helper import make_attribute

from service.errors import InvalidParameterError
from service.inspection.shapes.arithmetic import (
    AutoPad,
    TransposedWindow,
    Window,
    transposed_padding,
    transposed_size,
    window_size,
)

_POOLS = frozenset({"MaxPool", "AveragePool", "LpPool"})


def is_doubtful(node: onnx.NodeProto) -> bool:
    if node.op_type == "ConvTranspose":
        return any((each.name == "output_shape" and each.ints) or _is_same(each) for each in node.attribute)
    return node.op_type in _POOLS and any(each.name == "ceil_mode" and each.i == 1 for each in node.attribute)


def corrected(
    node: onnx.NodeProto, kernel: Sequence[int], before: Sequence[int], after: Sequence[int | None]
) -> onnx.NodeProto | None:
    """With padding that gives the right size; None where `after`, as inferred, is right already.

    `before` and `after` are the spatial sizes; `kernel` is the weight's, for a convolution that does not state it.
    """
    windows = _windows(node, kernel)
    if windows is None or len(windows) != len(before):
        return None
    pairs = list(zip(before, windows, strict=True))
    sizes = [_size(size, window) for size, window in pairs]
    if list(after) == sizes or min(sizes) < 1:
        return None
    padding = [_padding(size, window) for size, window in pairs]
    pads = [*(begin for begin, _ in padding), *(end for _, end in padding)]
    same = onnx.NodeProto()
    same.CopyFrom(node)
    del same.attribute[:]
    same.attribute.extend(each for each in node.attribute if each.name not in _REPLACED)
    same.attribute.append(make_attribute("pads", pads))
    return same


def _is_same(attribute: onnx.AttributeProto) -> bool:
    return attribute.name == "auto_pad" and attribute.s.startswith(b"SAME")


_REPLACED = frozenset({"ceil_mode", "pads", "output_shape", "auto_pad"})


def _windows(node: onnx.NodeProto, kernel: Sequence[int]) -> Sequence[Window | TransposedWindow] | None:
    return _transposed_windows(node, kernel) if node.op_type == "ConvTranspose" else _pool_windows(node)


def _size(size: int, window: Window | TransposedWindow) -> int:
    return window_size(size, window) if isinstance(window, Window) else transposed_size(size, window)


def _padding(size: int, window: Window | TransposedWindow) -> tuple[int, int]:
    if isinstance(window, TransposedWindow):
        return transposed_padding(size, window)
    reach = (window_size(size, window) - 1) * window.stride + window.extent
    return window.padding[0], max(0, reach - size - window.padding[0])


def _transposed_windows(node: onnx.NodeProto, kernel: Sequence[int]) -> list[TransposedWindow] | None:
    lists = {each.name: list(each.ints) for each in node.attribute}
    axes = len(kernel)
    ones, zeros = [1] * axes, [0] * axes
    asked: list[int | None] = [*lists.get("output_shape", [])[-axes:]] or [None] * axes
    columns = (
        kernel,
        lists.get("strides") or ones,
        lists.get("dilations") or ones,
        lists.get("output_padding") or zeros,
    )
    if any(len(column) != axes for column in (*columns, asked)):
        return None
    stated = next((each.s for each in node.attribute if _is_same(each)), b"")
    same: Mapping[bytes, AutoPad] = {b"SAME_UPPER": "SAME_UPPER", b"SAME_LOWER": "SAME_LOWER"}
    automatic = same.get(stated, "NOTSET")
    try:
        return [
            TransposedWindow(size, stride, (0, 0), dilation, automatic, extra, output)
            for size, stride, dilation, extra, output in zip(*columns, asked, strict=True)
        ]
    except InvalidParameterError:
        return None


def _pool_windows(node: onnx.NodeProto) -> list[Window] | None:
    lists = {each.name: list(each.ints) for each in node.attribute}
    kernel = lists.get("kernel_shape", [])
    axes = len(kernel)
    pads = lists.get("pads") or [0] * (2 * axes)
    columns = (kernel, lists.get("strides") or [1] * axes, lists.get("dilations") or [1] * axes)
    automatic = any(each.name == "auto_pad" and each.s not in (b"", b"NOTSET") for each in node.attribute)
    if automatic or len(pads) != 2 * axes or any(len(column) != axes for column in columns):
        return None
    try:
        return [
            Window(size, stride, (pads[at], pads[axes + at]), dilation, ceil_mode=True)
            for at, (size, stride, dilation) in enumerate(zip(*columns, strict=True))
        ]
    except InvalidParameterError:
        return None


# What ONNX Runtime's quantiser writes, by the standard operator with the same shapes, and which inputs are its own;
# the others are scales and zero points.
_QUANTIZED: Mapping[str, tuple[str, slice]] = {
    "QLinearAdd": ("Add", slice(0, 4, 3)),
    "QLinearMul": ("Mul", slice(0, 4, 3)),
    "QLinearSigmoid": ("Sigmoid", slice(0, 1)),
    "QLinearLeakyRelu": ("LeakyRelu", slice(0, 1)),
    "QLinearSoftmax": ("Identity", slice(0, 1)),
    "QLinearAveragePool": ("AveragePool", slice(0, 1)),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", slice(0, 1)),
    "QLinearConcat": ("Concat", slice(2, None, 3)),
    "QGemm": ("Gemm", slice(0, 4, 3)),
    "QuantizeLinear": ("QuantizeLinear", slice(0, 3)),
    "DequantizeLinear": ("DequantizeLinear", slice(0, 3)),
}
# Standard operators whose output is as large as their input, which ONNX says by a function of other operators alone.
_KEEP_SIZE = frozenset({"GroupNormalization", "MeanVarianceNormalization"})


def standard(node: onnx.NodeProto) -> onnx.NodeProto:
    """The node itself, or where inference does not know it one of the same shapes that it knows."""
    if node.domain in ("", "ai.onnx") and node.op_type in _KEEP_SIZE:
        return onnx.NodeProto(op_type="Identity", input=node.input[:1], output=node.output)
    if node.domain != "com.microsoft" or node.op_type not in _QUANTIZED:
        return node
    op_type, inputs = _QUANTIZED[node.op_type]
    channels_last = any(each.name == "channels_last" and each.i for each in node.attribute)
    kept = [each for each in node.attribute if each.name != "channels_last"]
    same = onnx.NodeProto(op_type=op_type, input=list(node.input)[inputs], output=node.output, attribute=kept)
    return node if channels_last else same
