"""Which weights are a layer's filters, how they are laid out, and what is said of them."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from service.errors import AnswerTooLargeError, InvalidParameterError
from service.inspection.graph.folds import fold
from service.inspection.graph.layers import layers
from service.inspection.network import Network
from service.inspection.values.filter_cells import as_maps, filters_first, layout
from service.inspection.values.filters import FiltersQuery, filters
from service.inspection.values.geometry import geometry
from tests import inspected, networks

MODELS = Path(__file__).parents[4] / "models"
MNIST = {version: inspected.network(onnx.load_model(MODELS / f"mnist/{version}/model.onnx")) for version in (0, 1, 2)}


def asked(network: Network, layer: str, other: Network | None = None, **query: Any) -> Any:
    reply = filters(network, layer, FiltersQuery(**query), 2**24, "mnist", 1, "/v1/models/mnist/versions/1", other)
    if reply.media_type == "application/json":
        return json.loads(reply.body)
    if reply.media_type == "image/png":
        return json.loads(reply.legend or "")
    return np.load(io.BytesIO(reply.body))


def initializer(network: Network, name: str) -> np.ndarray:
    return next(numpy_helper.to_array(t) for t in network.file.model.graph.initializer if t.name == name)


@pytest.mark.parametrize("layer", ["conv1", "conv2", "dense"])
def test_the_numbers_are_the_files(layer: str) -> None:
    weight = initializer(MNIST[1], f"{layer}.weight")
    assert np.array_equal(asked(MNIST[1], layer, format="npy"), weight)
    archive = asked(MNIST[1], layer, format="npz")
    assert np.array_equal(archive["bias"], initializer(MNIST[1], f"{layer}.bias"))
    answer = asked(MNIST[1], layer)
    assert answer["shape"] == list(weight.shape)
    assert answer["statistics"]["norm"] == pytest.approx(float(np.linalg.norm(weight)))
    assert "weight" not in answer
    if weight.size <= 1000:
        assert asked(MNIST[1], layer, values=True)["weight"] == weight.tolist()


def test_before_and_after_training_side_by_side() -> None:
    before, after = (initializer(MNIST[version], "conv1.weight").astype(np.float64) for version in (0, 1))
    answer = asked(MNIST[1], "conv1", MNIST[0], with_version=0)
    assert answer["with_version"]["version"] == 0
    change = answer["change"]
    assert change["relative_change"] == pytest.approx(np.linalg.norm(after - before) / np.linalg.norm(before))
    assert change["filters"][3]["cosine"] == pytest.approx(
        float((before[3] * after[3]).sum() / np.linalg.norm(before[3]) / np.linalg.norm(after[3]))
    )
    archive = asked(MNIST[1], "conv1", MNIST[0], with_version=0, format="npz")
    assert sorted(archive) == ["bias", "version_0.bias", "version_0.weight", "weight"]
    legend = asked(MNIST[1], "conv1", MNIST[0], with_version=0, format="png")
    assert legend["panels"] == ["version 0", "version 1"]


def test_folded_batch_normalisation_is_said_and_the_weights_are_dequantised() -> None:
    answer = asked(MNIST[2], "conv1", MNIST[1], with_version=1)
    assert answer["note"] == "these are the weights of conv1 with bn1 folded in"
    assert answer["with_version"]["note"] is None
    unfolded = MNIST[1]
    scale = initializer(unfolded, "bn1.weight") / np.sqrt(initializer(unfolded, "bn1.running_var") + 1e-5)
    folded = initializer(unfolded, "conv1.weight") * scale[:, None, None, None]
    quantised = asked(MNIST[2], "conv1", format="npy")
    cosine = (folded * quantised).sum() / np.linalg.norm(folded) / np.linalg.norm(quantised)
    assert cosine > 0.999


def test_the_marks_of_torchs_exporters_tell_a_fold() -> None:
    node = helper.make_node("Conv", ["image", "onnx::Conv_193"], ["conv"])
    model = networks.network([node], {"image": (1, 3, 4, 4)}, ["conv"], weights={"onnx::Conv_193": (2, 3, 1, 1)})
    assert "most likely with a batch normalisation folded in" in (fold(model, (), layers(model)[0]) or "")
    node = helper.make_node("Conv", ["image", "c.weight"], ["conv"])
    node.metadata_props.add(key="pkg.onnxscript.rewriter.rule_name", value="FuseBatchNormIntoConv")
    model = networks.network([node], {"image": (1, 3, 4, 4)}, ["conv"], weights={"c.weight": (2, 3, 1, 1)})
    assert fold(model, (), layers(model)[0]) == (
        "the exporter has folded the batch normalisation behind it into these weights"
    )


def test_a_fold_that_the_graph_tells_names_the_layer() -> None:
    network = MNIST[1]
    layer = replace(network.layer("conv1"), folded=("bn1",))
    assert fold(network.file.model, (), layer) == "the exporter has folded bn1 into these weights"


def test_a_first_layer_on_colours_is_in_colour_and_a_deeper_one_a_matrix() -> None:
    stages = [networks.conv("first", 4, 3, 3), networks.conv("grey", 4, 4, 3), networks.conv("three", 3, 4, 3)]
    network = inspected.network(networks.chain([*stages, networks.conv("late", 2, 3, 3)], (1, 3, 12, 12)))
    assert asked(network, "first", format="png")["colours"] == "rgb"
    assert (asked(network, "grey", format="png")["column"], asked(network, "grey", format="png")["columns"]) == (
        "input channel",
        4,
    )
    assert asked(network, "late", format="png")["colours"] == "diverging"  # three inputs, but no colours
    assert asked(network, "first", format="png", input_channel=1)["colours"] == "diverging"
    legend = asked(network, "grey", format="png", filter=2)
    assert (legend["item"], legend["first"], legend["last"]) == ("input channel", 0, 3)


def test_the_filters_of_a_network_that_takes_bgr_are_turned() -> None:
    network = inspected.network(networks.chain([networks.conv("first", 1, 3, 1)], (1, 3, 4, 4)))
    stated = network.file.metadata.preprocessing
    weight = np.array([3, 2, 1], np.float32).reshape(1, 3, 1, 1)
    layer, types = network.layer("first"), geometry(network).types
    turned = stated.model_copy(update={"color": "bgr"})
    rgb, bgr = (layout(network.layers, layer, weight, types, each, None, None).cells for each in (stated, turned))
    assert rgb.ravel().tolist() == [3, 2, 1]
    assert bgr.ravel().tolist() == [1, 2, 3]


def test_a_dense_layer_behind_a_flatten_is_shown_as_the_maps_it_reads() -> None:
    dense = MNIST[1].layer("dense")
    weight = initializer(MNIST[1], "dense.weight")
    maps = as_maps(MNIST[1].layers, dense, weight, geometry(MNIST[1]).types)
    assert maps is not None
    assert maps.shape == (10, 96, 3, 3)
    assert maps[4, 7, 2, 1] == weight[4, 7 * 9 + 2 * 3 + 1]


def test_a_dense_layer_on_the_pixels_is_shown_as_pictures() -> None:
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["out"], transB=1),
    ]
    model = networks.network(nodes, {"image": (1, 8, 6, 1)}, ["out"], weights={"w": (10, 48)})
    network = inspected.network(model)
    weight = initializer(network, "w")
    maps = as_maps(network.layers, network.layers[-1], weight, geometry(network).types)
    assert maps is not None
    assert maps.shape == (10, 1, 8, 6)
    assert maps[3, 0, 5, 2] == weight[3, 5 * 6 + 2]


def test_keras_flattens_rows_before_channels() -> None:
    nodes = [
        helper.make_node("Conv", ["image", "c"], ["conv"]),
        helper.make_node("Transpose", ["conv"], ["nhwc"], perm=[0, 2, 3, 1]),
        helper.make_node("Flatten", ["nhwc"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["out"], transB=1),
    ]
    weights = {"c": (5, 3, 1, 1), "w": (2, 5 * 4 * 6)}
    network = inspected.network(networks.network(nodes, {"image": (1, 3, 4, 6)}, ["out"], weights=weights))
    weight = initializer(network, "w")
    maps = as_maps(network.layers, network.layers[-1], weight, geometry(network).types)
    assert maps is not None
    assert maps.shape == (2, 5, 4, 6)
    assert maps[1, 3, 2, 4] == weight[1, (2 * 6 + 4) * 5 + 3]


def test_a_transposed_convolution_has_one_filter_for_each_output() -> None:
    stage = networks.Stage("ConvTranspose", "up", {"weight": (4, 3, 2, 2)}, {"group": 2})
    network = inspected.network(networks.chain([networks.conv("stem", 4, 3, 1), stage], (1, 3, 4, 4)))
    weight = initializer(network, "up.weight")
    turned = filters_first(network.layer("up"), weight)
    assert turned.shape == (6, 2, 2, 2)
    assert np.array_equal(turned[4, 1], weight[3, 1])  # output 4: the second of group 1, which reads inputs 2 and 3
    assert asked(network, "up")["shape"] == [6, 2, 2, 2]


@pytest.mark.parametrize("layer", ["relu1", "bn1", "normalize"])
def test_layers_without_filters_name_those_that_have_them(layer: str) -> None:
    with pytest.raises(InvalidParameterError, match="has no filters; these have: conv1, conv2, conv3, dense"):
        asked(MNIST[1], layer)


def test_another_shape_cannot_stand_beside() -> None:
    other = inspected.network(networks.chain([networks.conv("conv1", 2, 3, 3)], (1, 3, 8, 8)))
    with pytest.raises(InvalidParameterError, match="its conv1 has another shape, 2x3x3x3"):
        asked(MNIST[1], "conv1", other, with_version=7)


def test_too_many_numbers_name_the_url_that_has_them() -> None:
    network = inspected.network(networks.chain([networks.conv("wide", 300, 3, 16)], (1, 3, 16, 16)))
    with pytest.raises(AnswerTooLargeError, match=r"230,700 numbers are too many.*layers/wide/filters\?format=npz"):
        asked(network, "wide", values=True)
