"""The sizes that ONNX Runtime computes where ONNX's shape inference says others.

A resize: the standard says floor(size * scale), and the runtime multiplies in float32, so that 35 * 1.4 is 49.
A dilated pooling under auto_pad: the runtime pads it as if it were not dilated. Knows nodes and sizes; runs nothing.
What the inference gets wrong by its own standard is in `service.inspection.shapes.inference_gaps`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import Error as ProtobufError
from onnx import helper, numpy_helper

from service.errors import InvalidParameterError
from service.inspection.shapes.arithmetic import Window, window_padding, window_size

Sizes = tuple[int, ...]

_RESIZES = frozenset({"Resize", "Upsample"})
_POOLINGS = frozenset({"MaxPool", "AveragePool", "LpPool"})


def with_runtime_sizes(graph: onnx.GraphProto, shapes: Mapping[str, Sizes]) -> bool:
    """Changes each node whose inferred size is not the runtime's so that it is inferred; says whether there was any.

    `shapes` are those known so far, by name. What stands behind a changed node waits for the next pass: its input's
    size was wrong in this one.
    """
    constants = _constants(graph) if any(node.op_type in _RESIZES for node in graph.node) else {}
    outdated: set[str] = set()
    for node in graph.node:
        if not outdated.isdisjoint(node.input) or _corrected(graph, node, constants, shapes):
            outdated.update(node.output)
    return bool(outdated)


def _corrected(
    graph: onnx.GraphProto, node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto], shapes: Mapping[str, Sizes]
) -> bool:
    if node.op_type in _RESIZES and len(node.input) > 1:
        return _resized(graph, node, constants, shapes)
    padded = any(each.name == "auto_pad" and each.s.startswith(b"SAME") for each in node.attribute)
    return padded and node.op_type in _POOLINGS and _pooled(node, shapes)


def _constants(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    stated = (node for node in graph.node if node.op_type == "Constant" and len(node.attribute) == 1)
    return {t.name: t for t in graph.initializer} | {node.output[0]: node.attribute[0].t for node in stated}


def _pooled(node: onnx.NodeProto, shapes: Mapping[str, Sizes]) -> bool:
    before, after = shapes.get(node.input[0], ())[2:], shapes.get(node.output[0], ())[2:]
    windows = _windows(node, len(before))
    given = tuple(map(window_size, before, windows))
    if not windows or not after or given == after or min(given) < 1:
        return False
    kept = [each for each in node.attribute if each.name not in ("auto_pad", "ceil_mode", "pads")]
    begins = [window_padding(size, window)[0] for size, window in zip(before, windows, strict=True)]
    # So much that the last window just fits: then rounding down gives the size.
    ends = [
        max((becomes - 1) * window.stride + window.extent - size - begin, 0)
        for size, becomes, window, begin in zip(before, given, windows, begins, strict=True)
    ]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute("pads", [*begins, *ends])])
    return True


def _windows(node: onnx.NodeProto, axes: int) -> list[Window]:
    """One for each axis; empty where the node's numbers make no sense."""
    stated: dict[str, Any] = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    kernel = stated.get("kernel_shape", ())
    strides, dilations = stated.get("strides", [1] * axes), stated.get("dilations", [1] * axes)
    pads, auto_pad = stated.get("pads", [0] * 2 * axes), stated.get("auto_pad", b"NOTSET").decode("utf-8", "replace")
    ceil_mode = stated.get("ceil_mode", 0) == 1
    try:
        parts = list(zip(kernel, strides, zip(pads[:axes], pads[axes:], strict=True), dilations, strict=True))
        windows = [Window(*part, auto_pad, ceil_mode, pooling=True) for part in parts]
    except (InvalidParameterError, ValueError):
        return []
    return windows if axes and len(windows) == axes else []


def _resized(
    graph: onnx.GraphProto, node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto], shapes: Mapping[str, Sizes]
) -> bool:
    place = min(len(node.input) - 1, 2)  # (X, scales) until opset 10, (X, roi, scales, sizes) since
    before, after = shapes.get(node.input[0]), shapes.get(node.output[0])
    scales = _numbers(constants.get(node.input[place]))
    axes = next((list(a.ints) for a in node.attribute if a.name == "axes"), range(len(before or ())))
    if not before or not after or len(scales) != len(axes):
        return False
    sizes = [before[axis] for axis in axes]
    given = [int(np.float32(size) * scale) for size, scale in zip(sizes, scales, strict=True)]
    if given == [after[axis] for axis in axes] or not all(sizes):
        return False
    # Half a pixel more than the size: no rounding leads to another one.
    certain = np.array([(becomes + 0.5) / size for size, becomes in zip(sizes, given, strict=True)], np.float32)
    node.input[place] = f"fovea.scales.{node.output[0]}"
    graph.initializer.append(numpy_helper.from_array(certain, node.input[place]))
    return True


def _numbers(tensor: onnx.TensorProto | None) -> Sequence[np.float32]:
    """Of a vector of float32 in the file; empty for anything else."""
    if tensor is None or tensor.data_type != onnx.TensorProto.FLOAT or tensor.external_data:
        return ()
    try:
        return list(numpy_helper.to_array(tensor).ravel())
    except (ValueError, TypeError, ProtobufError):
        return ()
