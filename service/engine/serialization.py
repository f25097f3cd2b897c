"""A model as the bytes of its file, made piece by piece: protobuf makes them in one go, and nothing else of the process
runs meanwhile, seconds for a network of 500 MB.

Knows ONNX's messages and protobuf's wire format, and nothing of what they mean.
"""

import math
from collections.abc import Callable, Collection, Iterator
from typing import Any

import onnx
from google.protobuf.unknown_fields import UnknownFieldSet

from service.engine.pauses import after_copy

_LARGE_VALUES = 1 << 18  # of a tensor, from which on they are a piece of their own
_MOST_AXES = 64  # of numpy's arrays
_GRAPH = onnx.ModelProto.DESCRIPTOR.fields_by_name["graph"].number
_INITIALIZER = onnx.GraphProto.DESCRIPTOR.fields_by_name["initializer"].number
_RAW_DATA = onnx.TensorProto.DESCRIPTOR.fields_by_name["raw_data"].number
_LENGTH_DELIMITED = 2  # protobuf's wire type of what states its length: messages and bytes


def serialized(model: onnx.ModelProto) -> bytes:
    """What `SerializeToString(deterministic=True)` gives. Holds every other thread up for as long as a copy takes."""
    return b"".join(pieces(model))


def pieces(model: onnx.ModelProto, without: Collection[str] = ()) -> Iterator[bytes]:
    """The same in parts, the fields of the model that are named in `without` left out. Takes the memory of a copy."""
    if UnknownFieldSet(model) or UnknownFieldSet(model.graph):  # of a later ONNX: their place cannot be told
        yield _fields_and_unknown(model, without)
        return
    graph = list(_graph_pieces(model.graph))
    yield _fields(model, lambda field: field.number < _GRAPH and field.name not in without)
    if model.HasField("graph"):
        yield _head(_GRAPH, sum(map(len, graph)))
        yield from graph
    yield _fields(model, lambda field: field.number > _GRAPH and field.name not in without)


def without_large_values(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose large initialisers have no values and say that they have none: dims of 0.

    Those whose values are not as many as they say keep them.
    """
    return with_bare_weights(model, lambda tensor: is_large(tensor) and whole_values(tensor) is not None, _empty)


def with_bare_weights(
    model: onnx.ModelProto, is_bare: Callable[[onnx.TensorProto], bool], mark: Callable[[onnx.TensorProto], None]
) -> onnx.ModelProto:
    """A copy in which those initialisers that `is_bare` names have no bytes of values; `mark` says so in each."""
    slim = onnx.ModelProto.FromString(_fields(model, lambda field: field.number != _GRAPH))
    slim.graph.MergeFromString(_fields(model.graph, lambda field: field.number != _INITIALIZER))
    for tensor in model.graph.initializer:
        kept = slim.graph.initializer.add()
        if is_bare(tensor):
            kept.MergeFromString(_fields(tensor, lambda field: field.number != _RAW_DATA))
            mark(kept)
        else:
            kept.CopyFrom(tensor)
    return slim


def is_large(tensor: onnx.TensorProto) -> bool:
    """By what it says of itself: its bytes would have to be copied to be counted."""
    if len(tensor.dims) > _MOST_AXES or any(size < 0 for size in tensor.dims):
        return False
    return tensor.HasField("raw_data") and math.prod(tensor.dims) >= _LARGE_VALUES and not UnknownFieldSet(tensor)


def whole_values(tensor: onnx.TensorProto) -> bytes | None:
    """A copy of its bytes of values; None where these are not as many as its shape and type take."""
    if tensor.data_type not in onnx.helper.get_all_tensor_dtypes() or tensor.data_type == onnx.TensorProto.STRING:
        return None
    size = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    values: bytes = tensor.raw_data
    after_copy(len(values))
    return values if len(values) == math.prod(tensor.dims) * size else None


def _empty(tensor: onnx.TensorProto) -> None:
    tensor.dims[:] = [0]


def _graph_pieces(graph: onnx.GraphProto) -> Iterator[bytes]:
    yield _fields(graph, lambda field: field.number < _INITIALIZER)
    for tensor in graph.initializer:
        parts = list(_tensor_pieces(tensor))
        yield _head(_INITIALIZER, sum(map(len, parts)))
        yield from parts
    yield _fields(graph, lambda field: field.number > _INITIALIZER)


def _tensor_pieces(tensor: onnx.TensorProto) -> Iterator[bytes]:
    if not is_large(tensor):
        yield tensor.SerializeToString(deterministic=True)
        return
    values = tensor.raw_data
    yield _fields(tensor, lambda field: field.number < _RAW_DATA)
    yield _head(_RAW_DATA, len(values))
    yield values
    yield _fields(tensor, lambda field: field.number > _RAW_DATA)


def _fields_and_unknown(model: onnx.ModelProto, without: Collection[str]) -> bytes:
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    for name in without:
        bare.ClearField(name)
    return bare.SerializeToString(deterministic=True)


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
