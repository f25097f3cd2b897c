"""What a layer of a file costs: its parameters and multiply-accumulates, from the shapes of its weights.

Knows layers and shapes; the sums themselves are in `service.inspection.shapes.arithmetic`.
"""

from collections.abc import Mapping
from math import prod

import onnx

from service.inspection.graph.layers import Layer
from service.inspection.shapes.arithmetic import (
    batch_norm_parameters,
    conv_macs,
    conv_parameters,
    dense_macs,
    transposed_conv_macs,
    transposed_conv_parameters,
)
from service.inspection.shapes.tensor_types import UNKNOWN, TensorType, known_sizes

Types = Mapping[str, TensorType]

_BIASED = 2  # weights of a layer that has a weight and a bias
_FLOATS = frozenset(getattr(onnx.TensorProto, name) for name in ("FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE"))
# Their floating constants are settings, not learned.
_NOTHING_LEARNED = frozenset({"resize", "pad", "clip", "div", "quantize_linear", "dequantize_linear"})
# Standard operators that do multiply and accumulate, but have no rule here.
_NOT_COUNTED = frozenset({"if", "loop", "scan", "lstm", "gru", "rnn", "einsum", "attention", "deform_conv"})
# Sums and pools of integers, and the ways there and back.
_ONNX_RUNTIMES_OWN = ("q_linear_", "quantize_linear", "dequantize_linear")
# Layers of integers, by what they are with floating numbers. Their weight stands among scales and zero points.
_QUANTIZED = {
    "quantized_conv": "conv",
    "conv_integer": "conv",
    "quantized_matmul": "dense",
    "mat_mul_integer": "dense",
    "q_gemm": "dense",
}


def parameters(layer: Layer, types: Types) -> int | None:
    """Numbers that training changes; None where a weight's shape is not known.

    Of layers without a rule of their own these are the elements of floating constants with more than one element
    (a lone number, such as the 3 of a hard swish, is a setting). Constants of the preprocessing are not learned.
    """
    shapes = [types.get(weight, UNKNOWN).dims for weight in layer.weights]
    if layer.stage == "preprocessing" or layer.kind in _NOTHING_LEARNED:
        return 0
    if layer.kind in _QUANTIZED:
        return _quantized_parameters(layer, types)
    weight = known_sizes(shapes[0]) if shapes else None
    if layer.kind in ("conv", "transposed_conv", "dense", "batch_norm") and shapes:
        return None if weight is None else _ruled(layer, weight, biases(layer, types))
    learned = [types.get(w, UNKNOWN) for w in layer.weights if types.get(w, UNKNOWN).element in _FLOATS]
    return sum(count for count in (tensor.count for tensor in learned) if count is not None and count > 1)


def macs(layer: Layer, types: Types) -> int | None:
    """For the whole batch, without biases; 0 for kinds without weights to multiply by, None where it is not known."""
    kind = _QUANTIZED.get(layer.kind, layer.kind)
    if kind not in ("conv", "transposed_conv", "dense", "matmul", "gemm"):
        known = layer.is_standard or layer.kind.startswith(_ONNX_RUNTIMES_OWN)
        return 0 if known and layer.kind not in _NOT_COUNTED else None
    if kind in ("matmul", "gemm") or (layer.kind in _QUANTIZED and kind == "dense"):
        terms, sums = summed(layer, types), types.get(layer.output, UNKNOWN).count
        return None if terms is None or sums is None else sums * terms
    weight = _weight(layer, types)
    before = known_sizes(types.get(layer.inputs[0], UNKNOWN).dims) if layer.inputs else None
    after = known_sizes(types.get(layer.output, UNKNOWN).dims)
    if before is None or after is None or len(before) < 1:
        return None
    if weight is None or len(weight) < (1 if kind == "dense" else 2):
        return None
    return _products(layer, kind, weight, before, after)


def _weight(layer: Layer, types: Types) -> tuple[int, ...] | None:
    """What the inputs are multiplied by; a quantised layer has it among scales and zero points, which are vectors."""
    shapes = [known_sizes(types.get(name, UNKNOWN).dims) for name in layer.weights]
    if layer.kind in _QUANTIZED:
        return next((shape for shape in shapes if shape and len(shape) > 1), None)
    return shapes[0] if shapes else None


def _quantized_parameters(layer: Layer, types: Types) -> int | None:
    """Weight and bias; scales and zero points are measured, not learned. A bias is of 32 bits, and nothing else is."""
    weight = _weight(layer, types)
    biases = [types[name].count for name in layer.weights if types[name].element == onnx.TensorProto.INT32]
    return None if weight is None else prod(weight) + sum(count or 0 for count in biases)


def summed(layer: Layer, types: Types) -> int | None:
    """Products in each sum of a product of matrices: the length of the rows of the operand that stands first."""
    sizes = known_sizes(types.get(next(iter((*layer.operands, *layer.inputs)), ""), UNKNOWN).dims)
    return None if not sizes else sizes[0] if layer.settings.get("transA") == 1 else sizes[-1]


def biases(layer: Layer, types: Types) -> int | None:
    """How many numbers a layer with a weight adds; 0 where it has no bias, or is told to take it 0 times."""
    if len(layer.weights) < _BIASED or layer.settings.get("beta") == 0:
        return 0
    return types.get(layer.weights[1], UNKNOWN).count


def dense_inputs(layer: Layer, weight: tuple[int, ...]) -> tuple[int, int]:
    """(inputs, outputs) of a dense layer's weight; Gemm may hold it transposed, a vector gives one output."""
    inputs, outputs = weight[-2:] if len(weight) > 1 else (*weight, 1)
    return (outputs, inputs) if layer.settings.get("transB") == 1 else (inputs, outputs)


def _ruled(layer: Layer, weight: tuple[int, ...], added: int | None) -> int | None:
    if layer.kind == "batch_norm":
        return batch_norm_parameters(prod(weight))
    if layer.kind == "dense":
        return None if added is None else prod(weight) + added
    if len(weight) < 2:
        return None
    bias = added != 0
    if layer.kind == "conv":
        return conv_parameters(weight[1] * layer.groups, weight[0], weight[2:], layer.groups, bias=bias)
    return transposed_conv_parameters(weight[0], weight[1] * layer.groups, weight[2:], layer.groups, bias=bias)


def _products(layer: Layer, kind: str, weight: tuple[int, ...], before: tuple[int, ...], after: tuple[int, ...]) -> int:
    if kind == "dense":
        rows = after[:-1] if len(weight) > 1 else after
        return prod(rows) * dense_macs(*dense_inputs(layer, weight))
    kernel, groups = weight[2:], layer.groups
    if kind == "conv":
        return after[0] * conv_macs(weight[1] * groups, weight[0], kernel, after[2:], groups)
    return before[0] * transposed_conv_macs(weight[0], weight[1] * groups, kernel, before[2:], groups)
