"""A model as the bytes of its file, made in parts: the values of large weights are not copied.

Knows ONNX's messages and protobuf's wire format, and nothing of what they mean.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any

import onnx
from google.protobuf.unknown_fields import UnknownFieldSet

from service.engine.parted import Parted, joined

_GRAPH = onnx.ModelProto.DESCRIPTOR.fields_by_name["graph"].number
_INITIALIZER = onnx.GraphProto.DESCRIPTOR.fields_by_name["initializer"].number
_RAW_DATA = onnx.TensorProto.DESCRIPTOR.fields_by_name["raw_data"].number
_LENGTH_DELIMITED = 2  # protobuf's wire type of what states its length: messages and bytes


def serialized(model: Parted) -> bytes:
    """What `SerializeToString(deterministic=True)` gives of the whole. Holds other threads up for a copy of it."""
    return b"".join(pieces(model))


def pieces(model: Parted, without: Collection[str] = ()) -> Iterator[bytes | memoryview]:
    """The same in parts, the fields of the model that are named in `without` left out."""
    message = model.message
    if not model.weights:
        yield _without(message, without)
        return
    if UnknownFieldSet(message) or UnknownFieldSet(message.graph):  # of a later ONNX: their place cannot be told
        yield from pieces(Parted(joined(model)), without)
        return
    graph = list(_graph_pieces(model))
    yield _fields(message, lambda field: field.number < _GRAPH and field.name not in without)
    yield _head(_GRAPH, sum(map(len, graph)))
    yield from graph
    yield _fields(message, lambda field: field.number > _GRAPH and field.name not in without)


def _graph_pieces(model: Parted) -> Iterator[bytes | memoryview]:
    graph = model.message.graph
    yield _fields(graph, lambda field: field.number < _INITIALIZER)
    for place, tensor in enumerate(graph.initializer):
        parts = list(_tensor_pieces(tensor, model.weights.get(place)))
        yield _head(_INITIALIZER, sum(map(len, parts)))
        yield from parts
    yield _fields(graph, lambda field: field.number > _INITIALIZER)


def _tensor_pieces(tensor: onnx.TensorProto, values: memoryview | None) -> Iterator[bytes | memoryview]:
    if values is None:
        yield tensor.SerializeToString(deterministic=True)
        return
    yield _fields(tensor, lambda field: field.number < _RAW_DATA)
    yield _head(_RAW_DATA, len(values))
    yield values
    yield _fields(tensor, lambda field: field.number > _RAW_DATA)


def _without(message: onnx.ModelProto, names: Collection[str]) -> bytes:
    """All but these fields; unknown ones too."""
    bare = onnx.ModelProto()
    bare.CopyFrom(message)
    for name in names:
        bare.ClearField(name)
    written: bytes = bare.SerializeToString(deterministic=True)
    return written


def _fields(message: Any, wanted: Callable[[Any], bool]) -> bytes:
    """Some of a message's fields, in the order of their numbers, as protobuf writes them."""
    part = type(message)()
    for field in message.DESCRIPTOR.fields:
        if wanted(field) and _is_set(message, field):
            _set(part, field, getattr(message, field.name))
    written: bytes = part.SerializeToString(deterministic=True)
    return written


def _is_set(message: Any, field: Any) -> bool:
    return bool(len(getattr(message, field.name))) if field.is_repeated else bool(message.HasField(field.name))


def _set(message: Any, field: Any, value: Any) -> None:
    if field.is_repeated:
        getattr(message, field.name).extend(value)
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(value)
    else:
        setattr(message, field.name, value)


def _head(number: int, length: int) -> bytes:
    """What stands before a field that states its length."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(length)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the eighth."""
    more = []
    while value > 0x7F:
        more.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*more, value])
