"""The bytes of a file as a model: the values of large weights stay where they lie, all else is read piece by piece.

protobuf reads a message in one go and copies what it holds, and nothing else of the process runs meanwhile. Knows
protobuf's wire format, and where ONNX keeps the graph, its weights and their values. What it cannot take apart protobuf
reads whole, or refuses.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import onnx
from google.protobuf.unknown_fields import UnknownFieldSet

from service.engine.parted import Parted
from service.engine.pauses import after_copy

_LARGE_BYTES = 1 << 18  # of a weight, from which on its values stay where they lie
_PIECE_BYTES = 1 << 24  # of fields read together; one that is longer is a piece of its own
_GRAPH = onnx.ModelProto.DESCRIPTOR.fields_by_name["graph"].number
_INITIALIZER = onnx.GraphProto.DESCRIPTOR.fields_by_name["initializer"].number
_RAW_DATA = onnx.TensorProto.DESCRIPTOR.fields_by_name["raw_data"].number
_LISTS = tuple(field.name for field in onnx.TensorProto.DESCRIPTOR.fields if field.name.endswith("_data"))
_VARINT, _EIGHT_BYTES, _LENGTH_DELIMITED, _FOUR_BYTES = 0, 1, 2, 5  # protobuf's wire types
_MOST_BYTES, _MOST_TAG_BYTES = 10, 5  # of a number, and of one that is a tag or a length
_MOST_FIELDS = 200_000  # of a message; to look at one takes two microseconds, which protobuf does not
_MOST_AXES = 64  # of numpy's arrays


class _Field(NamedTuple):
    """Places in the bytes: of the field, of what it holds, and of the first byte behind it."""

    number: int
    start: int
    content: int
    end: int


class _UnusualError(Exception):
    """Bytes that are cut short or of another form than ONNX's."""


def parted(data: bytes) -> Parted:
    """What `onnx.load_model_from_string` gives, its large weights apart; raises DecodeError as it does.

    Messages in messages may be one level deeper here, since the graph is read by itself.
    """
    try:
        return _merged(data, list(_fields(data, 0, len(data))))
    except _UnusualError:
        return Parted(onnx.load_model_from_string(data))


def _merged(data: bytes, fields: list[_Field]) -> Parted:
    """To read a message's fields one after the other is to read the message: so protobuf defines it."""
    model, weights = onnx.ModelProto(), dict[int, memoryview]()
    for field in fields:
        if field.number != _GRAPH or field.content == field.start:
            model.MergeFromString(data[field.start : field.end])
            continue
        model.graph.SetInParent()  # also where it is empty
        for run in _runs(data, field):
            if _is_large(run[0]):
                _add_weight(data, run[0], model.graph, weights)
            else:
                _merge(model.graph, data, run[0].start, run[-1].end)
    return Parted(model, weights)


def _runs(data: bytes, graph: _Field) -> Iterator[list[_Field]]:
    """The fields of the graph in their order: a large weight by itself, of others as many as make a piece."""
    run: list[_Field] = []
    for field in _fields(data, graph.content, graph.end):
        if run and (_is_large(field) or _is_large(run[0]) or field.end - run[0].start > _PIECE_BYTES):
            yield run
            run = []
        run.append(field)
    if run:
        yield run


def _is_large(field: _Field) -> bool:
    return field.number == _INITIALIZER and field.content > field.start and field.end - field.content >= _LARGE_BYTES


def _add_weight(data: bytes, field: _Field, graph: onnx.GraphProto, weights: dict[int, memoryview]) -> None:
    place, tensor = len(graph.initializer), graph.initializer.add()
    values = _values(data, field)
    if values is None:
        _merge(tensor, data, field.content, field.end)
        return
    _merge(tensor, data, field.content, values.start)
    _merge(tensor, data, values.end, field.end)
    size = values.end - values.content
    if _has_room_for(tensor, size):
        weights[place] = memoryview(data)[values.content : values.end]
    else:
        tensor.raw_data = data[values.content : values.end]
        after_copy(size)


def _values(data: bytes, tensor: _Field) -> _Field | None:
    """Where its bytes of values lie; None unless they lie in one place."""
    found = [field for field in _fields(data, tensor.content, tensor.end) if field.number == _RAW_DATA]
    return found[0] if len(found) == 1 and found[0].content > found[0].start else None


def _has_room_for(tensor: onnx.TensorProto, size: int) -> bool:
    """Whether so many bytes are its values, as it says itself, and all of them."""
    if tensor.data_type not in onnx.helper.get_all_tensor_dtypes() or tensor.data_type == onnx.TensorProto.STRING:
        return False
    if len(tensor.dims) > _MOST_AXES or any(length < 0 for length in tensor.dims):
        return False
    stated = math.prod(tensor.dims) * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return stated == size and not any(len(getattr(tensor, name)) for name in _LISTS) and not UnknownFieldSet(tensor)


def _merge(message: onnx.GraphProto | onnx.TensorProto, data: bytes, start: int, end: int) -> None:
    piece = data[start:end]
    after_copy(len(piece))
    message.MergeFromString(piece)
    after_copy(len(piece))


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
