"""What a layer of a file costs: its parameters and multiply-accumulates, from the shapes of its weights.

Knows layers and shapes; the sums themselves are in `service.inspection.arithmetic`.
"""

from collections.abc import Mapping
from math import prod

import onnx
from onnx.defs import has

from service.inspection.arithmetic import (
    batch_norm_parameters,
    conv_macs,
    conv_parameters,
    dense_macs,
    dense_parameters,
    transposed_conv_macs,
    transposed_conv_parameters,
)
from service.inspection.graph import Layer
from service.inspection.shapes import UNKNOWN, TensorType, known_sizes

Types = Mapping[str, TensorType]

_FLOATS = frozenset(getattr(onnx.TensorProto, name) for name in ("FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE"))
# Their floating constants are settings, not learned.
_NOTHING_LEARNED = frozenset({"resize", "pad", "clip", "quantize_linear", "dequantize_linear"})
# Standard operators that do multiply and accumulate, but have no rule here.
_NOT_COUNTED = frozenset(
    {"if", "loop", "scan", "lstm", "gru", "rnn", "einsum", "attention", "deform_conv"}
    | {"conv_integer", "mat_mul_integer", "quantized_conv", "quantized_matmul"}
)


def parameters(layer: Layer, types: Types) -> int | None:
    """Numbers that training changes; None where a weight's shape is not known.

    Of layers without a rule of their own these are the elements of floating constants with more than one element
    (a lone number, such as the 3 of a hard swish, is a setting). Constants of the preprocessing are not learned.
    """
    shapes = [types.get(weight, UNKNOWN).dims for weight in layer.weights]
    if layer.stage == "preprocessing" or layer.kind in _NOTHING_LEARNED:
        return 0
    weight = known_sizes(shapes[0]) if shapes else None
    if layer.kind in ("conv", "transposed_conv", "dense", "batch_norm") and shapes:
        return None if weight is None else _ruled(layer, weight, bias=len(shapes) > 1)
    learned = [types.get(w, UNKNOWN) for w in layer.weights if types.get(w, UNKNOWN).element in _FLOATS]
    return sum(count for count in (tensor.count for tensor in learned) if count is not None and count > 1)


def macs(layer: Layer, types: Types) -> int | None:
    """For the whole batch, without biases; 0 for kinds without weights to multiply by, None where it is not known."""
    if layer.kind not in ("conv", "transposed_conv", "dense", "matmul"):
        return None if layer.kind in _NOT_COUNTED or not has(layer.op_types[0]) else 0
    weight = known_sizes(types.get(layer.weights[0], UNKNOWN).dims) if layer.weights else None
    before = known_sizes(types.get(layer.inputs[0], UNKNOWN).dims) if layer.inputs else None
    after = known_sizes(types.get(layer.output, UNKNOWN).dims)
    if before is None or after is None or len(before) < 1:
        return None
    if layer.kind == "matmul":
        return prod(after) * before[-1]
    return None if weight is None or len(weight) < 2 else _products(layer, weight, before, after)


def dense_inputs(layer: Layer, weight: tuple[int, ...]) -> tuple[int, int]:
    """(inputs, outputs) of a dense layer's weight; Gemm may hold it transposed."""
    inputs, outputs = weight[-2:]
    return (outputs, inputs) if layer.settings.get("transB") == 1 else (inputs, outputs)


def _ruled(layer: Layer, weight: tuple[int, ...], *, bias: bool) -> int | None:
    if layer.kind == "batch_norm":
        return batch_norm_parameters(prod(weight))
    if len(weight) < 2:
        return None
    if layer.kind == "dense":
        return dense_parameters(*dense_inputs(layer, weight), bias=bias)
    if layer.kind == "conv":
        return conv_parameters(weight[1] * layer.groups, weight[0], weight[2:], layer.groups, bias=bias)
    return transposed_conv_parameters(weight[0], weight[1] * layer.groups, weight[2:], layer.groups, bias=bias)


def _products(layer: Layer, weight: tuple[int, ...], before: tuple[int, ...], after: tuple[int, ...]) -> int:
    if layer.kind == "dense":
        return prod(after[:-1]) * dense_macs(*dense_inputs(layer, weight))
    kernel, groups = weight[2:], layer.groups
    if layer.kind == "conv":
        return after[0] * conv_macs(weight[1] * groups, weight[0], kernel, after[2:], groups)
    return before[0] * transposed_conv_macs(weight[0], weight[1] * groups, kernel, before[2:], groups)
