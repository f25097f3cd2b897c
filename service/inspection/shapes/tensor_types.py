"""The shape of every tensor of a network for one input size, by ONNX's own shape inference.

Runs nothing and copies no large weight. What cannot be inferred stays unknown; no file is opened.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import cast

import numpy as np
import onnx
from google.protobuf.message import Error as ProtobufError
from onnx.checker import ValidationError
from onnx.defs import has
from onnx.helper import make_node, make_tensor, make_tensor_value_info, tensor_dtype_to_np_dtype
from onnx.numpy_helper import from_array
from onnx.shape_inference import InferenceError, infer_shapes

from service.inspection import stopping
from service.inspection.graph.constants import image_inputs, opset_of
from service.inspection.shapes.inference_gaps import corrected, is_doubtful, standard
from service.inspection.shapes.input_size import Dims, Picture
from service.inspection.shapes.runtime_sizes import with_runtime_sizes
from service.inspection.shapes.size_arithmetic import Sizes

# Shape inference reads the values of small tensors only (a Reshape's shape, a Resize's scales).
_MAX_READ_ELEMENTS = 64
# Each round makes the sizes known that the next one's arithmetic may start from.
_MAX_ROUNDS = 64
_FIRST_AXIS = make_tensor("fovea.first_axis", onnx.TensorProto.INT64, [1], [0])


@dataclass(frozen=True)
class TensorType:
    """`dims` is None where not even the rank is known, an entry is None where that size is not."""

    dims: Dims | None
    element: int

    @property
    def count(self) -> int | None:
        """How many elements, None where a size is not known."""
        known = known_sizes(self.dims)
        return None if known is None else prod(known)

    @property
    def bytes(self) -> int | None:
        try:
            itemsize = int(tensor_dtype_to_np_dtype(self.element).itemsize)
        except (KeyError, TypeError):
            return None
        return None if self.count is None else self.count * itemsize


UNKNOWN = TensorType(None, 0)


def known_sizes(dims: Dims | None) -> tuple[int, ...] | None:
    """The sizes where all of them are known, else None."""
    return None if dims is None or None in dims else cast("tuple[int, ...]", dims)


def tensor_types(model: onnx.ModelProto, picture: Picture | None) -> dict[str, TensorType]:
    """The types of inputs, weights and, as far as they can be inferred, of all other tensors, by name.

    Cost: linear in the number of nodes; about 30 ms for DenseNet-121 without its weights.
    """
    bare = _without_weights(model, picture)
    types = _inferred(bare)
    if opset_of(model) >= 13 and _readable_for_inference(bare.graph, types):
        types = _inferred(bare)
    for _ in range(_MAX_ROUNDS):
        stopping.check()
        known = {name: sizes for name, each in types.items() if (sizes := known_sizes(each.dims))}
        if not (
            _with_gaps_closed(bare.graph, types)
            or with_runtime_sizes(bare.graph, known)
            or _with_sizes_evaluated(bare.graph, types)
        ):
            break
        types = _inferred(bare)
    return types | {t.name: TensorType(_weight_dims(t), t.data_type) for t in model.graph.initializer}


def _with_gaps_closed(graph: onnx.GraphProto, types: Mapping[str, TensorType]) -> bool:
    """Corrects the nodes that inference got wrong, but for those behind them: they wait for their inputs."""
    outdated: set[str] = set()
    for node in graph.node:
        waits = not outdated.isdisjoint(node.input)
        right = _right(node, types) if not waits and is_doubtful(node) else None
        if right is not None:
            node.CopyFrom(right)
        if waits or right is not None:
            outdated.update(node.output)
    return bool(outdated)


def _right(node: onnx.NodeProto, types: Mapping[str, TensorType]) -> onnx.NodeProto | None:
    before, weight = (
        known_sizes(types.get(name, UNKNOWN).dims)
        for name in (node.input[0], node.input[-1 if len(node.input) < 2 else 1])
    )
    after = types.get(node.output[0], UNKNOWN).dims
    return (
        None
        if before is None or weight is None or after is None
        else corrected(node, weight[2:], before[2:], after[2:])
    )


def _with_sizes_evaluated(graph: onnx.GraphProto, types: Mapping[str, TensorType]) -> bool:
    """Writes what the file computes about sizes as numbers, where inference got stuck; says whether it could."""
    sizes = Sizes(graph, lambda name: types.get(name, UNKNOWN).dims)
    written = {tensor.name for tensor in graph.initializer}
    stuck = [node for node in graph.node if any(types.get(name, UNKNOWN).count is None for name in node.output if name)]
    asked = dict.fromkeys(name for node in stuck for name in node.input if name and name not in written)
    values = {name: value for name in asked if (value := sizes.value(name)) is not None}
    for node in graph.node:
        for at, name in enumerate(node.output):
            if name in values:
                node.output[at] = f"{name} (evaluated)"
    graph.initializer.extend(from_array(np.ascontiguousarray(value), name) for name, value in values.items())
    branches = _with_branches_taken(graph, [node for node in stuck if node.op_type == "If"], sizes)
    return bool(values) or branches


def _with_branches_taken(graph: onnx.GraphProto, conditionals: Sequence[onnx.NodeProto], sizes: Sizes) -> bool:
    """Writes the branch of each If whose condition is known in its place (torch asks whether an axis is 1 long)."""
    branches = {id(node): branch for node in conditionals if (branch := _branch(node, sizes)) is not None}
    nodes = list(graph.node)
    if branches:
        del graph.node[:]
    for node in nodes if branches else ():
        branch = branches.get(id(node))
        if branch is None:
            graph.node.append(node)
            continue
        graph.initializer.extend(branch.initializer)
        graph.node.extend(branch.node)
        results = zip(branch.output, node.output, strict=True)
        graph.node.extend(make_node("Identity", [inner.name], [outer]) for inner, outer in results)
    return bool(branches)


def _branch(node: onnx.NodeProto, sizes: Sizes) -> onnx.GraphProto | None:
    condition = sizes.value(node.input[0])
    bodies = {attribute.name: attribute.g for attribute in node.attribute}
    body = (
        None if condition is None or condition.size != 1 else bodies.get(("else", "then")[bool(condition)] + "_branch")
    )
    return body if body is not None and len(body.output) == len(node.output) else None


def _inferred(model: onnx.ModelProto) -> dict[str, TensorType]:
    try:
        graph = infer_shapes(model, data_prop=True).graph
    except (InferenceError, ValidationError, ProtobufError, RuntimeError, ValueError, TypeError):
        graph = model.graph
    weights = {t.name: TensorType(_weight_dims(t), t.data_type) for t in graph.initializer}
    return weights | {value.name: _type_of(value) for value in (*graph.input, *graph.value_info, *graph.output)}


def _readable_for_inference(graph: onnx.GraphProto, types: Mapping[str, TensorType]) -> bool:
    """Writes a Reshape of one integer as the equal Unsqueeze; says whether there was any.

    torch.export carries the batch into a flatten's target shape through such a Reshape, and ONNX propagates values
    through Unsqueeze only.
    """
    found = [node for node in graph.node if _makes_a_vector_of_one(node, types)]
    for node in found:
        node.op_type, node.input[1] = "Unsqueeze", _FIRST_AXIS.name
        del node.attribute[:]
    if found:
        graph.initializer.append(_FIRST_AXIS)
    return bool(found)


def _makes_a_vector_of_one(node: onnx.NodeProto, types: Mapping[str, TensorType]) -> bool:
    if node.op_type != "Reshape" or len(node.input) != 2 or not node.output:
        return False
    value, result = types.get(node.input[0], UNKNOWN), types.get(node.output[0], UNKNOWN)
    return value.element == onnx.TensorProto.INT64 and value.dims == () and result.dims == (1,)


def _without_weights(model: onnx.ModelProto, picture: Picture | None) -> onnx.ModelProto:
    """A copy with the input's size filled in, large weights as inputs, and no shape that held for another size."""
    # Before IR version 4 an initializer would have to be listed among the inputs as well.
    bare = onnx.ModelProto(ir_version=max(model.ir_version, 4))
    bare.opset_import.extend(model.opset_import)
    bare.functions.extend(model.functions)
    graph = bare.graph
    graph.name = "shapes"
    graph.node.extend(standard(node) for node in model.graph.node)
    graph.sparse_initializer.extend(model.graph.sparse_initializer)
    graph.initializer.extend(t for t in model.graph.initializer if _is_small(t))
    graph.input.extend(_declared(t) for t in model.graph.initializer if not _is_small(t))
    graph.input.extend(_sized(value, picture) for value in image_inputs(model.graph))
    foreign = _foreign_outputs(model.graph)
    symbols = {} if picture is None else picture.symbols
    graph.value_info.extend(_resolved(value, symbols) for value in model.graph.value_info if value.name in foreign)
    for value in model.graph.output:
        graph.output.append(_resolved(value, symbols) if value.name in foreign else _shapeless(value))
    return bare


def _is_small(tensor: onnx.TensorProto) -> bool:
    return prod(tensor.dims) <= _MAX_READ_ELEMENTS and tensor.data_location != onnx.TensorProto.EXTERNAL


def _declared(tensor: onnx.TensorProto) -> onnx.ValueInfoProto:
    return make_tensor_value_info(tensor.name, tensor.data_type, _weight_dims(tensor))


def _weight_dims(tensor: onnx.TensorProto) -> Dims:
    return tuple(size if size >= 0 else None for size in tensor.dims)


def _sized(value: onnx.ValueInfoProto, picture: Picture | None) -> onnx.ValueInfoProto:
    if picture is None or value.name != picture.tensor:
        return _resolved(value, {} if picture is None else picture.symbols)
    return make_tensor_value_info(value.name, value.type.tensor_type.elem_type, picture.dims)


def _resolved(value: onnx.ValueInfoProto, symbols: Mapping[str, int]) -> onnx.ValueInfoProto:
    """The declared shape with the sizes of its named dimensions."""
    resolved = onnx.ValueInfoProto()
    resolved.CopyFrom(value)
    for dim in resolved.type.tensor_type.shape.dim if resolved.type.HasField("tensor_type") else ():
        if dim.dim_param in symbols:
            dim.dim_value = symbols[dim.dim_param]
    return resolved


def _shapeless(value: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    shapeless = onnx.ValueInfoProto(name=value.name)
    if value.type.HasField("tensor_type"):
        shapeless.type.tensor_type.elem_type = value.type.tensor_type.elem_type
    return shapeless


def _foreign_outputs(graph: onnx.GraphProto) -> set[str]:
    """Tensors made by operators outside the standard: only what the file itself says of them is known."""
    return {name for node in map(standard, graph.node) if not has(node.op_type, node.domain) for name in node.output}


def _type_of(value: onnx.ValueInfoProto) -> TensorType:
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        return TensorType(None, tensor.elem_type if value.type.HasField("tensor_type") else 0)
    return TensorType(tuple(_sizes(tensor.shape.dim)), tensor.elem_type)


def _sizes(dims: Iterable[onnx.TensorShapeProto.Dimension]) -> Iterable[int | None]:
    return (dim.dim_value if dim.HasField("dim_value") else None for dim in dims)
