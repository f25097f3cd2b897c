"""The table of a network that exists only on paper: layers one after the other, no file, no weights.

Builds the ONNX graph that the layers describe and asks the same code as for a model file. Knows no HTTP.
"""

from collections import Counter
from collections.abc import Sequence
from math import prod
from typing import Annotated, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from service.engine.model_metadata import ManifestLayer
from service.errors import InvalidParameterError
from service.inspection import stopping
from service.inspection.forms import Reply
from service.inspection.graph.layers import layers
from service.inspection.shapes.fit import misfit
from service.inspection.shapes.layer_shapes import layer_shapes
from service.inspection.shapes.layer_table import LayerShapes
from service.inspection.shapes.tensor_types import UNKNOWN, known_sizes, tensor_types
from service.inspection.table.answer import Form, rendered
from service.inspection.table.written_layers import Operator, WrittenLayer
from service.inspection.table.written_numbers import MAX_CHANNELS, MAX_NUMBER, Sizes, UnfitError, times

MAX_LAYERS = 1000
MAX_ELEMENTS = 2**40  # of one tensor: 4 TiB, more than any machine has, and its bytes still fit into 64 bits
_OPSETS = [helper.make_opsetid("", 20)]
_INPUT = "input"


def _input_sizes(value: object) -> Sizes:
    if isinstance(value, dict) and set(value) == {"channels", "height", "width"}:
        value = [value["channels"], value["height"], value["width"]]
    if isinstance(value, list) and 1 <= len(value) <= 4:
        limits = (MAX_CHANNELS, *[MAX_NUMBER] * 3)
        if all(type(size) is int and 1 <= size <= limit for size, limit in zip(value, limits, strict=False)):
            return tuple(value)
    raise ValueError(
        'give {"channels": 3, "height": 32, "width": 32} or a list of 1 to 4 sizes, channels first; '
        f"channels up to {MAX_CHANNELS:,}, the others up to {MAX_NUMBER:,}"
    )


_size = {"type": "integer", "minimum": 1}
_as_object = {
    "type": "object",
    "properties": dict.fromkeys(("channels", "height", "width"), _size),
    "required": ["channels", "height", "width"],
}
_as_list = {"type": "array", "items": _size, "minItems": 1, "maxItems": 4}


class WrittenNetwork(BaseModel):
    """A sequence of layers. Branches cannot be written: for those, ask for the layer shapes of a model file."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "input": {"channels": 3, "height": 227, "width": 227},
                    "layers": [
                        {"kind": "conv", "id": "conv1", "out_channels": 96, "kernel": 11, "stride": 4},
                        {"kind": "relu"},
                        {"kind": "max_pool", "kernel": 3, "stride": 2},
                        {"kind": "flatten"},
                        {"kind": "dense", "units": 1000},
                    ],
                }
            ]
        },
    )

    input: Annotated[Sizes, PlainValidator(_input_sizes), WithJsonSchema({"anyOf": [_as_object, _as_list]})] = Field(
        description="of one image: channels, height and width; as a list also one or three axes, or a flat vector"
    )
    batch: int = Field(default=1, strict=True, ge=1, le=4096, description="images in one batch")
    layers: tuple[WrittenLayer, ...] = Field(min_length=1, max_length=MAX_LAYERS, description="in the order they run")


class CalculatorQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Form = Field(default="json", description="form of the answer")


def calculated(written: WrittenNetwork, query: CalculatorQuery) -> Reply:
    """The table of the layers as they were written, in the form asked for."""
    return rendered(written_shapes(written), query.format)


def written_shapes(written: WrittenNetwork) -> LayerShapes:
    """One row per layer. Raises InvalidParameterError naming the first number that makes a layer impossible.

    Cost: about 0.5 ms a layer, however large its weights would be: none is made.
    """
    ids = _ids(written.layers)
    nodes: list[onnx.NodeProto] = []
    operands: list[onnx.TensorProto] = []
    sizes = (written.batch, *written.input)
    if prod(sizes) > MAX_ELEMENTS:
        raise InvalidParameterError("input", list(written.input), f"a batch may have at most {MAX_ELEMENTS:,} values")
    for number, (name, layer) in enumerate(zip(ids, written.layers, strict=True)):
        stopping.check()
        try:
            node, tensors = _node(layer.operator(sizes), nodes[-1].output[0] if nodes else _INPUT, name)
            sizes = _after(node, tensors, sizes, layer)
        except UnfitError as unfit:
            raise InvalidParameterError(
                f"layers.{number}.{unfit.name}", unfit.value, f"{name}: {unfit.remedy}"
            ) from None
        nodes.append(node)
        operands += tensors
    model = _model(nodes, operands, (written.batch, *written.input))
    named = zip(ids, written.layers, strict=True)
    return layer_shapes(model, [ManifestLayer(id=name, kind=layer.kind, tensor=name) for name, layer in named])


def _ids(written: Sequence[WrittenLayer]) -> list[str]:
    """As written, else the kind and its number."""
    taken = {_INPUT, *(layer.id for layer in written if layer.id)}
    counts: Counter[str] = Counter()
    ids: list[str] = []
    for number, layer in enumerate(written):
        counts[layer.kind] += 1
        while layer.id is None and f"{layer.kind}_{counts[layer.kind]}" in taken:
            counts[layer.kind] += 1
        ids.append(layer.id or f"{layer.kind}_{counts[layer.kind]}")
        if ids[-1] in (_INPUT, *ids[:-1]):
            raise InvalidParameterError(f"layers.{number}.id", layer.id, "give every layer an id of its own")
    return ids


def _node(operator: Operator, before: str, name: str) -> tuple[onnx.NodeProto, list[onnx.TensorProto]]:
    names = ["" if operand is None else f"{key} of {name}" for key, operand in operator.operands.items()]
    node = helper.make_node(operator.op_type, [before, *names], [name], **operator.attributes)
    found = zip(names, operator.operands.values(), strict=True)
    return node, [_tensor(key, operand) for key, operand in found if operand is not None]


def _tensor(name: str, operand: Sizes | np.ndarray) -> onnx.TensorProto:
    """A constant as it is; of a weight the sizes only, which is all that a table needs."""
    if isinstance(operand, np.ndarray):
        return numpy_helper.from_array(operand, name)
    return onnx.TensorProto(name=name, dims=operand, data_type=onnx.TensorProto.FLOAT)


def _after(node: onnx.NodeProto, operands: Sequence[onnx.TensorProto], before: Sizes, layer: Any) -> Sizes:
    """The sizes behind one layer, by the same inference as the table's. Raises UnfitError where there are none."""
    alone = _model([node], operands, before, node.input[0])
    types = tensor_types(alone, None)
    fault = next(filter(None, (misfit(found, types) for found in layers(alone))), None)
    # Of a transposed convolution only what the padding cuts off can be too much.
    order = ("padding",) if layer.kind == "transposed_conv" else ("kernel", "scale", "padding")
    field = next((name for name in order if name in type(layer).model_fields), "kind")
    blamed = getattr(layer, field)
    if fault is not None:
        raise UnfitError(field, blamed, f"{fault.reason}; make it smaller, or what comes before it larger")
    after = known_sizes(types.get(node.output[0], UNKNOWN).dims)
    if after is None or min(after) < 1:
        raise UnfitError(field, blamed, f"nothing is left of its input of {times(before)}")
    if prod(after) > MAX_ELEMENTS or max(after[2:], default=0) > MAX_NUMBER:
        limit = f"at most {MAX_ELEMENTS:,} values and {MAX_NUMBER:,} on a side are calculated with"
        raise UnfitError(field, blamed, f"its output would be {times(after)}; {limit}")
    return after


def _model(
    nodes: Sequence[onnx.NodeProto], operands: Sequence[onnx.TensorProto], sizes: Sizes, before: str = _INPUT
) -> onnx.ModelProto:
    image = helper.make_tensor_value_info(before, onnx.TensorProto.FLOAT, sizes)
    # Each layer's output is one of the graph's: so each stays a row, where a file's pad joins its convolution.
    outputs = [onnx.ValueInfoProto(name=node.output[0]) for node in nodes]
    graph = helper.make_graph(nodes, "written", [image], outputs, operands)
    return helper.make_model(graph, opset_imports=_OPSETS, ir_version=10)
