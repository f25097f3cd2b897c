"""A graph in 8 bits: integers inside, nearly the same values, layers that are what they are called."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, numpy_helper

from service.inspection.shapes.layer_shapes import layer_shapes
from tests.training.small_runs import Run
from training.datasets import Dataset
from training.graphs.export import Exported, exported
from training.graphs.quantization import quantized
from training.graphs.runtime import onnx_logits, onnx_tensors
from training.networks import NETWORKS


@pytest.fixture(scope="module")
def source(finished: Run) -> Exported:
    return Exported(onnx.load(finished.trained), finished.metadata[finished.trained].layers)


@pytest.fixture(scope="module")
def graph(source: Exported, few_digits: Dataset) -> Exported:
    return quantized(source, few_digits.training.images)


@pytest.fixture(scope="module")
def residual() -> Exported:
    torch.manual_seed(0)
    images = torch.randint(0, 256, (16, 32, 32, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return quantized(exported(NETWORKS["resnet18_small"].published(), (32, 32, 3)), images)


def operators(model: onnx.ModelProto, folder: Path) -> list[str]:
    """What ONNX Runtime makes of the graph when it loads it, written down by itself."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]


def test_the_answers_stay_close_and_are_not_the_same(source: Exported, graph: Exported, few_digits: Dataset) -> None:
    before = onnx_logits(source.model, few_digits.test.images)
    after = onnx_logits(graph.model, few_digits.test.images)
    assert 0 < float((after - before).abs().mean()) < 0.05 * float(before.abs().mean())


def test_two_products_of_any_activation_and_any_kernel_fit_into_16_bits(residual: Exported) -> None:
    kernels = [t for t in residual.model.graph.initializer if t.name.endswith(".weight_quantized")]
    largest = max(int(np.abs(numpy_helper.to_array(kernel).astype(int)).max()) for kernel in kernels)
    assert len(kernels) == 20
    assert 2 * 255 * largest <= np.iinfo(np.int16).max


def test_kernels_are_signed_bytes_with_a_scale_per_output_channel(graph: Exported) -> None:
    inside = {tensor.name: tensor for tensor in graph.model.graph.initializer}
    assert inside["conv2.weight_quantized"].data_type == TensorProto.INT8
    assert numpy_helper.to_array(inside["conv2.weight_scale"]).shape == (64,)
    assert inside["dense.weight"].data_type == TensorProto.FLOAT


def test_onnx_runtime_leaves_no_convolution_and_no_activation_in_float(residual: Exported, tmp_path: Path) -> None:
    found = operators(residual.model, tmp_path)
    assert found.count("QLinearConv") == 20
    assert found.count("QLinearAdd") == 8
    assert {"Conv", "Relu", "Add", "QuantizeLinear"}.isdisjoint(found)
    assert found.count("DequantizeLinear") == 1  # before the last pooling, which stays in float


def test_a_layer_of_the_manifest_holds_what_the_same_layer_held_before(
    source: Exported, graph: Exported, few_digits: Dataset
) -> None:
    tensor = {layer.id: layer.tensor for layer in graph.layers}
    common = [layer for layer in source.layers if layer.id in tensor]
    assert [layer.id for layer in common] == [layer.id for layer in source.layers]  # nothing to fold here
    images = few_digits.test.images[:16]
    before = onnx_tensors(source.model, [layer.tensor for layer in common], images)
    after = onnx_tensors(graph.model, [tensor[layer.id] for layer in common], images)
    for layer in common:
        values, expected = after[tensor[layer.id]], before[layer.tensor]
        assert float((values - expected).abs().max()) < 0.05 * float(expected.abs().max()), layer.id


def test_a_relu_layer_has_no_negative_value(graph: Exported, few_digits: Dataset) -> None:
    (values,) = onnx_tensors(graph.model, ["relu1"], few_digits.test.images[:4]).values()
    assert float(values.min()) == 0.0


def test_every_step_to_8_bits_and_back_is_a_layer_with_a_name(graph: Exported, few_digits: Dataset) -> None:
    kinds = {layer.id: layer.kind for layer in graph.layers}
    assert kinds["relu1.quantized"] == "QuantizeLinear"
    assert kinds["relu1.dequantized"] == "DequantizeLinear"
    tensors = onnx_tensors(graph.model, ["relu1.quantized", "relu1.dequantized"], few_digits.test.images[:4])
    assert tensors["relu1.quantized"].dtype == torch.uint8
    scale = next(t for t in graph.model.graph.initializer if t.name == "relu1_scale")
    restored = tensors["relu1.quantized"].float() * float(numpy_helper.to_array(scale))
    torch.testing.assert_close(tensors["relu1.dequantized"], restored)


def test_a_folded_convolution_goes_by_the_name_of_its_norm(residual: Exported) -> None:
    kinds = {layer.id: layer.kind for layer in residual.layers}
    assert "layer1.0.conv1" not in kinds
    assert kinds["layer1.0.bn1"] == "Conv2d"


def test_the_service_counts_the_same_products_and_names_every_layer_of_the_network(residual: Exported) -> None:
    table = layer_shapes(residual.model, residual.layers)
    before = layer_shapes(exported(NETWORKS["resnet18_small"].published(), (32, 32, 3)).model)
    assert table.totals.macs == before.totals.macs
    assert table.totals.unknown_layers == 0
    assert {layer.id for layer in residual.layers} <= {row.id for row in table.layers}


def test_the_same_images_give_the_same_bytes_and_others_do_not(
    source: Exported, graph: Exported, few_digits: Dataset
) -> None:
    images = few_digits.training.images
    again = quantized(source, images).model.SerializeToString(deterministic=True)
    assert again == graph.model.SerializeToString(deterministic=True)
    darker = quantized(source, (images // 2).to(torch.uint8)).model.SerializeToString(deterministic=True)
    assert darker != again


def test_quantising_says_nothing(source: Exported, few_digits: Dataset, capfd: pytest.CaptureFixture[str]) -> None:
    quantized(source, few_digits.training.images[:10])
    assert capfd.readouterr() == ("", "")


def test_an_image_of_one_value_gives_finite_answers(graph: Exported) -> None:
    white = torch.full((1, 8, 8, 1), 255, dtype=torch.uint8)
    assert np.isfinite(onnx_logits(graph.model, white).numpy()).all()
