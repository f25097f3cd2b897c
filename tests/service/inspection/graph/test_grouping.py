"""Nodes that belong together are one layer, and no others."""

from collections.abc import Callable, Mapping, Sequence
from math import erf, pi, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from service.inspection.graph.constants import constants_of, opset_of
from service.inspection.graph.grouping import grouped
from service.inspection.graph.layers import Layer, layer_named, layers
from service.inspection.graph.matching import Budget, graph_of, matches
from service.inspection.shapes.layer_shapes import layer_shapes
from tests import light_networks
from tests.networks import Values, chain, conv, dense, network, plain

EXPORTS = Path(__file__).parent / "exports"
Array = np.ndarray[Any, np.dtype[Any]]
Line = tuple[str, list[str], str] | tuple[str, list[str], str, dict[str, Any]]

CHANNELS = 6
CONSTANTS: Values = {
    **{str(value): np.array(value, np.float32) for value in (0, 0.5, 1, 2, 3, 6, 1 / 6, 1.702, 0.044715)},
    "1.414": np.array(sqrt(2), np.float32),
    "0.707": np.array(sqrt(0.5), np.float32),
    "0.797": np.array(sqrt(2 / pi), np.float32),
    "slope": np.array(0.1, np.float32),
    "eps": np.array(1e-3, np.float32),
    "alpha": np.array(0.03, np.float32),
    "beta": np.array(0.6, np.float32),
    "scale": np.linspace(0.5, 2, CHANNELS, dtype=np.float32).reshape(1, CHANNELS, 1, 1),
    "shift": np.linspace(-1, 1, CHANNELS, dtype=np.float32).reshape(1, CHANNELS, 1, 1),
    "deep": np.array([0, 1, CHANNELS, 8, 8], np.int64),
    "around": np.array([0, 0, 2, 0, 0, 0, 0, 2, 0, 0], np.int64),
    "later": np.array([0, 0, 1, 0, 0, 0, 0, 3, 0, 0], np.int64),
    "second": np.array([1], np.int64),
    "space": np.array([2, 3], np.int64),
    "shape": np.array([0, CHANNELS, 8, 8], np.int64),
    "two": np.array([0, 2, -1], np.int64),
    "ones": np.ones(2, np.float32),
    "zeros": np.zeros(2, np.float32),
    "twos": np.full(2, 2, np.float32),
    "tokens": np.array([0, 3, 2, 64], np.int64),
    "halves": np.array([0, 2, 3, 8, 8], np.int64),
}


def graph(lines: Sequence[Line], *also: str, shape: Sequence[int] = (1, CHANNELS, 8, 8)) -> onnx.ModelProto:
    """`image -> Relu -> x`, the lines, and whatever is in CONSTANTS; the last line's tensor is the output."""
    nodes = [helper.make_node("Relu", ["image"], ["x"])]
    nodes += [helper.make_node(line[0], line[1], [line[2]], **(line[3] if len(line) == 4 else {})) for line in lines]
    read = {name for node in nodes for name in node.input}
    if "limit" in read:
        nodes.insert(0, helper.make_node("Add", ["3", "3"], ["limit"]))
        read.add("3")
    values = {name: value for name, value in CONSTANTS.items() if name in read}
    return network(nodes, {"image": tuple(shape)}, [lines[-1][2], *also], values=values)


def kinds(model: onnx.ModelProto) -> list[str]:
    return [layer.kind for layer in layers(model)]


def computed(model: onnx.ModelProto, tensors: Sequence[str], feed: Mapping[str, Array]) -> list[Array]:
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    known = {value.name for value in exposed.graph.output}
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors if name not in known)
    session = ort.InferenceSession(exposed.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(array) for array in session.run(list(tensors), dict(feed))]


def picture(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


# --- what a kind with its settings computes


def _lrn(x: Array, layer: Layer) -> Array:
    given: dict[str, Any] = {name: layer.settings[name] for name in ("size", "alpha", "beta", "bias")}
    node = helper.make_node("LRN", ["x"], ["y"], **given)
    return computed(network([node], {"x": x.shape}, ["y"]), ["y"], {"x": x})[0]


def _gelu(x: Array, _layer: Layer) -> Array:
    return np.asarray(x * 0.5 * (1 + np.vectorize(erf)(x / sqrt(2))))


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _layer_norm(x: Array, layer: Layer) -> Array:
    axes, epsilon = layer.integers("axes"), layer.settings["epsilon"]
    assert axes is not None
    assert isinstance(epsilon, float)
    return np.asarray((x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon))


def _softmax(x: Array, layer: Layer) -> Array:
    axis = layer.settings["axis"]
    assert isinstance(axis, int)
    return np.asarray(np.exp(x) / np.exp(x).sum(axis, keepdims=True))


MEANINGS: Mapping[str, Callable[[Array, Layer], Array]] = {
    "local_response_norm": _lrn,
    "gelu": _gelu,
    "quick_gelu": lambda x, _: x * _sigmoid(1.702 * x),
    "silu": lambda x, _: x * _sigmoid(x),
    "mish": lambda x, _: x * np.tanh(np.log1p(np.exp(x))),
    "hard_sigmoid": lambda x, _: np.clip(x + 3, 0, 6) / 6,
    "hard_swish": lambda x, _: x * np.clip(x + 3, 0, 6) / 6,
    "relu": lambda x, _: np.maximum(x, 0),
    "relu6": lambda x, _: np.clip(x, 0, 6),
    "leaky_relu": lambda x, layer: np.where(x > 0, x, float(str(layer.settings["alpha"])) * x),
    "layer_norm": _layer_norm,
    "softmax": _softmax,
    "global_average_pool": lambda x, layer: x.mean(layer.integers("axes"), keepdims=True),
    "global_max_pool": lambda x, layer: x.max(layer.integers("axes"), keepdims=True),
    "channel_shuffle": lambda x, _: x.reshape(1, 2, 3, 8, 8).swapaxes(1, 2).reshape(x.shape),
}

SQUARE: Line = ("Mul", ["x", "x"], "square")
CENTRED: list[Line] = [("ReduceMean", ["x", "second"], "mean"), ("Sub", ["x", "mean"], "centred")]
VARIANCE: list[Line] = [
    ("Pow", ["centred", "2"], "squares"),
    ("ReduceMean", ["squares", "second"], "variance"),
    ("Add", ["variance", "eps"], "safe"),
    ("Sqrt", ["safe"], "deviation"),
]
THREE: list[Line] = [("Add", ["x", "3"], "a"), ("Clip", ["a", "0", "6"], "b")]
EXPONENTIALS: list[Line] = [
    ("ReduceMax", ["x", "second"], "max"),
    ("Sub", ["x", "max"], "less"),
    ("Exp", ["less"], "e"),
    ("ReduceSum", ["e", "second"], "sum"),
]
ERF: list[Line] = [("Div", ["x", "1.414"], "a"), ("Erf", ["a"], "b"), ("Add", ["b", "1"], "c")]
TANH: list[Line] = [
    ("Pow", ["x", "3"], "cube"),
    ("Mul", ["cube", "0.044715"], "a"),
    ("Add", ["x", "a"], "b"),
    ("Mul", ["b", "0.797"], "d"),
    ("Tanh", ["d"], "e"),
    ("Add", ["e", "1"], "f"),
]


def lrn(pads: str = "around", size: int = 5) -> list[Line]:
    return [
        SQUARE,
        ("Reshape", ["square", "deep"], "a"),
        ("Pad", ["a", pads], "b"),
        ("AveragePool", ["b"], "c", {"kernel_shape": [size, 1, 1], "strides": [1, 1, 1]}),
        ("Squeeze", ["c", "second"], "d"),
        ("Mul", ["d", "alpha"], "e"),
        ("Add", ["e", "2"], "f"),
        ("Pow", ["f", "beta"], "g"),
        ("Div", ["x", "g"], "y"),
    ]


WRITTEN: list[tuple[str, list[Line]]] = [
    ("local_response_norm", lrn()),
    ("gelu", [*ERF, ("Mul", ["x", "c"], "d"), ("Mul", ["d", "0.5"], "y")]),
    ("gelu", [*ERF, ("Mul", ["0.5", "c"], "d"), ("Mul", ["x", "d"], "y")]),
    ("gelu", [*ERF, ("Mul", ["x", "0.5"], "d"), ("Mul", ["d", "c"], "y")]),
    ("gelu", [*TANH, ("Mul", ["x", "0.5"], "g"), ("Mul", ["g", "f"], "y")]),
    ("quick_gelu", [("Mul", ["x", "1.702"], "a"), ("Sigmoid", ["a"], "b"), ("Mul", ["x", "b"], "y")]),
    ("silu", [("Sigmoid", ["x"], "a"), ("Mul", ["a", "x"], "y")]),
    ("mish", [("Softplus", ["x"], "a"), ("Tanh", ["a"], "b"), ("Mul", ["x", "b"], "y")]),
    ("hard_sigmoid", [*THREE, ("Div", ["b", "6"], "y")]),
    ("hard_sigmoid", [*THREE, ("Mul", ["b", str(1 / 6)], "y")]),
    ("hard_swish", [*THREE, ("Div", ["b", "6"], "c"), ("Mul", ["x", "c"], "y")]),
    ("hard_swish", [*THREE, ("Mul", ["x", "b"], "c"), ("Div", ["c", "6"], "y")]),
    ("hard_swish", [("HardSigmoid", ["x"], "a", {"alpha": 1 / 6}), ("Mul", ["x", "a"], "y")]),
    ("relu", [("Max", ["x", "0"], "y")]),
    ("relu6", [("Clip", ["x", "0", "6"], "y")]),
    ("relu6", [("Relu", ["x"], "a"), ("Min", ["a", "6"], "y")]),
    ("leaky_relu", [("Mul", ["x", "slope"], "a"), ("Max", ["x", "a"], "y")]),
    ("layer_norm", [*CENTRED, *VARIANCE, ("Div", ["centred", "deviation"], "y")]),
    ("softmax", [*EXPONENTIALS, ("Div", ["e", "sum"], "y")]),
    ("global_average_pool", [("ReduceMean", ["x", "space"], "y")]),
    ("global_max_pool", [("ReduceMax", ["x", "space"], "y")]),
    (
        "channel_shuffle",
        [
            ("Reshape", ["x", "halves"], "a"),
            ("Transpose", ["a"], "b", {"perm": [0, 2, 1, 3, 4]}),
            ("Reshape", ["b", "shape"], "y"),
        ],
    ),
]


@pytest.mark.parametrize(("kind", "lines"), WRITTEN, ids=[f"{kind}-{place}" for place, (kind, _) in enumerate(WRITTEN)])
def test_a_layer_written_as_several_nodes_is_one_that_computes_what_its_kind_and_settings_say(
    kind: str, lines: list[Line]
) -> None:
    # Not behind a ReLU here: negative numbers count.
    model = graph(lines)
    model.graph.node[0].op_type = "Tanh"
    _, layer = layers(model)
    assert (layer.kind, layer.inputs, layer.output) == (kind, ("x",), "y")
    x, y = computed(model, ["x", "y"], {"image": 3 * picture(1, CHANNELS, 8, 8)})
    np.testing.assert_allclose(y, MEANINGS[kind](x, layer), atol=2e-3 if "Tanh" in layer.op_types else 2e-5)


def test_the_settings_of_a_local_response_norm_are_those_of_the_file() -> None:
    layer = layers(graph(lrn()))[1]
    assert layer.settings == pytest.approx({"size": 5, "alpha": 0.03, "beta": 0.6, "bias": 2.0})


def test_a_local_response_norm_whose_window_is_not_onnxs_stays_apart() -> None:
    assert "local_response_norm" not in kinds(graph(lrn("later")))
    assert "local_response_norm" not in kinds(graph(lrn(size=4)))


@pytest.mark.parametrize("name", ["a", "b", "g"])
def test_a_layer_whose_inner_tensor_is_an_output_of_the_network_stays_apart(name: str) -> None:
    assert "local_response_norm" not in kinds(graph(lrn(), name))


def test_a_layer_whose_inner_tensor_is_read_elsewhere_stays_apart() -> None:
    lines: list[Line] = [("Sigmoid", ["x"], "a"), ("Mul", ["a", "x"], "b"), ("Add", ["a", "b"], "y")]
    assert kinds(graph(lines)) == ["relu", "sigmoid", "mul", "add"]


@pytest.mark.parametrize(
    "lines",
    [
        [*THREE, ("Div", ["b", "3"], "y")],
        [("Add", ["x", "2"], "a"), ("Clip", ["a", "0", "6"], "b"), ("Div", ["b", "6"], "y")],
        [("Sigmoid", ["x"], "a"), ("Tanh", ["x"], "b"), ("Mul", ["a", "b"], "y")],
        [("Div", ["x", "2"], "a"), ("Erf", ["a"], "b"), ("Add", ["b", "1"], "c"), ("Mul", ["x", "c"], "y")],
        [("Clip", ["x", "0", "3"], "y")],
        [("Clip", ["x", "0", "limit"], "y")],
        [("HardSigmoid", ["x"], "a", {"alpha": 1 / 6, "beta": 0.3}), ("Mul", ["x", "a"], "y")],
        [("Exp", ["x"], "e"), ("ReduceSum", ["e", "space"], "s"), ("Div", ["e", "s"], "y")],
        [
            ("Reshape", ["x", "two"], "a"),
            ("InstanceNormalization", ["a", "twos", "zeros"], "b"),
            ("Reshape", ["b", "shape"], "y"),
        ],
        [
            ("Reshape", ["x", "halves"], "a"),
            ("Transpose", ["a"], "b", {"perm": [0, 2, 1, 3, 4]}),
            ("Reshape", ["b", "tokens"], "y"),
        ],
        [("ReduceMean", ["x", "second"], "y")],
    ],
)
def test_what_only_looks_like_a_known_layer_stays_what_it_is(lines: list[Line]) -> None:
    assert kinds(graph(lines))[-1] in ("div", "mul", "clip", "reduce_mean", "reshape")


# --- batch normalisation, biases


def test_a_scale_and_a_shift_per_channel_are_a_batch_norm_with_two_numbers_per_channel() -> None:
    lines: list[Line] = [("Mul", ["x", "scale"], "a"), ("Add", ["shift", "a"], "y")]
    row = layer_shapes(graph(lines)).layers[1]
    assert (row.kind, row.op_types, row.parameters) == ("batch_norm", ("Mul", "Add"), 2 * CHANNELS)


def test_a_batch_norm_with_its_mean_and_deviation_is_one() -> None:
    lines: list[Line] = [
        ("Sub", ["x", "shift"], "a"),
        ("Div", ["a", "scale"], "b"),
        ("Mul", ["b", "scale"], "c"),
        ("Add", ["c", "shift"], "y"),
    ]
    row = layer_shapes(graph(lines)).layers[1]
    assert (row.kind, row.parameters) == ("batch_norm", 2 * CHANNELS)


def test_the_same_arithmetic_on_the_image_is_preprocessing() -> None:
    lines: list[Line] = [("Mul", ["image", "scale"], "a"), ("Add", ["a", "shift"], "y")]
    found = layers(graph(lines))
    assert [(layer.kind, layer.stage) for layer in found[1:]] == [("mul", "preprocessing"), ("add", "preprocessing")]


def test_a_scale_and_a_shift_behind_a_normalisation_belong_to_it() -> None:
    normalized: list[Line] = [*CENTRED, *VARIANCE, ("Div", ["centred", "deviation"], "n")]
    affine: list[Line] = [("Mul", ["n", "scale"], "s"), ("Add", ["s", "shift"], "y")]
    layer = layers(graph([*normalized, *affine]))[1]
    assert (layer.kind, layer.weights) == ("layer_norm", ("scale", "shift"))


def test_a_scale_and_a_shift_behind_a_quotient_are_no_batch_norm() -> None:
    """They may belong to a normalisation that nobody here knows."""
    quotient: list[Line] = [("ReduceMax", ["x", "second"], "m"), ("Div", ["x", "m"], "q")]
    lines: list[Line] = [*quotient, ("Mul", ["q", "scale"], "s"), ("Add", ["s", "shift"], "y")]
    assert kinds(graph(lines))[-2:] == ["mul", "add"]


def test_a_group_norm_has_its_groups_and_two_numbers_per_channel() -> None:
    lines: list[Line] = [
        ("Reshape", ["x", "two"], "a"),
        ("InstanceNormalization", ["a", "ones", "zeros"], "b", {"epsilon": 1e-3}),
        ("Reshape", ["b", "shape"], "c"),
        ("Mul", ["c", "scale"], "d"),
        ("Add", ["d", "shift"], "y"),
    ]
    model = graph(lines)
    layer, row = layers(model)[1], layer_shapes(model).layers[1]
    assert (layer.kind, layer.settings["num_groups"], row.parameters) == ("group_norm", 2, 2 * CHANNELS)
    assert row.receptive_field is not None
    assert row.receptive_field.status == "whole_image"


def convolution(bias: Array, *, own: bool = False) -> onnx.ModelProto:
    inputs = ["image", "conv1.weight", *(["own"] if own else [])]
    nodes = [helper.make_node("Conv", inputs, ["c"]), helper.make_node("Add", ["c", "bias"], ["y"])]
    values: Values = {"bias": bias, "own": np.ones(4, np.float32)}
    return network(nodes, {"image": (1, 3, 8, 8)}, ["y"], weights={"conv1.weight": (4, 3, 3, 3)}, values=values)


@pytest.mark.parametrize("shape", [(4, 1, 1), (1, 4, 1, 1)])
def test_a_convolution_and_its_bias_are_one(shape: tuple[int, ...]) -> None:
    (row,) = layer_shapes(convolution(np.ones(shape, np.float32))).layers
    assert (row.id, row.kind, row.kernel, row.parameters, row.macs) == ("conv1", "conv", (3, 3), 112, 36 * 4 * 27)


@pytest.mark.parametrize(
    "model",
    [
        convolution(np.ones((1, 4, 1, 1), np.float32), own=True),
        convolution(np.ones((1, 1, 6, 6), np.float32)),
        convolution(np.ones((6,), np.float32)),
        convolution(np.ones((1, 1, 1, 1), np.float32)),
    ],
    ids=["a second bias", "one per place", "one per column", "one for all"],
)
def test_what_is_added_to_a_convolution_and_is_no_bias_stays_apart(model: onnx.ModelProto) -> None:
    assert kinds(model) == ["conv", "add"]


def test_one_number_added_to_several_products_is_no_bias() -> None:
    nodes = [helper.make_node("MatMul", ["x", "fc.weight"], ["p"]), helper.make_node("Add", ["p", "b"], ["y"])]
    values: Values = {"b": np.ones(1, np.float32)}
    model = network(nodes, {"x": (1, 4)}, ["y"], weights={"fc.weight": (4, 3)}, values=values)
    assert kinds(model) == ["dense", "add"]


# --- padding


def padded(
    op_type: str, value: float, pads: Sequence[int] = (0, 0, 1, 0, 0, 0, 2, 1), **attributes: Any
) -> Layer | None:
    """The pooling or convolution, if the padding before it became its own."""
    name, pad_name, own = (attributes.pop(key, None) for key in ("name", "pad_name", "own"))
    attributes |= {"pads": own} if own else {}
    inputs = ["p", *(["conv1.weight"] if op_type == "Conv" else [])]
    kernel: dict[str, Any] = {} if op_type == "Conv" else {"kernel_shape": [3, 3]}
    nodes = [
        helper.make_node("Pad", ["image", "pads", "value"], ["p"], name=pad_name),
        helper.make_node(op_type, inputs, ["y"], name=name, **kernel, **attributes),
        helper.make_node("Relu", ["y"], ["z"], name="model/relu/Relu"),
    ]
    values: Values = {"pads": np.array(pads, np.int64), "value": np.array(value, np.float32)}
    weights = {"conv1.weight": (4, 3, 3, 3)} if op_type == "Conv" else {}
    model = network(nodes, {"image": (1, 3, 8, 8)}, ["z"], weights=weights, values=values)
    first = layers(model)[0]
    if first.kind == "pad":
        return None
    table = layer_shapes(model)
    (y,) = computed(model, ["y"], {"image": picture(1, 3, 8, 8)})
    assert table.layers[0].output_shape == y.shape
    return first


def test_padding_before_a_convolution_is_that_of_the_convolution() -> None:
    layer = padded("Conv", 0)
    assert layer is not None
    assert (layer.padding, layer.inputs, layer.op_types) == (((1, 2), (0, 1)), ("image",), ("Pad", "Conv"))


def test_padding_before_a_convolution_that_pads_too_is_added() -> None:
    layer = padded("Conv", 0, strides=[2, 2], own=[1, 0, 1, 0])
    assert layer is not None
    assert layer.padding == ((2, 3), (0, 1))


def test_padding_with_the_lowest_number_is_that_of_a_maximum() -> None:
    assert padded("MaxPool", float("-inf")) is not None
    assert padded("MaxPool", 0) is None


def test_zeros_before_an_average_are_counted_by_it() -> None:
    layer = padded("AveragePool", 0)
    assert layer is not None
    assert layer.settings["count_include_pad"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"value": 1.0},
        {"value": 0, "pads": (0, 1, 1, 1, 0, 1, 1, 1)},
        {"value": 0, "pads": (0, 0, -1, 0, 0, 0, 0, 0)},
        {"value": 0, "auto_pad": "SAME_UPPER"},
    ],
    ids=["ones", "channels", "cropping", "a window that pads by itself"],
)
def test_padding_that_the_window_could_not_do_is_a_layer(arguments: dict[str, Any]) -> None:
    assert padded("Conv", **arguments) is None


def test_padding_that_was_written_as_a_layer_is_one() -> None:
    assert padded("Conv", 0, pad_name="model/conv1_pad/Pad", name="model/conv1/Conv2D") is None
    assert padded("Conv", 0, pad_name="model/conv1/Pad", name="model/conv1/Conv2D") is not None


# --- Identity, layout, quantisation


def test_an_identity_is_no_layer_and_its_name_is_one_of_its_makers() -> None:
    nodes = [
        helper.make_node("Relu", ["image"], ["a"]),
        helper.make_node("Identity", ["a"], ["b"]),
        helper.make_node("Sigmoid", ["b"], ["c"]),
        helper.make_node("Mul", ["a", "c"], ["d"]),
        helper.make_node("Identity", ["d"], ["scores"]),
    ]
    model = network(nodes, {"image": (1, 3, 8, 8)}, ["scores"])
    relu, silu = layers(model)
    assert (relu.outputs, silu.kind, silu.outputs) == (("a", "b"), "silu", ("d", "scores"))
    assert [row.inputs for row in layer_shapes(model).layers] == [("image",), (relu.id,)]


def test_a_dropout_that_does_nothing_any_more_stays_a_layer() -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=repr(["", "drop", "clone"]))
    classes = repr(["net.Net", "torch.nn.modules.dropout.Dropout", "aten.clone.default"])
    node.metadata_props.add(key="pkg.torch.onnx.class_hierarchy", value=classes)
    nodes = [helper.make_node("Relu", ["image"], ["x"]), node]
    assert kinds(network(nodes, {"image": (1, 3)}, ["y"])) == ["relu", "dropout"]


def transposed(producer: str) -> list[str]:
    nodes = [
        helper.make_node("Relu", ["image"], ["x"]),
        helper.make_node("Transpose", ["x"], ["y"], perm=[0, 2, 3, 1]),
        helper.make_node("Transpose", ["y"], ["z"], perm=[0, 2, 1, 3]),
    ]
    model = network(nodes, {"image": (1, 3, 8, 8)}, ["z"])
    model.producer_name = producer
    return [layer.stage for layer in layers(model)]


def test_moving_the_channels_to_the_other_end_is_layout_unless_a_person_wrote_it() -> None:
    assert transposed("tf2onnx") == ["network", "layout", "network"]
    assert transposed("pytorch") == ["network", "network", "network"]


def test_quantising_is_a_stage_of_its_own() -> None:
    nodes = [
        helper.make_node("Relu", ["image"], ["x"]),
        helper.make_node("QuantizeLinear", ["x", "s"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s"], ["y"]),
    ]
    model = network(nodes, {"image": (1, 3)}, ["y"], values={"s": np.array(0.1, np.float32)})
    assert [layer.stage for layer in layers(model)] == ["network", "quantization", "quantization"]


# --- modules of PyTorch, in files that its exporters wrote


def exported(name: str) -> onnx.ModelProto:
    return onnx.load(EXPORTS / f"{name}.onnx")


def test_the_table_of_a_pytorch_export_is_the_network_that_was_written() -> None:
    found = layers(exported("torch_layers"))
    assert [(layer.id, layer.kind) for layer in found] == [
        ("conv", "conv"),
        ("relu", "relu"),
        ("lrn", "local_response_norm"),
        ("lrn_even", "local_response_norm"),
        ("group_norm", "group_norm"),
        ("plain_group_norm", "group_norm"),
        ("gelu", "gelu"),
        ("tanh_gelu", "gelu"),
        ("silu", "silu"),
        ("gate", "sigmoid"),
        ("mul_1", "mul"),
        ("mish", "mish"),
        ("hard_swish", "hard_swish"),
        ("hard_sigmoid", "hard_sigmoid"),
        ("relu-2", "relu"),
        ("mul_2", "mul"),
        ("relu6", "relu6"),
        ("block.conv", "conv"),
        ("block", "channel_shuffle"),
        ("block.add", "add"),
        ("block.relu", "relu"),
        ("wide", "conv"),
        ("pixel_shuffle", "pixel_shuffle"),
        ("padded", "conv"),
        ("softplus", "softplus"),
        ("glu", "glu"),
        ("mean", "global_average_pool"),
        ("flatten", "flatten"),
        ("layer_norm", "layer_norm"),
        ("hidden", "dense"),
        ("classes", "dense"),
        ("softmax", "softmax"),
    ]


def test_both_exporters_of_pytorch_name_the_layers_alike() -> None:
    new, earlier = (
        {layer.id: layer.kind for layer in layers(exported(f"torch_layers{end}"))} for end in ("", "_earlier")
    )
    # The earlier one numbers the second use of a module itself, and leaves dead ends of three layers as nodes.
    unlike = {"relu-2", "lrn_even", "glu", "mul_1", "mul_2"}
    assert {name: kind for name, kind in new.items() if name not in unlike}.items() <= earlier.items()


@pytest.mark.parametrize("name", ["torch_layers", "torch_layers_earlier"])
def test_the_settings_of_an_exported_local_response_norm_are_the_modules(name: str) -> None:
    layer = layer_named("lrn", layers(exported(name)))
    assert layer.settings == pytest.approx({"size": 5, "alpha": 0.02, "beta": 0.6, "bias": 2.0})


def test_a_batch_norm_folded_into_a_convolution_is_said_and_an_alias_of_it() -> None:
    layer = layer_named("bn", layers(exported("torch_layers")))
    assert (layer.id, layer.folded, layer.op_types) == ("conv", ("bn",), ("Conv",))


def test_every_group_of_an_export_computes_its_output_from_its_inputs_alone() -> None:
    """What a layer says it reads is all it needs: its nodes alone, fed with that, give its output."""
    model = exported("torch_layers")
    found = layers(model)
    tensors = sorted({name for layer in found for name in (*layer.inputs, layer.output)} - {"image"})
    image = picture(1, 3, 16, 16)
    values = dict(zip(tensors, computed(model, tensors, {"image": image}), strict=True)) | {"image": image}
    makers = {output: node for node in model.graph.node for output in node.output}
    for layer in found:
        needed, waiting, nodes = set(layer.inputs), [layer.output], []
        while waiting:
            name = waiting.pop()
            if name in makers and name not in needed:
                needed.add(name)
                nodes.append(makers[name])
                waiting += makers[name].input
        part = onnx.ModelProto()
        part.CopyFrom(model)
        del part.graph.node[:], part.graph.input[:], part.graph.output[:]
        part.graph.node.extend(node for node in model.graph.node if node in nodes)
        types = {name: helper.np_dtype_to_tensor_dtype(values[name].dtype) for name in layer.inputs}
        part.graph.input.extend(
            helper.make_tensor_value_info(name, types[name], values[name].shape) for name in layer.inputs
        )
        part.graph.output.append(helper.make_tensor_value_info(layer.output, TensorProto.FLOAT, None))
        (y,) = computed(part, [layer.output], {name: values[name] for name in layer.inputs})
        np.testing.assert_allclose(y, values[layer.output], atol=1e-5)


def test_a_function_of_a_module_and_a_product_outside_it_stay_two_layers() -> None:
    for name in ("torch_layers", "torch_layers_earlier"):
        found = layers(exported(name))
        assert layer_named("gate", found).kind == "sigmoid"


def noted(node: onnx.NodeProto, module: str, class_name: str) -> onnx.NodeProto:
    node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=repr(["", module, "fx"]))
    node.metadata_props.add(key="pkg.torch.onnx.class_hierarchy", value=repr(["net.Net", class_name, "aten"]))
    return node


def tanhshrinks(class_name: str) -> list[tuple[str, str]]:
    """A module called twice in a row: x - tanh(x)."""
    nodes = []
    for tensor in ("image", "a"):
        after = {"image": "a", "a": "y"}[tensor]
        nodes.append(noted(helper.make_node("Tanh", [tensor], [f"{tensor}_t"]), "shrink", class_name))
        nodes.append(noted(helper.make_node("Sub", [tensor, f"{tensor}_t"], [after]), "shrink", class_name))
    return [(layer.id, layer.kind) for layer in layers(network(nodes, {"image": (1, 4)}, ["y"]))]


def test_a_module_of_several_nodes_called_twice_is_two_layers() -> None:
    found = tanhshrinks("torch.nn.modules.activation.Tanhshrink")
    assert found == [("shrink", "tanhshrink"), ("shrink-2", "tanhshrink")]


def test_the_nodes_of_a_module_that_someone_wrote_stay_apart() -> None:
    found = tanhshrinks("net.Shrink")
    assert found == [("shrink", "tanh"), ("shrink.sub", "sub"), ("shrink-2", "tanh"), ("shrink.sub-2", "sub")]


# --- any network


FILES = [*sorted(EXPORTS.glob("*.onnx")), *sorted(light_networks.FOLDER.glob("light_*.onnx"))]


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_every_node_is_in_one_layer_and_layers_read_only_what_earlier_ones_put_out(path: Path) -> None:
    model = onnx.load(path)
    found = grouped(model)
    written = [output for step in found.steps for node in step.nodes for output in node.output if output]
    assert len(set(written)) == len(written)
    dropped = {output for node in model.graph.node for output in node.output if output} - set(written)
    identities = {node.output[0] for node in model.graph.node if node.op_type == "Identity"}
    assert all(name in found.constants or name in identities for name in dropped)
    known = {value.name for value in model.graph.input}
    for step in found.steps:
        assert known.issuperset(step.inputs)
        assert all(weight in found.constants for weight in step.weights)
        known.update(step.outputs)
    assert known.issuperset(value.name for value in model.graph.output)


# --- the numbers of kinds that are groups


def test_the_table_of_a_jax_export_is_the_network_that_was_written() -> None:
    found = [layer for layer in layers(exported("jax_layers")) if layer.stage == "network"]
    assert [layer.kind for layer in found] == [
        "conv",
        "batch_norm",
        "relu",
        "max_pool",
        "conv",
        "gelu",
        "layer_norm",
        "silu",
        "group_norm",
        "hard_swish",
        "leaky_relu",
        "reduce_sum",  # a mean whose division JAX writes with the number of pixels: it may be another number
        "div",
        "dense",
        "softmax",
    ]
    # As flax counts them: two convolutions, three normalisations of 8, 16 and 16 channels, a dense layer.
    assert layer_shapes(exported("jax_layers")).totals.parameters == 224 + 16 + 1168 + 32 + 32 + 170


@pytest.mark.parametrize(
    ("op_type", "size", "status"), [("DepthToSpace", 3, "upper_bound"), ("SpaceToDepth", 4, "exact")]
)
def test_shuffled_pixels_see_what_a_change_of_a_pixel_shows(op_type: str, size: int, status: str) -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], pads=[1] * 4),
        helper.make_node(op_type, ["c"], ["y"], blocksize=2, **({"mode": "CRD"} if op_type[0] == "D" else {})),
    ]
    model = network(nodes, {"image": (1, 4, 8, 8)}, ["y"], values={"w": np.ones((4, 4, 3, 3), np.float32)})
    field = layer_shapes(model).layers[-1].receptive_field
    assert field is not None
    assert (field.size, field.status) == ((size, size), status)
    before = computed(model, ["y"], {"image": np.zeros((1, 4, 8, 8), np.float32)})[0]
    unit = before.shape[2] // 2
    seen = set()
    for row in range(8):
        image = np.zeros((1, 4, 8, 8), np.float32)
        image[:, :, row, 4] = 1
        if np.any(computed(model, ["y"], {"image": image})[0][:, :, unit] != 0):
            seen.add(row)
    assert max(seen) - min(seen) + 1 == size
    assert field.centre is not None
    assert field.jump is not None
    low = field.centre[0] + unit * field.jump[0] - (size - 1) / 2
    assert low == pytest.approx(min(seen), abs=0.5)


# --- cost


def compared(repeats: int) -> int:
    """How many comparisons a graph costs that is one long near miss: layer norms with something wrong at their end."""
    lines: list[Line] = []
    before = "x"
    for index in range(repeats):
        block = [*CENTRED, *VARIANCE, ("Div", ["centred", "deviation"], "n"), ("Mul", ["n", "n"], "out")]
        for op_type, inputs, output in (line[:3] for line in block):
            named = [before if name == "x" else name if name in CONSTANTS else f"{name}{index}" for name in inputs]
            lines.append((op_type, named, f"{output}{index}"))
        before = f"out{index}"
    model = graph(lines)
    constants = constants_of(model.graph)
    searched = graph_of(list(model.graph.node), model.graph, constants, opset_of(model), {})
    budget = Budget.of(len(model.graph.node))
    start = budget.steps
    for node in model.graph.node:
        list(matches(node, searched, budget))
    return start - budget.steps


def test_comparisons_grow_with_the_nodes_and_no_faster() -> None:
    assert compared(80) <= 2.1 * compared(40)


def test_a_budget_that_is_spent_leaves_the_nodes_as_they_are() -> None:
    model = graph([("Sigmoid", ["x"], "a"), ("Mul", ["a", "x"], "y")])
    nodes = list(model.graph.node)
    searched = graph_of(nodes, model.graph, constants_of(model.graph), opset_of(model), {})
    assert [match.pattern.kind for match in matches(nodes[-1], searched, Budget.of(3))] == ["silu"]
    assert list(matches(nodes[-1], searched, Budget(2))) == []


def test_a_chain_of_plain_layers_is_not_changed() -> None:
    model = chain([conv("conv1", 4, 3, 3), plain("Relu", "relu1"), plain("Flatten", "flatten"), dense("fc", 4, 2)])
    assert [layer.id for layer in layers(model)] == ["conv1", "relu_1", "flatten_1", "fc"]
