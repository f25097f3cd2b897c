"""The bytes of a large model's file as a model, read piece by piece: protobuf reads them in one go, and nothing else of
the process runs meanwhile.

Knows protobuf's wire format and where ONNX keeps the graph. What it cannot take apart protobuf reads whole, or refuses.
"""

from collections.abc import Iterator
from typing import NamedTuple

import onnx

from service.engine.pauses import after_copy

_PIECE_BYTES = 1 << 24  # of fields read together; one that is longer is a piece of its own
_GRAPH = onnx.ModelProto.DESCRIPTOR.fields_by_name["graph"].number
_VARINT, _EIGHT_BYTES, _LENGTH_DELIMITED, _FOUR_BYTES = 0, 1, 2, 5  # protobuf's wire types
_MOST_BYTES, _MOST_TAG_BYTES = 10, 5  # of a number, and of one that is a tag or a length
_MOST_FIELDS = 200_000  # of a message; to look at one takes two microseconds, which protobuf does not


class _Field(NamedTuple):
    """Places in the bytes: of the field, of what it holds, and of the first byte behind it."""

    number: int
    start: int
    content: int
    end: int


class _UnusualError(Exception):
    """Bytes that are cut short or of another form than ONNX's."""


def model_of(data: bytes) -> onnx.ModelProto:
    """What `onnx.load_model_from_string` gives; raises DecodeError as it does. Takes the memory of one more tensor.

    Messages in messages may be one level deeper here, since the graph is read by itself.
    """
    if len(data) <= _PIECE_BYTES:
        return onnx.load_model_from_string(data)
    try:
        fields = list(_fields(data, 0, len(data)))
        return _merged(data, fields, _graphs(data, fields))
    except _UnusualError:
        return onnx.load_model_from_string(data)


def _graphs(data: bytes, fields: list[_Field]) -> dict[_Field, list[slice]]:
    """Those fields that are the graph, protobuf allows several, each with the places of its pieces."""
    return {field: list(_pieces(data, field)) for field in fields if _is_graph(field)}


def _merged(data: bytes, fields: list[_Field], graphs: dict[_Field, list[slice]]) -> onnx.ModelProto:
    """To read a message's fields one after the other is to read the message: so protobuf defines it."""
    model, cut = onnx.ModelProto(), data.__getitem__  # behind a call Python lets others run, behind [] it does not
    for field in fields:
        if field not in graphs:
            model.MergeFromString(data[field.start : field.end])
            continue
        model.graph.SetInParent()  # also where it is empty
        for place in graphs[field]:
            piece = cut(place)
            after_copy(len(piece))
            model.graph.MergeFromString(piece)
            after_copy(len(piece))
    return model


def _is_graph(field: _Field) -> bool:
    return field.number == _GRAPH and field.content > field.start


def _pieces(data: bytes, graph: _Field) -> Iterator[slice]:
    """The fields of the graph, as many together as make a piece."""
    start = end = graph.content
    for field in _fields(data, graph.content, graph.end):
        if start < field.start and field.end - start > _PIECE_BYTES:
            yield slice(start, field.start)
            start = field.start
        end = field.end
    yield slice(start, end)


def _fields(data: bytes, start: int, stop: int) -> Iterator[_Field]:
    """Those of one message. `content` is `start` where the field's length is not stated: it is then no message."""
    count = 0
    while start < stop:
        count += 1
        if count > _MOST_FIELDS:
            raise _UnusualError
        tag, place = _varint(data, start, stop, _MOST_TAG_BYTES)
        number, kind = tag >> 3, tag & 7
        content = start
        if kind == _LENGTH_DELIMITED:
            length, content = _varint(data, place, stop, _MOST_TAG_BYTES)
            end = content + length
        elif kind == _VARINT:
            _, end = _varint(data, place, stop)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            end = place + (8 if kind == _EIGHT_BYTES else 4)
        else:
            raise _UnusualError
        if end > stop:
            raise _UnusualError
        yield _Field(number, start, content, end)
        start = end


def _varint(data: bytes, start: int, stop: int, most: int = _MOST_BYTES) -> tuple[int, int]:
    """The number, seven bits a byte and the lowest first, and the place behind it."""
    value = 0
    for place in range(start, min(stop, start + most)):
        value |= (data[place] & 0x7F) << 7 * (place - start)
        if data[place] < 0x80:
            return value, place + 1
    raise _UnusualError
