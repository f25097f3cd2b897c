"""Which input pixels one output value can depend on: interval arithmetic along one image axis, in exact rationals.

Pure; knows no graph and no tensor. Output t sees the pixels `low + t * jump` to `high + t * jump` of the input.
The same numbers as A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of Convolutional Neural Networks",
Distill 2019. The field is theoretical: what really counts lies mostly near its centre (W. Luo et al., 2016).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

# How far from the mapped position a resize reads, in input positions: (down, up).
_RESIZE_REACH = {
    "linear": (Fraction(1), Fraction(1)),
    "cubic": (Fraction(2), Fraction(2)),
    "round_prefer_floor": (Fraction(1, 2), Fraction(1, 2)),
    "round_prefer_ceil": (Fraction(1, 2), Fraction(1, 2)),
    "floor": (Fraction(1), Fraction(0)),
    "ceil": (Fraction(0), Fraction(1)),
}


@dataclass(frozen=True)
class ReceptiveField:
    """Along one axis, in input pixels. Not `exact`: no unit sees more, but some or all see less."""

    low: Fraction
    high: Fraction
    jump: Fraction
    exact: bool = True

    @property
    def size(self) -> int:
        """Pixels from the first to the last one seen, padding included."""
        return floor(self.high - self.low) + 1

    @property
    def centre(self) -> Fraction:
        """Of unit 0; unit t's lies t jumps further."""
        return (self.low + self.high) / 2


PIXEL = ReceptiveField(Fraction(0), Fraction(0), Fraction(1))


def through_window(field: ReceptiveField, extent: int, stride: int, padding_begin: int) -> ReceptiveField:
    """Behind a convolution or pooling whose dilated kernel covers `extent` positions."""
    return replace(
        field,
        low=field.low - field.jump * padding_begin,
        high=field.high + field.jump * (extent - 1 - padding_begin),
        jump=field.jump * stride,
    )


def through_transposed_window(field: ReceptiveField, extent: int, stride: int, padding_begin: int) -> ReceptiveField:
    """Behind a transposed convolution: a hull, since units see different pixels depending on t mod stride."""
    return ReceptiveField(
        low=field.low + field.jump * Fraction(padding_begin - (extent - 1), stride),
        high=field.high + field.jump * Fraction(padding_begin, stride),
        jump=field.jump / stride,
        exact=field.exact and stride == 1,
    )


def through_padding(field: ReceptiveField, begin: int) -> ReceptiveField:
    """Behind a Pad (or, with a negative number, a crop) that moves position 0."""
    return replace(field, low=field.low - field.jump * begin, high=field.high - field.jump * begin)


def through_repetition(field: ReceptiveField, begin: int, end: int) -> ReceptiveField:
    """Where padding repeats the border's pixels: units near an edge see up to so many positions further inside."""
    if begin <= 0 and end <= 0:
        return field
    low, high = field.low - field.jump * max(end, 0), field.high + field.jump * max(begin, 0)
    return replace(field, low=low, high=high, exact=False)


def through_resize(
    field: ReceptiveField, scale: Fraction, mode: str, coordinates: str, nearest_mode: str
) -> ReceptiveField | None:
    """Behind ONNX Resize: output t reads around the input position t / scale + offset. None for modes not covered."""
    offset = {"asymmetric": Fraction(0), "half_pixel": (1 / scale - 1) / 2}.get(coordinates)
    reach = _RESIZE_REACH.get(nearest_mode if mode == "nearest" else mode)
    if offset is None or reach is None:
        return None
    # Positions are multiples of 1 / grain, and a neighbour at the very end of the reach is read on one side only.
    grain = 2 * scale.numerator
    down, up = (max(r - Fraction(1, grain), Fraction(0)) for r in reach)
    if mode == "nearest":
        # A position outside the input is moved to its border: half_pixel starts and ends at most half a position
        # outside, asymmetric ends less than one outside.
        outside = Fraction(1, 2) if coordinates == "half_pixel" else max(1 - 1 / scale, Fraction(0))
        down, up = max(down, outside), max(up, outside if coordinates == "half_pixel" else Fraction(0))
    return ReceptiveField(
        low=field.low + field.jump * (offset - down),
        high=field.high + field.jump * (offset + up),
        jump=field.jump / scale,
        exact=False,
    )


def joined(fields: Sequence[ReceptiveField]) -> ReceptiveField | None:
    """What is seen through any of several paths; None where their steps differ, so that no one interval holds."""
    if len({field.jump for field in fields}) != 1:
        return None
    return ReceptiveField(
        low=min(field.low for field in fields),
        high=max(field.high for field in fields),
        jump=fields[0].jump,
        exact=all(field.exact for field in fields),
    )
