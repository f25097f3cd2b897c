"""Two sets of feature maps and their difference in one picture, on scales that are stated. Knows no model.

Each channel is a triple a, b, b - a: what is compared stands side by side, at the same place of equal cells.
"""

import math
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import UInt8

from service.arrays import FeatureMaps, Pixels
from service.errors import InvalidParameterError
from service.images.colours import (
    Bounds,
    Colormap,
    clipped_share,
    colour_range,
    hatching,
    palette,
    palette_indices,
)
from service.images.pictures import CHANNELS_PER_PAGE, PIXELS_PER_PAGE
from service.images.png import rgb_png

PANELS = ("a", "b", "b - a")

# Dark lines, in pixels: the wider, the less what they part belongs together. White would be taken for a zero.
_BETWEEN_MAPS, _BEFORE_DIFFERENCE, _BETWEEN_TRIPLES = 1, 3, 8
_LINE = (72, 72, 72)
_TARGET_SIDE_PIXELS = 1024
_MAX_MAGNIFICATION = 64
_Cells = UInt8[np.ndarray, "_ _ _ 3"]


@dataclass(frozen=True)
class ComparisonLegend:
    """What is needed to read a comparison; it is also in the PNG, as tEXt chunks `fovea.scale`, `fovea.low` and so on.

    `low`, `high` are the values at the ends of `colormap`, the same for a and b. The difference goes from
    `-difference` (blue) over white at zero to `difference` (red). One number for all channels, or, with the scale
    "channel", one for each that is shown. The clipped shares are of the whole layer. Triples stand row by row,
    `columns` in a row; a panel is `cell_height` x `cell_width` pixels, `magnification` pixels a value; `gaps` are the
    pixels between a and b, before b - a, and between triples. Channels count from 0, pages from 1.
    """

    panels: tuple[str, str, str]
    scale: Literal["shared", "channel"]
    colormap: Colormap
    low: tuple[float, ...]
    high: tuple[float, ...]
    difference: tuple[float, ...]
    clipped: float
    difference_clipped: float
    page: int
    pages: int
    channels: tuple[int, ...]
    columns: int
    gaps: tuple[int, int, int]
    cell_height: int
    cell_width: int
    magnification: int


@dataclass(frozen=True)
class Comparison:
    """One page of triples as a PNG, and its legend."""

    png: bytes
    legend: ComparisonLegend


def comparison(
    a: FeatureMaps,
    b: FeatureMaps,
    *,
    scale: Literal["shared", "channel"] = "shared",
    page: int = 1,
    channel: int | None = None,
) -> Comparison:
    """Maps of one shape as triples a, b, b - a, near-square. A dense layer is given as [units, 1, 1].

    a and b always have one range: "shared" over all channels, holding 99.5 % of the values of both, "channel" from the
    smallest to the largest value of each. The difference has its own, as far below zero as above it. Colours, NaN and
    hatching of what is all zeros are those of `pictures.grid`: a hatched third panel is a channel that did not change.
    `channel` shows that one alone, on the same scale. Raises InvalidParameterError for an empty layer, a channel or a
    page that does not exist. Most of the cost is compressing the PNG, which is RGB: it holds two colour maps.
    """
    count, height, width = a.shape
    if not a.size:
        raise InvalidParameterError("layers", f"{count}x{height}x{width}", "ask for a layer that has values")
    order = _order(count, channel)
    per_page = min(len(order), CHANNELS_PER_PAGE // 3, max(1, PIXELS_PER_PAGE // (3 * (height + 1) * (width + 1))))
    pages = math.ceil(len(order) / per_page)
    if page not in range(1, pages + 1):
        raise InvalidParameterError("page", page, f"this layer has pages 1 to {pages}")
    shown = order[(page - 1) * per_page : page * per_page]

    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is shown as such
        change = b - a
    of_values, of_change = _scales(a, b, change, scale)
    columns, magnification = _layout(per_page, height, width)
    triples = _triples(
        _painted(a, of_values, shown, magnification),
        _painted(b, of_values, shown, magnification),
        _painted(change, of_change, shown, magnification),
    )
    stated = shown if scale == "channel" else [0]
    legend = ComparisonLegend(
        panels=PANELS,
        scale=scale,
        colormap=of_values.colormap,
        low=_short(of_values.lows[stated]),
        high=_short(of_values.highs[stated]),
        difference=_short(of_change.highs[stated]),
        clipped=(_clipped(a, of_values) + _clipped(b, of_values)) / 2,
        difference_clipped=_clipped(change, of_change),
        page=page,
        pages=pages,
        channels=tuple(shown),
        columns=columns,
        gaps=(_BETWEEN_MAPS, _BEFORE_DIFFERENCE, _BETWEEN_TRIPLES),
        cell_height=height * magnification,
        cell_width=width * magnification,
        magnification=magnification,
    )
    return Comparison(rgb_png(_tiled(triples, columns), asdict(legend)), legend)


class _Scale(NamedTuple):
    """A colour map and the values at its ends, for each channel."""

    colormap: Colormap
    lows: Bounds
    highs: Bounds


def _scales(
    a: FeatureMaps, b: FeatureMaps, change: FeatureMaps, scale: Literal["shared", "channel"]
) -> tuple[_Scale, _Scale]:
    """That of a and b, and that of the difference, which diverges from zero also where nothing became less."""
    mode: Literal["layer", "channel"] = "layer" if scale == "shared" else "channel"
    of_values = _Scale(*colour_range(np.concatenate([a, b], axis=1), mode))
    _, _, reach = colour_range(change, mode)
    reach[reach == 0] = 1
    return of_values, _Scale("diverging", -reach, reach)


def _order(count: int, channel: int | None) -> list[int]:
    if channel is None:
        return list(range(count))
    if channel not in range(count):
        raise InvalidParameterError("channel", channel, f"this layer has channels 0 to {count - 1}")
    return [channel]


def _short(bounds: Bounds) -> tuple[float, ...]:
    """As few digits as tell two float32 numbers apart."""
    return tuple(float(str(value)) for value in bounds[:, 0, 0].astype(np.float32))


def _clipped(maps: FeatureMaps, scale: _Scale) -> float:
    return clipped_share(maps, scale.lows, scale.highs)


def _layout(triples: int, height: int, width: int) -> tuple[int, int]:
    """Columns of a near-square picture, and the largest whole magnification that keeps its values within 1024 pixels
    a side.
    """
    columns = min(triples, math.ceil(math.sqrt(triples * (height + 1) / (3 * (width + 1)))))
    rows = math.ceil(triples / columns)
    fitting = min(_TARGET_SIDE_PIXELS // (columns * 3 * width), _TARGET_SIDE_PIXELS // (rows * height))
    return columns, max(1, min(fitting, _MAX_MAGNIFICATION))


def _painted(maps: FeatureMaps, scale: _Scale, shown: list[int], magnification: int) -> _Cells:
    """Each value as a square of its colour, channels of nothing but zeros hatched."""
    levels = palette_indices(maps[shown], scale.lows[shown], scale.highs[shown])
    indices = levels.repeat(magnification, axis=1).repeat(magnification, axis=2)
    indices[~maps[shown].any(axis=(1, 2))] = hatching(indices.shape[1], indices.shape[2])
    cells: _Cells = palette(scale.colormap)[indices]
    return cells


def _triples(a: _Cells, b: _Cells, change: _Cells) -> _Cells:
    """The three panels of each channel in one row."""

    def line(pixels: int) -> _Cells:
        return np.full((*a.shape[:2], pixels, 3), _LINE, np.uint8)

    return np.concatenate([a, line(_BETWEEN_MAPS), b, line(_BEFORE_DIFFERENCE), change], axis=2)


def _tiled(cells: _Cells, columns: int) -> Pixels:
    """Cells row by row with lines between them."""
    count, height, width, _ = cells.shape
    rows, gap = math.ceil(count / columns), _BETWEEN_TRIPLES
    framed = np.full((rows * columns, height + gap, width + gap, 3), _LINE, np.uint8)
    framed[:count, :height, :width] = cells
    page = framed.reshape(rows, columns, height + gap, width + gap, 3).swapaxes(1, 2)
    pixels: Pixels = page.reshape(rows * (height + gap), columns * (width + gap), 3)[:-gap, :-gap]
    return pixels
