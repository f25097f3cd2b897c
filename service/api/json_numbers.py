"""Long lists of numbers in JSON: set apart before the rest is parsed, and read piece by piece.

A parser makes a Python object of each number before it returns, tens of bytes for one digit, and no other thread has a
turn until then: with the largest body that is more than half a second. Pure: knows no protocol.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

_PIECE_BYTES = 65_536  # a millisecond
_SHORT_BYTES = 65_536  # a list whose place is kept
_MOST_AXES = 32
_NO_STRUCTURE = b"0123456789+-.eE \t\n\r"
_NO_BRACKETS = bytes.maketrans(b"[]", b"  ")  # never nothing in their place: two numbers would become one
_BLANK = bytes(byte if byte in b"\n\r" else ord(" ") for byte in range(256))  # an error is on the same line afterwards
# The key comes first, which is what `re` can look for quickly; then that it is no text with an escaped quote.
_NUMBERS = rb'("%b"(?<!\\"%b")\s*:\s*)(\[[\s\[]*)([-0-9][-+.0-9eE,\s\[\]]*\])'


@dataclass(frozen=True)
class Numbers:
    """A list as it stands in the JSON, flat or nested. Whether it is well-formed is seen when it is read."""

    text: bytes

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of a list that is nested evenly, else None."""
        if self.text.count(b"[") == self.text.count(b"]") == 1:
            return (self.text.count(b",") + 1,)
        return _shape(self.text.translate(None, _NO_STRUCTURE))

    def pieces(self) -> Iterator[list[Any]]:
        """All numbers in order, whatever the nesting. Raises ValueError where one is none, or one is missing."""
        flat = self.text.translate(_NO_BRACKETS) if self.text.count(b"[") > 1 else self.text[1:-1]
        start, end = 0, 0
        while end < len(flat):
            end = flat.find(b",", start + _PIECE_BYTES)
            end = end if end >= 0 else len(flat)
            piece: list[Any] = orjson.loads(b"[%b]" % flat[start:end])
            if not piece:
                raise ValueError("a number is missing")
            yield piece
            start = end + 1


def set_apart(json: bytes, key: bytes) -> tuple[bytes, list[Numbers]]:
    """The JSON with each list of numbers under `key` replaced by `[its place in the list beside it]`.

    All else stays where it is, to the line and the column, but behind a list that is longer than 64 KiB. Takes 2 ms a
    MiB, in which no other thread has a turn.
    """
    found: list[Numbers] = []

    def replaced(match: re.Match[bytes]) -> bytes:
        key_and_colon, opening, rest = match.groups()
        if match[0].count(b"[") != match[0].count(b"]"):
            return match[0]  # the first of its lists only: what is behind them is no number
        place = b"%d" % len(found)  # where the first digit was
        found.append(Numbers(opening + rest))
        if len(rest) > _SHORT_BYTES:
            return b"%b[%b]" % (key_and_colon, place)
        blank = opening[1:].translate(_BLANK), rest[1:-1].translate(_BLANK)
        return b"".join([key_and_colon, b"[", blank[0], place, blank[1], b"]"])

    return re.sub(_NUMBERS % (2 * (re.escape(key),)), replaced, json), found


def restored(data: list[Any], numbers: Sequence[Numbers]) -> "list[Any] | Numbers":
    """What stood there."""
    if len(data) == 1 and type(data[0]) is int and 0 <= data[0] < len(numbers):
        return numbers[data[0]]
    return data


def _shape(structure: bytes) -> tuple[int, ...] | None:
    """Of brackets and commas: from the innermost lists outwards, each has to be made of the one before it."""
    depth = len(structure) - len(structure.lstrip(b"["))
    if depth > _MOST_AXES:
        return None
    unit = structure[depth - 1 : structure.find(b"]") + 1]
    shape = [len(unit) - 1]
    for level in range(1, depth):
        end = structure.find(b"]" * (level + 1)) + level + 1
        block = structure[depth - 1 - level : end]
        count = (len(block) - 1) // (len(unit) + 1)
        if block != b"[%b]" % b",".join([unit] * count):
            return None
        shape.append(count)
        unit = block
    return tuple(reversed(shape)) if unit == structure else None
