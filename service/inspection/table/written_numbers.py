"""The numbers of a layer as a person writes them: one for all axes, one for each, or a begin and an end for each.

Knows no kind of layer. What is wrong in itself is a ValueError, for the schema; what does not fit an UnfitError.
"""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema

Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]

MAX_NUMBER = 65_536  # of a kernel, stride, padding, side: larger than any, and products stay within 64 bits
MAX_CHANNELS = 1_000_000
_MAX_SCALE = 1024
_MAX_AXES = 3


class UnfitError(Exception):
    """A number that a layer cannot have for the input that it gets."""

    def __init__(self, name: str, value: object, remedy: str) -> None:
        super().__init__(name)
        self.name, self.value, self.remedy = name, value, remedy


def per_axis(name: str, value: int | Sizes, axes: Sizes) -> Sizes:
    """One number for each axis of an input with these sizes."""
    if isinstance(value, int):
        return (value,) * len(axes)
    if len(value) != len(axes):
        raise UnfitError(name, list(value), one_for_each(axes))
    return value


def pairs_per_axis(name: str, value: int | Sizes | Pairs, axes: Sizes) -> Pairs:
    """(begin, end) for each axis."""
    if isinstance(value, int):
        return ((value, value),) * len(axes)
    if len(value) != len(axes):
        raise UnfitError(name, list(value), one_for_each(axes))
    return tuple((side, side) if isinstance(side, int) else side for side in value)


def one_for_each(axes: Sizes) -> str:
    return f"its input has {len(axes)} axes ({times(axes)}): give one number, or a list of {len(axes)}"


def times(sizes: Iterable[int]) -> str:
    return "x".join(map(str, sizes))


# --- as they come


def _is_whole(value: object, least: int) -> bool:
    return type(value) is int and least <= value <= MAX_NUMBER


def _positive(value: Any) -> int | Sizes:
    return _numbers(value, 1)


def _natural(value: Any) -> int | Sizes:
    return _numbers(value, 0)


def _numbers(value: Any, least: int) -> int | Sizes:
    if _is_whole(value, least):
        return int(value)
    if _is_list(value) and all(_is_whole(number, least) for number in value):
        return tuple(value)
    raise ValueError(f"give one whole number of {least} to {MAX_NUMBER:,}, or a list of one for each axis")


def _sides(value: Any) -> int | Sizes | Pairs:
    if _is_list(value) and all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        if all(_is_whole(side, 0) for pair in value for side in pair):
            return tuple((begin, end) for begin, end in value)
    elif _is_whole(value, 0) or (_is_list(value) and all(_is_whole(side, 0) for side in value)):
        return _natural(value)
    raise ValueError(f"give one whole number of 0 to {MAX_NUMBER:,}, one for each axis, or [begin, end] for each axis")


def _scales(value: Any) -> float | tuple[float, ...]:
    numbers = value if _is_list(value) else [value]
    if not all(type(number) in (int, float) and 0 < number <= _MAX_SCALE for number in numbers):
        raise ValueError(f"give one number above 0 and up to {_MAX_SCALE}, or a list of one for each axis")
    return tuple(map(float, numbers)) if _is_list(value) else float(value)


def _is_list(value: object) -> bool:
    return isinstance(value, list) and 1 <= len(value) <= _MAX_AXES


def _one_or_list(*kinds: dict[str, Any]) -> WithJsonSchema:
    """The first kind alone, or a list with any one of the kinds for each axis."""
    lists = ({"type": "array", "items": kind, "minItems": 1, "maxItems": _MAX_AXES} for kind in kinds)
    return WithJsonSchema({"anyOf": [kinds[0], *lists]})


_POSITIVE = {"type": "integer", "minimum": 1, "maximum": MAX_NUMBER}
_NATURAL = {"type": "integer", "minimum": 0, "maximum": MAX_NUMBER}
_PAIR = {"type": "array", "items": _NATURAL, "minItems": 2, "maxItems": 2}
_SCALE = {"type": "number", "exclusiveMinimum": 0, "maximum": _MAX_SCALE}

Positive = Annotated[int | Sizes, PlainValidator(_positive), _one_or_list(_POSITIVE)]
Natural = Annotated[int | Sizes, PlainValidator(_natural), _one_or_list(_NATURAL)]
Padding = Annotated[int | Sizes | Pairs, PlainValidator(_sides), _one_or_list(_NATURAL, _PAIR)]
Scale = Annotated[float | tuple[float, ...], PlainValidator(_scales), _one_or_list(_SCALE)]
Channels = Annotated[int, Field(strict=True, ge=1, le=MAX_CHANNELS)]
