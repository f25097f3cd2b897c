"""What a graph takes and gives: the one image input, and the output that holds one score per class.

Pure: reads an onnx.ModelProto, runs nothing. Works on files from any exporter; what it cannot decide is an error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import onnx
from onnx import TensorProto

from service.errors import ModelContractError

Layout = Literal["NHWC", "NCHW"]
DType = Literal["uint8", "float32", "float16"]
Activation = Literal["softmax", "sigmoid"]

_DTYPES: dict[int, DType] = {
    TensorProto.UINT8: "uint8",
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
}
_ELEMENTWISE = {"Cast", "Mul", "Add", "Sub", "Div", "Identity"}
_SHAPE_ONLY = {"Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"}
_CHANNELS = (1, 3)


@dataclass(frozen=True)
class ImageInput:
    """The network's only input. None where any size is taken."""

    name: str
    dtype: DType
    layout: Layout
    channels: int
    batch: int | None
    height: int | None
    width: int | None


@dataclass(frozen=True)
class ClassOutput:
    """The output with one score per class; `activation` where the graph already ends in one."""

    name: str
    classes: int
    activation: Activation | None


def image_input(model: onnx.ModelProto) -> ImageInput:
    """The graph's image input; raises ModelContractError where it is not one batch of grey or colour images."""
    value = _only_input(model.graph)
    dtype = _dtype(value)
    shape = _shape(value)
    if len(shape) != 4:
        raise ModelContractError(
            f"input {value.name!r} has rank {len(shape)}", "an image batch has rank 4: NCHW or NHWC"
        )
    layout = _layout(model.graph, value.name, shape)
    batch, *rest = shape
    height, width, channels = rest if layout == "NHWC" else (rest[1], rest[2], rest[0])
    channels = channels or _convolution_channels(model.graph, value.name)
    if channels not in _CHANNELS:
        raise ModelContractError(
            f"input {value.name!r} {_text(shape)} has {channels or 'unknown'} channels",
            "an image has 1 (grey) or 3 (colour)",
        )
    return ImageInput(value.name, dtype, layout, channels, batch, height, width)


def class_output(model: onnx.ModelProto) -> ClassOutput | None:
    """The output with one score per class, the largest if several; None where there is none (U-Net, detectors)."""
    if not model.graph.output:
        raise ModelContractError("the graph has no output", "mark the tensor with the class scores as output")
    found = _class_outputs(model.graph) or _class_outputs(onnx.shape_inference.infer_shapes(model).graph)
    return max(found, key=lambda output: output.classes, default=None)


def constant_names(graph: onnx.GraphProto) -> set[str]:
    """Initializers; files of IR version 3 list them among the inputs too."""
    return {tensor.name for tensor in graph.initializer} | {s.values.name for s in graph.sparse_initializer}


def _only_input(graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    constants = constant_names(graph)
    inputs: list[onnx.ValueInfoProto] = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise ModelContractError(f"the graph has {len(inputs)} inputs: {names}", "exactly one image input is needed")
    return inputs[0]


def _dtype(value: onnx.ValueInfoProto) -> DType:
    elem_type = value.type.tensor_type.elem_type
    if elem_type not in _DTYPES:
        found = TensorProto.DataType.Name(elem_type) if elem_type in TensorProto.DataType.values() else elem_type
        raise ModelContractError(f"input {value.name!r} is {found}", f"use one of: {', '.join(_DTYPES.values())}")
    return _DTYPES[elem_type]


def _shape(value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    """Sizes, with None for free ones. The checker has made sure that inputs and outputs state a shape."""
    sizes = tuple(d.dim_value if d.HasField("dim_value") else None for d in value.type.tensor_type.shape.dim)
    if any(size is not None and size <= 0 for size in sizes):
        raise ModelContractError(
            f"{value.name!r} has shape {_text(sizes)}", "sizes are above 0; leave free ones symbolic"
        )
    return sizes


def _text(shape: Sequence[int | None]) -> str:
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"


def _layout(graph: onnx.GraphProto, name: str, shape: Sequence[int | None]) -> Layout:
    first = next(_after_elementwise(graph, name), None)
    if first is not None and first.op_type == "Transpose" and _permutation(first) == [0, 3, 1, 2]:
        return "NHWC"
    if first is not None and first.op_type == "Conv":
        return "NCHW"
    return "NHWC" if shape[3] in _CHANNELS and shape[1] not in _CHANNELS else "NCHW"


def _permutation(node: onnx.NodeProto) -> list[int]:
    return next((list(attribute.ints) for attribute in node.attribute if attribute.name == "perm"), [])


def _after_elementwise(graph: onnx.GraphProto, name: str) -> Iterator[onnx.NodeProto]:
    """The consumers of a tensor, looking through arithmetic that keeps its shape."""
    for node in graph.node:
        if name in node.input:
            if node.op_type in _ELEMENTWISE:
                yield from _after_elementwise(graph, node.output[0])
            else:
                yield node


def _convolution_channels(graph: onnx.GraphProto, name: str) -> int | None:
    """Input channels of the first convolution, from its weight [out, in / groups, kernel...]."""
    weights = {tensor.name: tensor.dims for tensor in graph.initializer}
    for node in _after_elementwise(graph, name):
        if node.op_type == "Transpose":
            return _convolution_channels(graph, node.output[0])
        if node.op_type == "Conv" and node.input[1] in weights:
            groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
            return int(weights[node.input[1]][1] * groups)
    return None


def _class_outputs(graph: onnx.GraphProto) -> list[ClassOutput]:
    found = [
        ClassOutput(value.name, classes, _activation(graph, value.name))
        for value in graph.output
        if (classes := _classes(_shape(value))) is not None
    ]
    return [output for output in found if output.classes > 1 or output.activation == "sigmoid"]


def _classes(shape: Sequence[int | None]) -> int | None:
    is_scores = len(shape) == 2 or (len(shape) == 4 and tuple(shape[2:]) == (1, 1))
    return shape[1] if is_scores else None


def _activation(graph: onnx.GraphProto, name: str) -> Activation | None:
    producers = {output: node for node in graph.node for output in node.output}
    node = producers.get(name)
    while node is not None and node.op_type in _SHAPE_ONLY:
        node = producers.get(node.input[0])
    if node is None or node.op_type not in {"Softmax", "Sigmoid"}:
        return None
    return cast("Activation", node.op_type.lower())
