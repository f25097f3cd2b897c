"""Layers that exporters write as several nodes, each as the formula of its nodes.

Knows no graph; how a formula is found in one is `service.inspection.graph.matching`. In a formula

- `Mul(a, b)` is a node of that operator; Add, Mul, Max and Min take their two inputs in either order, and constant
  inputs behind those written (a Reshape's shape, a ReduceMean's axes) may be there or not;
- `axes=..., perm=...` are settings the node must have;
- `x` and `y` are tensors that depend on the image, the same letter always the same tensor;
- a number is a constant with one element of that value;
- `alpha`, `beta`, `epsilon`, `k` are constants with one element and become the layer's settings;
- `_` is any constant, and any other word a constant that is a weight of the layer;
- `a | b` is either, and `Reshaped(a)` is `a` behind any number of Reshape, Squeeze and Unsqueeze (inside an If, too).

A pattern only stands for what computes the same as the layer it is called; the first that fits counts.
"""

from dataclasses import dataclass
from typing import Literal

# What the formula leaves open; each is a function of `service.inspection.graph.conditions`.
Condition = Literal[
    "per_channel",
    "says_batch_norm",
    "bias_of_conv",
    "bias_of_dense",
    "same_scope",
    "odd_window",
    "over_features",
    "over_space",
    "one_axis",
    "only_groups",
    "over_groups",
    "keeps_space",
]


@dataclass(frozen=True)
class Pattern:
    """`formula` is that of the layer's last node; `when` are conditions that have to hold besides."""

    kind: str
    formula: str
    when: tuple[Condition, ...] = ()


def _square(of: str) -> str:
    return f"(Mul({of}, {of}) | Pow({of}, 2))"


def _cube(of: str) -> str:
    return f"(Pow({of}, 3) | Mul({of}, {_square(of)}))"


def _product(a: str, b: str, c: str) -> str:
    """Three factors, whichever two are multiplied first."""
    return f"(Mul({a}, Mul({b}, {c})) | Mul({b}, Mul({a}, {c})) | Mul({c}, Mul({a}, {b})))"


def _root(of: str) -> str:
    return f"(Sqrt({of}) | Pow({of}, 0.5))"


def _inverse_root(of: str) -> str:
    return f"(Reciprocal({_root(of)}) | Div(1, {_root(of)}) | Pow({of}, -0.5))"


_LOCAL_RESPONSE_NORM = f"Div(x, Pow(Add(Mul(Reshaped(AveragePool(Pad(Reshaped({_square('x')})))), alpha), k), beta))"

_THREE_MORE = "Add(x, 3)"
_UP_TO_SIX = f"(Clip({_THREE_MORE}, min=0, max=6) | Min(Max({_THREE_MORE}, 0), 6) | Min(Relu({_THREE_MORE}), 6))"
_HARD_SIGMOID = f"(Div({_UP_TO_SIX}, 6) | Mul({_UP_TO_SIX}, 0.16666667))"

_ERF = "Add(Erf(Div(x, 1.41421356) | Mul(x, 0.70710678)), 1)"
_TANH_FACTOR = f"Add(Mul({_square('x')}, 0.044715), 1)"
_TANH_ARGUMENT = f"(Mul(Add(x, Mul({_cube('x')}, 0.044715)), 0.79788456) | {_product('x', '0.79788456', _TANH_FACTOR)})"
_TANH = f"Add(Tanh({_TANH_ARGUMENT}), 1)"


def _centred(of: str) -> str:
    return f"Sub({of}, ReduceMean({of}))"


def _spread(of: str) -> str:
    """The variance, as the mean of squares in two ways, and what keeps it from being zero."""
    squares = f"Sub(ReduceMean({_square(of)}), {_square(f'ReduceMean({of})')})"
    return f"Add(ReduceMean({_square(_centred(of))}) | {squares} | Max({squares}, 0), epsilon)"


def _normalized(of: str) -> str:
    centred, spread = _centred(of), _spread(of)
    return f"(Div({centred}, {_root(spread)}) | Mul({centred}, {_inverse_root(spread)}))"


_NORMALIZED = _normalized("x")
_SCALE = f"Mul({_inverse_root(_spread('x'))}, scale)"
_AFFINE = (
    f"(Add(Mul({_NORMALIZED}, scale), bias) | Add(Mul({_centred('x')}, {_SCALE}), bias)"
    f" | Add(Mul(x, {_SCALE}), Sub(bias, Mul(ReduceMean(x), {_SCALE}))))"
)

_GROUP_NORMALIZED = "Reshaped(InstanceNormalization(Reshape(x), _, _))"

_EXPONENTIALS = "(Exp(Sub(x, ReduceMax(x))) | Exp(x))"

PATTERNS = (
    # normalisation
    Pattern("local_response_norm", _LOCAL_RESPONSE_NORM, ("odd_window",)),
    Pattern("layer_norm", _AFFINE, ("over_features",)),
    Pattern("layer_norm", f"Mul({_NORMALIZED}, scale)", ("over_features",)),
    Pattern("layer_norm", _NORMALIZED, ("over_features",)),
    Pattern("instance_norm", _AFFINE, ("over_space",)),
    Pattern("instance_norm", _NORMALIZED, ("over_space",)),
    Pattern("group_norm", f"Add(Mul({_GROUP_NORMALIZED}, scale), bias)", ("only_groups",)),
    Pattern("group_norm", f"Mul({_GROUP_NORMALIZED}, scale)", ("only_groups",)),
    Pattern("group_norm", "Reshape(InstanceNormalization(Reshape(x), _, _))", ("only_groups",)),
    Pattern("group_norm", f"Add(Mul(Reshape({_normalized('Reshape(x)')}), scale), bias)", ("over_groups",)),
    Pattern("group_norm", f"Reshape({_normalized('Reshape(x)')})", ("over_groups",)),
    Pattern("batch_norm", "Add(Mul(Mul(Sub(x, mean), factor), scale), shift)", ("per_channel",)),
    Pattern("batch_norm", "Add(Mul(Div(Sub(x, mean), deviation), scale), shift)", ("per_channel",)),
    Pattern("batch_norm", "Add(Div(Mul(Sub(x, mean), scale), deviation), shift)", ("per_channel",)),
    Pattern("batch_norm", "Add(Mul(Sub(x, mean), scale), shift)", ("per_channel",)),
    Pattern("batch_norm", "Add(Mul(x, scale), shift)", ("per_channel",)),
    Pattern("batch_norm", "Sub(Mul(x, scale), shift)", ("per_channel",)),
    # an exporter leaves out a scale of ones and a shift of zeros
    Pattern("batch_norm", "Mul(x, scale) | Add(x, shift)", ("per_channel", "says_batch_norm")),
    # convolutions and dense layers whose bias, or whose flattening to a matrix, is apart
    Pattern("conv", "Add(Conv(x, weight), bias)", ("bias_of_conv",)),
    Pattern("transposed_conv", "Add(ConvTranspose(x, weight), bias)", ("bias_of_conv",)),
    Pattern("dense", "Add(Reshape(MatMul(Reshape(x), weight)), bias)", ("same_scope",)),
    Pattern("dense", "Reshape(MatMul(Reshape(x), weight))", ("same_scope",)),
    Pattern("dense", "Add(MatMul(x, weight), bias)", ("bias_of_dense",)),
    Pattern("dense", "Add(Gemm(x, weight), bias)", ("bias_of_dense",)),
    # activations
    Pattern("gelu", _product("x", "0.5", _ERF)),
    Pattern("gelu", _product("x", "0.5", _TANH)),
    Pattern("gelu", f"Mul(Mul(x, 0.5), {_ERF}) | Mul(Mul(x, 0.5), {_TANH})"),
    Pattern("quick_gelu", "Mul(x, Sigmoid(Mul(x, 1.702)))"),
    Pattern("silu", "Mul(x, Sigmoid(x))"),
    Pattern("hard_swish", f"Mul(x, {_HARD_SIGMOID}) | Div(Mul(x, {_UP_TO_SIX}), 6)"),
    Pattern("hard_swish", f"Mul(Mul(x, {_UP_TO_SIX}), 0.16666667)"),
    Pattern("hard_swish", "Mul(x, HardSigmoid(x, alpha=0.16666667, beta=0.5))"),
    Pattern("hard_swish", "Mul(x, HardSigmoid(x, alpha=0.16666667, beta=None))"),
    Pattern("hard_sigmoid", _HARD_SIGMOID),
    Pattern("mish", "Mul(x, Tanh(Softplus(x) | Log(Add(Exp(x), 1))))"),
    Pattern("leaky_relu", "Max(x, Mul(x, alpha))"),
    Pattern("prelu", "Add(Relu(x), Mul(Relu(Neg(x)), slope))"),
    Pattern("relu6", "Clip(Relu(x), max=6) | Min(Relu(x), 6) | Min(Max(x, 0), 6)"),
    Pattern("relu6", "Clip(x, min=0, max=6)"),
    Pattern("relu", "Max(x, 0) | Clip(x, min=0, max=None)"),
    Pattern("softmax", f"Div({_EXPONENTIALS}, ReduceSum({_EXPONENTIALS}))", ("one_axis",)),
    # pools over the whole picture, and channels that change places
    Pattern("global_average_pool", "ReduceMean(x)", ("over_space",)),
    Pattern("global_max_pool", "ReduceMax(x)", ("over_space",)),
    Pattern("channel_shuffle", "Reshape(Transpose(Reshape(x), perm=(0, 2, 1, 3, 4)))", ("keeps_space",)),
    Pattern("pixel_shuffle", "Reshape(Transpose(Reshape(x), perm=(0, 1, 4, 2, 5, 3)))"),
    Pattern("pixel_shuffle", "Reshape(Transpose(Reshape(x), perm=(0, 3, 4, 1, 5, 2)))"),
    Pattern("pixel_unshuffle", "Reshape(Transpose(Reshape(x), perm=(0, 1, 3, 5, 2, 4)))"),
)
