"""Pools that round their size up, written as equally large ones that round down.

Before opset 22 ONNX's shape inference counts a last window that lies in the padding alone; the operators' text and
ONNX Runtime leave it out. Knows nodes and sizes only.
"""

from collections.abc import Sequence

import onnx
from onnx.helper import make_attribute

from service.errors import InvalidParameterError
from service.inspection.arithmetic import Window, window_size

_POOLS = frozenset({"MaxPool", "AveragePool", "LpPool"})


def rounds_up(node: onnx.NodeProto) -> bool:
    return node.op_type in _POOLS and any(each.name == "ceil_mode" and each.i == 1 for each in node.attribute)


def rounded_down(node: onnx.NodeProto, before: Sequence[int], after: Sequence[int | None]) -> onnx.NodeProto | None:
    """With ceil_mode off and padding that gives the right size; None where `after`, as inferred, is right already."""
    windows = _windows(node)
    if windows is None or len(windows) != len(before):
        return None
    sizes = [window_size(size, window) for size, window in zip(before, windows, strict=True)]
    if list(after) == sizes or min(sizes) < 1:
        return None
    reach = [(size - 1) * window.stride + window.extent for size, window in zip(sizes, windows, strict=True)]
    begins = [window.padding[0] for window in windows]
    ends = [max(0, far - size - begin) for far, size, begin in zip(reach, before, begins, strict=True)]
    same = onnx.NodeProto()
    same.CopyFrom(node)
    kept = [each for each in node.attribute if each.name not in ("ceil_mode", "pads")]
    del same.attribute[:]
    same.attribute.extend([*kept, make_attribute("pads", [*begins, *ends])])
    return same


def _windows(node: onnx.NodeProto) -> list[Window] | None:
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
