"""The bytes that are made piece by piece are protobuf's own."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from service.engine.serialization import pieces, serialized, without_large_values
from tests import tiny_models
from tests.zoo import facts, topology

LARGE = (600, 500)  # a tensor of so many values is a piece of its own
UNKNOWN = b"\xfa\x3f\x03abc"  # field 1023 of a message, which no ONNX has


def model() -> onnx.ModelProto:
    """With large and small weights in turn, and all that a file may state around them."""
    found = tiny_models.classifier()
    for number in range(3):
        weight = numpy_helper.from_array(np.full(LARGE, number, np.float32), f"large{number}")
        weight.doc_string = "behind the values in the file"
        weight.data_location = onnx.TensorProto.DEFAULT
        found.graph.initializer.insert(2 * number, weight)
    found.graph.doc_string = "a graph"
    found.producer_name, found.model_version = "a test", 2**40
    helper.set_model_props(found, {"author": "somebody", "empty": ""})
    return found


def with_unknown_fields() -> onnx.ModelProto:
    return onnx.ModelProto.FromString(model().SerializeToString() + UNKNOWN)


def with_unknown_fields_in_a_weight() -> onnx.ModelProto:
    found = model()
    found.graph.initializer[0].MergeFromString(UNKNOWN)
    return found


def with_large_values_in_a_list() -> onnx.ModelProto:
    found = model()
    found.graph.initializer.append(helper.make_tensor("list", onnx.TensorProto.FLOAT, LARGE, np.zeros(LARGE).ravel()))
    return found


@pytest.mark.parametrize(
    "made",
    [
        model,
        onnx.ModelProto,
        tiny_models.classifier,
        with_unknown_fields,
        with_unknown_fields_in_a_weight,
        with_large_values_in_a_list,
    ],
)
def test_they_are_the_same_to_the_byte(made: Callable[[], onnx.ModelProto]) -> None:
    found = made()
    assert serialized(found) == found.SerializeToString(deterministic=True)
    bare = made()
    del bare.metadata_props[:]
    assert b"".join(pieces(found, without={"metadata_props"})) == bare.SerializeToString(deterministic=True)


@pytest.mark.parametrize("name", sorted(facts()))
def test_so_they_are_for_files_of_every_exporter(name: str) -> None:
    found = topology(name)
    assert serialized(found) == found.SerializeToString(deterministic=True)


def test_no_piece_holds_more_than_one_large_tensor() -> None:
    assert max(map(len, pieces(model()))) == 4 * LARGE[0] * LARGE[1]


def test_without_its_large_values_a_model_is_small_and_as_sound_as_before() -> None:
    slim = without_large_values(model())
    assert len(slim.SerializeToString()) < 10_000
    onnx.checker.check_model(slim)
    assert [list(weight.dims) for weight in slim.graph.initializer][:6:2] == [[0]] * 3
    assert [weight.name for weight in slim.graph.initializer] == [weight.name for weight in model().graph.initializer]
    slim.graph.node[0].input[0] = "nobody"
    with pytest.raises(onnx.checker.ValidationError, match="nobody"):
        onnx.checker.check_model(slim)


@pytest.mark.parametrize("dtype", [onnx.TensorProto.FLOAT, onnx.TensorProto.STRING, onnx.TensorProto.UNDEFINED])
def test_a_weight_that_has_not_what_it_says_is_still_refused(dtype: int) -> None:
    found = model()
    found.graph.initializer[0].data_type = dtype
    found.graph.initializer[0].raw_data = bytes(4)
    with pytest.raises(onnx.checker.ValidationError):
        onnx.checker.check_model(without_large_values(found))
