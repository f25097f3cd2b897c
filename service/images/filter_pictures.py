"""Kernels as a PNG: rows of small cells on one stated scale, in colours, or blue over white (zero) to red.

Knows no model and no HTTP. Every number a legend needs is in the answer and in the PNG itself.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.errors import InvalidParameterError

PIXELS_PER_PAGE = 4_000_000
MAX_WIDTH = 32_768

_GUTTER, _BETWEEN, _NOT_A_NUMBER = range(3)
_FIRST_LEVEL = 3
_LEVELS = 251  # odd, so that one level is exactly the middle: white is zero and nothing else
_SPECIAL_COLOURS = np.array(((48, 48, 48), (255, 255, 255), (255, 0, 255)), np.uint8)
_DIVERGING = ((12, 44, 110), (74, 132, 200), (255, 255, 255), (222, 120, 76), (120, 14, 34))
_SHARE_IN_RANGE = 0.995
_TARGET_SIDE_PIXELS = 1024
_MAX_MAGNIFICATION = 32


@dataclass(frozen=True)
class FilterLegend:
    """What is needed to read the picture; it is also in the PNG, as tEXt chunks `fovea.item` and so on.

    Each row is one `item`, `column` says what its cells are; with `column` null every cell is an item, row by row.
    `first` and `last` number the items of this page, from 0; pages count from 1. A weight of `low` has the colour at
    one end, 0 the middle (white; grey in colour), `high` the other; with scale "filter" each item has its own range and
    these are the widest. `clipped` is the share of weights beyond the ends, NaN is magenta. `panels` stand side by
    side, the left one first. Cells are `cell_height` x `cell_width` pixels, `magnification` per weight, with `gutter`
    between them.
    """

    item: str
    column: str | None
    colours: Literal["rgb", "diverging"]
    scale: Literal["layer", "filter"]
    low: float
    high: float
    clipped: float
    panels: tuple[str, ...]
    first: int
    last: int
    page: int
    pages: int
    columns: int
    cell_height: int
    cell_width: int
    magnification: int
    gutter: int


@dataclass(frozen=True)
class FilterPicture:
    png: bytes
    legend: FilterLegend


@dataclass(frozen=True)
class Panel:
    """One version's cells: [items, columns, height, width], in colour with RGB behind."""

    title: str
    cells: np.ndarray


@dataclass(frozen=True)
class _Page:
    """Which items are shown, and how the cells of one panel lie."""

    shown: slice
    pages: int
    rows: int
    columns: int
    magnification: int

    @property
    def gutter(self) -> int:
        return max(1, self.magnification // 5)


def filter_picture(
    panels: Sequence[Panel], *, item: str, column: str | None, scale: Literal["layer", "filter"], page: int
) -> FilterPicture:
    """Items row by row; with `column` None they are one cell each, in a near-square grid.

    All panels have one shape and one scale: "layer" holds 99.5 % of all panels' weights (all, up to 200), "filter" the
    largest of each item. Raises InvalidParameterError for a page that does not exist or cells without values.
    512x512x3x3 takes 0.4 s.
    """
    every = [panel.cells for panel in panels]
    shown = _page(every, wrapped=column is None, page=page)
    reach = _reach(every, scale)
    pictures = [_tiled(_inked(cells[shown.shown], reach[shown.shown]), shown) for cells in every]
    legend = FilterLegend(
        item=item,
        column=column,
        colours="rgb" if every[0].ndim == 5 else "diverging",
        scale=scale,
        low=-float(reach.max()),
        high=float(reach.max()),
        clipped=_clipped(every, reach),
        panels=tuple(panel.title for panel in panels),
        first=shown.shown.start,
        last=shown.shown.stop - 1,
        page=page,
        pages=shown.pages,
        columns=shown.columns,
        cell_height=every[0].shape[2] * shown.magnification,
        cell_width=every[0].shape[3] * shown.magnification,
        magnification=shown.magnification,
        gutter=shown.gutter,
    )
    return FilterPicture(_png(_side_by_side(pictures), legend), legend)


def _page(every: Sequence[np.ndarray], *, wrapped: bool, page: int) -> _Page:
    """Whole items, about 4 million pixels; the largest whole magnification within about 1024 pixels a side."""
    items, across, height, width = every[0].shape[:4]
    if not every[0].size:
        raise InvalidParameterError("layer", f"{items}x{across}x{height}x{width}", "ask for a layer that has weights")
    row_pixels = len(every) * (1 if wrapped else across) * (width + 1)
    if not wrapped and row_pixels > MAX_WIDTH:
        raise InvalidParameterError("format", "png", f"it would be {row_pixels:,} pixels wide; ask for npz")
    per_page = min(items, max(1, PIXELS_PER_PAGE // (row_pixels * (height + 1))))
    pages = math.ceil(items / per_page)
    if page not in range(1, pages + 1):
        raise InvalidParameterError("page", page, f"there are pages 1 to {pages}")
    shown = slice((page - 1) * per_page, min(page * per_page, items))
    columns = math.ceil(math.sqrt(per_page * (height + 1) / (width + 1))) if wrapped else across
    rows = math.ceil((shown.stop - shown.start) / columns) if wrapped else shown.stop - shown.start
    sides = (_TARGET_SIDE_PIXELS // (columns * len(every)) - 1) // width, (_TARGET_SIDE_PIXELS // rows - 1) // height
    return _Page(shown, pages, rows, columns, max(1, min(*sides, _MAX_MAGNIFICATION)))


def _reach(every: Sequence[np.ndarray], scale: str) -> np.ndarray:
    """The magnitude at the ends of the scale, one per item."""
    count = len(every[0])
    if scale == "filter":
        flat = [np.abs(np.where(np.isfinite(cells), cells, 0)).reshape(count, -1).max(axis=1) for cells in every]
        reach = np.maximum.reduce(flat).astype(np.float64)
    else:
        magnitudes = np.concatenate([np.abs(cells[np.isfinite(cells) & (cells != 0)]) for cells in every])
        largest = np.quantile(magnitudes, _SHARE_IN_RANGE, method="higher") if magnitudes.size else 0.0
        reach = np.full(count, float(largest))
    without_zero: np.ndarray = np.where(reach == 0, 1.0, reach)
    return without_zero


def _clipped(every: Sequence[np.ndarray], reach: np.ndarray) -> float:
    ends = reach.reshape(-1, *(1,) * (every[0].ndim - 1))
    return float(np.mean([(np.abs(cells) > ends).mean() for cells in every]))


def _inked(cells: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Palette indices, [items, columns, height, width]; in colour the colours themselves."""
    parts = np.clip(cells / reach.reshape(-1, *(1,) * (cells.ndim - 1)), -1, 1)  # the scale's ends are -1 and 1
    missing = ~np.isfinite(parts)
    parts = np.where(missing, 0, parts)
    if cells.ndim == 5:
        colours = np.rint(127.5 + 127.5 * parts).astype(np.uint8)
        colours[missing.any(axis=-1)] = _SPECIAL_COLOURS[_NOT_A_NUMBER]
        return colours
    levels = _FIRST_LEVEL + np.rint((parts + 1) / 2 * (_LEVELS - 1))
    return np.where(missing, _NOT_A_NUMBER, levels).astype(np.uint8)


def _tiled(cells: np.ndarray, page: _Page) -> np.ndarray:
    """Cells row by row with a gutter around each."""
    large = cells.reshape(-1, *cells.shape[2:]).repeat(page.magnification, axis=1).repeat(page.magnification, axis=2)
    count, height, width, *colour = large.shape
    step_y, step_x = height + page.gutter, width + page.gutter
    framed = np.empty((page.rows * page.columns, step_y, step_x, *colour), np.uint8)
    framed[...] = _paint(_GUTTER, colour)
    framed[:count, page.gutter :, page.gutter :] = large
    grid = framed.reshape(page.rows, page.columns, step_y, step_x, *colour).swapaxes(1, 2)
    flat = grid.reshape(page.rows * step_y, page.columns * step_x, *colour)
    tiled = np.empty((flat.shape[0] + page.gutter, flat.shape[1] + page.gutter, *colour), np.uint8)
    tiled[...] = _paint(_GUTTER, colour)
    tiled[: flat.shape[0], : flat.shape[1]] = flat
    return tiled


def _side_by_side(pictures: Sequence[np.ndarray]) -> np.ndarray:
    height, width, *colour = pictures[0].shape
    bar = np.empty((height, max(8, width // 64), *colour), np.uint8)
    bar[...] = _paint(_BETWEEN, colour)
    return np.concatenate([part for picture in pictures for part in (bar, picture)][1:], axis=1)


def _paint(special: int, colour: Sequence[int]) -> np.ndarray:
    """A special colour as an RGB picture has it, or its index in the palette."""
    return _SPECIAL_COLOURS[special] if colour else np.array(special, np.uint8)


def _png(pixels: np.ndarray, legend: FilterLegend) -> bytes:
    image = Image.fromarray(pixels)
    if pixels.ndim == 2:
        image.putpalette(_palette())
    text = PngInfo()
    for key, value in asdict(legend).items():
        text.add_text(f"fovea.{key}", str(value))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1, pnginfo=text)
    return buffer.getvalue()


def _palette() -> bytes:
    ramp = np.array(_DIVERGING, np.float64)
    positions = np.linspace(0, len(ramp) - 1, _LEVELS)
    levels = np.stack([np.rint(np.interp(positions, range(len(ramp)), channel)) for channel in ramp.T], axis=1)
    return np.vstack([_SPECIAL_COLOURS, levels]).astype(np.uint8).tobytes()
