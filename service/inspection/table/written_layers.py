"""Layers as a person writes them, `{"kind": "conv", "out_channels": 96, "kernel": 11}`, and the ONNX operator of each.

Knows one layer and the sizes it is given; how they follow one another is `service.inspection.table.calculator`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.inspection.shapes.arithmetic import AutoPad
from service.inspection.table.written_numbers import (
    Channels,
    Natural,
    Padding,
    Pairs,
    Positive,
    Scale,
    Sizes,
    UnfitError,
    one_for_each,
    pairs_per_axis,
    per_axis,
    times,
)

Operands = Mapping[str, Sizes | np.ndarray | None]


@dataclass(frozen=True)
class Operator:
    """A node. `operands` are its inputs behind the first: a weight's sizes, a constant, or None for one left out."""

    op_type: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    operands: Operands = field(default_factory=dict)


# --- the kinds: each makes its operator for an input [batch, channels, *spatial], or raises UnfitError


class _Layer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str | None = Field(
        default=None, pattern="^[A-Za-z0-9._-]{1,64}$", description="name of the row; unset: the kind and its number"
    )


class _Windowed(_Layer):
    kernel: Positive = Field(description="one number, or one per axis: [height, width]")
    padding: Padding = Field(default=0, description="one number, [height, width], or [[top, bottom], [left, right]]")
    auto_pad: AutoPad = Field(default="NOTSET", description="SAME_UPPER, SAME_LOWER, VALID decide the padding instead")

    def window(self, axes: Sizes, stride: int | Sizes, dilation: int | Sizes) -> dict[str, Any]:
        """The attributes that convolutions and poolings share."""
        if self.auto_pad != "NOTSET" and self.padding != 0:
            raise UnfitError("padding", self.padding, f"leave it out, auto_pad={self.auto_pad} decides it")
        pads = _onnx_pads(pairs_per_axis("padding", self.padding, axes))
        return {
            "kernel_shape": per_axis("kernel", self.kernel, axes),
            "strides": per_axis("stride", stride, axes),
            "dilations": per_axis("dilation", dilation, axes),
        } | ({"pads": pads} if self.auto_pad == "NOTSET" else {"auto_pad": self.auto_pad})


class _Convolution(_Windowed):
    out_channels: Channels = Field(description="how many filters")
    stride: Positive = 1
    dilation: Positive = 1
    groups: Channels = Field(
        default=1, description="into how many the channels are divided; as many as channels: depthwise"
    )
    bias: bool = Field(default=True, strict=True)

    def attributes(self, kind: str, before: Sizes) -> dict[str, Any]:
        window = self.window(_axes(kind, before), self.stride, self.dilation)
        for name, channels in (("input", before[1]), ("output", self.out_channels)):
            if channels % self.groups:
                raise UnfitError("groups", self.groups, f"it must divide the {channels} {name} channels")
        return window | {"group": self.groups}

    def operands(self, *weight: int) -> Operands:
        return {"weight": weight, "bias": (self.out_channels,)} if self.bias else {"weight": weight}


class Convolution(_Convolution):
    kind: Literal["conv"]

    def operator(self, before: Sizes) -> Operator:
        attributes = self.attributes(self.kind, before)
        weight = (self.out_channels, before[1] // self.groups, *attributes["kernel_shape"])
        return Operator("Conv", attributes, self.operands(*weight))


class TransposedConvolution(_Convolution):
    kind: Literal["transposed_conv"]
    output_padding: Natural = Field(default=0, description="rows and columns added at the end of the output")

    def operator(self, before: Sizes) -> Operator:
        attributes = self.attributes(self.kind, before)
        extra = per_axis("output_padding", self.output_padding, before[2:])
        if any(extra) and self.auto_pad.startswith("SAME"):
            raise UnfitError(
                "output_padding", self.output_padding, f"leave it out, auto_pad={self.auto_pad} decides it"
            )
        steps = map(max, attributes["strides"], attributes["dilations"])
        if any(added and added >= step for added, step in zip(extra, steps, strict=True)):
            remedy = "it must be smaller than the stride or the dilation"
            raise UnfitError("output_padding", self.output_padding, remedy)
        weight = (before[1], self.out_channels // self.groups, *attributes["kernel_shape"])
        return Operator("ConvTranspose", attributes | {"output_padding": extra}, self.operands(*weight))


class Pooling(_Windowed):
    kind: Literal["max_pool", "average_pool", "lp_pool"]
    stride: Positive | None = Field(default=None, description="unset: the kernel, so that windows do not overlap")
    dilation: Positive = 1
    ceil_mode: bool = Field(default=False, strict=True, description="a last window that is not full counts too")

    def operator(self, before: Sizes) -> Operator:
        stride = self.kernel if self.stride is None else self.stride
        window = self.window(_axes(self.kind, before), stride, self.dilation)
        if any(pad >= kernel for pad, kernel in zip(window.get("pads", ()), 2 * window["kernel_shape"], strict=False)):
            raise UnfitError("padding", self.padding, "it must be smaller than the kernel: a window would see nothing")
        op_type = {"max_pool": "MaxPool", "average_pool": "AveragePool", "lp_pool": "LpPool"}[self.kind]
        return Operator(op_type, window | {"ceil_mode": int(self.ceil_mode)})


class GlobalPooling(_Layer):
    kind: Literal["global_average_pool", "global_max_pool"]

    def operator(self, before: Sizes) -> Operator:
        _axes(self.kind, before)
        return Operator("GlobalAveragePool" if self.kind == "global_average_pool" else "GlobalMaxPool")


class Dense(_Layer):
    kind: Literal["dense"]
    units: Channels = Field(description="how many outputs")
    bias: bool = Field(default=True, strict=True)

    def operator(self, before: Sizes) -> Operator:
        if len(before) != 2:
            raise UnfitError("kind", "dense", f'its input is {times(before[1:])}: put {{"kind": "flatten"}} before it')
        weight = {"weight": (self.units, before[1])}
        return Operator("Gemm", {"transB": 1}, {**weight, "bias": (self.units,)} if self.bias else weight)


class Pointwise(_Layer):
    """What leaves the size as it is and learns nothing."""

    kind: Literal[
        "relu", "leaky_relu", "elu", "selu", "gelu", "sigmoid", "hard_sigmoid", "hard_swish", "tanh", "softplus",
        "softmax", "dropout",
    ]  # fmt: skip

    def operator(self, _before: Sizes) -> Operator:
        op_type = "".join(part.capitalize() for part in self.kind.split("_"))
        return Operator(op_type, {"axis": 1} if self.kind == "softmax" else {})


class Flatten(_Layer):
    kind: Literal["flatten"]

    def operator(self, _before: Sizes) -> Operator:
        return Operator("Flatten")


class BatchNorm(_Layer):
    kind: Literal["batch_norm"]

    def operator(self, before: Sizes) -> Operator:
        parts = ("scale", "shift", "mean", "variance")
        return Operator("BatchNormalization", {}, dict.fromkeys(parts, (before[1],)))


class LocalResponseNorm(_Layer):
    kind: Literal["local_response_norm"]
    size: Channels = Field(default=5, description="over how many neighbouring channels")

    def operator(self, before: Sizes) -> Operator:
        _axes(self.kind, before)
        return Operator("LRN", {"size": self.size})


class Resize(_Layer):
    kind: Literal["resize", "upsample"]
    scale: Scale = Field(description="how many times larger; below 1 smaller. One number, or one per axis")
    mode: Literal["nearest", "linear"] = "nearest"

    def operator(self, before: Sizes) -> Operator:
        axes = _axes(self.kind, before)
        scales = self.scale if isinstance(self.scale, tuple) else (self.scale,) * len(axes)
        if len(scales) != len(axes):
            raise UnfitError("scale", list(scales), one_for_each(axes))
        return Operator("Resize", {"mode": self.mode}, {"roi": None, "scales": np.array([1, 1, *scales], np.float32)})


class Pad(_Layer):
    kind: Literal["pad"]
    padding: Padding = Field(description="zeros: one number, [height, width], or [[top, bottom], [left, right]]")

    def operator(self, before: Sizes) -> Operator:
        pairs = ((0, 0), (0, 0), *pairs_per_axis("padding", self.padding, _axes(self.kind, before)))
        return Operator("Pad", {}, {"pads": np.array(_onnx_pads(pairs), np.int64)})


WrittenLayer = Annotated[
    Convolution
    | TransposedConvolution
    | Pooling
    | GlobalPooling
    | Dense
    | Pointwise
    | Flatten
    | BatchNorm
    | LocalResponseNorm
    | Resize
    | Pad,
    Field(discriminator="kind"),
]


# --- parts


def _axes(kind: str, before: Sizes) -> Sizes:
    """The sizes of the axes that a window moves along."""
    if len(before) < 3:
        raise UnfitError("kind", kind, f"its input is flat ({before[1]} values): put it before the flatten")
    return before[2:]


def _onnx_pads(pairs: Pairs) -> Sizes:
    """ONNX lists the beginnings of all axes, then the ends."""
    return tuple(begin for begin, _ in pairs) + tuple(end for _, end in pairs)
