"""A file read piece by piece is the model that protobuf reads in one go."""

from collections.abc import Callable

import onnx
import pytest
from google.protobuf.message import DecodeError

from service.engine import deserialization
from service.engine.deserialization import model_of
from tests import tiny_models
from tests.service.engine.test_serialization import LARGE, UNKNOWN, model, with_unknown_fields
from tests.zoo import facts, topology


@pytest.fixture(autouse=True, params=[0, 100, 10_000])
def _pieces_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deserialization, "_PIECE_BYTES", request.param)


def with_a_graph_in_two_parts() -> bytes:
    """Which protobuf puts together."""
    first, second = onnx.ModelProto(), onnx.ModelProto()
    first.graph.CopyFrom(model().graph)
    del first.graph.node[1:]
    second.graph.node.extend(model().graph.node[1:])
    return first.SerializeToString() + second.SerializeToString()


def with_unknown_fields_of_every_kind() -> bytes:
    number = 1023 << 3
    kinds = {0: b"\x05", 1: bytes(8), 2: b"\x01a", 5: bytes(4)}
    unknown = b"".join(_varint(number | kind) + value for kind, value in kinds.items())
    group = _varint(number | 3) + _varint(number | 4)
    return model().SerializeToString() + unknown + group


def _varint(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80, value >> 7])


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
    read, expected = model_of(data), onnx.load_model_from_string(data)
    assert read == expected
    assert read.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)
    assert read.HasField("graph") == expected.HasField("graph")


@pytest.mark.parametrize("name", sorted(facts()))
def test_so_are_those_of_every_exporter(name: str) -> None:
    expected = topology(name)
    assert model_of(expected.SerializeToString()) == expected


def test_what_is_cut_short_is_refused_wherever_it_is_cut() -> None:
    data = tiny_models.classifier().SerializeToString()
    for length in range(1, len(data)):
        assert _read(model_of, data[:length]) == _read(onnx.load_model_from_string, data[:length])


NO_NODE = b"\x0a\x01\x0a"  # a graph's first field, whose content ends in the middle


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
        b"\xba\x80\x80\x80\x80\x80\x00\x00",  # the graph, by a tag of seven bytes
    ],
)
def test_what_is_no_protobuf_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        model_of(data)


def graphs_of(data: bytes) -> dict[deserialization._Field, list[slice]]:
    return deserialization._graphs(data, list(deserialization._fields(data, 0, len(data))))


def test_a_large_weight_is_read_by_itself_and_what_is_small_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deserialization, "_PIECE_BYTES", 100_000)
    data = model().SerializeToString()
    ((graph, places),) = graphs_of(data).items()
    sizes = [place.stop - place.start for place in places]
    assert (places[0].start, places[-1].stop) == (graph.content, graph.end)
    assert sum(size > 4 * LARGE[0] * LARGE[1] for size in sizes) == 3
    assert max(sizes) < 4 * LARGE[0] * LARGE[1] + 1000
    assert len(sizes) <= 7


def test_what_has_too_many_fields_to_look_at_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    data = model().SerializeToString()
    monkeypatch.setattr(deserialization, "_MOST_FIELDS", 5)
    with pytest.raises(deserialization._UnusualError):
        graphs_of(data)
    assert model_of(data) == model()


def _read(reader: Callable[[bytes], onnx.ModelProto], data: bytes) -> bytes | None:
    try:
        return reader(data).SerializeToString(deterministic=True)
    except DecodeError:
        return None
