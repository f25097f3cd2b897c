"""Versions whose graphs were written differently: the shipped network beside itself with 8-bit weights."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from service.images.decoding import ImageLimits
from service.inspection.comparing.compare import CompareQuery, Side, compare
from tests.inspected import network as opened
from tests.service.inspection.maps.test_feature_maps import TWO, channels_last

ROOT = Path(__file__).parents[4]
LIMITS = ImageLimits(max_pixels=10_000_000)
SEVEN = (ROOT / "docs/samples/seven.png").read_bytes()


def against_quantized(layers: str = "*") -> Any:
    trained, quantized = (opened(onnx.load(ROOT / f"models/mnist/{version}/model.onnx")) for version in (1, 2))
    a, b = (Side(SEVEN, None, version, None) for version in (1, 2))
    query = CompareQuery(with_version=2, layers=layers)
    return json.loads(compare(trained, quantized, a, b, query, LIMITS, 10**9, "mnist").body)


@pytest.fixture(scope="module")
def answer() -> Any:
    return against_quantized()


def test_layers_have_the_same_ids_although_their_tensors_have_other_names(answer: Any) -> None:
    ids = {layer["id"] for layer in answer["layers"]}
    assert ids >= {"relu1", "pool1", "relu2", "pool2", "relu3", "pool3", "flatten", "dense"}


def test_a_batch_norm_is_compared_with_the_convolution_it_was_folded_into(answer: Any) -> None:
    kinds = {layer["id"]: layer["kinds"] for layer in answer["layers"]}
    assert kinds["bn1"] == ["batch_norm", "conv"]
    assert {"conv1", "conv2", "conv3"} <= set(answer["only_in_a"])


def test_the_numbers_of_both_have_their_channels_first_however_the_file_has_them() -> None:
    network = channels_last().network
    a, b = (Side(picture, name, 1, None) for name, picture in TWO)
    query = CompareQuery(layers="conv_1,transpose_1", format="npz")
    found = np.load(io.BytesIO(compare(network, network, a, b, query, LIMITS, 10**9, "tiny").body))
    for side in ("a", "b", "difference"):
        assert np.array_equal(found[f"transpose_1/{side}"], found[f"conv_1/{side}"])


def test_the_steps_of_quantization_are_named_as_layers_of_that_version_only(answer: Any) -> None:
    assert {"relu1.quantized", "relu1.dequantized"} <= set(answer["only_in_b"])


def test_eight_bits_change_every_layer_a_little_and_the_answer_not_at_all(answer: Any) -> None:
    relative = {layer["id"]: layer["difference"]["relative"] for layer in answer["layers"]}
    assert 0 < relative["relu1"] < 0.05
    assert 0 < relative["dense"] < 0.05
    assert answer["answers"]["same_class"]


def test_an_id_of_one_version_is_not_taken_for_an_alias_of_the_other() -> None:
    found = against_quantized("conv1")
    assert (found["layers"], found["only_in_a"], found["only_in_b"]) == ([], ["conv1"], [])
