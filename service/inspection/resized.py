"""The sizes that ONNX Runtime gives a Resize or Upsample where ONNX's shape inference gives others.

The standard says floor(size * scale). The runtime multiplies in float32: 35 * 1.4 is 49 there, exactly it is 48.99...
Knows nodes and sizes; runs nothing.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from google.protobuf.message import Error as ProtobufError
from onnx import numpy_helper

Sizes = tuple[int, ...]


def with_runtime_sizes(graph: onnx.GraphProto, shapes: Mapping[str, Sizes]) -> bool:
    """Gives each Resize whose inferred size is not the runtime's a scale that infers it; says whether there was any.

    `shapes` are those known so far, by name. A Resize behind another may need a second pass.
    """
    resizes = [node for node in graph.node if node.op_type in ("Resize", "Upsample") and len(node.input) > 1]
    if not resizes:
        return False
    constants = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {
        n.output[0]: n.attribute[0].t for n in graph.node if n.op_type == "Constant" and len(n.attribute) == 1
    }
    corrected = [_corrected(graph, node, constants, shapes) for node in resizes]
    return any(corrected)


def _corrected(
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
