"""What people call an ONNX operator: `MaxPool` is `max_pool`, `Gemm` a `dense` layer.

A table of words; knows no graph.
"""

import re
from functools import lru_cache

from onnx.defs import has

# Only the operators whose field word is not simply their name in snake case.
_FIELD_WORDS = {
    "ConvTranspose": "transposed_conv",
    "BatchNormalization": "batch_norm",
    "InstanceNormalization": "instance_norm",
    "LayerNormalization": "layer_norm",
    "GroupNormalization": "group_norm",
    "RMSNormalization": "rms_norm",
    "LRN": "local_response_norm",
    "PRelu": "prelu",
    "LSTM": "lstm",
    "GRU": "gru",
    "RNN": "rnn",
    "Sum": "add",
    "Upsample": "resize",
    "Swish": "silu",
    "DepthToSpace": "pixel_shuffle",
    "SpaceToDepth": "pixel_unshuffle",
    "Squeeze": "reshape",
    "Unsqueeze": "reshape",
    "MatMul": "matmul",
    "QLinearConv": "quantized_conv",
    "QLinearMatMul": "quantized_matmul",
}
# What may lie between an image and the first layer that sees it as a picture.
PIXEL_ARITHMETIC = frozenset(
    {"cast", "transpose", "mul", "add", "sub", "div", "identity", "reshape", "gather", "dequantize_linear"}
)
STANDARD_DOMAINS = ("", "ai.onnx")
# ONNX Runtime's own that do what the standard ones of the same name do, for more types.
_AS_STANDARD = frozenset({("com.microsoft", "QuantizeLinear"), ("com.microsoft", "DequantizeLinear")})

# Classes of torch.nn that are several nodes in a file, by what a person calls them.
_MODULE_WORDS = {
    "LocalResponseNorm": "local_response_norm",
    "LayerNorm": "layer_norm",
    "GroupNorm": "group_norm",
    "InstanceNorm1d": "instance_norm",
    "InstanceNorm2d": "instance_norm",
    "InstanceNorm3d": "instance_norm",
    "RMSNorm": "rms_norm",
    "ChannelShuffle": "channel_shuffle",
    "PixelShuffle": "pixel_shuffle",
    "PixelUnshuffle": "pixel_unshuffle",
    "GELU": "gelu",
    "SiLU": "silu",
    "Mish": "mish",
    "Hardswish": "hard_swish",
    "Hardsigmoid": "hard_sigmoid",
    "Hardtanh": "clip",
    "ReLU6": "relu6",
    "LeakyReLU": "leaky_relu",
    "PReLU": "prelu",
    "RReLU": "leaky_relu",
    "ELU": "elu",
    "CELU": "celu",
    "SELU": "selu",
    "GLU": "glu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Softshrink": "softshrink",
    "Hardshrink": "hardshrink",
    "Tanhshrink": "tanhshrink",
    "LogSigmoid": "log_sigmoid",
    "Threshold": "thresholded_relu",
    "Softmax": "softmax",
    "Softmin": "softmin",
    "LogSoftmax": "log_softmax",
    "Softmax2d": "softmax",
}


@lru_cache(maxsize=1024)
def kind_of(op_type: str, domain: str = "") -> str:
    """The lower-case word ([a-z0-9_]) for an operator; an operator nobody knows keeps its name in snake case.

    One that has a standard operator's name in a domain of its own may mean something else: its domain stands before.
    """
    if domain not in STANDARD_DOMAINS and (domain, op_type) not in _AS_STANDARD:
        return _snake_case(f"{domain}_{op_type}" if has(op_type) else op_type)
    return _FIELD_WORDS.get(op_type) or _snake_case(op_type)


def kind_of_module(class_name: str) -> str | None:
    """What a class of torch.nn is called that a file may hold as several nodes; None for every other."""
    return _MODULE_WORDS.get(class_name)


def _snake_case(name: str) -> str:
    separated = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])", "_", name[:64])
    return re.sub(r"[^a-z0-9]+", "_", separated.lower()).strip("_") or "operator"
