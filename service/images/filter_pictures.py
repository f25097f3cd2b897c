"""Kernels as a PNG: rows of small cells on one stated scale, in colour or from blue over white (zero) to red.

Knows no model and no HTTP. Every number a legend needs is in the answer and in the PNG itself.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.errors import InvalidParameterError

PIXELS_PER_PAGE = 4_000_000
MAX_WIDTH = 32_768

# Cells of one picture: [rows, columns, height, width], or in colour [rows, columns, height, width, 3 (RGB)].
Cells = Float[np.ndarray, "rows columns height width *colour"]
_Rgb = UInt8[np.ndarray, "_ _ 3"]

_GUTTER, _BETWEEN, _NOT_A_NUMBER = (128, 128, 128), (255, 255, 255), (255, 0, 255)
_DIVERGING = ((12, 44, 110), (74, 132, 200), (255, 255, 255), (222, 120, 76), (120, 14, 34))
_SHARE_IN_RANGE = 0.995
_TARGET_SIDE_PIXELS = 1024
_MAX_MAGNIFICATION = 32


@dataclass(frozen=True)
class FilterLegend:
    """What is needed to read the picture; it is also in the PNG, as tEXt chunks `fovea.row` and so on.

    A weight of `low` has the colour at one end, 0 the middle (white, or grey in colour), `high` the other end; with
    scale "filter" each row of filters has its own and these are the widest. `clipped` is the share of weights beyond
    the ends. `panels` are side by side, left first, with a white bar between. Cells are `cell_height` x `cell_width`
    pixels, `magnification` pixels a weight, with one grey pixel between. Pages count from 1.
    """

    row: str
    column: str
    colours: Literal["rgb", "diverging"]
    scale: Literal["layer", "filter"]
    low: float
    high: float
    clipped: float
    panels: tuple[str, ...]
    first_filter: int
    last_filter: int
    page: int
    pages: int
    columns: int
    cell_height: int
    cell_width: int
    magnification: int


@dataclass(frozen=True)
class FilterPicture:
    png: bytes
    legend: FilterLegend


@dataclass(frozen=True)
class Panel:
    """One version's cells, [filters, columns, height, width(, 3)]. `column` says what a column is, None: wrapped."""

    title: str
    cells: np.ndarray


def filter_picture(
    panels: Sequence[Panel], *, column: str | None, scale: Literal["layer", "filter"], page: int
) -> FilterPicture:
    """Filters row by row; with `column` None they are one cell each and wrapped into a near-square grid.

    All panels have one shape and one scale: "layer" holds 99.5 % of all panels' weights (all, up to 200), "filter" the
    largest of each filter. Raises InvalidParameterError for a page that does not exist or cells without values.
    """
    first = panels[0].cells
    if not first.size:
        raise InvalidParameterError("layer", "x".join(map(str, first.shape)), "ask for a layer that has weights")
    width = first.shape[1] * (first.shape[3] + 1) * len(panels)
    if column is not None and width > MAX_WIDTH:
        raise InvalidParameterError("format", "png", f"it would be {width:,} pixels wide; ask for npz")
    per_page, pages = _paging(first, len(panels), column)
    if page not in range(1, pages + 1):
        raise InvalidParameterError("page", page, f"these filters have pages 1 to {pages}")
    shown = slice((page - 1) * per_page, min(page * per_page, len(first)))
    reach = _reach([panel.cells for panel in panels], scale)
    columns = first.shape[1] if column is not None else math.ceil(math.sqrt(min(per_page, len(first))))
    rows = shown.stop - shown.start if column is not None else math.ceil((shown.stop - shown.start) / columns)
    magnification = _magnification(rows, columns * len(panels), first.shape[2], first.shape[3])
    pictures = [_tiled(_coloured(panel.cells[shown], reach[shown]), rows, columns, magnification) for panel in panels]
    legend = FilterLegend(
        row="filter" if column is not None else "filters, wrapped",
        column=column or "filters, wrapped",
        colours="rgb" if first.ndim == 5 else "diverging",
        scale=scale,
        low=-float(reach.max()),
        high=float(reach.max()),
        clipped=_clipped([panel.cells for panel in panels], reach),
        panels=tuple(panel.title for panel in panels),
        first_filter=shown.start,
        last_filter=shown.stop - 1,
        page=page,
        pages=pages,
        columns=columns,
        cell_height=first.shape[2] * magnification,
        cell_width=first.shape[3] * magnification,
        magnification=magnification,
    )
    return FilterPicture(_png(_side_by_side(pictures), legend), legend)


def _paging(cells: np.ndarray, panels: int, column: str | None) -> tuple[int, int]:
    """(filters on a page, pages): whole filters, about 4 million pixels."""
    pixels = panels * (cells.shape[1] if column is not None else 1) * (cells.shape[2] + 1) * (cells.shape[3] + 1)
    per_page = max(1, PIXELS_PER_PAGE // pixels)
    return per_page, math.ceil(len(cells) / per_page)


def _reach(every: Sequence[np.ndarray], scale: str) -> np.ndarray:
    """The magnitude at the ends of the scale, one per filter."""
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


def _magnification(rows: int, columns: int, height: int, width: int) -> int:
    """The largest whole one that keeps the picture within about 1024 pixels a side."""
    fitting = min((_TARGET_SIDE_PIXELS // columns - 1) // width, (_TARGET_SIDE_PIXELS // rows - 1) // height)
    return max(1, min(fitting, _MAX_MAGNIFICATION))


def _coloured(cells: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """[filters, columns, height, width, 3] of uint8."""
    # From -1 to 1.
    parts = np.clip(cells / reach.reshape(-1, *(1,) * (cells.ndim - 1)), -1, 1)
    missing = ~np.isfinite(parts)
    parts = np.where(missing, 0, parts)
    if cells.ndim == 5:
        colours = np.rint(127.5 + 127.5 * parts)
        missing = missing.any(axis=-1)
    else:
        ramp = np.array(_DIVERGING, np.float64)
        anchors = np.linspace(-1, 1, len(ramp))
        colours = np.stack([np.rint(np.interp(parts, anchors, channel)) for channel in ramp.T], axis=-1)
    colours[missing] = _NOT_A_NUMBER
    return colours.astype(np.uint8)


def _tiled(cells: np.ndarray, rows: int, columns: int, magnification: int) -> _Rgb:
    """Cells row by row with one pixel of gutter around each."""
    large = cells.reshape(-1, *cells.shape[2:]).repeat(magnification, axis=1).repeat(magnification, axis=2)
    count, height, width, _ = large.shape
    framed = np.full((rows * columns, height + 1, width + 1, 3), _GUTTER, np.uint8)
    framed[:count, 1:, 1:] = large
    page = framed.reshape(rows, columns, height + 1, width + 1, 3).swapaxes(1, 2)
    flat = page.reshape(rows * (height + 1), columns * (width + 1), 3)
    return np.pad(flat, ((0, 1), (0, 1), (0, 0)), constant_values=_GUTTER[0])


def _side_by_side(pictures: Sequence[np.ndarray]) -> _Rgb:
    height = pictures[0].shape[0]
    bar = np.full((height, max(8, pictures[0].shape[1] // 64), 3), _BETWEEN, np.uint8)
    parts = [part for picture in pictures for part in (bar, picture)]
    return np.concatenate(parts[1:], axis=1)


def _png(pixels: _Rgb, legend: FilterLegend) -> bytes:
    text = PngInfo()
    for key, value in asdict(legend).items():
        text.add_text(f"fovea.{key}", str(value))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=6, pnginfo=text)
    return buffer.getvalue()
