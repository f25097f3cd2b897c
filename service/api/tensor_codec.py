"""Tensors of the Open Inference Protocol V2 to NumPy arrays and back: JSON lists, or little-endian bytes in C order.

Pure: knows no HTTP and no model. A tensor of datatype BYTES is an array of Python `bytes`.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from service.api.json_numbers import Numbers
from service.errors import InvalidTensorError, shown

DATATYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}
_PREFIX = 4  # bytes of the length before each element of a binary BYTES tensor
_ELEMENTS: dict[str, tuple[set[type], str]] = {
    "b": ({bool}, "true and false"),
    "u": ({int}, "whole numbers"),
    "i": ({int}, "whole numbers"),
    "f": ({int, float}, "numbers"),
    "O": ({str}, "strings"),
}


def datatype_of(dtype: np.dtype[Any]) -> str:
    """The protocol's name of a NumPy type that it has."""
    return next(name for name, known in DATATYPES.items() if known == dtype)


def from_json(data: list[Any] | Numbers, datatype: str, shape: Sequence[int]) -> np.ndarray:
    """The array of `shape`, from a list nested as `shape` says (axes of size 1 may be left out) or flat.

    Raises InvalidTensorError where the numbers are of another kind, out of range, or not as many as `shape` says.
    A string of a BYTES tensor becomes its UTF-8 bytes.
    """
    dtype = _dtype(datatype)
    if datatype == "FP16":
        raise InvalidTensorError("FP16 has no JSON form", "send it as binary data, or another datatype")
    if isinstance(data, Numbers):
        _check_nesting(data.shape, shape)
        return _numbers(data, dtype, math.prod(shape)).reshape(shape)
    found = _array(data, dtype)
    _check_nesting(found.shape if found.size else (0,), shape)
    return _converted(found, dtype).reshape(shape)


def from_binary(data: memoryview, datatype: str, shape: Sequence[int]) -> np.ndarray:
    """The array of `shape`; raises InvalidTensorError where the bytes are more or fewer than `shape` needs.

    Numbers are not copied unless they lie unaligned; the array is then read-only. BYTES elements are copied.
    """
    dtype = _dtype(datatype)
    if datatype == "BYTES":
        found = _objects(list(_elements(data, math.prod(shape))))
        _check_count(found.size, shape)
        return found.reshape(shape)
    needed = math.prod(shape) * dtype.itemsize
    if len(data) != needed:
        raise InvalidTensorError(
            f"{len(data):,} bytes for a {datatype} tensor of shape {list(shape)}", f"send {needed:,} bytes"
        )
    return np.require(np.frombuffer(data, dtype), requirements="A").reshape(shape)


def to_json(array: np.ndarray) -> list[Any]:
    """The flat list of an array; bytes become text."""
    flat: list[Any] = array.ravel().tolist()
    return [element.decode() for element in flat] if array.dtype.hasobject else flat


def to_binary(array: np.ndarray) -> bytes:
    if not array.dtype.hasobject:
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return b"".join(len(element).to_bytes(_PREFIX, "little") + element for element in array.ravel())


def _dtype(datatype: str) -> np.dtype[Any]:
    if datatype not in DATATYPES:
        raise InvalidTensorError(f"datatype {shown(datatype)} is not known", f"use one of: {', '.join(DATATYPES)}")
    return DATATYPES[datatype]


def _wide(shape: Sequence[int]) -> list[int]:
    return [size for size in shape if size != 1]


def _check_nesting(found: Sequence[int] | None, shape: Sequence[int]) -> None:
    """A flat list is checked by its count alone."""
    if found is None:
        raise InvalidTensorError("the data is nested unevenly", "send it flat")
    if len(found) == 1:
        _check_count(found[0], shape)
    elif _wide(found) != _wide(shape):
        raise InvalidTensorError(
            f"the data is nested as {list(found)} and the shape is {list(shape)}", "nest it alike, or send it flat"
        )


def _check_count(count: int, shape: Sequence[int]) -> None:
    if count != math.prod(shape):
        raise InvalidTensorError(
            f"{count:,} elements for the shape {list(shape)}",
            f"send {math.prod(shape):,} elements, or state their shape",
        )


def _numbers(data: Numbers, dtype: np.dtype[Any], count: int) -> np.ndarray:
    """Piece by piece, so that others have their turn and no number stays a Python object."""
    found, place = np.empty(count, dtype), 0
    try:
        for piece in data.pieces():
            found[place : place + len(piece)] = _piece(piece, dtype)
            place += len(piece)
    except ValueError as error:
        raise InvalidTensorError(
            "the data holds what is no number in JSON, or a comma too many", "send numbers like 1, -2.5 or 3e-4"
        ) from error
    return found


def _piece(values: list[Any], dtype: np.dtype[Any]) -> np.ndarray:
    """As `_converted(_array(...))`, but for what needs neither: numbers that NumPy reads as ones of this kind."""
    read = np.array(values)
    if dtype.kind == "f" and read.dtype.kind in "iuf":
        with np.errstate(over="ignore"):
            return read.astype(dtype)
    if dtype.kind in "iu" and read.dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if limits.min <= read.min() and read.max() <= limits.max:
            return read.astype(dtype)
    return _converted(_array(values, dtype), dtype)


def _array(data: list[Any], dtype: np.dtype[Any]) -> np.ndarray:
    """The data as it is nested, as Python objects: NumPy alone would read null as NaN and "1" as 1.

    As text it would also take, per element, the memory of the longest.
    """
    try:
        found = np.array(data, object)
    except ValueError as error:
        raise InvalidTensorError("the data is nested unevenly", "send it flat") from error
    allowed, phrase = _ELEMENTS[dtype.kind]
    if others := set(map(type, found.flat)) - allowed:
        kinds = ", ".join(sorted("null" if kind is type(None) else kind.__name__ for kind in others))
        raise InvalidTensorError(f"the data holds elements of another kind: {kinds}", f"send {phrase}, nested evenly")
    return found


def _converted(found: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    if dtype.hasobject:
        return _objects([element.encode() for element in found.flat])
    try:
        with np.errstate(over="ignore"):  # beyond FP32 is infinity, which is no pixel: the caller's to judge
            return found.astype(dtype)
    except OverflowError as error:
        raise InvalidTensorError(
            f"an element lies outside {datatype_of(dtype)}", "send numbers in its range"
        ) from error


def _objects(elements: list[bytes]) -> np.ndarray:
    found = np.empty(len(elements), object)
    found[:] = elements
    return found


def _elements(data: memoryview, most: int) -> Iterator[bytes]:
    """The elements of a binary BYTES tensor, `most` at most; raises where the lengths do not add up."""
    position = 0
    for _ in range(most):
        start = position + _PREFIX
        end = start + int.from_bytes(data[position:start], "little")
        if start > len(data) or end > len(data):
            break
        yield bytes(data[start:end])
        position = end
    if position != len(data):
        raise InvalidTensorError(
            f"the lengths inside a BYTES tensor of {len(data):,} bytes do not add up to {most:,} elements",
            "send each element as a 4-byte little-endian length and its bytes",
        )
