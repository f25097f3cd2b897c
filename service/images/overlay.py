"""One map as a coloured layer over the picture that the network received, each cell where the network looked.

Knows no model: where the cells lie is told as a `Placement`, which `service.inspection.maps.placement` works out.
"""

from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from service.arrays import Pixels
from service.images.colours import (
    NOT_A_NUMBER,
    Colormap,
    Mode,
    Scale,
    clipped_share,
    colour_range,
    mode_of,
    palette,
    palette_indices,
)
from service.images.png import rgb_png

_TARGET_SIDE_PIXELS = 672  # 3 x 224: twice the size of most networks' pictures is small on a page, four times is heavy
_OPACITY = 0.5

_Positions = Float[np.ndarray, "_"]  # along one axis
_Flags = Bool[np.ndarray, "_"]
_Map = Float[np.ndarray, "rows columns"]
_Spread = Float[np.ndarray, "height width"]


@dataclass(frozen=True)
class Placement:
    """Where a map's cells lie on the received picture, per axis (down, across), in its pixels.

    Cell t is centred at `centre + t * jump` and `jump` wide; pixel p's own centre is p, so that it covers p - 1/2 to
    p + 1/2.
    """

    centre: tuple[float, float]
    jump: tuple[float, float]


@dataclass(frozen=True)
class OverlayLegend:
    """What is needed to read an overlay; it is also in the PNG, as tEXt chunks `fovea.mode`, `fovea.low` and so on.

    `low` and `high` are the values at the ends of the colour map, `clipped` is the share of the map beyond them. Cell
    (y, x) begins at (`top` + y * `cell_height`, `left` + x * `cell_width`) in pixels of this picture, which may lie
    outside it; each pixel that the network received is `magnification` of these wide.
    """

    title: str
    mode: Mode
    low: float
    high: float
    colormap: Colormap
    clipped: float
    opacity: float
    smooth: bool
    rows: int
    columns: int
    top: float
    left: float
    cell_height: float
    cell_width: float
    magnification: int


@dataclass(frozen=True)
class Overlay:
    """An RGB PNG and its legend."""

    png: bytes
    legend: OverlayLegend


def overlay(
    picture: Pixels,
    values: _Map,
    placement: Placement,
    *,
    scale: Scale = "layer",
    smooth: bool = False,
    title: str = "",
) -> Overlay:
    """`values` half-transparent over `picture`, enlarged by a whole factor to at most 672 pixels or left as it is.

    The colours and `scale` are those of `pictures.grid`. Every cell is a rectangle of one colour; `smooth` goes from
    centre to centre instead (bilinear). The picture shows through alone where no cell lies: at an edge that the
    network's steps do not reach. It is shown in grey, so that every colour means a value. A value that is no number is
    magenta. 672x672 takes 40 ms.
    """
    colormap, lows, highs = colour_range(values[None], scale)
    magnification = max(1, _TARGET_SIDE_PIXELS // max(picture.shape[:2]))
    down, across = (
        _positions(side, magnification, centre, jump)
        for side, centre, jump in zip(picture.shape[:2], placement.centre, placement.jump, strict=True)
    )
    spread = (_smooth if smooth else _nearest)(values, down, across)
    indices = palette_indices(spread[None], lows, highs)[0]
    legend = OverlayLegend(
        title=title,
        mode=mode_of(scale),
        low=float(lows.min()),
        high=float(highs.max()),
        colormap=colormap,
        clipped=clipped_share(values[None], lows, highs),
        opacity=_OPACITY,
        smooth=smooth,
        rows=values.shape[0],
        columns=values.shape[1],
        **_geometry(placement, magnification),
        magnification=magnification,
    )
    within = np.logical_and.outer(_within(down, values.shape[0]), _within(across, values.shape[1]))
    grey = _grey(picture).repeat(magnification, axis=0).repeat(magnification, axis=1)
    return Overlay(rgb_png(_blended(grey, indices, within, colormap), asdict(legend)), legend)


def _positions(side: int, magnification: int, centre: float, jump: float) -> _Positions:
    """Each shown pixel's centre along one axis, in cells: 0 is the first cell's centre."""
    pixels = (np.arange(side * magnification) + 0.5) / magnification - 0.5
    positions: _Positions = (pixels - centre) / jump
    return positions


def _within(positions: _Positions, cells: int) -> _Flags:
    return np.asarray((positions >= -0.5) & (positions < cells - 0.5))


def _nearest(values: _Map, down: _Positions, across: _Positions) -> _Spread:
    rows, columns = (
        np.clip(np.floor(along + 0.5), 0, count - 1).astype(np.intp)
        for along, count in zip((down, across), values.shape, strict=True)
    )
    return values[np.ix_(rows, columns)]


def _smooth(values: _Map, down: _Positions, across: _Positions) -> _Spread:
    """Bilinear between the cells' centres; between the outermost centre and the edge of its cell, its value."""
    rows, below = _neighbours(down, values.shape[0])
    columns, right = _neighbours(across, values.shape[1])
    with np.errstate(invalid="ignore", over="ignore"):
        along = values[rows] * (1 - below)[:, None] + values[rows + (below > 0)] * below[:, None]
        return np.asarray(along[:, columns] * (1 - right) + along[:, columns + (right > 0)] * right)


def _neighbours(positions: _Positions, cells: int) -> tuple[np.ndarray, _Positions]:
    """The cell before each position and how far it is to the next one, from 0 to 1."""
    inside = np.clip(positions, 0, cells - 1)
    before = np.floor(inside).astype(np.intp)
    return before, inside - before


def _blended(
    grey: UInt8[np.ndarray, "height width"],
    indices: UInt8[np.ndarray, "height width"],
    within: Bool[np.ndarray, "height width"],
    colormap: Colormap,
) -> Pixels:
    opacity = np.where(indices == NOT_A_NUMBER, 1.0, _OPACITY) * within
    colours = palette(colormap)[indices]
    mixed = grey[:, :, None] * (1 - opacity)[:, :, None] + colours * opacity[:, :, None]
    return np.asarray(np.rint(mixed), np.uint8)


def _grey(picture: Pixels) -> UInt8[np.ndarray, "height width"]:
    """Luma of ITU-R BT.601, as Pillow's mode L."""
    if picture.shape[2] == 1:
        return picture[:, :, 0]
    return np.asarray(np.rint(picture @ np.array([0.299, 0.587, 0.114])), np.uint8)


def _geometry(placement: Placement, magnification: int) -> dict[str, float]:
    """Where the first cell begins and how large cells are, in shown pixels."""
    top, left = (
        (centre - jump / 2 + 0.5) * magnification for centre, jump in zip(placement.centre, placement.jump, strict=True)
    )
    height, width = (jump * magnification for jump in placement.jump)
    return {"top": top, "left": left, "cell_height": height, "cell_width": width}
