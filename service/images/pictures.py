"""Arrays to PNG pictures: a grid of feature maps on a stated colour scale, and plain pixels.

Knows no model and no HTTP. Every number a legend needs is in the answer and in the PNG itself.
"""

import io
import math
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.arrays import FeatureMaps, Pixels
from service.errors import InvalidParameterError

CHANNELS_PER_PAGE = 512
PIXELS_PER_PAGE = 4_000_000

Scale = Literal["layer", "channel"] | tuple[float, float]
Mode = Literal["layer", "channel", "fixed"]
Colormap = Literal["diverging", "sequential"]
_PaletteIndices = UInt8[np.ndarray, "_ _ _"]
_Bounds = Float64[np.ndarray, "_ 1 1"]

_GUTTER, _NOT_A_NUMBER, _HATCH_LIGHT, _HATCH_DARK = range(4)
_FIRST_LEVEL = 4
_LEVELS = 251  # odd, so that one level is exactly the middle: white is zero and nothing else
_SPECIAL_COLOURS = ((128, 128, 128), (255, 0, 255), (214, 214, 214), (160, 160, 160))

# Lightness grows (falls away from the middle) steadily in both, and neither needs red told from green.
_ANCHORS: dict[Colormap, tuple[tuple[int, int, int], ...]] = {
    "sequential": ((24, 10, 58), (54, 50, 124), (36, 104, 142), (28, 152, 134), (110, 198, 92), (252, 232, 60)),
    "diverging": ((12, 44, 110), (74, 132, 200), (255, 255, 255), (222, 120, 76), (120, 14, 34)),
}

_SHARE_IN_RANGE = 0.995
_TARGET_SIDE_PIXELS = 1024
_MAX_MAGNIFICATION = 64
_DEFLATE_LEVEL = 1


@dataclass(frozen=True)
class Legend:
    """What is needed to read a grid; it is also in the PNG, as tEXt chunks `fovea.mode`, `fovea.low` and so on.

    `low` and `high` are the values at the ends of the colour map. With mode "channel" every channel has its own range
    and these are the outermost two. `clipped` is the share of the layer's values beyond the ends. Cells are
    `cell_height` x `cell_width` pixels, `magnification` pixels a value, row by row in channel order with one pixel
    between them. Channels count from 0, pages from 1.
    """

    mode: Mode
    low: float
    high: float
    colormap: Colormap
    clipped: float
    page: int
    pages: int
    first_channel: int
    last_channel: int
    columns: int
    cell_height: int
    cell_width: int
    magnification: int


@dataclass(frozen=True)
class Grid:
    """One page of channels as a palette PNG, and its legend."""

    png: bytes
    legend: Legend


def grid(maps: FeatureMaps, *, scale: Scale = "layer", page: int = 1) -> Grid:
    """The channels of one layer side by side, near-square. A dense layer is given as [units, 1, 1].

    `scale`: "layer" gives all channels one range that holds 99.5 % of the values (a faint channel looks faint),
    "channel" each its own from smallest to largest (its pattern shows), (low, high) a given one (two pictures can be
    compared). Where the range reaches below zero the colours diverge from white at zero and the range is made
    symmetric; else they go from dark to light, on "layer" from zero. Values outside are shown as the nearest end,
    NaN and infinity magenta, a channel of nothing but zeros hatched.

    A page has at most 512 channels and about 4 million pixels; no channel is left out, `pages` says how many there are.
    Raises InvalidParameterError for an empty layer, a page that does not exist, or a range that is not one.
    96x55x55 takes 22 ms, 64x224x224 0.25 s.
    """
    channels, height, width = maps.shape
    if not maps.size:
        raise InvalidParameterError("layer", f"{channels}x{height}x{width}", "ask for a layer that has values")
    per_page = min(channels, CHANNELS_PER_PAGE, max(1, PIXELS_PER_PAGE // ((height + 1) * (width + 1))))
    pages = math.ceil(channels / per_page)
    if page not in range(1, pages + 1):
        raise InvalidParameterError("page", page, f"this layer has pages 1 to {pages}")
    shown = slice((page - 1) * per_page, min(page * per_page, channels))

    colormap, lows, highs = _range(maps, scale)
    columns, magnification = _layout(per_page, height, width)
    cells = _cells(maps[shown], lows[shown], highs[shown], magnification)
    legend = Legend(
        mode=scale if isinstance(scale, str) else "fixed",
        low=float(lows.min()),
        high=float(highs.max()),
        colormap=colormap,
        clipped=float(((maps < lows) | (maps > highs)).mean()),
        page=page,
        pages=pages,
        first_channel=shown.start,
        last_channel=shown.stop - 1,
        columns=columns,
        cell_height=height * magnification,
        cell_width=width * magnification,
        magnification=magnification,
    )
    return Grid(_palette_png(_tiled(cells, columns), legend), legend)


def rgb_png(pixels: Pixels) -> bytes:
    """Plain pixels, [height, width, 1 or 3], as a PNG."""
    return _png(Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels), PngInfo())


def _range(maps: FeatureMaps, scale: Scale) -> tuple[Colormap, _Bounds, _Bounds]:
    """The colour map and the values at its two ends, for each channel."""
    lows, highs = _extremes(maps)
    if isinstance(scale, tuple):
        low, high = scale
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InvalidParameterError("scale", scale, "give two finite numbers, the lower one first")
        lows, highs = np.full_like(lows, low), np.full_like(highs, high)
    elif scale == "layer":
        reach = _reach(maps)
        lows, highs = np.full_like(lows, -reach if lows.min() < 0 else 0), np.full_like(highs, reach)
    if lows.min() >= 0:
        return "sequential", lows, highs
    bounds = np.maximum(-lows, highs)
    bounds[bounds == 0] = 1
    return "diverging", -bounds, bounds


def _reach(maps: FeatureMaps) -> float:
    """The magnitude that 99.5 % of the values other than zero do not exceed: one glaring unit must not darken the rest.

    Up to 200 values it is the largest one.
    """
    magnitudes = np.abs(maps[np.isfinite(maps) & (maps != 0)])
    return float(np.quantile(magnitudes, _SHARE_IN_RANGE, method="higher")) if magnitudes.size else 0.0


def _extremes(maps: FeatureMaps) -> tuple[_Bounds, _Bounds]:
    """The smallest and largest finite value of each channel; 0 where it has none."""
    finite = np.isfinite(maps)
    lows = maps.min(axis=(1, 2), keepdims=True, where=finite, initial=np.inf).astype(np.float64)
    highs = maps.max(axis=(1, 2), keepdims=True, where=finite, initial=-np.inf).astype(np.float64)
    return np.where(np.isfinite(lows), lows, 0.0), np.where(np.isfinite(highs), highs, 0.0)


def _layout(cells: int, height: int, width: int) -> tuple[int, int]:
    """Columns of a near-square grid, and the largest whole magnification that keeps it within 1024 pixels a side."""
    columns = min(cells, math.ceil(math.sqrt(cells * (height + 1) / (width + 1))))
    rows = math.ceil(cells / columns)
    fitting = min((_TARGET_SIDE_PIXELS // columns - 1) // width, (_TARGET_SIDE_PIXELS // rows - 1) // height)
    return columns, max(1, min(fitting, _MAX_MAGNIFICATION))


def _cells(maps: FeatureMaps, lows: _Bounds, highs: _Bounds, magnification: int) -> _PaletteIndices:
    """Each value as a square of one palette index."""
    with np.errstate(over="ignore", invalid="ignore"):  # float64 layers may span more than float64 holds
        spans = np.where(highs > lows, highs - lows, 1)
        shares = np.clip((maps - lows) / spans, 0, 1)
    shown = np.isfinite(maps) & np.isfinite(shares)
    levels = _FIRST_LEVEL + np.rint(np.where(shown, shares, 0) * (_LEVELS - 1))
    indices = np.where(shown, levels, _NOT_A_NUMBER).astype(np.uint8)
    cells = indices.repeat(magnification, axis=1).repeat(magnification, axis=2)
    cells[~maps.any(axis=(1, 2))] = _hatching(cells.shape[1], cells.shape[2])
    return cells


def _hatching(height: int, width: int) -> UInt8[np.ndarray, "height width"]:
    diagonal = np.add.outer(np.arange(height), np.arange(width)) % 6
    return np.where(diagonal < 2, _HATCH_DARK, _HATCH_LIGHT).astype(np.uint8)


def _tiled(cells: _PaletteIndices, columns: int) -> UInt8[np.ndarray, "_ _"]:
    """Cells row by row with one pixel of gutter between them."""
    count, height, width = cells.shape
    rows = math.ceil(count / columns)
    framed = np.full((rows * columns, height + 1, width + 1), _GUTTER, np.uint8)
    framed[:count, :height, :width] = cells
    page = framed.reshape(rows, columns, height + 1, width + 1).swapaxes(1, 2)
    return page.reshape(rows * (height + 1), columns * (width + 1))[:-1, :-1]


def _palette(colormap: Colormap) -> bytes:
    anchors = np.array(_ANCHORS[colormap], np.float64)
    positions = np.linspace(0, len(anchors) - 1, _LEVELS)
    ramp = np.stack([np.interp(positions, range(len(anchors)), channel) for channel in anchors.T], axis=1)
    return np.vstack([_SPECIAL_COLOURS, np.rint(ramp)]).astype(np.uint8).tobytes()


def _palette_png(indices: UInt8[np.ndarray, "_ _"], legend: Legend) -> bytes:
    image = Image.fromarray(indices)
    image.putpalette(_palette(legend.colormap))
    text = PngInfo()
    for key, value in asdict(legend).items():
        text.add_text(f"fovea.{key}", str(value))
    return _png(image, text)


def _png(image: Image.Image, text: PngInfo) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=_DEFLATE_LEVEL, pnginfo=text)
    return buffer.getvalue()
