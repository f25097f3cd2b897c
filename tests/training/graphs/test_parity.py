"""The gate: what agrees passes, what was tampered with does not."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch

from service.engine.model_metadata import ManifestLayer
from tests.training.small_runs import planned
from training.datasets import Dataset
from training.errors import ParityError
from training.evaluation import torch_logits
from training.graphs.export import Exported, exported
from training.graphs.parity import check_parity
from training.recipes.digits import DIGITS
from training.runs.session import initial_network


@pytest.fixture(scope="module")
def network(few_digits: Dataset) -> torch.nn.Module:
    return initial_network(planned(DIGITS), few_digits)


@pytest.fixture(scope="module")
def graph(network: torch.nn.Module) -> Exported:
    return exported(network, (8, 8, 1))


def with_initializer(graph: Exported, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Exported:
    tampered = onnx.ModelProto()
    tampered.CopyFrom(graph.model)
    tensor = next(tensor for tensor in tampered.graph.initializer if tensor.name == name)
    tensor.CopyFrom(onnx.numpy_helper.from_array(change(onnx.numpy_helper.to_array(tensor)), name))
    return Exported(tampered, graph.layers)


def test_the_export_passes_and_its_answers_are_torchs(
    network: torch.nn.Module, graph: Exported, few_digits: Dataset
) -> None:
    answers = check_parity(network, graph, few_digits.test.images)
    torch.testing.assert_close(answers, torch_logits(network, few_digits.test.images), atol=1e-4, rtol=0)


def test_one_changed_weight_is_refused(network: torch.nn.Module, graph: Exported, few_digits: Dataset) -> None:
    tampered = with_initializer(graph, "dense.bias", lambda bias: bias + np.float32(1e-3) * np.eye(10, dtype="f4")[3])
    with pytest.raises(ParityError, match=r"logits differs by 0\.001, more than 0\.0001; nothing was written"):
        check_parity(network, tampered, few_digits.test.images)


def test_another_top_class_is_refused_even_within_the_tolerance(graph: Exported, few_digits: Dataset) -> None:
    undecided = with_initializer(graph, "dense.weight", np.zeros_like)
    undecided = with_initializer(undecided, "dense.bias", lambda _: np.float32(5e-5) * np.eye(10, dtype="f4")[3])
    constant = initial_network(planned(DIGITS), few_digits)
    torch.nn.init.zeros_(constant.get_submodule("dense").get_parameter("weight"))
    torch.nn.init.zeros_(constant.get_submodule("dense").get_parameter("bias"))
    with pytest.raises(ParityError, match="another class for 100 of 100 images"):
        check_parity(constant, undecided, few_digits.test.images)


def test_answers_that_are_no_numbers_are_refused(
    network: torch.nn.Module, graph: Exported, few_digits: Dataset
) -> None:
    tampered = with_initializer(graph, "dense.bias", lambda bias: bias * np.float32("nan"))
    with pytest.raises(ParityError, match="logits differs by nan"):
        check_parity(network, tampered, few_digits.test.images)


def test_a_manifest_that_names_another_layers_tensor_is_refused(
    network: torch.nn.Module, graph: Exported, few_digits: Dataset
) -> None:
    wrong = tuple(
        ManifestLayer(id=layer.id, kind=layer.kind, tensor="conv1") if layer.id == "relu1" else layer
        for layer in graph.layers
    )
    with pytest.raises(ParityError, match="layer relu1 differs by"):
        check_parity(network, Exported(graph.model, wrong), few_digits.test.images)


def test_a_tensor_that_is_not_in_the_graph_is_refused(
    network: torch.nn.Module, graph: Exported, few_digits: Dataset
) -> None:
    wrong = (ManifestLayer(id="conv1", kind="Conv2d", tensor="nowhere"),)
    with pytest.raises(Exception, match="nowhere"):
        check_parity(network, Exported(graph.model, wrong), few_digits.test.images)
