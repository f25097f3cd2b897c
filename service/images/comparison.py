"""Two sets of feature maps and their difference in one picture, on scales that are stated. Knows no model.

Each channel is a triple a, b, b - a: what is compared stands side by side, at the same place of equal cells.
"""

import math
from dataclasses import asdict, dataclass
from typing import Literal

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
_Cells = UInt8[np.ndarray, "channels height width 3"]


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
    page that does not exist. 96x55x55 takes 60 ms.
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

    mode: Literal["layer", "channel"] = "layer" if scale == "shared" else "channel"
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is shown as such
        change = b - a
    colormap, lows, highs = colour_range(np.concatenate([a, b], axis=1), mode)
    _, _, reaches = colour_range(np.concatenate([change, -change], axis=1), mode)
    reaches[reaches == 0] = 1
    columns, magnification = _layout(per_page, height, width)

    def panel(maps: FeatureMaps, ramp: Colormap, low: Bounds, high: Bounds) -> _Cells:
        return _painted(maps[shown], ramp, low[shown], high[shown], magnification)

    panels = (
        panel(a, colormap, lows, highs),
        panel(b, colormap, lows, highs),
        panel(change, "diverging", -reaches, reaches),
    )
    legend = ComparisonLegend(
        panels=PANELS,
        scale=scale,
        colormap=colormap,
        low=_stated(lows, shown, scale),
        high=_stated(highs, shown, scale),
        difference=_stated(reaches, shown, scale),
        clipped=(clipped_share(a, lows, highs) + clipped_share(b, lows, highs)) / 2,
        difference_clipped=clipped_share(change, -reaches, reaches),
        page=page,
        pages=pages,
        channels=tuple(shown),
        columns=columns,
        gaps=(_BETWEEN_MAPS, _BEFORE_DIFFERENCE, _BETWEEN_TRIPLES),
        cell_height=height * magnification,
        cell_width=width * magnification,
        magnification=magnification,
    )
    return Comparison(rgb_png(_tiled(_triples(*panels), columns), asdict(legend)), legend)


def _order(count: int, channel: int | None) -> list[int]:
    if channel is None:
        return list(range(count))
    if channel not in range(count):
        raise InvalidParameterError("channel", channel, f"this layer has channels 0 to {count - 1}")
    return [channel]


def _stated(bounds: Bounds, shown: list[int], scale: Literal["shared", "channel"]) -> tuple[float, ...]:
    """As few digits as tell two float32 numbers apart."""
    values = bounds[:, 0, 0].astype(np.float32)[shown if scale == "channel" else [0]]
    return tuple(float(str(value)) for value in values)


def _layout(triples: int, height: int, width: int) -> tuple[int, int]:
    """Columns of a near-square picture, and the largest whole magnification that keeps its values within 1024 pixels
    a side.
    """
    columns = min(triples, math.ceil(math.sqrt(triples * (height + 1) / (3 * (width + 1)))))
    rows = math.ceil(triples / columns)
    fitting = min(_TARGET_SIDE_PIXELS // (columns * 3 * width), _TARGET_SIDE_PIXELS // (rows * height))
    return columns, max(1, min(fitting, _MAX_MAGNIFICATION))


def _painted(maps: FeatureMaps, colormap: Colormap, lows: Bounds, highs: Bounds, magnification: int) -> _Cells:
    """Each value as a square of its colour, channels of nothing but zeros hatched."""
    indices = palette_indices(maps, lows, highs).repeat(magnification, axis=1).repeat(magnification, axis=2)
    indices[~maps.any(axis=(1, 2))] = hatching(indices.shape[1], indices.shape[2])
    cells: _Cells = palette(colormap)[indices]
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
