"""Arrays to PNG pictures: the channels of a layer as a grid on a stated colour scale.

Knows no model and no HTTP. Every number a legend needs is in the answer and in the PNG itself.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import UInt8

from service.arrays import FeatureMaps
from service.errors import InvalidParameterError
from service.images.colours import (
    GUTTER,
    Colormap,
    Mode,
    PaletteIndices,
    Scale,
    clipped_share,
    colour_range,
    hatching,
    mode_of,
    palette_indices,
)
from service.images.png import palette_png

CHANNELS_PER_PAGE = 512
PIXELS_PER_PAGE = 4_000_000

_TARGET_SIDE_PIXELS = 1120  # so that the 96 maps of 55x55 of AlexNet are twice as large
_MAX_MAGNIFICATION = 64


@dataclass(frozen=True)
class Legend:
    """What is needed to read a grid; it is also in the PNG, as tEXt chunks `fovea.mode`, `fovea.low` and so on.

    `low` and `high` are the values at the ends of the colour map. With mode "channel" every channel has its own range
    and these are the outermost two. `clipped` is the share of the layer's values beyond the ends. Cells are
    `cell_height` x `cell_width` pixels, `magnification` pixels a value, row by row with one pixel between them;
    `channels` says which each shows, counted from 0. Pages count from 1.
    """

    title: str
    mode: Mode
    low: float
    high: float
    colormap: Colormap
    clipped: float
    page: int
    pages: int
    channels: tuple[int, ...]
    columns: int
    cell_height: int
    cell_width: int
    magnification: int


@dataclass(frozen=True)
class Grid:
    """One page of channels as a palette PNG, and its legend."""

    png: bytes
    legend: Legend


def grid(
    maps: FeatureMaps,
    *,
    scale: Scale = "layer",
    page: int = 1,
    channels: Sequence[int] | None = None,
    title: str = "",
) -> Grid:
    """The channels of one layer side by side, near-square. A dense layer is given as [units, 1, 1].

    `channels`: which, in the order of the cells; all of them in theirs where none are named. The range is always that
    of the whole layer, so that a channel looks the same alone and among the others.

    `scale`: "layer" gives all channels one range that holds 99.5 % of the values (a faint channel looks faint),
    "channel" each its own from smallest to largest (its pattern shows), (low, high) a given one (two pictures can be
    compared). Where the range reaches below zero the colours diverge from white at zero and the range is made
    symmetric; else they go from dark to light, on "layer" from zero. Values outside are shown as the nearest end,
    NaN and infinity magenta, a channel of nothing but zeros hatched.

    A page has at most 512 channels and about 4 million pixels; no channel is left out, `pages` says how many there are.
    Raises InvalidParameterError for an empty layer, a page that does not exist, or a range that is not one.
    96x55x55 takes 45 ms, 64x224x224 0.3 s.
    """
    count, height, width = maps.shape
    if not maps.size:
        raise InvalidParameterError("layer", f"{count}x{height}x{width}", "ask for a layer that has values")
    order = list(range(count) if channels is None else channels)
    per_page, pages = _paged(len(order), height, width)
    if page not in range(1, pages + 1):
        raise InvalidParameterError("page", page, f"this layer has pages 1 to {pages}")
    shown = order[(page - 1) * per_page : page * per_page]

    colormap, lows, highs = colour_range(maps, scale)
    columns, magnification = _layout(per_page, height, width)
    cells = _cells(maps[shown], palette_indices(maps[shown], lows[shown], highs[shown]), magnification)
    legend = Legend(
        title=title,
        mode=mode_of(scale),
        low=float(lows.min()),
        high=float(highs.max()),
        colormap=colormap,
        clipped=clipped_share(maps, lows, highs),
        page=page,
        pages=pages,
        channels=tuple(shown),
        columns=columns,
        cell_height=height * magnification,
        cell_width=width * magnification,
        magnification=magnification,
    )
    return Grid(palette_png(_tiled(cells, columns), colormap, asdict(legend)), legend)


def _paged(cells: int, height: int, width: int) -> tuple[int, int]:
    """How many cells a page has, and how many pages that makes."""
    per_page = min(cells, CHANNELS_PER_PAGE, max(1, PIXELS_PER_PAGE // ((height + 1) * (width + 1))))
    return per_page, math.ceil(cells / per_page)


def _layout(cells: int, height: int, width: int) -> tuple[int, int]:
    """Columns of a near-square grid, and the largest whole magnification that keeps it within 1120 pixels a side."""
    columns = min(cells, math.ceil(math.sqrt(cells * (height + 1) / (width + 1))))
    rows = math.ceil(cells / columns)
    fitting = min((_TARGET_SIDE_PIXELS // columns - 1) // width, (_TARGET_SIDE_PIXELS // rows - 1) // height)
    return columns, max(1, min(fitting, _MAX_MAGNIFICATION))


def _cells(maps: FeatureMaps, indices: PaletteIndices, magnification: int) -> PaletteIndices:
    """Each value as a square of one palette index, channels of nothing but zeros hatched."""
    cells = indices.repeat(magnification, axis=1).repeat(magnification, axis=2)
    cells[~maps.any(axis=(1, 2))] = hatching(cells.shape[1], cells.shape[2])
    return cells


def _tiled(cells: PaletteIndices, columns: int) -> UInt8[np.ndarray, "_ _"]:
    """Cells row by row with one pixel of gutter between them."""
    count, height, width = cells.shape
    rows = math.ceil(count / columns)
    framed = np.full((rows * columns, height + 1, width + 1), GUTTER, np.uint8)
    framed[:count, :height, :width] = cells
    page = framed.reshape(rows, columns, height + 1, width + 1).swapaxes(1, 2)
    return page.reshape(rows * (height + 1), columns * (width + 1))[:-1, :-1]
