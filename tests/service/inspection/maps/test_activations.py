"""Before and behind an activation, on the shapes in which convolutions, norms and activations are written."""

import numpy as np
import onnx
import pytest
from onnx import helper

from service.inspection.maps.activations import Asked, scale_mates, taps
from tests.inspected import network as opened
from tests.networks import chain, conv, plain
from tests.networks import network as graph

NORM = {"scale": (4,), "bias": (4,), "mean": (4,), "variance": (4,)}


def names(model: onnx.ModelProto, layer: str, asked: Asked) -> list[tuple[str, str]]:
    network = opened(model)
    return [(tap.name, tap.activation) for tap in taps([network.layer(layer)], network.layers, asked)]


def with_behind(*operators: str) -> onnx.ModelProto:
    nodes = [helper.make_node("Conv", ["image", "conv.weight"], ["conv"], kernel_shape=[3, 3])]
    nodes += [helper.make_node(op, ["conv"], [f"{op}_{index}"]) for index, op in enumerate(operators)]
    nodes.append(helper.make_node("Identity", ["image"], ["end"]))
    return graph(
        nodes, {"image": (1, 3, 8, 8)}, [n.output[0] for n in nodes[1:]], weights={"conv.weight": (4, 3, 3, 3)}
    )


@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu", "Sigmoid", "HardSwish", "Elu", "Tanh", "Gelu", "Mish"])
def test_a_convolution_has_a_place_before_and_one_behind_its_activation(activation: str) -> None:
    model = chain([conv("conv1", 4, 3, 3), plain(activation, "act")])
    (before, after) = names(model, "conv1", "both")
    assert before == ("conv1", "before")
    assert after == (f"conv1+{opened(model).layers[1].id}", "after")
    assert names(model, "conv1", "before") == [before]
    assert names(model, "conv1", "after") == [after]


def test_a_batch_norm_between_belongs_to_the_way_and_has_a_place_of_its_own() -> None:
    norm = helper.make_node("BatchNormalization", ["conv1", *(f"bn1.{key}" for key in NORM)], ["bn1"])
    nodes = [
        helper.make_node("Conv", ["image", "conv1.weight"], ["conv1"], kernel_shape=[3, 3]),
        norm,
        helper.make_node("Clip", ["bn1", "low", "high"], ["relu6"]),
    ]
    weights = {
        "conv1.weight": (4, 3, 3, 3),
        **{f"bn1.{key}": shape for key, shape in NORM.items()},
    }
    bounds = {"low": np.array(0, np.float32), "high": np.array(6, np.float32)}
    model = graph(nodes, {"image": (1, 3, 8, 8)}, ["relu6"], weights=weights, values=bounds)
    norm_id, relu6_id = (layer.id for layer in opened(model).layers[1:])
    assert names(model, "conv1", "both") == [("conv1", "before"), (f"conv1+{norm_id}+{relu6_id}", "after")]
    assert names(model, norm_id, "after") == [(f"{norm_id}+{relu6_id}", "after")]


@pytest.mark.parametrize("behind", [(), ("MaxPool",), ("Relu", "Sigmoid"), ("Relu", "Neg")])
def test_without_an_activation_of_its_own_a_layer_has_one_place(behind: tuple[str, ...]) -> None:
    model = with_behind(*(op for op in behind if op != "MaxPool"))
    if behind == ("MaxPool",):
        model = chain([conv("conv", 4, 3, 3), plain("MaxPool", "pool", kernel_shape=[2, 2])])
    assert names(model, "conv", "both") == names(model, "conv", "after") == [("conv", "none")]


def test_an_activation_is_itself_whatever_is_asked() -> None:
    model = chain([conv("conv1", 4, 3, 3), plain("Relu", "relu1"), plain("Relu", "relu2")])
    assert names(model, "relu_1", "after") == names(model, "relu_1", "before") == [("relu_1", "none")]


def test_what_is_before_and_behind_an_activation_shares_a_scale() -> None:
    network = opened(chain([conv("conv1", 4, 3, 3), plain("Relu", "relu1")]))
    (before, after), (alone,) = (taps([layer], network.layers, "both") for layer in network.layers)
    assert [mate.tensor for mate in scale_mates(before, network.layers)] == ["conv1", "relu1"]
    assert [mate.tensor for mate in scale_mates(after, network.layers)] == ["conv1", "relu1"]
    assert [mate.tensor for mate in scale_mates(alone, network.layers)] == ["conv1"]
