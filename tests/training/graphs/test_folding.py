"""Folded normalisation: fewer nodes, the same answers."""

import numpy as np
import pytest
import torch
from onnx import numpy_helper

from training.graphs.export import Exported, exported
from training.graphs.folding import batch_norm_folded, normalization_folded
from training.graphs.runtime import onnx_logits, onnx_tensors
from training.networks import NETWORKS
from training.tensors import Images


@pytest.fixture(scope="module")
def colour() -> Exported:
    """A residual network as after training: every normalisation has its own mean and variance."""
    torch.manual_seed(0)
    network = NETWORKS["resnet18_small"].published()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.get_buffer("running_mean").uniform_(-0.1, 0.1)
            module.get_buffer("running_var").uniform_(0.5, 2)
    normalize = network.get_submodule("normalize")
    normalize.get_buffer("mean").copy_(torch.tensor([130.0, 120.0, 100.0]).reshape(3, 1, 1))
    normalize.get_buffer("std").copy_(torch.tensor([50.0, 60.0, 70.0]).reshape(3, 1, 1))
    return exported(network, (32, 32, 3))


@pytest.fixture(scope="module")
def images() -> Images:
    return torch.randint(0, 256, (4, 32, 32, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def test_a_folded_batch_norm_changes_no_answer_and_leaves_no_node(colour: Exported, images: Images) -> None:
    folded = batch_norm_folded(colour.model)
    assert "BatchNormalization" not in {node.op_type for node in folded.graph.node}
    torch.testing.assert_close(onnx_logits(folded, images), onnx_logits(colour.model, images), atol=1e-4, rtol=1e-4)


def test_the_convolution_takes_the_name_of_the_norm_whose_output_it_now_computes(
    colour: Exported, images: Images
) -> None:
    folded = batch_norm_folded(colour.model)
    assert {node.op_type for node in folded.graph.node if node.name == "layer1.0.bn2"} == {"Conv"}
    (inside,) = onnx_tensors(folded, ["layer1.0.bn2"], images).values()
    (before,) = onnx_tensors(colour.model, ["layer1.0.bn2"], images).values()
    torch.testing.assert_close(inside, before, atol=1e-4, rtol=1e-4)


def test_no_weight_of_a_folded_norm_is_left_and_the_source_is_as_it_was(colour: Exported) -> None:
    before = colour.model.SerializeToString()
    folded = batch_norm_folded(colour.model)
    assert not [tensor.name for tensor in folded.graph.initializer if "running" in tensor.name]
    assert colour.model.SerializeToString() == before


def test_pixels_reach_the_first_convolution_as_bytes_with_one_scale(colour: Exported) -> None:
    folded = normalization_folded(colour.model)
    transpose, dequantize, convolution = list(folded.graph.node)[:3]
    assert [transpose.op_type, dequantize.op_type, convolution.op_type] == ["Transpose", "DequantizeLinear", "Conv"]
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in folded.graph.initializer}
    assert [values[name] for name in dequantize.input[1:]] == [np.float32(1 / 60), np.uint8(117)]


def test_away_from_the_edge_a_folded_normalisation_changes_nothing(colour: Exported, images: Images) -> None:
    (folded,) = onnx_tensors(normalization_folded(colour.model), ["conv1"], images).values()
    (before,) = onnx_tensors(colour.model, ["conv1"], images).values()
    torch.testing.assert_close(folded[:, :, 1:, 1:], before[:, :, 1:, 1:], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(folded[:, :, 0], before[:, :, 0], atol=1e-4)  # what padding stands for there


@pytest.mark.parametrize("name", ["alexnet_small", "contrast_cnn"])
def test_folding_needs_a_convolution_right_behind_the_pixels(name: str) -> None:
    torch.manual_seed(0)
    model = exported(NETWORKS[name].published(), NETWORKS[name].input_shape).model
    kinds = [node.op_type for node in model.graph.node][1:5]
    folds = kinds == ["Cast", "Sub", "Div", "Conv"]
    assert folds == (name == "alexnet_small")
    assert (normalization_folded(model).SerializeToString() == model.SerializeToString()) == (not folds)
