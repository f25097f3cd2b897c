"""Which value of a layer is meant, and which pixels of the received picture it can see. Runs nothing."""

from collections.abc import Mapping, Sequence
from math import ceil, floor

from pydantic import BaseModel, ConfigDict, Field

from service.errors import InvalidParameterError
from service.inspection.graph.layers import Layer
from service.inspection.shapes.sight import Sight

# The axes of a layer's output by their number, the batch left out.
_CHANNELS_FIRST: Mapping[int, tuple[str, ...]] = {1: ("channel",), 2: ("channel", "x"), 3: ("channel", "y", "x")}
_CHANNELS_LAST: Mapping[int, tuple[str, ...]] = {1: ("channel",), 2: ("x", "channel"), 3: ("y", "x", "channel")}

Place = tuple[int, ...]


class Box(BaseModel):
    """Pixels of the picture that the network received (POST received shows it), rows from the top; ends included."""

    model_config = ConfigDict(frozen=True)

    top: int
    left: int
    bottom: int
    right: int


class ReceptiveFieldBox(BaseModel):
    """What the value can depend on. Most of its weight lies near the middle (Luo et al., 2016)."""

    model_config = ConfigDict(frozen=True)

    exact: bool = Field(description="false: no unit sees more, this one may see less")
    box: Box = Field(description="with what lies in the padding around the picture: may begin below 0")
    clipped: Box | None = Field(description="the part on the picture; null where all of it is padding")


def place(layer: Layer, shape: Sequence[int], asked: Mapping[str, int | None]) -> Place:
    """The index into the layer's output without its batch axis, `shape`. A coordinate left out is 0 where it can be.

    Raises InvalidParameterError with the range for one that is missing or outside, or that this layer does not have.
    """
    names = (_CHANNELS_LAST if layer.kind == "dense" else _CHANNELS_FIRST).get(len(shape))
    if names is None:
        sizes = "x".join(map(str, shape))
        raise InvalidParameterError("layer", layer.id, f"its output of {sizes} has no channel, row and column")
    for name, value in asked.items():
        if value and name not in names:
            raise InvalidParameterError(name, value, f"layer {layer.id} has no {name}: its axes are {', '.join(names)}")
    return tuple(_coordinate(layer, name, asked.get(name), size) for name, size in zip(names, shape, strict=True))


def _coordinate(layer: Layer, name: str, value: int | None, size: int) -> int:
    what = f"layer {layer.id} has {name} 0 to {size - 1}"
    if value is None and size != 1:
        raise InvalidParameterError(name, "", f"say which one: {what}")
    if not 0 <= (value or 0) < size:
        raise InvalidParameterError(name, value, what)
    return value or 0


def receptive_box(
    view: Sequence[Sight] | None, index: Place, picture: tuple[int, int] | None
) -> ReceptiveFieldBox | None:
    """The pixels in sight of the value at `index`; None where the graph does not tell. `picture`: height and width."""
    if view is None or picture is None or len(view) != 2:
        return None
    spans = [_span(sight, index, size) for sight, size in zip(view, picture, strict=True)]
    if spans[0] is None or spans[1] is None:
        return None
    (top, bottom), (left, right) = spans[0], spans[1]
    exact = all(sight.field is None or sight.field.exact for sight in view)
    seen = [max(top, 0), max(left, 0), min(bottom, picture[0] - 1), min(right, picture[1] - 1)]
    inside = seen[0] <= seen[2] and seen[1] <= seen[3]
    return ReceptiveFieldBox(
        exact=exact,
        box=Box(top=top, left=left, bottom=bottom, right=right),
        clipped=Box(top=seen[0], left=seen[1], bottom=seen[2], right=seen[3]) if inside else None,
    )


def _span(sight: Sight, index: Place, size: int) -> tuple[int, int] | None:
    """First and last pixel along one axis of the picture."""
    if sight.field is None:
        return 0, size - 1
    if sight.axis is None:
        return None
    moved = index[sight.axis] * sight.field.jump
    return ceil(sight.field.low + moved), floor(sight.field.high + moved)
