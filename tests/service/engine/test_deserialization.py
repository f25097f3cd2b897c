"""A file read piece by piece is the model that protobuf reads in one go, and large weights are where they lie in it."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from service.engine import deserialization
from service.engine.deserialization import parted
from service.engine.parted import joined
from tests import tiny_models
from tests.service.engine.test_serialization import LARGE, UNKNOWN, model, with_unknown_fields
from tests.zoo import facts, topology


@pytest.fixture(params=[0, 100, 10_000])
def _pieces_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deserialization, "_PIECE_BYTES", request.param)
    monkeypatch.setattr(deserialization, "_LARGE_BYTES", request.param)


def with_a_graph_in_two_parts() -> bytes:
    """Which protobuf puts together."""
    first, second = onnx.ModelProto(), onnx.ModelProto()
    first.graph.CopyFrom(model().graph)
    del first.graph.node[1:]
    second.graph.node.extend(model().graph.node[1:])
    second.graph.initializer.extend(model().graph.initializer[:1])
    return first.SerializeToString() + second.SerializeToString()


def with_unknown_fields_of_every_kind() -> bytes:
    number = 1023 << 3
    kinds = {0: b"\x05", 1: bytes(8), 2: b"\x01a", 5: bytes(4)}
    unknown = b"".join(_varint(number | kind) + value for kind, value in kinds.items())
    group = _varint(number | 3) + _varint(number | 4)
    return model().SerializeToString() + unknown + group


def _varint(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80, value >> 7])


@pytest.mark.usefixtures("_pieces_of")
@pytest.mark.parametrize(
    "made",
    [
        lambda: model().SerializeToString(),
        lambda: tiny_models.classifier().SerializeToString(),
        lambda: with_unknown_fields().SerializeToString(),
        tiny_models.classifier().graph.SerializeToString,  # is not a model
        lambda: onnx.ModelProto(graph=onnx.GraphProto()).SerializeToString(),
        lambda: onnx.ModelProto(producer_name="nobody").SerializeToString(),
        lambda: UNKNOWN,
        with_a_graph_in_two_parts,
        with_unknown_fields_of_every_kind,
    ],
)
def test_it_is_the_same_model(made: Callable[[], bytes]) -> None:
    data = made()
    read, expected = joined(parted(data)), onnx.load_model_from_string(data)
    assert read == expected
    assert read.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)
    assert read.HasField("graph") == expected.HasField("graph")


@pytest.mark.usefixtures("_pieces_of")
@pytest.mark.parametrize("name", sorted(facts()))
def test_so_are_those_of_every_exporter(name: str) -> None:
    expected = topology(name)
    assert joined(parted(expected.SerializeToString())) == expected


@pytest.mark.usefixtures("_pieces_of")
def test_what_is_cut_short_is_refused_wherever_it_is_cut() -> None:
    data = tiny_models.classifier().SerializeToString()
    for length in range(1, len(data)):
        assert _read(_joined, data[:length]) == _read(onnx.load_model_from_string, data[:length])


NO_NODE = b"\x0a\x01\x0a"  # a graph's first field, whose content ends in the middle
NO_WEIGHT = b"\x2a\x01\x4a"  # a graph's initialiser, likewise


@pytest.mark.usefixtures("_pieces_of")
@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 200,
        b"\x3a\xff\xff\xff\xff\x0f",
        b"\x3a\x02\x2a\x7f",
        b"\x3b",
        b"no model",
        b"\x02\x01a",  # a field of number 0
        b"\x3a" + bytes([len(NO_NODE)]) + NO_NODE,
        b"\x3a" + bytes([len(NO_WEIGHT)]) + NO_WEIGHT,
        b"\xba\x80\x80\x80\x80\x80\x00\x00",  # the graph, by a tag of seven bytes
    ],
)
def test_what_is_no_protobuf_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        parted(data)


def test_a_large_weight_stays_where_it_lies_and_its_values_count() -> None:
    data = model().SerializeToString()
    found = parted(data)
    assert list(found.weights) == [0, 2, 4]
    for number, (place, values) in enumerate(found.weights.items()):
        assert values.obj is data
        assert not found.message.graph.initializer[place].raw_data
        assert np.array_equal(np.frombuffer(values, np.float32).reshape(LARGE), np.full(LARGE, number))


def test_what_is_small_is_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    merged: list[int] = []
    monkeypatch.setattr(deserialization, "after_copy", merged.append)
    parted(model().SerializeToString())
    before_and_behind_values = 3 * 2
    between_weights = 4
    assert len(merged) <= 2 * (before_and_behind_values + between_weights)
    assert max(merged) < 10_000


def odd(**changes: object) -> bytes:
    """A model with one large weight, of which something is changed."""
    found = onnx.ModelProto()
    tensor = found.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=LARGE, raw_data=bytes(1_200_000))
    for name, value in changes.items():
        if isinstance(value, list):
            getattr(tensor, name)[:] = value
        else:
            setattr(tensor, name, value)
    return found.SerializeToString()


def with_values_in_two_places() -> bytes:
    """Of which the later ones count."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=LARGE, raw_data=bytes(1_200_000))
    twice = tensor.SerializeToString() + TensorProto(raw_data=b"\x01" * 1_200_000).SerializeToString()
    return _with_weight(twice)


def with_values_of_another_form() -> bytes:
    """Under the number of the values stands a number."""
    return _with_weight(TensorProto(name="w" * 2_000_000).SerializeToString() + b"\x48\x01")


def _with_weight(tensor: bytes) -> bytes:
    def field(number: int, content: bytes) -> bytes:
        length, rest = [], len(content)
        while rest > 0x7F:
            length.append(rest & 0x7F | 0x80)
            rest >>= 7
        return bytes([number << 3 | 2, *length, rest]) + content

    return field(7, field(5, tensor))


@pytest.mark.parametrize(
    "data",
    [
        odd(dims=[600, 501]),
        odd(dims=[-600, -500]),
        odd(dims=[1] * 64 + list(LARGE)),
        odd(data_type=TensorProto.STRING),
        odd(data_type=TensorProto.UNDEFINED),
        odd(data_type=TensorProto.DOUBLE),
        odd(data_type=99),
        odd(float_data=[1.0]),
        with_values_in_two_places(),
        with_values_of_another_form(),
    ],
)
def test_a_weight_that_is_not_what_it_says_stays_in_the_message(data: bytes) -> None:
    found = parted(data)
    assert not found.weights
    assert found.message == onnx.load_model_from_string(data)


def test_what_has_too_many_fields_to_look_at_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deserialization, "_MOST_FIELDS", 5)
    found = parted(model().SerializeToString())
    assert not found.weights
    assert found.message == model()


def test_a_list_of_values_is_no_place_in_the_file() -> None:
    made = onnx.ModelProto()
    made.graph.initializer.append(helper.make_tensor("list", TensorProto.FLOAT, LARGE, np.zeros(LARGE).ravel()))
    assert not parted(made.SerializeToString()).weights


def _joined(data: bytes) -> onnx.ModelProto:
    return joined(parted(data))


def _read(reader: Callable[[bytes], onnx.ModelProto], data: bytes) -> bytes | None:
    try:
        return reader(data).SerializeToString(deterministic=True)
    except DecodeError:
        return None
