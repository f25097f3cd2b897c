"""What a graph knows before it sees an image: weights, constants, and the settings of each operator.

Evaluates nothing and opens no file: a weight that is computed, or lies outside the file, is only known by name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import onnx
from onnx.defs import SchemaError, get_schema
from onnx.numpy_helper import to_array

Setting = int | float | str | tuple[int, ...] | tuple[float, ...]

_MAX_SETTING_ELEMENTS = 64
_MAX_WEIGHT_STEPS = 16  # dequantised, transposed, reshaped: real weights are 1 to 3 nodes from their initializer
# Inputs that were attributes in an earlier opset or could be: read as settings where they are constant.
_SETTING_INPUTS = frozenset({"pads", "axes", "scales", "sizes", "starts", "ends", "steps", "shape"})


@dataclass(frozen=True)
class Constants:
    """Tensors that no image changes, by name. Shapes of other tensors, and what is computed from them, count too."""

    initializers: Mapping[str, onnx.TensorProto]
    computed: Mapping[str, onnx.NodeProto]

    def __contains__(self, name: str) -> bool:
        return name in self.initializers or name in self.computed


def constants_of(graph: onnx.GraphProto) -> Constants:
    """One pass in the graph's order, which ONNX requires to be topological."""
    constants = Constants({t.name: t for t in graph.initializer}, computed := {})
    sparse = {t.values.name for t in graph.sparse_initializer}
    for node in graph.node:
        read = list(read_tensors(node))
        if node.op_type in ("Shape", "Size", "Constant") or (read and all(r in constants or r in sparse for r in read)):
            computed.update(dict.fromkeys(filter(None, node.output), node))
    return constants


def image_inputs(graph: onnx.GraphProto) -> tuple[onnx.ValueInfoProto, ...]:
    """What has to be fed. Files of IR version 3 list their weights among the inputs too: those are left out."""
    initializers = {t.name for t in graph.initializer}
    return tuple(value for value in graph.input if value.name not in initializers)


def image_input(graph: onnx.GraphProto) -> onnx.ValueInfoProto | None:
    """The input with the images: the first one of rank 4, else the first one, None where nothing has to be fed."""
    inputs = image_inputs(graph)
    return next((value for value in inputs if len(value.type.tensor_type.shape.dim) == 4), next(iter(inputs), None))


def read_tensors(node: onnx.NodeProto) -> Iterator[str]:
    """Every tensor a node reads: its inputs, and what the bodies of If, Loop and Scan take from outside."""
    yield from filter(None, node.input)
    pending = list(bodies(node))
    while pending:
        body = pending.pop()
        inside = {value.name for value in body.input} | {t.name for t in body.initializer}
        inside |= {name for inner in body.node for name in inner.output}
        for inner in body.node:
            yield from (name for name in inner.input if name and name not in inside)
            pending.extend(bodies(inner))


def weight_names(name: str, constants: Constants) -> Iterator[str]:
    """A constant's own name and those of what it is made from (by Transpose, DequantizeLinear, ...), nearest first."""
    for _ in range(_MAX_WEIGHT_STEPS):
        yield name
        node = constants.computed.get(name)
        if node is None or not node.input or not node.input[0]:
            return
        name = node.input[0]


def settings_of(node: onnx.NodeProto, constants: Constants, opset: int) -> dict[str, Setting]:
    """A node's attributes, and its constant inputs such as `pads` and `axes`, by the name the standard gives them."""
    named = zip(_input_names(node.op_type, node.domain, opset), node.input, strict=False)
    values = {name: _small_value(tensor, constants) for name, tensor in named if name in _SETTING_INPUTS}
    values |= {attribute.name: _attribute_value(attribute) for attribute in node.attribute}
    return {name: value for name, value in values.items() if value is not None}


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the standard operators; 1 where the file states none."""
    return next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)


def bodies(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


@lru_cache(maxsize=512)
def _input_names(op_type: str, domain: str, opset: int) -> tuple[str, ...]:
    try:
        schema = get_schema(op_type, opset, domain)
    except SchemaError:
        return ()
    return tuple(formal.name for formal in schema.inputs)


def _attribute_value(attribute: onnx.AttributeProto) -> Setting | None:
    kinds = onnx.AttributeProto
    match attribute.type:
        case kinds.INT:
            return int(attribute.i)
        case kinds.FLOAT:
            return float(attribute.f)
        case kinds.STRING:
            return attribute.s.decode("utf-8", "replace")
        case kinds.INTS:
            return tuple(map(int, attribute.ints))
        case kinds.FLOATS:
            return tuple(map(float, attribute.floats))
        case _:
            return None


def _small_value(name: str, constants: Constants) -> Setting | None:
    """The numbers of a small vector in the file, None for anything else."""
    if name in constants.initializers:
        return _numbers(constants.initializers[name])
    node = constants.computed.get(name)
    if node is None or node.op_type != "Constant" or not node.attribute:
        return None
    attribute = node.attribute[0]
    return _numbers(attribute.t) if attribute.type == onnx.AttributeProto.TENSOR else _attribute_value(attribute)


def _numbers(tensor: onnx.TensorProto) -> Setting | None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or len(tensor.dims) != 1:
        return None
    if not 0 <= tensor.dims[0] <= _MAX_SETTING_ELEMENTS:
        return None
    try:
        return tuple(to_array(tensor).tolist())
    except (ValueError, TypeError, KeyError):  # fewer bytes than the dims promise, or a type nobody knows
        return None
