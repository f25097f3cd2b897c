"""What a graph knows before it sees an image: weights, constants, and the settings of each operator.

Opens no file and evaluates no weight: one that is computed, or lies outside the file, is only known by name. A lone
number is followed through the few operators that exporters leave behind it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod, sqrt

import onnx
from onnx.defs import SchemaError, get_schema
from onnx.numpy_helper import to_array

Setting = int | float | str | tuple[int, ...] | tuple[float, ...]

_MAX_SETTING_ELEMENTS = 64
_MAX_WEIGHT_STEPS = 16  # dequantised, transposed, reshaped: real weights are 1 to 3 nodes from their initializer
# Inputs that were attributes in an earlier opset or could be: read as settings where they are constant.
_SETTING_INPUTS = frozenset({"pads", "axes", "scales", "sizes", "starts", "ends", "steps", "shape", "min", "max"})
# What leaves a constant's number of elements, and what also leaves its numbers, as they are.
_KEEPS_NUMBERS = frozenset({"Identity", "Cast", "CastLike", "Reshape", "Squeeze", "Unsqueeze", "Flatten"})
_KEEPS_COUNT = _KEEPS_NUMBERS | {"Transpose", "DequantizeLinear", "Sqrt", "Reciprocal", "Neg"}
_COMBINES = frozenset({"Add", "Sub", "Mul", "Div", "Pow"})
_NUMBER_OPERATORS: Mapping[str, Callable[[int | float], int | float]] = {
    "Sqrt": lambda value: sqrt(value) if value >= 0 else 0.0,
    "Neg": lambda value: -value,
    "Reciprocal": lambda value: 1 / value if value else 0.0,
}


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
        # CastLike takes only the type of its second input.
        read = list(node.input[:1]) if node.op_type == "CastLike" else list(read_tensors(node))
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


def number(name: str, constants: Constants) -> int | float | None:
    """The value of a constant with one element, None for anything else."""
    applied: list[Callable[[int | float], int | float]] = []
    for _ in range(_MAX_WEIGHT_STEPS):
        tensor, node = _tensor(name, constants), constants.computed.get(name)
        if tensor is not None or node is None or not node.input:
            value = _attribute_number(node) if tensor is None else _lone_number(tensor)
            for operator in reversed(applied):
                value = None if value is None else operator(value)
            return value
        if node.op_type in _NUMBER_OPERATORS:
            applied.append(_NUMBER_OPERATORS[node.op_type])
        elif node.op_type not in _KEEPS_NUMBERS:
            return None
        name = node.input[0]
    return None


def dims_of(name: str, constants: Constants) -> tuple[int, ...] | None:
    """The shape of a constant that the file holds as it is; None for one that is computed."""
    tensor = _tensor(name, constants)
    return None if tensor is None else tuple(tensor.dims)


def numbers_of(name: str, constants: Constants) -> tuple[int, ...] | tuple[float, ...] | None:
    """The values of a small vector that the file holds as it is, None for anything else."""
    tensor = _tensor(name, constants)
    values = None if tensor is None else _numbers(tensor)
    return values if isinstance(values, tuple) else None


def count_of(name: str, constants: Constants, depth: int = 4) -> int | None:
    """How many elements a constant has, also behind a few steps of arithmetic; None where that is not known."""
    dims = dims_of(name, constants)
    if dims is not None:
        return prod(dims)
    node = constants.computed.get(name)
    if node is None or not node.input or depth == 0:
        return None
    if node.op_type in _KEEPS_COUNT:
        return count_of(node.input[0], constants, depth - 1)
    if node.op_type in _COMBINES:
        counts = [count_of(read, constants, depth - 1) for read in node.input]
        return max((count for count in counts if count is not None), default=None)
    return None


def integers_of(value: Setting | None) -> tuple[int, ...] | None:
    """A setting that is a list of integers, None where it is absent or something else."""
    integers = tuple(number for number in value if isinstance(number, int)) if isinstance(value, tuple) else None
    return integers if integers is not None and isinstance(value, tuple) and len(integers) == len(value) else None


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
    """The numbers of a small vector in the file or a lone number, None for anything else."""
    tensor = _tensor(name, constants)
    if tensor is not None:
        return _numbers(tensor) if tensor.dims else _lone_number(tensor)
    node = constants.computed.get(name)
    if node is not None and node.op_type == "Constant" and node.attribute:
        return _attribute_value(node.attribute[0])
    return number(name, constants)


def _tensor(name: str, constants: Constants) -> onnx.TensorProto | None:
    """The constant as the file holds it: an initializer, or the tensor of a Constant node."""
    if name in constants.initializers:
        return constants.initializers[name]
    node = constants.computed.get(name)
    if node is None or node.op_type != "Constant" or not node.attribute:
        return None
    attribute = node.attribute[0]
    return attribute.t if attribute.type == onnx.AttributeProto.TENSOR else None


def _attribute_number(node: onnx.NodeProto | None) -> int | float | None:
    """A Constant node may hold its number without a tensor."""
    value = _attribute_value(node.attribute[0]) if node is not None and node.attribute else None
    return value if isinstance(value, int | float) else None


def _lone_number(tensor: onnx.TensorProto) -> int | float | None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or any(size != 1 for size in tensor.dims):
        return None
    try:
        value = to_array(tensor).reshape(-1)[0].item()
    except (ValueError, TypeError, KeyError, IndexError):
        return None
    return value if isinstance(value, int | float) else None


def _numbers(tensor: onnx.TensorProto) -> Setting | None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or len(tensor.dims) != 1:
        return None
    if not 0 <= tensor.dims[0] <= _MAX_SETTING_ELEMENTS:
        return None
    try:
        return tuple(to_array(tensor).tolist())
    except (ValueError, TypeError, KeyError):  # fewer bytes than the dims promise, or a type nobody knows
        return None
