"""Normalisation folded into the convolutions beside it: the same answers from fewer nodes. Knows no quantisation.

The graphs are those of `training.graphs.export`: a convolution's weights are initializers, and the network begins with
`Normalize`.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import onnx
from jaxtyping import Float64
from onnx import NodeProto, helper, numpy_helper

from training.errors import QuantizationError

Kernels = Float64[np.ndarray, "outputs inputs height width"]
PerChannel = Float64[np.ndarray, " channels"]


def batch_norm_folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which each BatchNormalization behind a convolution is part of its weights.

    The convolution gets the name of the normalisation, because it now computes its output.
    """
    folded = _copy(model)
    producers = {node.output[0]: node for node in folded.graph.node}
    gone = []
    for node in [node for node in folded.graph.node if node.op_type == "BatchNormalization"]:
        before = producers.get(node.input[0])
        if before is not None and before.op_type == "Conv":
            _take_over(folded, before, node)
            gone.append(node)
    _remove(folded, gone)
    return folded


def normalization_folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose first convolution takes pixels of one scale and zero point, as bytes can be without arithmetic.

    `(pixel - mean) / std` per channel becomes one DequantizeLinear; what differs between the channels moves into the
    kernels and the bias. Padding then stands for the pixel `zero_point` in every channel and not for each channel's
    mean: with grey images the same to half a grey level, else only pixels at the edge see a difference.

    A network without a convolution behind `Normalize` stays as it is: its pixels are normalised in float32.
    """
    folded = _copy(model)
    beginning = _beginning(folded)
    if beginning is None:
        return folded
    cast, subtract, divide, convolution = beginning
    mean, std = (_values(folded, node.input[1]).reshape(-1) for node in (subtract, divide))
    zero_point, scale = round(float(mean.mean())), 1 / float(std.mean())
    kernels = _values(folded, convolution.input[1])
    offset = (kernels.sum((2, 3)) * ((mean - zero_point) / std)).sum(1)
    _set_weights(folded, convolution, kernels / (std * scale)[:, None, None], _bias(folded, convolution) - offset)
    _set(folded, f"{divide.name}.scale", np.array(scale, np.float32))
    _set(folded, f"{divide.name}.zero_point", np.array(zero_point, np.uint8))
    divide.CopyFrom(
        helper.make_node(
            "DequantizeLinear",
            [cast.input[0], f"{divide.name}.scale", f"{divide.name}.zero_point"],
            list(divide.output),
            name=divide.name,
        )
    )
    _remove(folded, [cast, subtract])
    return folded


def _beginning(model: onnx.ModelProto) -> list[NodeProto] | None:
    """The nodes of `Normalize` behind its Transpose, and the convolution behind them, in order; None where other."""
    nodes = list(model.graph.node)[1:5]
    if [node.op_type for node in nodes] != ["Cast", "Sub", "Div", "Conv"]:
        return None
    return nodes if all(after.input[0] == before.output[0] for before, after in pairwise(nodes)) else None


def _take_over(model: onnx.ModelProto, convolution: NodeProto, norm: NodeProto) -> None:
    scale, shift, mean, variance = (_values(model, name) for name in norm.input[1:])
    epsilon = next((attribute.f for attribute in norm.attribute if attribute.name == "epsilon"), 1e-5)
    factor = scale / np.sqrt(variance + epsilon)
    kernels = _values(model, convolution.input[1]) * factor[:, None, None, None]
    _set_weights(model, convolution, kernels, (_bias(model, convolution) - mean) * factor + shift)
    convolution.name, convolution.output[0] = norm.name, norm.output[0]


def _set_weights(model: onnx.ModelProto, convolution: NodeProto, kernels: Kernels, bias: PerChannel) -> None:
    weight = convolution.input[1]
    convolution.input[:] = [convolution.input[0], weight, f"{weight.removesuffix('.weight')}.bias"]
    _set(model, weight, kernels.astype(np.float32))
    _set(model, convolution.input[2], bias.astype(np.float32))


def _bias(model: onnx.ModelProto, convolution: NodeProto) -> PerChannel:
    if len(convolution.input) > 2:
        return _values(model, convolution.input[2])
    return np.zeros(len(_values(model, convolution.input[1])))


def _values(model: onnx.ModelProto, name: str) -> Float64[np.ndarray, "..."]:
    tensor = next((tensor for tensor in model.graph.initializer if tensor.name == name), None)
    if tensor is None:
        raise QuantizationError(f"{name!r} is no weight of the file", "export the model again")
    return numpy_helper.to_array(tensor).astype(np.float64)


def _set(model: onnx.ModelProto, name: str, values: np.ndarray) -> None:
    kept = [tensor for tensor in model.graph.initializer if tensor.name != name]
    del model.graph.initializer[:]
    model.graph.initializer.extend([*kept, numpy_helper.from_array(values, name)])


def _remove(model: onnx.ModelProto, gone: Iterable[NodeProto]) -> None:
    """Without these nodes, the weights that nobody reads any more, and the stated shapes, which may be wrong now."""
    for node in gone:
        model.graph.node.remove(node)
    read = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    del model.graph.value_info[:]


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return copied
