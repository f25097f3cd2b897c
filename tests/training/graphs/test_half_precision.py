"""A graph in float16: every value halved, the answers nearly the same, the same layers by the same names."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

from service.engine.model_file import read
from service.inspection.shapes.layer_shapes import layer_shapes
from tests.training.files.test_quantizing import copied
from tests.training.small_runs import Run
from training.datasets import Dataset
from training.errors import QuantizationError
from training.files.evaluating import evaluated_file
from training.files.quantizing import Result, quantize
from training.graphs.export import Exported, exported
from training.graphs.half_precision import halved
from training.graphs.runtime import onnx_logits, onnx_tensors
from training.networks import NETWORKS


@pytest.fixture(scope="module")
def source(finished: Run) -> Exported:
    return Exported(onnx.load(finished.trained), finished.metadata[finished.trained].layers)


@pytest.fixture(scope="module")
def graph(source: Exported) -> Exported:
    return halved(source)


@pytest.fixture(scope="module")
def made(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Result:
    models = copied(finished, tmp_path_factory.mktemp("halved"))
    return quantize("digits", None, to="float16", models=models, data=None, images=1, max_loss=0.3)


def test_every_weight_has_half_the_bytes_and_the_source_keeps_its_own(source: Exported, graph: Exported) -> None:
    assert {weight.data_type for weight in graph.model.graph.initializer} == {TensorProto.FLOAT16}
    assert {weight.data_type for weight in source.model.graph.initializer} == {TensorProto.FLOAT}
    for weight, before in zip(graph.model.graph.initializer, source.model.graph.initializer, strict=True):
        assert weight.name == before.name
        expected = numpy_helper.to_array(before).astype(np.float16)
        assert np.abs(numpy_helper.to_array(weight) - expected).max() <= 6e-8


def test_bytes_come_in_and_float32_goes_out(graph: Exported) -> None:
    (image,), (logits,) = graph.model.graph.input, graph.model.graph.output
    assert image.type.tensor_type.elem_type == TensorProto.UINT8
    assert logits.type.tensor_type.elem_type == TensorProto.FLOAT


def test_the_answers_stay_close_and_are_not_the_same(source: Exported, graph: Exported, few_digits: Dataset) -> None:
    before = onnx_logits(source.model, few_digits.test.images)
    after = onnx_logits(graph.model, few_digits.test.images)
    assert 0 < float((after - before).abs().max()) < 0.01 * float(before.abs().max())


def test_every_layer_keeps_its_name_and_nearly_its_values(
    source: Exported, graph: Exported, few_digits: Dataset
) -> None:
    assert [(layer.id, layer.kind) for layer in graph.layers] == [(layer.id, layer.kind) for layer in source.layers]
    images = few_digits.test.images[:8]
    before = onnx_tensors(source.model, [layer.tensor for layer in source.layers], images)
    after = onnx_tensors(graph.model, [layer.tensor for layer in graph.layers], images)
    for layer, original in zip(graph.layers, source.layers, strict=True):
        values, expected = after[layer.tensor], before[original.tensor]
        assert values.dtype == torch.float16, layer.id
        assert float((values.float() - expected).abs().max()) < 0.01 * float(expected.abs().max()), layer.id


@pytest.mark.parametrize("name", ["resnet18_small", "airbench_gray"])
def test_the_service_counts_the_same_products_in_the_same_layers(name: str) -> None:
    torch.manual_seed(0)
    whole = exported(NETWORKS[name].published(), NETWORKS[name].input_shape)
    half = halved(whole)
    before, after = layer_shapes(whole.model, whole.layers), layer_shapes(half.model, half.layers)
    assert after.totals.macs == before.totals.macs
    assert {row.id for row in before.layers} <= {row.id for row in after.layers}
    assert after.totals.unknown_layers == 0


def test_a_weight_that_would_become_infinite_is_named(source: Exported) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(source.model)
    bias = next(weight for weight in model.graph.initializer if weight.name == "conv1.bias")
    values = numpy_helper.to_array(bias).copy()
    values[3] = -70_000
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    with pytest.raises(QuantizationError, match=r"conv1.bias has 70000, and float16 ends at 65504"):
        halved(Exported(model, source.layers))


def test_it_is_the_next_version_with_figures_of_its_own(made: Result) -> None:
    assert made.path.parts[-3:] == ("digits", "2", "model.onnx")
    found = read(made.path)
    assert found.checksum_stated
    assert found.metadata.metrics == evaluated_file(made.path, None)
    assert found.metadata.provenance.stage == "quantized"
    assert (found.metadata.provenance.note or "").startswith("float16 of version 1 (fovea.sha256 ")


def test_the_file_is_about_half_as_long(made: Result, finished: Run) -> None:
    whole, half = (Path(path).stat().st_size for path in (finished.trained, made.path))
    weights = sum(numpy_helper.to_array(w).nbytes for w in read(finished.trained).model.graph.initializer)
    assert whole - half > 0.45 * weights
