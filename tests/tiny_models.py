"""Tiny real classifiers, built in a millisecond: one convolution, global pooling, one dense layer, seeded weights."""

from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8


def classifier(
    *,
    channels: int = 3,
    side: int | str = 8,
    classes: int = 4,
    batch: int | str = "batch",
    layout: Literal["NCHW", "NHWC"] = "NCHW",
    dtype: int = FLOAT,
    ending: Literal["Softmax", "Sigmoid"] | None = None,
    seed: int = 0,
) -> onnx.ModelProto:
    """image -> [cast, transpose] -> conv 3x3 -> relu -> global average -> flatten -> dense -> [ending]."""
    random = np.random.default_rng(seed)
    weights = {
        "conv.weight": random.normal(size=(5, channels, 3, 3)),
        "conv.bias": random.normal(size=5),
        "dense.weight": random.normal(size=(classes, 5)),
        "dense.bias": random.normal(size=classes),
    }
    nodes, image = _as_nchw_float(layout, dtype)
    nodes += [
        helper.make_node("Conv", [image, "conv.weight", "conv.bias"], ["conv"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense.weight", "dense.bias"], ["logits"], transB=1),
    ]
    output = "logits"
    if ending:
        nodes.append(helper.make_node(ending, ["logits"], ["scores"]))
        output = "scores"
    shape = [batch, channels, side, side] if layout == "NCHW" else [batch, side, side, channels]
    return model(nodes, weights, ("image", dtype, shape), (output, FLOAT, [batch, classes]))


def model(
    nodes: list[onnx.NodeProto],
    weights: dict[str, np.ndarray],
    image: tuple[str, int, list[int | str]],
    *outputs: tuple[str, int, list[int | str]],
) -> onnx.ModelProto:
    """Any graph with one input, as a model of opset 20."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(*image)],
        [helper.make_tensor_value_info(*output) for output in outputs],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def _as_nchw_float(layout: str, dtype: int) -> tuple[list[onnx.NodeProto], str]:
    nodes, tensor = [], "image"
    if dtype != FLOAT:
        nodes.append(helper.make_node("Cast", [tensor], ["float"], to=FLOAT))
        tensor = "float"
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", [tensor], ["nchw"], perm=[0, 3, 1, 2]))
        tensor = "nchw"
    return nodes, tensor


def upscaler() -> onnx.ModelProto:
    """A network that gives a picture, not classes: one convolution on a grey uint8 image."""
    nodes, image = _as_nchw_float("NHWC", UINT8)
    nodes.append(helper.make_node("Conv", [image, "conv.weight"], ["picture"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
    weights = {"conv.weight": np.ones((4, 1, 3, 3))}
    return model(nodes, weights, ("image", UINT8, ["batch", 8, 8, 1]), ("picture", FLOAT, ["batch", 4, 8, 8]))


def counting(limit: int) -> onnx.ModelProto:
    """A network that counts so far before it answers."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["condition"], ["go_on"]), helper.make_node("Relu", ["value"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", FLOAT, None),
        ],
    )
    model = classifier()
    model.graph.node.append(helper.make_node("Loop", ["trips", "", "logits"], ["late"], body=body))
    model.graph.initializer.append(numpy_helper.from_array(np.array(limit, np.int64), "trips"))
    model.graph.output[0].name = "late"
    return model


def slow_on_white() -> onnx.ModelProto:
    """A grey uint8 classifier that takes a minute for a white image and no time for one with a black pixel."""
    body = helper.make_graph(
        [
            helper.make_node("Add", ["scores_in", "one"], ["scores_out"]),
            helper.make_node("Identity", ["go_on"], ["goes_on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("scores_in", FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("scores_out", FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["scores"], keepdims=0),
        helper.make_node("ReduceMin", ["float"], ["darkest"], keepdims=0),
        helper.make_node("Mul", ["darkest", "many"], ["times"]),
        helper.make_node("Cast", ["times"], ["trips"], to=TensorProto.INT64),
        helper.make_node("Loop", ["trips", "", "scores"], ["looped"], body=body),
        helper.make_node("Concat", ["looped", "looped"], ["logits"], axis=1),
    ]
    weights = {"many": np.array(100_000), "one": np.array(1)}
    made = model(nodes, weights, ("image", UINT8, ["batch", 8, 8, 1]), ("logits", FLOAT, ["batch", 2]))
    made.graph.initializer.append(numpy_helper.from_array(np.array([1, 2], np.int64), "axes"))
    return made


def no_answer_to_white() -> onnx.ModelProto:
    """A grey uint8 classifier that divides by how much darker than white the image is."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["white", "mean"], ["darker"]),
        helper.make_node("Div", ["mean", "darker"], ["score"]),
        helper.make_node("Concat", ["score", "mean"], ["logits"], axis=1),
    ]
    made = model(nodes, {"white": np.array(255)}, ("image", UINT8, ["batch", 8, 8, 1]), ("logits", FLOAT, ["batch", 2]))
    made.graph.initializer.append(numpy_helper.from_array(np.array([1, 2], np.int64), "axes"))
    return made
