"""The bytes that are made in parts are protobuf's own."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from service.engine import deserialization
from service.engine.deserialization import parted
from service.engine.parted import Parted, joined
from service.engine.serialization import pieces, serialized
from tests import tiny_models
from tests.zoo import facts, network

LARGE = (600, 500)  # of floats: such a weight's values lie apart
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
    ("made", "apart"),
    [
        (model, 3),
        (onnx.ModelProto, 0),
        (tiny_models.classifier, 0),
        (with_unknown_fields, 3),
        (with_unknown_fields_in_a_weight, 2),
        (with_large_values_in_a_list, 3),
    ],
)
def test_they_are_the_same_to_the_byte(made: Callable[[], onnx.ModelProto], apart: int) -> None:
    found = parted(made().SerializeToString())
    assert len(found.weights) == apart
    assert serialized(found) == made().SerializeToString(deterministic=True)
    bare = made()
    del bare.metadata_props[:]
    for each in (found, Parted(made())):
        assert b"".join(pieces(each, without={"metadata_props"})) == bare.SerializeToString(deterministic=True)


@pytest.mark.parametrize("name", sorted(facts()))
def test_so_they_are_for_files_of_every_exporter(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deserialization, "_LARGE_BYTES", 1000)
    expected = network(name)
    found = parted(expected.SerializeToString())
    assert found.weights
    assert serialized(found) == expected.SerializeToString(deterministic=True)
    assert joined(found) == expected


def test_large_values_are_no_copies() -> None:
    data = model().SerializeToString()
    found = parted(data)
    for piece in pieces(found):
        assert len(piece) < 1000 or (isinstance(piece, memoryview) and piece.obj is data)
    assert len(found.message.SerializeToString()) < 10_000
