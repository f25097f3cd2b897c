"""One value re-derived equals what ONNX Runtime computed: on random layers and real networks, and only where it must.

The runtime is the judge of the arithmetic, and the arithmetic of the runtime: a weight changed for one of them shows.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from service.engine import model_file
from service.errors import InvalidParameterError, UnsupportedModelError
from service.inspection.network import Network
from service.inspection.values.unit import Unit, UnitQuery, derived_unit
from service.inspection.values.units.convolution import ConvolutionWork
from service.inspection.values.units.dense import DenseWork
from service.inspection.values.units.pooling import PoolingWork
from tests import inspected, light_networks, networks
from tests.networks import Stage

MODELS = Path(__file__).parents[4] / "models"


def unit(network: Network, layer: str, seed: int = 0, **place: int) -> Unit:
    return derived_unit(network, layer, inspected.image(network, seed), UnitQuery(**place))


def places(network: Network, layer: str, count: int = 4) -> Iterator[dict[str, int]]:
    """Corners, where padding is, and random places of a layer's output."""
    found = network.layer(layer)
    shape = network.values([found.output], inspected.image(network))[found.output].shape[1:]
    names = {1: ("channel",), 3: ("channel", "y", "x")}[len(shape)]
    random = np.random.default_rng(0)
    yield dict.fromkeys(names, 0)
    yield dict(zip(names, (size - 1 for size in shape), strict=True))
    for _ in range(count - 2):
        yield {name: int(random.integers(size)) for name, size in zip(names, shape, strict=True)}


def behind_a_stem(stage: Stage, channels: int, side: int, values: dict[str, np.ndarray] | None = None) -> Network:
    """The stage on `channels` maps that a 1x1 convolution makes of an image."""
    made = networks.chain([networks.conv("stem", channels, 3, 1), stage], (1, 3, side, side))
    for tensor in made.graph.initializer:
        if values and tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name], tensor.name))
    return inspected.network(made)


def agree(network: Network, layer: str | None = None) -> None:
    """At the corners and two other places of a layer, the last one where none is named."""
    layer = layer or network.layers[-1].id
    for place in places(network, layer):
        found = unit(network, layer, **place)
        assert found.agrees, (place, found.value, found.runtime)


# --- random layers against the runtime


@st.composite
def windows(draw: st.DrawFn, *, padding_fits_kernel: bool = False) -> dict[str, Any]:
    """kernel_shape, strides, dilations and either pads (each side its own) or auto_pad."""
    kernel = draw(st.lists(st.integers(1, 3), min_size=2, max_size=2))
    dilations = draw(st.lists(st.integers(1, 2), min_size=2, max_size=2))
    found: dict[str, Any] = {
        "kernel_shape": kernel,
        "strides": draw(st.lists(st.integers(1, 3), min_size=2, max_size=2)),
    }
    auto_pad = draw(st.sampled_from(["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]))
    if auto_pad == "NOTSET":
        most = [k - 1 if padding_fits_kernel else 2 for k in kernel] * 2
        found["pads"] = [draw(st.integers(0, each)) for each in most]
    elif auto_pad.startswith("SAME"):  # ONNX Runtime refuses dilation there, and strides beyond a pool's kernel
        assume(all(s <= k for s, k in zip(found["strides"], kernel, strict=True)))
        return found | {"auto_pad": auto_pad}
    return found | {"auto_pad": auto_pad, "dilations": dilations}


@given(windows(), st.integers(1, 2), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.integers(6, 9))
@settings(max_examples=60)
def test_any_convolution(
    window: dict[str, Any], groups: int, per_group: int, filters: int, biased: bool, side: int
) -> None:
    weights: dict[str, Any] = {"weight": (filters * groups, per_group, *window["kernel_shape"])}
    weights |= {"bias": (filters * groups,)} if biased else {}
    agree(behind_a_stem(Stage("Conv", "layer", weights, window | {"group": groups}), per_group * groups, side))


@given(windows(), st.integers(1, 2), st.integers(1, 3), st.integers(1, 3), st.integers(0, 1), st.integers(4, 6))
@settings(max_examples=60)
def test_any_transposed_convolution(
    window: dict[str, Any], groups: int, per_group: int, filters: int, extra: int, side: int
) -> None:
    assume(all(extra < stride for stride in window["strides"]))
    attributes = window | {"group": groups, "output_padding": [extra, extra]}
    spans = zip(window["kernel_shape"], window["strides"], strict=True)
    assume(all((side - 1) * stride + kernel > 4 for kernel, stride in spans))
    weights = {"weight": (per_group * groups, filters, *window["kernel_shape"]), "bias": (filters * groups,)}
    agree(behind_a_stem(Stage("ConvTranspose", "layer", weights, attributes), per_group * groups, side))


@given(
    st.sampled_from(["MaxPool", "AveragePool", "LpPool"]),
    windows(padding_fits_kernel=True),
    st.booleans(),
    st.booleans(),
    st.integers(6, 9),
)
@settings(max_examples=60)
def test_any_pooling(operator: str, window: dict[str, Any], ceil_mode: bool, include_pad: bool, side: int) -> None:
    attributes = window | {"ceil_mode": int(ceil_mode and window["auto_pad"] == "NOTSET")}
    if operator == "AveragePool":
        attributes["count_include_pad"] = int(include_pad)
    agree(behind_a_stem(Stage(operator, "layer", {}, attributes), 2, side))


@pytest.mark.parametrize("operator", ["AveragePool", "LpPool"])  # ONNX Runtime refuses such a MaxPool
@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 3), (1, 4), (2, 3), (2, 4)])
@pytest.mark.parametrize("side", [8, 9])
def test_a_pool_that_steps_further_than_it_is_wide_begins_where_the_runtime_begins(
    operator: str, auto_pad: str, kernel: int, stride: int, side: int
) -> None:
    agree(behind_a_stem(networks.pool("layer", kernel, stride, operator, auto_pad=auto_pad), 2, side))


@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("asked", [9, 10, 11])  # of 10 that there are
def test_what_an_asked_size_leaves_over_stands_at_the_end(auto_pad: str, asked: int) -> None:
    attributes = {"kernel_shape": [2, 2], "strides": [2, 2], "output_shape": [asked, asked], "auto_pad": auto_pad}
    agree(behind_a_stem(Stage("ConvTranspose", "layer", {"weight": (2, 2, 2, 2)}, attributes), 2, 5))


@given(st.sampled_from([1, 3, 5, 7]), st.integers(1, 9), st.floats(1e-4, 2), st.floats(0.3, 1), st.floats(1, 2))
@settings(max_examples=15)
def test_any_local_response_norm(size: int, channels: int, alpha: float, beta: float, bias: float) -> None:
    stage = networks.plain("LRN", "layer", size=size, alpha=alpha, beta=beta, bias=bias)
    agree(behind_a_stem(stage, channels, 4))


_WITHOUT_WEIGHTS = "Relu LeakyRelu Elu Sigmoid HardSigmoid HardSwish Softplus Mish Tanh GlobalAveragePool GlobalMaxPool"


@pytest.mark.parametrize("operator", _WITHOUT_WEIGHTS.split())
def test_layers_without_weights(operator: str) -> None:
    agree(behind_a_stem(networks.plain(operator, "layer"), 4, 5))


@pytest.mark.parametrize("opset", [11, 20])
@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
def test_softmax_over_any_axis_in_old_files_and_new(operator: str, axis: int, opset: int) -> None:
    made = networks.chain([networks.conv("stem", 3, 3, 1), networks.plain(operator, "layer", axis=axis)], (1, 3, 4, 5))
    made.opset_import[0].version = opset
    agree(inspected.network(made))


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("opset", [11, 20])
def test_a_softmax_of_several_nodes_is_over_one_axis_in_files_of_any_opset(opset: int, axis: int) -> None:
    stated: dict[str, Any] = {"axes": [axis]} if opset < 13 else {}
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["conv"]),
        helper.make_node("Exp", ["conv"], ["powers"]),
        helper.make_node("ReduceSum", ["powers", *([] if stated else ["axes"])], ["total"], **stated),
        helper.make_node("Div", ["powers", "total"], ["shares"]),
    ]
    values: dict[str, Any] = {"axes": np.array([axis])}
    made = networks.network(
        nodes, {"image": (1, 3, 4, 5)}, ["shares"], values=values, weights={"w": (3, 3, 1, 1)}, opsets={"": opset}
    )
    network = inspected.network(made)
    assert network.layers[-1].kind == "softmax"
    agree(network)


@pytest.mark.parametrize(("alpha", "kind"), [(None, "silu"), (1.0, "silu"), (1.702, "swish")])
def test_a_swish_is_a_silu_where_it_is_as_steep_as_one(alpha: float | None, kind: str) -> None:
    stated: dict[str, Any] = {} if alpha is None else {"alpha": alpha}
    nodes = [helper.make_node("Conv", ["image", "w"], ["conv"]), helper.make_node("Swish", ["conv"], ["y"], **stated)]
    made = networks.network(nodes, {"image": (1, 3, 4, 5)}, ["y"], weights={"w": (3, 3, 1, 1)}, opsets={"": 24})
    network = inspected.network(made)
    assert network.layers[-1].kind == kind
    agree(network)
    assert [each.kind for each in unit(network, "conv_1", channel=0, y=0, x=0).followed_by] == [kind]


def test_half_precision_is_judged_by_its_own_rounding() -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["conv"], pads=[1] * 4),
        helper.make_node("Flatten", ["conv"], ["flat"]),
        helper.make_node("Gemm", ["flat", "d"], ["out"], transB=1),
    ]
    random = np.random.default_rng(0)
    values = {"w": random.normal(size=(4, 3, 3, 3)), "d": random.normal(size=(5, 4 * 36)) / 100}
    halves = {name: value.astype(np.float16) for name, value in values.items()}
    made = networks.network(nodes, {"image": (1, 3, 6, 6)}, ["out"], values=halves, dtype=TensorProto.FLOAT16)
    made.graph.output[0].CopyFrom(helper.make_tensor_value_info("out", TensorProto.FLOAT16, [1, 5]))
    network = inspected.network(made)
    for layer in ("conv_1", "dense_1"):
        agree(network, layer)
        place = next(places(network, layer))
        assert unit(network, layer, **place).allowed_difference > 1e-4 * abs(unit(network, layer, **place).runtime or 0)


def test_what_overflows_in_the_runtime_is_said_to_differ() -> None:
    node = helper.make_node("Conv", ["image", "w"], ["conv"])
    values = {"w": np.full((1, 3, 1, 1), 3e38, np.float32)}
    network = inspected.network(networks.network([node], {"image": (1, 3, 2, 2)}, ["conv"], values=values))
    bright = np.full((3, 2, 2), 2, np.float32)
    found = derived_unit(network, "conv_1", bright, UnitQuery(channel=0, y=0, x=0))
    assert found.value == pytest.approx(3 * 2 * 3e38, rel=1e-6)
    assert (found.runtime, found.relative_difference, found.agrees) == (None, None, False)


def test_a_dense_layer_on_the_last_axis_of_a_map_takes_a_row_and_a_column() -> None:
    nodes = [
        helper.make_node("Transpose", ["image"], ["nhwc"], perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["nhwc", "w"], ["mixed"]),
        helper.make_node("Add", ["mixed", "b"], ["out"]),
    ]
    weights = {"w": (3, 5), "b": (5,)}
    network = inspected.network(networks.network(nodes, {"image": (1, 3, 4, 6)}, ["out"], weights=weights))
    dense = next(layer.id for layer in network.layers if layer.kind == "dense")
    for place in ({"channel": 0, "y": 0, "x": 0}, {"channel": 4, "y": 3, "x": 5}):
        found = unit(network, dense, **place)
        assert found.agrees
        assert (found.channel, found.y, found.x) == (place["channel"], place["y"], place["x"])


def test_batch_norm_and_a_clip_with_bounds_in_the_file() -> None:
    nodes = [
        helper.make_node("BatchNormalization", ["image", "s", "b", "m", "v"], ["bn"], epsilon=1e-3),
        helper.make_node("Clip", ["bn", "", "six"], ["clipped"]),
        helper.make_node("Add", ["image", "clipped"], ["sum"]),
        helper.make_node("Div", ["sum", "per_channel"], ["share"]),
    ]
    values = {"s": [1.5, -2, 0.3], "b": [0.1, 0.2, 0.3], "m": [0, 1, -1], "v": [1, 2, 0.5], "six": 0.25}
    values |= {"per_channel": [[[2]], [[3]], [[4]]]}
    numbers = {name: np.array(value, np.float32) for name, value in values.items()}
    network = inspected.network(networks.network(nodes, {"image": (1, 3, 4, 4)}, ["share"], values=numbers))
    for layer in network.layers:
        agree(network, layer.id)


def test_statistics_of_a_batch_norm_may_stand_in_one_tensor_and_are_each_in_its_place() -> None:
    """PyTorch's exporter writes a fresh layer so: zeros are both the bias and the mean, ones the scale and variance."""
    nodes = [
        helper.make_node("BatchNormalization", ["image", "ones", "zeros", "zeros", "twos"], ["first"]),
        helper.make_node("BatchNormalization", ["first", "twos", "ones", "zeros", "twos"], ["second"]),
    ]
    values = {name: np.full(3, value, np.float32) for name, value in (("zeros", 0.5), ("ones", 1), ("twos", 2))}
    network = inspected.network(networks.network(nodes, {"image": (1, 3, 4, 4)}, ["second"], values=values))
    for layer in network.layers:
        agree(network, layer.id)


@pytest.mark.parametrize(("variance", "epsilon"), [(0.0, 0.0), (-1.0, 1e-5)])
def test_a_batch_norm_that_divides_by_nothing_is_answered_without_a_number(variance: float, epsilon: float) -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["conv"]),
        helper.make_node("BatchNormalization", ["conv", "s", "b", "m", "v"], ["bn"], epsilon=epsilon),
        helper.make_node("Relu", ["bn"], ["relu"]),
    ]
    values = {name: np.full(2, value, np.float32) for name, value in (("s", 1), ("b", 0), ("m", 0), ("v", variance))}
    made = networks.network(nodes, {"image": (1, 3, 4, 4)}, ["relu"], values=values, weights={"w": (2, 3, 1, 1)})
    network = inspected.network(made)
    before = unit(network, "conv_1", channel=0, y=1, x=2)
    assert before.agrees
    assert [each.layer for each in before.followed_by] == ["batch_norm_1", "relu_1"]
    found = unit(network, "batch_norm_1", channel=0, y=1, x=2)
    assert (found.value, found.runtime) == (None, None)
    assert found.model_dump_json()


def test_a_local_response_norm_without_a_bias_where_all_is_zero_is_answered_as_the_runtime_does() -> None:
    nodes = [
        helper.make_node("Mul", ["image", "zero"], ["nothing"]),
        helper.make_node("LRN", ["nothing"], ["lrn"], size=3, bias=0.0),
    ]
    made = networks.network(nodes, {"image": (1, 3, 4, 4)}, ["lrn"], values={"zero": np.array(0, np.float32)})
    found = unit(inspected.network(made), "local_response_norm_1", channel=1, y=0, x=0)
    assert (found.value, found.runtime, found.agrees) == (None, None, True)
    assert found.model_dump_json()


@pytest.mark.parametrize("operator", ["Relu", "Clip", "HardSigmoid", "HardSwish"])
def test_what_is_no_number_stays_none_behind_an_activation(operator: str) -> None:
    nodes = [
        helper.make_node("Mul", ["image", "nan"], ["none"]),
        helper.make_node(operator, ["none"], ["y"]),
    ]
    made = networks.network(nodes, {"image": (1, 3, 4, 4)}, ["y"], values={"nan": np.array(np.nan, np.float32)})
    network = inspected.network(made)
    found = unit(network, network.layers[-1].id, channel=1, y=0, x=0)
    assert (found.value, found.runtime, found.agrees) == (None, None, True)


def test_a_constant_larger_than_the_branch_spreads_it() -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Mul", ["mean", "plane"], ["spread"]),
    ]
    values = {"plane": np.arange(48, dtype=np.float32).reshape(1, 3, 4, 4)}
    network = inspected.network(networks.network(nodes, {"image": (1, 3, 6, 6)}, ["spread"], values=values))
    agree(network, "mul_1")


@pytest.mark.parametrize("rows", [1, 3])  # of three, each is a channel of the batch norm; of one, it takes a single one
def test_a_batch_norm_behind_a_dense_layer_on_rows_has_its_channels_where_onnx_has_them(rows: int) -> None:
    nodes = [
        helper.make_node("Reshape", ["image", "rows"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["dense"]),
        helper.make_node("BatchNormalization", ["dense", "s", "b", "m", "v"], ["bn"]),
    ]
    random = np.random.default_rng(1)
    values: dict[str, Any] = {name: random.uniform(0.5, 2, rows).astype(np.float32) for name in "sbmv"}
    values["rows"] = np.array([1, rows, -1])
    size = {"w": (3 * 16 // rows, 5)}
    made = networks.network(nodes, {"image": (1, 3, 4, 4)}, ["bn"], values=values, weights=size)
    network = inspected.network(made)
    image = inspected.image(network)
    dense, norm = (layer.id for layer in network.layers[-2:])
    for row in range(rows):
        found = derived_unit(network, dense, image, UnitQuery(channel=4, x=row))
        assert [each.layer for each in found.followed_by] == [norm]
        assert all(each.agrees for each in found.followed_by)


def test_a_batch_norm_written_as_a_formula_is_derived_with_its_weights_where_they_are_broadcast() -> None:
    """Channels last: Keras' exporter writes one product and one sum."""
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["conv"]),
        helper.make_node("Transpose", ["conv"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("Mul", ["last", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["bn"]),
    ]
    values = {name: np.array(each, np.float32) for name, each in (("scale", [1, 2, 3]), ("shift", [4, 5, 6]))}
    made = networks.network(nodes, {"image": (1, 3, 3, 4)}, ["bn"], values=values, weights={"w": (3, 3, 1, 1)})
    network = inspected.network(made)
    (layer,) = (each.id for each in network.layers if each.kind == "batch_norm")
    image = inspected.image(network)
    for last in range(3):
        assert derived_unit(network, layer, image, UnitQuery(channel=1, y=2, x=last)).agrees


def test_a_batch_norm_of_more_than_a_product_and_a_sum_is_not_taken_for_the_operator() -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["conv"]),
        helper.make_node("Sub", ["conv", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "deviation"], ["unscaled"]),
        helper.make_node("Mul", ["unscaled", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["bn"]),
    ]
    shape = (3, 1, 1)
    values = {name: np.full(shape, 2, np.float32) for name in ("mean", "deviation", "scale", "shift")}
    made = networks.network(nodes, {"image": (1, 3, 4, 4)}, ["bn"], values=values, weights={"w": (3, 3, 1, 1)})
    network = inspected.network(made)
    (layer,) = (each.id for each in network.layers if each.kind == "batch_norm")
    with pytest.raises(InvalidParameterError, match="made of Sub, Div, Mul, Add"):
        unit(network, layer, channel=0, y=0, x=0)


# --- real networks


@pytest.mark.parametrize("path", sorted(MODELS.glob("*/*/model.onnx")), ids=lambda path: "-".join(path.parts[-3:-1]))
def test_every_layer_with_a_rule_of_the_shipped_models(path: Path) -> None:
    network = inspected.network(onnx.load_model(path))
    kinds = ("conv", "batch_norm", "relu", "max_pool", "dense")
    for layer in network.layers:
        if layer.kind in kinds:
            agree(network, layer.id)


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "inception_v1"])
def test_convolutions_pools_and_dense_layers_of_networks_nobody_here_wrote(name: str) -> None:
    network = inspected.network(light_networks.network(name))
    for kind in ("conv", "max_pool", "average_pool", "local_response_norm", "dense", "softmax"):
        layers = [layer for layer in network.layers if layer.kind == kind]
        for layer in {layer.id for layer in (*layers[:1], *layers[-1:])}:
            for place in places(network, layer, 2):
                found = unit(network, layer, **place)
                assert found.agrees, (layer, place, found.value, found.runtime)


def test_alexnets_grouped_convolution_reads_the_channels_of_its_group() -> None:
    network = inspected.network(networks.alexnet(227, (0, 0, 0, 0), groups=2))
    found = unit(network, "conv2", channel=200, y=13, x=7)
    assert isinstance(found.work, ConvolutionWork)
    assert (found.work.products_count, found.work.first_input_channel) == (1200, 48)
    assert {each.channel for each in found.work.channel_sums} == set(range(48, 96))
    assert found.agrees
    assert found.relative_difference is not None
    assert found.relative_difference < 1e-4


# --- what the answer says


def test_the_parts_add_up_to_the_value() -> None:
    network = inspected.network(onnx.load_model(MODELS / "mnist/1/model.onnx"))
    found = unit(network, "conv2", channel=3, y=0, x=5)
    work = found.work
    assert isinstance(work, ConvolutionWork)
    patch, kernel = (np.array(part, np.float64) for part in (work.patch, work.kernel))
    assert np.isnan(patch[:, :2]).all()  # two rows of padding above row 0
    assert work.reads[0] == [None, None, 0, 1, 2]
    assert np.nansum(patch * kernel) == pytest.approx(np.array(work.products).sum())
    assert sum(each.sum for each in work.channel_sums) + (work.bias or 0) == pytest.approx(found.value)
    magnitudes = [abs(each.sum) for each in work.channel_sums]
    assert magnitudes == sorted(magnitudes, reverse=True)


def test_what_follows_a_convolution_is_derived_on_from_its_value() -> None:
    network = inspected.network(onnx.load_model(MODELS / "mnist/1/model.onnx"))
    found = unit(network, "conv1", channel=1, y=9, x=9)
    assert [each.layer for each in found.followed_by] == ["bn1", "relu1"]
    for each in found.followed_by:
        own = unit(network, each.layer, channel=1, y=9, x=9)
        assert each.agrees
        assert each.runtime == own.runtime
        assert each.value == pytest.approx(own.value)


def test_a_conv_is_derived_also_where_what_follows_it_cannot_be() -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["conv"]),
        helper.make_node("BatchNormalization", ["conv", *(f"summed_{part}" for part in "sbmv")], ["bn"]),
    ]
    summed = [helper.make_node("CumSum", ["one_zero", "axis"], [f"summed_{part}"]) for part in "sbmv"]
    values: dict[str, Any] = {"one_zero": np.array([1, 0], np.float32), "axis": np.array(0)}
    weights = {"w": (2, 3, 1, 1)}
    made = networks.network([*summed, *nodes], {"image": (1, 3, 4, 4)}, ["bn"], values=values, weights=weights)
    found = unit(inspected.network(made), "conv_1", channel=0, y=0, x=0)
    assert found.agrees
    assert found.followed_by == []


def test_a_value_that_two_layers_read_is_not_followed() -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["conv"]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Add", ["conv", "relu"], ["sum"]),
    ]
    network = inspected.network(networks.network(nodes, {"image": (1, 3, 4, 4)}, ["sum"], weights={"w": (2, 3, 1, 1)}))
    assert unit(network, "conv_1", channel=0, y=0, x=0).followed_by == []


def test_the_winner_of_a_max_pool_is_where_it_is() -> None:
    network = inspected.network(onnx.load_model(MODELS / "digits/1/model.onnx"))
    found = unit(network, "pool1", channel=2, y=1, x=3)
    assert isinstance(found.work, PoolingWork)
    assert found.work.winner is not None
    y, x = found.work.winner.position
    assert y in (2, 3)
    assert x in (6, 7)
    assert unit(network, "relu1", channel=2, y=y, x=x).value == found.value


def test_a_wide_dense_unit_lists_its_largest_contributions_and_the_sum_of_the_rest() -> None:
    stages = [networks.plain("Flatten", "flatten"), networks.dense("fc", 3 * 20 * 20, 4)]
    found = unit(inspected.network(networks.chain(stages, (1, 3, 20, 20))), "fc", channel=3)
    work = found.work
    assert isinstance(work, DenseWork)
    assert (work.inputs, len(work.contributions)) == (1200, 1000)
    assert sum(each.product for each in work.contributions) + work.rest + (work.bias or 0) == pytest.approx(found.value)
    assert "1,200 products" in found.text


def test_more_products_than_an_answer_holds_leave_the_sums() -> None:
    stage = networks.conv("layer", 1, 900, 5)
    found = unit(behind_a_stem(stage, 900, 5), "layer", channel=0, y=0, x=0)
    work = found.work
    assert isinstance(work, ConvolutionWork)
    assert work.patch is None
    assert work.omitted == "22,500 products are more than the 20,000 that are told"
    assert len(work.channel_sums) == 900
    assert found.agrees


def test_the_receptive_field_is_all_that_can_change_the_value() -> None:
    network = inspected.network(onnx.load_model(MODELS / "mnist/1/model.onnx"))
    place = {"channel": 5, "y": 2, "x": 11}
    field = unit(network, "conv2", **place).receptive_field
    assert field is not None
    assert field.clipped is not None
    box = field.clipped
    image = inspected.image(network)
    inside = image.copy()
    inside[box.top : box.bottom + 1, box.left : box.right + 1] ^= 255
    outside = image ^ 255
    outside[box.top : box.bottom + 1, box.left : box.right + 1] ^= 255
    before, changed, same = (
        derived_unit(network, "conv2", picture, UnitQuery(**place)).runtime for picture in (image, inside, outside)
    )
    assert same == before
    assert changed != before
    corners = [(box.top, box.left), (box.bottom, box.right)]
    for y, x in corners:
        nudged = image.copy()
        nudged[y, x] ^= 255
        assert derived_unit(network, "conv2", nudged, UnitQuery(**place)).runtime != before


def test_a_receptive_field_may_begin_in_the_padding_and_is_told_twice() -> None:
    network = inspected.network(onnx.load_model(MODELS / "mnist/1/model.onnx"))
    field = unit(network, "conv1", channel=0, y=0, x=27).receptive_field
    assert field is not None
    assert field.clipped is not None
    assert (field.box.top, field.box.left, field.box.bottom, field.box.right) == (-2, 25, 2, 29)
    assert (field.clipped.top, field.clipped.left, field.clipped.bottom, field.clipped.right) == (0, 25, 2, 27)


# --- what must not agree


def tampered(values: np.ndarray) -> np.ndarray:
    """Every weight a hundredth larger."""
    return (values * np.float32(1.01)).astype(values.dtype)


@pytest.mark.parametrize("layer", ["conv1", "conv2", "dense"])
def test_a_weight_changed_for_the_runtime_alone_is_noticed(layer: str) -> None:
    model = onnx.load_model(MODELS / "digits/1/model.onnx")
    weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    weight = f"{layer}.weight"
    place = {"channel": 0} if layer == "dense" else {"channel": 0, "y": 1, "x": 1}
    assert unit(inspected.network(model), layer, **place).agrees
    other = inspected.network(model, run_with={weight: tampered(weights[weight])})
    assert not unit(other, layer, **place).agrees


@pytest.mark.parametrize("layer", ["conv1", "conv2", "dense"])
def test_a_weight_changed_for_the_arithmetic_alone_is_noticed(layer: str) -> None:
    model = onnx.load_model(MODELS / "digits/1/model.onnx")
    original = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.metadata_props[:]  # the file's checksum would notice, too
    for tensor in bare.graph.initializer:
        if tensor.name == f"{layer}.weight":
            tensor.CopyFrom(numpy_helper.from_array(tampered(original[tensor.name]), tensor.name))
    place = {"channel": 0} if layer == "dense" else {"channel": 0, "y": 1, "x": 1}
    assert not unit(inspected.network(bare, run_with=original), layer, **place).agrees


# --- what cannot be answered


@pytest.mark.parametrize(
    ("layer", "place", "says"),
    [
        ("conv1", {"channel": 32, "y": 0, "x": 0}, "layer conv1 has channel 0 to 31"),
        ("conv1", {"channel": 0, "y": 8, "x": 0}, "layer conv1 has y 0 to 7"),
        ("conv1", {"channel": 0, "y": 0, "x": 9}, "layer conv1 has x 0 to 7"),
        ("conv1", {"channel": 0, "y": 0}, "layer conv1 has x 0 to 7"),
        ("dense", {"channel": 10}, "layer dense has channel 0 to 9"),
        ("dense", {"channel": 1, "y": 3}, "layer dense has no y: its axes are channel"),
        ("flatten", {"channel": 1}, "a flatten is not re-derived"),
    ],
)
def test_a_place_that_does_not_exist_is_told_with_the_range(layer: str, place: dict[str, int], says: str) -> None:
    network = inspected.network(onnx.load_model(MODELS / "digits/1/model.onnx"))
    with pytest.raises(InvalidParameterError, match=says):
        unit(network, layer, **place)


def test_a_kernel_that_the_image_changes_has_no_filters_to_multiply_by() -> None:
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["kernel"], keepdims=1),
        helper.make_node("Conv", ["image", "kernel"], ["conv"]),
    ]
    values = {"axes": np.array([2, 3], np.int64)}
    network = inspected.network(networks.network(nodes, {"image": (1, 3, 4, 4)}, ["conv"], values=values))
    with pytest.raises(InvalidParameterError, match="its weights are not constants of the file"):
        unit(network, "conv_1", channel=0, y=0, x=0)


def test_a_weight_made_by_a_loop_is_not_evaluated() -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["goes"]), helper.make_node("Identity", ["w_in"], ["w_out"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w_in", TensorProto.FLOAT, [2, 3, 1, 1]),
        ],
        [
            helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w_out", TensorProto.FLOAT, [2, 3, 1, 1]),
        ],
    )
    nodes = [
        helper.make_node("Loop", ["times", "", "w"], ["looped"], body=body),
        helper.make_node("Conv", ["image", "looped"], ["conv"]),
    ]
    values = {"times": np.array(3, np.int64)}
    made = networks.network(nodes, {"image": (1, 3, 4, 4)}, ["conv"], values=values, weights={"w": (2, 3, 1, 1)})
    made.graph.output[0].CopyFrom(helper.make_tensor_value_info("conv", TensorProto.FLOAT, [1, 2, 4, 4]))
    with pytest.raises(UnsupportedModelError, match="Loop stands between it and what is stored"):
        unit(inspected.network(made), "conv_1", channel=0, y=0, x=0)


def test_the_file_itself_is_read_not_the_session() -> None:
    """A model file read from disk and one built in memory give the same derivation."""
    path = MODELS / "digits/1/model.onnx"
    found = Network(model_file.read(path), inspected.network(onnx.load_model(path)).sessions)
    assert unit(found, "conv1", channel=0, y=0, x=0).agrees
