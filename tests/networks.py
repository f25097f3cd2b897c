"""Small ONNX networks for tests, made with onnx.helper: real files that ONNX Runtime runs.

Large weights are ConstantOfShape nodes, as in the `light_*.onnx` of the onnx wheel: a 61-million-parameter AlexNet
then takes a few kilobytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.shape_inference import infer_shapes

Shape = Sequence[int | str | None]
Values = Mapping[str, np.ndarray[Any, Any]]

OPSET = 20
IR_VERSION = 10
_LARGE = 100_000


@dataclass(frozen=True)
class Stage:
    """One node in a chain. Each of `weights` becomes the initializer `<name>.<key>`."""

    op_type: str
    name: str
    weights: Mapping[str, Sequence[int]] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


def conv(name: str, out: int, into: int, kernel: int, **attributes: Any) -> Stage:
    weights = {"weight": (out, into, kernel, kernel), "bias": (out,)}
    return Stage("Conv", name, weights, {"kernel_shape": [kernel, kernel], **attributes})


def pool(name: str, kernel: int, stride: int, op_type: str = "MaxPool", **attributes: Any) -> Stage:
    return Stage(op_type, name, {}, {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, **attributes})


def dense(name: str, inputs: int, outputs: int) -> Stage:
    return Stage("Gemm", name, {"weight": (outputs, inputs), "bias": (outputs,)}, {"transB": 1})


def plain(op_type: str, name: str, **attributes: Any) -> Stage:
    return Stage(op_type, name, {}, attributes)


def chain(
    stages: Sequence[Stage], shape: Shape = ("batch", 3, 32, 32), dtype: int = TensorProto.FLOAT
) -> onnx.ModelProto:
    """The stages one after the other; the tensor behind each has the stage's name."""
    nodes: list[onnx.NodeProto] = []
    weights: dict[str, Sequence[int]] = {}
    tensor = "image"
    for stage in stages:
        names = [f"{stage.name}.{key}" for key in stage.weights]
        weights |= dict(zip(names, stage.weights.values(), strict=True))
        nodes.append(helper.make_node(stage.op_type, [tensor, *names], [stage.name], **stage.attributes))
        tensor = stage.name
    return network(nodes, {"image": shape}, [tensor], weights=weights, dtype=dtype)


def network(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape | None],
    outputs: Sequence[str],
    *,
    weights: Mapping[str, Sequence[int]] | None = None,
    values: Values | None = None,
    dtype: int = TensorProto.FLOAT,
    opsets: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """A model of `nodes`; `weights` are small random numbers of a shape, `values` are initializers as they are."""
    made: list[onnx.NodeProto] = []
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in (values or {}).items()]
    numbers = np.random.default_rng(0)
    for name, shape in (weights or {}).items():
        if prod(shape) > _LARGE:
            initializers.append(numpy_helper.from_array(np.array(shape, np.int64), f"{name}__shape"))
            made.append(helper.make_node("ConstantOfShape", [f"{name}__shape"], [name]))
        else:
            initializers.append(numpy_helper.from_array(numbers.normal(0, 0.1, shape).astype(np.float32), name))
    graph = helper.make_graph(
        [*made, *nodes],
        "test",
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        initializers,
    )
    imports = [helper.make_opsetid(domain, version) for domain, version in ({"": OPSET} | dict(opsets or {})).items()]
    model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)
    shaped = infer_shapes(model).graph.output
    del model.graph.output[:]
    model.graph.output.extend(shaped)
    return model


def alexnet(size: int = 224, padding: Sequence[int] = (1, 1, 2, 2), groups: int = 1) -> onnx.ModelProto:
    """AlexNet (2012): padded by 1 and 2 on 224 pixels, or not on 227; `groups=2` is the original with two towers."""
    norm = {"size": 5, "alpha": 1e-4, "beta": 0.75, "bias": 2.0}
    stages = [
        conv("conv1", 96, 3, 11, strides=[4, 4], pads=list(padding)),
        plain("Relu", "relu1"),
        pool("pool1", 3, 2),
        plain("LRN", "norm1", **norm),
        conv("conv2", 256, 96 // groups, 5, pads=[2] * 4, group=groups),
        plain("Relu", "relu2"),
        pool("pool2", 3, 2),
        plain("LRN", "norm2", **norm),
        conv("conv3", 384, 256, 3, pads=[1] * 4),
        plain("Relu", "relu3"),
        conv("conv4", 384, 384 // groups, 3, pads=[1] * 4, group=groups),
        plain("Relu", "relu4"),
        conv("conv5", 256, 384 // groups, 3, pads=[1] * 4, group=groups),
        plain("Relu", "relu5"),
        pool("pool5", 3, 2),
        plain("Flatten", "flatten"),
        dense("fc6", 9216, 4096),
        plain("Relu", "relu6"),
        dense("fc7", 4096, 4096),
        plain("Relu", "relu7"),
        dense("fc8", 4096, 1000),
    ]
    return chain(stages, ("batch", 3, size, size))


def keras_example_1() -> onnx.ModelProto:
    """Three convolutions without padding, each with a pool, and two dense layers: 227,146 parameters."""
    stages = [
        *_conv_relu_pool("conv1", 32, 3),
        *_conv_relu_pool("conv2", 64, 32),
        *_conv_relu_pool("conv3", 128, 64),
        plain("Flatten", "flatten"),
        dense("fc1", 512, 256),
        plain("Relu", "relu_fc1"),
        dense("fc2", 256, 10),
        plain("Softmax", "probabilities"),
    ]
    return chain(stages)


def keras_example_2() -> onnx.ModelProto:
    """Two convolutions that keep the size, each with a pool, and two dense layers: 2,122,186 parameters."""
    stages = [
        *_conv_relu_pool("conv1", 32, 3, auto_pad="SAME_UPPER"),
        *_conv_relu_pool("conv2", 64, 32, auto_pad="SAME_UPPER"),
        plain("Flatten", "flatten"),
        dense("fc1", 4096, 512),
        plain("Relu", "relu_fc1"),
        dense("fc2", 512, 10),
    ]
    return chain(stages)


def own_export(size: int | None = 32) -> onnx.ModelProto:
    """As the training package exports: uint8 pixels [batch, height, width, 3], arithmetic and batch norm in the graph.

    `size=None` leaves height and width free; a global pool before the dense layer makes any size possible.
    """
    spatial: Shape = ("height", "width") if size is None else (size, size)
    nodes = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["normalized"]),
        helper.make_node("Conv", ["normalized", "conv1.weight"], ["conv2d"], pads=[1] * 4),
        helper.make_node("BatchNormalization", ["conv2d", *(f"bn1.{p}" for p in _BATCH_NORM)], ["getitem"]),
        helper.make_node("Relu", ["getitem"], ["relu"]),
        helper.make_node("MaxPool", ["relu"], ["pool"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["pool", "block.conv2.weight", "block.conv2.bias"], ["conv2d_1"], pads=[1] * 4),
        helper.make_node("Add", ["conv2d_1", "pool"], ["sum"]),
        helper.make_node("GlobalAveragePool", ["sum"], ["mean"]),
        helper.make_node("Shape", ["mean"], ["mean_shape"], start=0, end=1),
        helper.make_node("Squeeze", ["mean_shape"], ["batch_size"]),
        helper.make_node("Reshape", ["batch_size", "one_axis"], ["batch_vector"]),
        helper.make_node("Concat", ["batch_vector", "features"], ["flat_shape"], axis=0),
        helper.make_node("Reshape", ["mean", "flat_shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "fc.weight", "fc.bias"], ["logits"], transB=1),
    ]
    weights = {f"bn1.{p}": (8,) for p in _BATCH_NORM[:3]} | {
        "conv1.weight": (8, 3, 3, 3),
        "block.conv2.weight": (8, 8, 3, 3),
        "block.conv2.bias": (8,),
        "fc.weight": (10, 8),
        "fc.bias": (10,),
    }
    values: Values = {
        "bn1.running_var": np.ones(8, np.float32),
        "scale": np.array(1 / 255, np.float32),
        "shift": np.full((1, 3, 1, 1), -0.5, np.float32),
        "one_axis": np.array([-1], np.int64),
        "features": np.array([8], np.int64),
    }
    inputs = {"image": ("batch", *spatial, 3)}
    return network(nodes, inputs, ["logits"], weights=weights, values=values, dtype=TensorProto.UINT8)


def image_to_image() -> onnx.ModelProto:
    """Downwards with a dilated convolution, upwards with a transposed one and a resize, two outputs."""
    nodes = [
        helper.make_node("Conv", ["image", "down.weight"], ["down"], strides=[2, 2], pads=[1] * 4),
        helper.make_node("Conv", ["down", "wide.weight"], ["wide"], dilations=[2, 2], pads=[2] * 4),
        helper.make_node("ConvTranspose", ["wide", "up.weight"], ["up"], strides=[2, 2], kernel_shape=[2, 2]),
        helper.make_node("Concat", ["up", "image"], ["joined"], axis=1),
        helper.make_node("Resize", ["joined", "", "scales"], ["large"], mode="nearest"),
        helper.make_node("Sigmoid", ["large"], ["mask"]),
    ]
    weights = {"down.weight": (4, 3, 3, 3), "wide.weight": (4, 4, 3, 3), "up.weight": (4, 4, 2, 2)}
    values = {"scales": np.array([1, 1, 2, 2], np.float32)}
    return network(nodes, {"image": ("batch", 3, 16, 24)}, ["mask", "wide"], weights=weights, values=values)


_BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


def _conv_relu_pool(name: str, out: int, into: int, **attributes: Any) -> list[Stage]:
    return [conv(name, out, into, 3, **attributes), plain("Relu", f"relu_{name}"), pool(f"pool_{name}", 2, 2)]
